"""The partitions of the ledger's entries, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock
from app.db import partition_sql
from app.db.partition_sql import PartitionFacts
from app.db.statements import Reader


class PartitionState(StrEnum):
    """How far a month of entries is on its way out of the database."""

    FUTURE = "FUTURE"
    CURRENT = "CURRENT"
    CLOSED = "CLOSED"
    SEALED = "SEALED"
    ARCHIVED = "ARCHIVED"


class LedgerPartition(NamedTuple):
    """A partition, with what its seal and its file say if it has them."""

    starts: date
    ends: date
    state: PartitionState
    entries: int
    """As sealed; before that an estimate."""
    size: int
    seal: bytes | None
    uri: str | None
    archived_at: datetime | None
    verified_at: datetime | None


async def ledger_partitions(database: Reader, viewer: Viewer, clock: Clock) -> Sequence[LedgerPartition]:
    """All partitions, oldest first. Raises Forbidden without SEE_ALL."""
    policy.require(viewer, Right.SEE_ALL)
    now = clock()
    return [_shown(facts, now) for facts in await partition_sql.facts(database)]


def _shown(facts: PartitionFacts, now: datetime) -> LedgerPartition:
    state = _state(facts, now)
    is_archived = state is PartitionState.ARCHIVED
    return LedgerPartition(
        facts.starts.date(),
        facts.ends.date(),
        state,
        facts.entries,
        facts.size,
        facts.seal,
        facts.uri,
        facts.verified_at if is_archived else None,
        facts.verified_at,
    )


def _state(facts: PartitionFacts, now: datetime) -> PartitionState:
    if facts.seal is not None:
        return PartitionState.SEALED if facts.is_attached else PartitionState.ARCHIVED
    if facts.starts > now:
        return PartitionState.FUTURE
    return PartitionState.CURRENT if facts.ends > now else PartitionState.CLOSED
