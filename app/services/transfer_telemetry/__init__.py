"""What is logged, counted and traced of transfers.

The counters, the log's format and the tracer themselves are in `telemetry/`.
"""
