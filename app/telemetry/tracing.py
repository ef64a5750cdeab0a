"""Traces: one shows a transfer's whole life, from its request to its subscribers' sockets.

Off unless PAYCORE_OTLP_ENDPOINT names a collector: then everything here returns at once, and the exporter is not even
imported. A span may hold what a log line may (`app/telemetry/privacy.py`); that is why the spans are made here and not by
instrumentation that would send URLs, headers and the words of errors. docs/decisions/0008-tracing.md has the rest.
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
"""What a process that stops gives the collector to take the last spans."""
_MOST_DELIVERIES = 8
"""Subscribers of one process whose delivery of one message has a span: a wallet may have thousands."""
_REMEMBERED = 1000
_W3C = TraceContextTextMapPropagator()


class _Process:
    """What tracing is in this process; no tracer: off."""

    provider: TracerProvider | None = None
    tracer: Tracer | None = None
    delivered: OrderedDict[str, int] = OrderedDict()  # noqa: RUF012 - one for each process, like the rest


def start(settings: Settings, service: str) -> None:
    """Begin to trace where the settings name a collector. `service` is what this process is called there."""
    if settings.otlp_endpoint is not None:
        # Imported for those who trace alone.
        _Process.provider = import_module("app.telemetry.trace_export").provider(settings, service)
        _Process.tracer = _Process.provider.get_tracer("paycore")


async def stop() -> None:
    """Send what has not been sent yet, for as long as a stopping process may take. A collector that is away costs no more."""
    provider, _Process.provider, _Process.tracer = _Process.provider, None, None
    if provider is None:
        return
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        if not loop.is_closed():
            loop.call_soon_threadsafe(done.set)

    # A thread that the process does not wait for: the loop's own ones it would.
    threading.Thread(target=shut_down, name="last-spans", daemon=True).start()
    try:
        async with asyncio.timeout(_FLUSH_SECONDS):
            await done.wait()
    except TimeoutError:
        pass


def is_on() -> bool:
    """Whether this process traces at all."""
    return _Process.tracer is not None


@contextmanager
def entered(name: str, above: Context | None = None, *, attributes: Mapping[str, Attribute]) -> Iterator[Span | None]:
    """What a client asked for, from its coming in to its answer: a step of the trace in `above` (unset: of the current one).

    Where there is none it is the root of a new one. Log lines within carry the trace's id where it is recorded.
    """
    if _Process.tracer is None:
        yield None
        return
    current = get_current_span(above).get_span_context()
    is_root = not current.is_valid
    if not is_root and above is None and not current.trace_flags.sampled:
        yield None
        return
    span = _Process.tracer.start_span(name, above, SpanKind.SERVER if is_root else SpanKind.INTERNAL, attributes)
    # One that is not recorded is entered too: what happens within is then not recorded either.
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
def within(span: Span | None) -> Iterator[None]:
    """Steps of this block belong to the span. It ends with the block, as failed where that raises."""
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


def begin(
    name: str,
    parent: Span | str | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[SpanContext] = (),
    at: int | None = None,
    attributes: Mapping[str, Attribute] | None = None,
) -> Span | None:
    """A step of a trace that is recorded: below `parent` (a span, or another process's `traceparent`) or the current span.

    None where tracing is off, or that trace is not recorded. `at` is in nanoseconds since 1970; unset: now.
    """
    if _Process.tracer is None:
        return None
    context = continued(parent) if isinstance(parent, str) else None if parent is None else set_span_in_context(parent)
    if not get_current_span(context).get_span_context().trace_flags.sampled:
        return None
    return _Process.tracer.start_span(name, context, kind, attributes, [Link(linked) for linked in links], at)


def traceparent(span: Span) -> str:
    """What names the span to another process (W3C Trace Context)."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def fail(span: Span, error: BaseException) -> None:
    """Mark the span as failed, by the kind of error alone: its words may quote what people wrote."""
    code = getattr(error, "code", None) or getattr(error, "sqlstate", None)
    span.set_attribute("error.type", str(code or type(error).__name__))
    span.set_status(Status(StatusCode.ERROR))


def statement(summary: str, text: str, seconds: float, error: BaseException | None) -> None:
    """A database statement that has just ended, of the current span. Its text names parameters and never holds them."""
    end = time.time_ns()
    attributes = {"db.system.name": "postgresql", "db.query.summary": summary, "db.query.text": text}
    span = begin(summary, kind=SpanKind.CLIENT, at=end - int(seconds * 1e9), attributes=attributes)
    if span is not None:
        if error is not None:
            fail(span, error)
        span.end(end)


@contextmanager
def delivery(trace: str | None, name: str, channel: str) -> Iterator[None]:
    """The last step: from a message's arrival at one subscriber of the channel until its socket has taken what it is told.

    Only the first few subscribers of a message have a span.
    """
    if trace is None or _Process.tracer is None:
        yield
        return
    delivered = _Process.delivered
    message = f"{trace} {channel}"
    place = delivered[message] = delivered.pop(message, 0) + 1
    if len(delivered) > _REMEMBERED:
        delivered.popitem(last=False)
    span = begin(name, trace, kind=SpanKind.CONSUMER) if place <= _MOST_DELIVERIES else None
    try:
        yield
    finally:
        if span is not None:
            span.end()


def continued(trace: str | None) -> Context:
    """The context in which the trace goes on that a `traceparent` names; an empty one where it names none."""
    return Context() if trace is None else _W3C.extract({"traceparent": trace})
