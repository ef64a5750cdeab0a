"""The relay's statements: taking the lead, claiming, deleting and parking outbox rows.

Each statement runs in its own transaction.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

LEADER_LOCK = 7_021_306_990_002
"""Advisory lock of the leading relay. It is held by the database session and released when the session ends."""

_STATEMENT_TIMEOUT_SECONDS = 60
_FIRST_CLAIM_SECONDS = 70
"""Timeout of the first claim. Above the server's statement timeout, so it only applies if the server does not answer at all."""
_ANSWER_SECONDS = 10
"""Timeout of all other statements, which touch few rows. After it the relay reconnects."""

# The first claim after a start may scan many dead rows, if an old snapshot (a backup) prevents their cleanup.
# Not every version of PostgreSQL has both settings.
_ALLOW_LONG_STATEMENTS = """
SELECT set_config(name, $1, false) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')
"""

# One statement, so that the rows and xmin are of the same snapshot. The left join returns xmin even if there are no rows. It
# first deletes what the relay published since its last claim, which saves a round trip.
_CLAIM = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin, waiting.id, waiting.created_at, waiting.payload::text
FROM (SELECT delete_published($4, $5) OFFSET 0) AS deleted
LEFT JOIN LATERAL (
    SELECT found.* FROM unnest($1::bigint[], $2::bigint[]) AS unseen (low, high)
    CROSS JOIN LATERAL (
        SELECT id, created_at, payload FROM outbox WHERE id BETWEEN unseen.low AND unseen.high ORDER BY id LIMIT $3
    ) AS found ORDER BY found.id LIMIT $3
) AS waiting ON true
"""
_PAYLOADS = "SELECT id, payload::text FROM outbox WHERE id = ANY($1::bigint[])"
_DELETE = "SELECT delete_published($1, $2)"
_PARK = "SELECT park_unreadable($1, $2)"

_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """An outbox row that waits for its position."""

    id: int
    payload: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """The rows that a claim found, by id."""

    rows: tuple[Waiting, ...]
    complete: bool
    """Whether these are all visible rows that have no position. False if the limit cut them off."""
    xmin: int
    """Every database transaction with a lower id had ended, and its committed rows were visible."""


class Unseen:
    """The ids of the outbox that a claim must look at: all but those that were claimed before, and those that cannot come.

    The highest id seen is not enough: a lower id may belong to a transaction that has not committed yet. So the gaps below it
    are remembered, until none of their ids can come. Otherwise each claim would scan rows that wait for Redis, and deleted
    rows that an old snapshot (a backup) protects from cleanup.

    When that is: every transaction gets its transaction id before its outbox ids (it holds wallet locks, and a row lock assigns
    one), and outbox ids are assigned in order. So if id M is visible, all ids up to M belong to transactions older than any that
    starts now, such as the relay's own next one. Once a claim's xmin shows that all of those have ended, the claim sees every
    row up to M that will ever exist.
    """

    def __init__(self) -> None:
        self._gaps: list[tuple[int, int]] = []
        self._top = 0
        self._mark: tuple[int, int] | None = None

    @property
    def low_water(self) -> int:
        """The id up to which no row is unseen."""
        return self._gaps[0][0] - 1 if self._gaps else self._top

    def ranges(self) -> tuple[list[int], list[int]]:
        """The ranges of ids to look at, lowest first: where they begin and where they end."""
        lows, highs = [low for low, _ in self._gaps], [high for _, high in self._gaps]
        return [*lows, self._top + 1], [*highs, _MAX_ID]

    def saw(self, ids: Collection[int]) -> None:
        """Take these ids out."""
        if not ids:
            return
        ordered = sorted(ids)
        gaps = self._gaps
        if ordered[-1] > self._top:
            gaps = [*gaps, (self._top + 1, ordered[-1])]
            self._top = ordered[-1]
        self._gaps = [part for low, high in gaps for part in _without(low, high, ordered)]

    def recorded(self, claim: Claim, transaction_id: int) -> None:
        """Record that this transaction, which started after the claim, sequenced or parked rows of the claim."""
        if self._mark is None:
            self._mark = claim.rows[-1].id, transaction_id

    def passed(self, claim: Claim) -> None:
        """Forget the gaps of ids that cannot come, once all rows of the claim are sequenced or parked."""
        if self._mark is None or claim.xmin < self._mark[1]:
            return
        reached = self._mark[0]
        if claim.complete or claim.rows[-1].id >= reached:
            self._mark = None
        else:
            reached = claim.rows[-1].id
        self._gaps = [(max(low, reached + 1), high) for low, high in self._gaps if high > reached]


def _without(low: int, high: int, ids: list[int]) -> Iterator[tuple[int, int]]:
    """What is left of a range without some ids, which are in order."""
    for id_ in ids[bisect_left(ids, low) : bisect_right(ids, high)]:
        if low < id_:
            yield low, id_ - 1
        low = id_ + 1
    if low <= high:
        yield low, high


async def allow_long_statements(connection: asyncpg.Connection) -> None:
    """Raise this session's statement timeouts, which are set for requests."""
    await connection.execute(_ALLOW_LONG_STATEMENTS, f"{_STATEMENT_TIMEOUT_SECONDS}s", timeout=_ANSWER_SECONDS)


async def try_to_lead(connection: asyncpg.Connection) -> bool:
    """Try to take the leader's lock. Returns whether this connection holds it."""
    leads = await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK, timeout=_ANSWER_SECONDS)
    return bool(leads)


async def claim(
    connection: asyncpg.Connection, unseen: Unseen, limit: int, published: tuple[int, int], *, first: bool = False
) -> Claim:
    """Returns the first `limit` committed rows that are unseen, lowest first. The first claim may take long.

    Also deletes the rows of the positions after `published[0]`, up to `published[1]`.
    """
    seconds = _FIRST_CLAIM_SECONDS if first else _ANSWER_SECONDS
    records = await connection.fetch(_CLAIM, *unseen.ranges(), limit, *published, timeout=seconds)
    rows = [Waiting(id_, payload, created_at) for _, id_, created_at, payload in records if id_ is not None]
    rows.sort(key=lambda row: row.id)
    return Claim(tuple(rows), complete=len(rows) < limit, xmin=records[0]["xmin"])


async def payloads(connection: asyncpg.Connection, ids: Sequence[int]) -> dict[int, str]:
    """Returns the payloads of rows by id, of those that are there."""
    rows = await connection.fetch(_PAYLOADS, ids, timeout=_ANSWER_SECONDS)
    return {row["id"]: row["payload"] for row in rows}


async def delete_published(connection: asyncpg.Connection, after: int, up_to: int) -> None:
    """Delete the rows of the positions after `after`, up to `up_to`. Both are ends of chunks."""
    await connection.execute(_DELETE, after, up_to, timeout=_ANSWER_SECONDS)


async def park(connection: asyncpg.Connection, reasons: Mapping[int, str]) -> int:
    """Move rows to outbox_parked, each with the reason why it cannot be read. Returns the id of the transaction."""
    transaction_id: int = await connection.fetchval(_PARK, list(reasons), list(reasons.values()), timeout=_ANSWER_SECONDS)
    return transaction_id
