"""Tracing: it does nothing if it is off, records only sampled traces, and keeps a bounded number of messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError

from app.db import fee_sql, ledger_sql, outbox_sql
from app.db.statement_traces import summary
from app.errors import ConfigurationError, RequestTimeout
from app.settings import Settings, load_settings
from app.telemetry import tracing

TRACE = f"00-{'5' * 32}-{'6' * 16}-01"


@pytest.fixture
def spans_in_memory() -> Iterator[InMemorySpanExporter]:
    """Turns tracing on. Spans are exported to memory."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing._Process.tracer = provider.get_tracer("test")
    yield exporter
    tracing._Process.tracer = None
    tracing._Process.delivered.clear()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (ledger_sql.LOCK_FOR_BATCH, "SELECT wallets"),
        (ledger_sql.RECORDED_TRANSACTIONS, "SELECT transactions"),
        (ledger_sql.RECORD, "INSERT transactions"),
        (ledger_sql.AUDIT, "INSERT audit_log"),
        (outbox_sql._CLAIM, "SELECT outbox"),
        (outbox_sql._PAYLOADS, "SELECT outbox"),
        ("UPDATE wallets SET name = $1", "UPDATE wallets"),
        ("BEGIN", "BEGIN"),
        (fee_sql.BEGIN, "BEGIN"),
        ("ROLLBACK;", "ROLLBACK"),
        (";", "ping"),
    ],
)
def test_a_statement_is_named_by_its_verb_and_table(text: str, shown: str) -> None:
    assert summary(text) == shown


def test_no_span_is_made_if_tracing_is_off() -> None:
    assert not tracing.is_on()
    with tracing.request_span("request", attributes={}) as span:
        assert span is None
        assert tracing.start_span("step") is None
    assert tracing.start_span("publish", TRACE) is None


def test_no_span_is_made_in_a_trace_that_is_not_recorded(spans_in_memory: InMemorySpanExporter) -> None:
    assert tracing.start_span("alone") is None
    assert tracing.start_span("publish", TRACE.removesuffix("1") + "0") is None
    assert tracing.start_span("publish", "not a traceparent") is None
    with (
        tracing.request_span("request", tracing.context_of(TRACE.removesuffix("1") + "0"), attributes={}),
        tracing.delivery(None, "x", "y"),
    ):
        assert tracing.start_span("step") is None
    assert spans_in_memory.get_finished_spans() == ()


def test_a_failed_span_has_the_kind_of_error_and_not_its_message(spans_in_memory: InMemorySpanExporter) -> None:
    def fail() -> None:
        with tracing.request_span("request", attributes={}), tracing.within(tracing.start_span("step")):
            raise ValueError("a password")

    with pytest.raises(ValueError, match="a password"):
        fail()
    with pytest.raises(RequestTimeout), tracing.request_span("request", attributes={}):
        raise RequestTimeout
    spans = spans_in_memory.get_finished_spans()
    assert [(span.name, (span.attributes or {})["error.type"]) for span in spans] == [
        ("step", "ValueError"), ("request", "ValueError"), ("request", "TIMEOUT"),
    ]  # fmt: skip
    assert all(not span.events and span.status.description is None for span in spans)


def test_the_spans_of_a_message_and_the_remembered_messages_are_limited(spans_in_memory: InMemorySpanExporter) -> None:
    for channel in ("one", "another"):
        for _ in range(50):
            with tracing.delivery(TRACE, f"deliver {channel}", channel):
                pass
    assert Counter(span.name for span in spans_in_memory.get_finished_spans()) == {"deliver one": 8, "deliver another": 8}
    for number in range(3000):
        with tracing.delivery(f"00-{number:032x}-{'6' * 16}-01", "deliver", "one"):
            pass
    assert len(tracing._Process.delivered) <= 1000


@pytest.mark.parametrize("url", ["collector:4318", "grpc://collector:4317", "http://user:secret-of-mine@collector:4318"])
def test_an_endpoint_that_is_invalid_or_holds_credentials_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(otlp_endpoint=url)
    (error,) = refused.value.errors(include_input=False)
    assert "secret-of-mine" not in str(error)


@pytest.mark.parametrize("headers", ["secret-of-mine", "a=b,secret-of-mine", "a b=secret-of-mine", "=secret-of-mine"])
def test_invalid_headers_are_refused_and_not_quoted(headers: str) -> None:
    with pytest.raises(ConfigurationError, match="PAYCORE_OTLP_HEADERS") as refused:
        load_settings(otlp_headers=headers)
    assert "secret-of-mine" not in str(refused.value)
