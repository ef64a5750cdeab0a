"""Log lines for the outcomes of transfers: one line for each, with the fields of its request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from app import ids
from app.errors import RequestError
from app.services.outcomes import Outcome
from app.services.requests import Request, Unit
from app.telemetry.privacy import fingerprint


def outcome_lines(
    unit: Unit,
    outcomes: tuple[Outcome, ...],
    context: Mapping[str, Any],
    moments: tuple[datetime, datetime, datetime],
    batch: int,
) -> Iterator[dict[str, Any]]:
    """The lines of a unit. `moments` are when it was accepted, taken into a batch, and committed; `batch` is the batch's size."""
    accepted_at, batched_at, committed_at = moments
    shared = {
        **context,
        "batch": batch,
        "waited_ms": _milliseconds(accepted_at, batched_at),
        "settled_ms": _milliseconds(batched_at, committed_at),
    }
    for member, outcome in zip(unit.members, outcomes, strict=True):
        transaction, refusal = outcome.transaction, outcome.refusal
        line = {**shared, "outcome": outcome_name(outcome)}
        if transaction is not None:
            line |= {"transaction": ids.encode("txn", transaction.id), "type": transaction.type.value}
        if outcome.hold is not None:
            line["hold"] = ids.encode("hld", outcome.hold.id)
        if refusal is not None:
            line["code"] = refusal.code.value
        if isinstance(member, Request):
            line["key"] = fingerprint(member.idempotency_key)
        yield line


def unanswered_lines(unit: Unit, error: RequestError, context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines of a unit that got an error. UNAVAILABLE means that nothing moved, TIMEOUT that the outcome is unknown."""
    for request in unit.requests:
        yield {**context, "outcome": "unanswered", "code": error.code, "key": fingerprint(request.idempotency_key)}


def outcome_name(outcome: Outcome) -> str:
    """The outcome in one word, for logs, traces and metrics."""
    if outcome.replayed:
        return "replayed"
    if outcome.transaction is not None:
        return outcome.transaction.status.value.lower()
    return "refused" if outcome.happened is None else outcome.happened.value.lower()


def _milliseconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds() * 1000, 2)
