"""Logs, metrics and traces of transfers.

The counters, the log's format and the tracer themselves are in `telemetry/`.
"""
