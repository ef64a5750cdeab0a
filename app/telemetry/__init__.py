"""Logs, metrics and traces, and what must not be in them.

What is logged and counted of each transfer is in `services/transfer_telemetry/`.
"""
