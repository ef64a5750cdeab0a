"""Limits per caller: request rates, their sharing between processes, and the arithmetic of quotas.

Limits on a request's size and time are in `http/`; query cost is in `schema/engine/`.
"""
