"""The spans of a transfer: its time in the queue, its settlement, and the batch that it settled in.

A batch settles transfers of many traces. Its span is a child of the first recorded one and links to the others, and each of
them links to the batch. A transfer that settles alone therefore has its statements in its own trace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from opentelemetry.trace import Span, SpanContext

from app import ids
from app.errors import RequestError
from app.services.outcomes import Outcome
from app.services.requests import Unit
from app.services.transfer_telemetry.log_lines import outcome_name
from app.telemetry import tracing
from app.telemetry.privacy import fingerprint

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_NAMED = 20
"""Most members of one unit whose ids and keys are attributes of its span."""


class TransferTrace:
    """The spans of one unit, from accepted to answered."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.batches: list[SpanContext] = []
        """The batches that tried to settle it."""

    @property
    def span(self) -> Span:
        """The span of the whole transfer. Its traceparent goes into the outbox with the event."""
        return self._span

    def settled(self, outcomes: Sequence[Outcome], accepted_at: datetime, batched_at: datetime, settled_at: datetime) -> None:
        """Record the durable outcomes and end the span."""
        for name, start, end, links in (
            ("queue", accepted_at, batched_at, ()),
            ("settle", batched_at, settled_at, self.batches),
        ):
            step = tracing.start_span(name, self._span, at=_nanoseconds(start), links=links)
            if step is not None:
                step.end(_nanoseconds(end))
        if not self._span.is_recording():
            # The caller got TIMEOUT before, which ended the span.
            return
        counts = Counter(map(outcome_name, outcomes))
        self._span.set_attribute("paycore.outcomes", [f"{name}={count}" for name, count in counts.items()])
        transactions = [outcome.transaction for outcome in outcomes[:_MAX_NAMED] if outcome.transaction is not None]
        self._span.set_attribute("paycore.transactions", [ids.encode("txn", transaction.id) for transaction in transactions])
        refusals = {outcome.refusal.code.value for outcome in outcomes if outcome.refusal is not None}
        if refusals:
            self._span.set_attribute("paycore.codes", sorted(refusals))
        self._span.end()

    def gave_up(self, error: RequestError) -> None:
        """Record the error that the caller got, and end the span."""
        tracing.fail(self._span, error)
        self._span.end()


def begin(unit: Unit) -> TransferTrace | None:
    """Start the span of an accepted unit. Returns None if it is not traced."""
    span = tracing.start_span("transfer")
    if span is None:
        return None
    span.set_attribute("paycore.members", len(unit.members))
    span.set_attribute("paycore.keys", [fingerprint(request.idempotency_key) for request in unit.requests[:_MAX_NAMED]])
    return TransferTrace(span)


@contextmanager
def batch(members: Sequence[TransferTrace], size: int) -> Iterator[None]:
    """Open a span for one database transaction. `members` are its traced units; `size` counts all transfers."""
    if not members:
        yield
        return
    links = [member.span.get_span_context() for member in members]
    span = tracing.start_span("batch", members[0].span, links=links, attributes={"paycore.batch.size": size})
    if span is not None:
        for member in members:
            member.batches.append(span.get_span_context())
    with tracing.within(span):
        yield


def _nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970, without the rounding of a float."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
