"""Tracing: a trace follows a transfer from its request to the sockets of its subscribers.

Off unless PAYCORE_OTLP_ENDPOINT names a collector. While it is off, these functions return at once and the exporter is not
imported. A span may hold only what a log line may (`app/telemetry/privacy.py`). Automatic instrumentation is not used because
it sends URLs, headers and error messages. The reasons are in docs/decisions/0008-tracing.md.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from opentelemetry import context as propagation
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.settings import Settings
from app.telemetry import logs

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

Attribute = str | int | float | bool | Sequence[str]

_FLUSH_SECONDS = 2.0
"""How long a stopping process waits for the collector to take the last spans."""
_MAX_DELIVERY_SPANS = 8
"""Spans per message and process for deliveries to subscribers: a wallet may have thousands of subscribers."""
_MAX_MESSAGES = 1000
"""Messages whose delivery spans are counted at once."""
_W3C = TraceContextTextMapPropagator()


class _Process:
    """The tracing state of the process. Tracing is off if `tracer` is None."""

    provider: TracerProvider | None = None
    tracer: Tracer | None = None
    delivered: OrderedDict[str, int] = OrderedDict()  # noqa: RUF012 - one for each process, like the rest


def start(settings: Settings, service: str) -> None:
    """Turn tracing on if the settings name a collector. `service` is the process's `service.name` there."""
    if settings.otlp_endpoint is not None:
        # Imported here because the SDK and the exporter are only needed if tracing is on.
        _Process.provider = import_module("app.telemetry.trace_export").provider(settings, service)
        _Process.tracer = _Process.provider.get_tracer("paycore")


async def stop() -> None:
    """Send the remaining spans. Returns after `_FLUSH_SECONDS` at the latest, also if the collector is unreachable."""
    provider, _Process.provider, _Process.tracer = _Process.provider, None, None
    if provider is None:
        return
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        if not loop.is_closed():
            loop.call_soon_threadsafe(done.set)

    # A daemon thread: the process would wait for a thread of the loop's executor.
    threading.Thread(target=shut_down, name="last-spans", daemon=True).start()
    try:
        async with asyncio.timeout(_FLUSH_SECONDS):
            await done.wait()
    except TimeoutError:
        pass


def is_on() -> bool:
    return _Process.tracer is not None


@contextmanager
def request_span(
    name: str, parent: Context | None = None, *, attributes: Mapping[str, Attribute], kind: SpanKind = SpanKind.SERVER
) -> Iterator[Span | None]:
    """The span of a client's request or operation, from its arrival to its answer.

    It belongs to the trace in `parent` (default: the current context), and starts a new trace if there is none. If the trace is
    recorded, log lines in the block carry its id.
    """
    if _Process.tracer is None:
        yield None
        return
    current = get_current_span(parent).get_span_context()
    is_root = not current.is_valid
    if not is_root and parent is None and not current.trace_flags.sampled:
        yield None
        return
    span = _Process.tracer.start_span(name, parent, kind if is_root else SpanKind.INTERNAL, attributes)
    # Attached even if it is not sampled, so that the spans below it are not recorded either.
    token = propagation.attach(set_span_in_context(span))
    if span.is_recording():
        logs.bind(trace_id=f"{span.get_span_context().trace_id:032x}")
    else:
        logs.unbind("trace_id")
    try:
        yield span
    except BaseException as error:
        fail(span, error)
        raise
    finally:
        propagation.detach(token)
        if span.is_recording():
            span.set_attributes({f"paycore.{name}": value for name, value in logs.bound().items() if name != "trace_id"})
        span.end()


@contextmanager
def work_span(name: str, *, attributes: Mapping[str, Attribute]) -> Iterator[Span | None]:
    """The root of a trace of its own: work that no client's request is waiting for."""
    with request_span(name, Context(), attributes=attributes, kind=SpanKind.CONSUMER) as span:
        yield span


@contextmanager
def within(span: Span | None) -> Iterator[None]:
    """Make `span` the current one in the block and end it afterwards. If the block raises, the span is marked as failed."""
    if span is None:
        yield
        return
    token = propagation.attach(set_span_in_context(span))
    try:
        yield
    except BaseException as error:
        fail(span, error)
        raise
    finally:
        propagation.detach(token)
        span.end()


def start_span(
    name: str,
    parent: Span | str | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[SpanContext] = (),
    at: int | None = None,
    attributes: Mapping[str, Attribute] | None = None,
) -> Span | None:
    """Start a span below `parent` (a span, or another process's `traceparent`; default: the current span).

    Returns None if tracing is off or the trace is not recorded. `at` is in nanoseconds since 1970; default: now.
    """
    if _Process.tracer is None:
        return None
    context = context_of(parent) if isinstance(parent, str) else None if parent is None else set_span_in_context(parent)
    if not get_current_span(context).get_span_context().trace_flags.sampled:
        return None
    return _Process.tracer.start_span(name, context, kind, attributes, [Link(linked) for linked in links], at)


def traceparent(span: Span) -> str:
    """Returns the span's `traceparent` for another process (W3C Trace Context)."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def fail(span: Span, error: BaseException) -> None:
    """Mark the span as failed. Only the error's code or class is recorded: its message may quote text that users wrote."""
    code = getattr(error, "code", None) or getattr(error, "sqlstate", None)
    span.set_attribute("error.type", str(code or type(error).__name__))
    span.set_status(Status(StatusCode.ERROR))


def statement(summary: str, text: str, seconds: float, error: BaseException | None) -> None:
    """Record the span of a database statement that has just ended. `text` has placeholders, never parameter values."""
    end = time.time_ns()
    attributes = {"db.system.name": "postgresql", "db.query.summary": summary, "db.query.text": text}
    span = start_span(summary, kind=SpanKind.CLIENT, at=end - int(seconds * 1e9), attributes=attributes)
    if span is not None:
        if error is not None:
            fail(span, error)
        span.end(end)


@contextmanager
def delivery(trace: str | None, name: str, channel: str) -> Iterator[None]:
    """The span from a message's arrival at a subscriber of the channel until the subscriber's socket has taken the update.

    Only the first `_MAX_DELIVERY_SPANS` subscribers of a message have one.
    """
    if trace is None or _Process.tracer is None:
        yield
        return
    delivered = _Process.delivered
    message = f"{trace} {channel}"
    place = delivered[message] = delivered.pop(message, 0) + 1
    if len(delivered) > _MAX_MESSAGES:
        delivered.popitem(last=False)
    span = start_span(name, trace, kind=SpanKind.CONSUMER) if place <= _MAX_DELIVERY_SPANS else None
    try:
        yield
    finally:
        if span is not None:
            span.end()


def context_of(trace: str | None) -> Context:
    """Returns the context of a `traceparent`, or an empty one if it is None or invalid."""
    return Context() if trace is None else _W3C.extract({"traceparent": trace})
