"""Counts outcomes of transfers once for each batch: with counters shared between workers, each count costs microseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.errors import Internal, RefusalCode, RequestTimeout, Unavailable
from app.records import Transaction
from app.services.outcomes import Outcome
from app.services.transfer_telemetry.log_lines import outcome_name
from app.telemetry import metrics

_TRANSFERS = {name: metrics.TRANSFERS.labels(name) for name in ("completed", "failed", "replayed", "refused", "unanswered")}
_REFUSALS = {code: metrics.REFUSALS.labels(code.value) for code in RefusalCode}
_UNANSWERED = {error.code: metrics.UNANSWERED.labels(error.code) for error in (Unavailable, RequestTimeout, Internal)}


def count_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Count the outcomes of one database transaction. It has none if the wallets of all its units were locked."""
    if not outcomes:
        return
    counts = Counter(map(outcome_name, outcomes))
    for name, count in counts.items():
        if name in _TRANSFERS:
            _TRANSFERS[name].inc(count)
    metrics.BATCH_SIZE.observe(len(outcomes))
    metrics.REPLAYS.inc(counts["replayed"])
    for outcome in outcomes:
        if outcome.refusal is not None and not outcome.replayed:
            _REFUSALS[outcome.refusal.code].inc()
            if outcome.refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED:
                metrics.KEY_CONFLICTS.inc()
    for kind, count in Counter(outcome.happened for outcome in outcomes if outcome.happened is not None).items():
        metrics.HOLDS.labels(kind.value).inc(count)
    _count_amounts([outcome.transaction for outcome in outcomes if outcome.entries and outcome.transaction is not None])


def _count_amounts(posted: Sequence[Transaction]) -> None:
    """Count the fees that were charged and the amounts that went back. Most batches have none."""
    fees: Counter[str] = Counter()
    given_back: Counter[str] = Counter()
    for transaction in posted:
        if transaction.fee is not None:
            fees[transaction.currency] += transaction.fee
        if transaction.reverses_id is not None:
            given_back[transaction.currency] += transaction.amount
    for currency, amount in fees.items():
        metrics.FEES.labels(currency).inc(amount)
    for currency, amount in given_back.items():
        metrics.REVERSED.labels(currency).inc(amount)


def count_unanswered(code: str, transfers: int) -> None:
    """Count transfers that are answered with an error."""
    _TRANSFERS["unanswered"].inc(transfers)
    _UNANSWERED[code].inc(transfers)
