"""A minimal OpenTelemetry collector for OTLP over HTTP that keeps the spans it receives."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan


@dataclass(frozen=True)
class Span:
    """A received span. Ids in hexadecimal, times in nanoseconds."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any] = field(compare=False)


@dataclass
class Collector:
    """The received spans, headers and bodies."""

    port: int
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The value for PAYCORE_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> list[Span]:
        """The spans with this name."""
        return [span for span in list(self.spans) if span.name == name]

    def of(self, trace: str) -> list[Span]:
        """The spans of one trace, by start time."""
        return sorted((span for span in list(self.spans) if span.trace == trace), key=lambda span: span.start)

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        """Store one export."""
        plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        request = ExportTraceServiceRequest.FromString(plain)
        for resource in request.resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for scope in resource.scope_spans:
                self.spans += [_span(service, span) for span in scope.spans]
        self.bodies.append(plain)
        self.headers.append(headers)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen on a free port of the loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(body, {name.lower(): value for name, value in self.headers.items()})
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _span(service: str, sent: SentSpan) -> Span:
    return Span(
        service=service,
        name=sent.name,
        kind=SentSpan.SpanKind.Name(sent.kind).removeprefix("SPAN_KIND_"),
        trace=sent.trace_id.hex(),
        id=sent.span_id.hex(),
        parent=sent.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in sent.links),
        start=sent.start_time_unix_nano,
        end=sent.end_time_unix_nano,
        failed=sent.status.code == 2,
        attributes={attribute.key: _value(attribute.value) for attribute in sent.attributes},
    )


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
