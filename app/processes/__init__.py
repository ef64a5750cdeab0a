"""What runs: the API with its workers, and the outbox relay; how they start, answer probes and stop.

The application that the API runs is `main.py`; commands are in `cli.py`.
"""
