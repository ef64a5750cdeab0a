"""What the relay publishes and subscribers receive: events, their names in Redis, publishing and subscribing.

The relay's process is in `processes/`; who receives what is decided in `services/live.py`.
"""
