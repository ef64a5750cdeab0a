"""Where spans go: an OTLP collector over HTTP, in the background. Imported by those who trace alone."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from app import __version__
from app.settings import Settings

_EXPORT_SECONDS = 3
_DELAY_MILLISECONDS = 1000
_MOST_WAITING = 4096
"""Spans that wait for the collector; past it the newest are dropped, and it is told in the log."""


def provider(settings: Settings, service: str) -> TracerProvider:
    """The SDK, set up for this process. It sends in a thread of its own, and never holds up what it tells of."""
    assert settings.otlp_endpoint is not None
    headers = None if settings.otlp_headers is None else settings.otlp_headers.get_secret_value()
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces",
        headers=dict(pair.split("=", 1) for pair in headers.split(",")) if headers else None,
        timeout=_EXPORT_SECONDS,
        compression=Compression.Gzip,
    )
    made = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace_sample)),
        resource=Resource.create(
            {
                "service.name": service,
                "service.version": __version__,
                "deployment.environment.name": settings.environment,
            }
        ),
        # As many links as a batch has members.
        span_limits=SpanLimits(max_span_attribute_length=4000, max_links=settings.transfer_commit_limit),
        shutdown_on_exit=False,
    )
    processor = BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY_MILLISECONDS, max_queue_size=_MOST_WAITING)
    made.add_span_processor(processor)
    return made
