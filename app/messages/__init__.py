"""Events from the relay to subscribers: payloads and messages, names in Redis, publishing and subscribing.

The relay's process is in `processes/`; `services/live.py` decides who receives what.
"""
