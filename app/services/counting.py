"""What became of transfers, counted a batch at a time: where workers share their counters, each count costs microseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app import metrics
from app.errors import RefusalCode
from app.services.ledger import Outcome


def count_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Count what one database transaction made of its members. One that found all of them held settled nothing."""
    if not outcomes:
        return
    counts = Counter(map(_outcome, outcomes))
    for name, count in counts.items():
        metrics.TRANSFERS.labels(name).inc(count)
    metrics.BATCH_SIZE.observe(len(outcomes))
    metrics.REPLAYS.inc(counts["replayed"])
    for outcome in outcomes:
        if outcome.refusal is not None and not outcome.replayed:
            metrics.REFUSALS.labels(outcome.refusal.code).inc()
            if outcome.refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED:
                metrics.KEY_CONFLICTS.inc()


def _outcome(outcome: Outcome) -> str:
    if outcome.replayed:
        return "replayed"
    if outcome.transaction is None:
        return "refused"
    return "completed" if outcome.refusal is None else "failed"
