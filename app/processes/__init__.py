"""The processes: the API with its workers, and the outbox relay. How they start, answer probes and stop.

The ASGI application is in `main.py`; commands are in `cli.py`.
"""
