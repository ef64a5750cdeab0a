"""Export of spans to an OTLP collector over HTTP, in the background. Imported only if tracing is on."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from app import __version__
from app.settings import COMMIT_LIMIT, Settings

_EXPORT_SECONDS = 3
_DELAY_MILLISECONDS = 1000
_MAX_WAITING_SPANS = 4096
"""Spans that wait for the collector. Past it new spans are dropped, and the exporter logs it."""


def provider(settings: Settings, service: str) -> TracerProvider:
    """Returns the SDK's provider for this process. It sends spans in its own thread and never delays the traced code."""
    assert settings.otlp_endpoint is not None
    headers = None if settings.otlp_headers is None else settings.otlp_headers.get_secret_value()
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces",
        headers=dict(pair.split("=", 1) for pair in headers.split(",")) if headers else None,
        timeout=_EXPORT_SECONDS,
        compression=Compression.Gzip,
    )
    tracer_provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace_sample)),
        resource=Resource.create(
            {
                "service.name": service,
                "service.version": __version__,
                "deployment.environment.name": settings.environment,
            }
        ),
        # A batch's span has a link to each of its members.
        span_limits=SpanLimits(max_span_attribute_length=4000, max_links=COMMIT_LIMIT),
        shutdown_on_exit=False,
    )
    processor = BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY_MILLISECONDS, max_queue_size=_MAX_WAITING_SPANS)
    tracer_provider.add_span_processor(processor)
    return tracer_provider
