"""The relay's statements: who leads, what waits in the outbox, what is done.

The connection runs each statement as a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

LEADER_LOCK = 7_021_306_990_002
"""Advisory lock of the relay that leads. It belongs to the database session, and ends with it."""

_STATEMENT_TIMEOUT_SECONDS = 60
_FIRST_ANSWER_SECONDS = 70
"""For the first look. Longer than the server's own limit: for a server that does not answer at all."""
_ANSWER_SECONDS = 10
"""For everything else, which touches a few rows. After this long a silence the relay makes another connection."""

# The first look after a start may pass over many dead rows that an old snapshot (a backup) keeps from being cleaned up.
# Not every version of PostgreSQL has both settings.
_ALLOW_LONG_STATEMENTS = """
SELECT set_config(name, $1, false) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')
"""

# One statement, so that the rows and xmin are of the same snapshot. The left join gives xmin where there are no rows.
_CLAIM = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin, waiting.id, waiting.payload::text
FROM (SELECT) AS always
LEFT JOIN LATERAL (SELECT id, payload FROM outbox WHERE id > $1 ORDER BY id LIMIT $2) AS waiting ON true
ORDER BY waiting.id
"""

_DELETE = """
WITH published AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]))
SELECT pg_current_xact_id()::text::bigint
"""


_PARK = """
WITH unreadable AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]) RETURNING id, created_at, payload)
INSERT INTO outbox_parked (id, created_at, payload, parked_at, reason)
SELECT id, created_at, payload, now(), reason
FROM unreadable JOIN unnest($1::bigint[], $2::text[]) AS found (id, reason) USING (id)
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One outbox row."""

    id: int
    payload: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The rows that a leader found, by id."""

    rows: tuple[Waiting, ...]
    complete: bool
    """Whether these are all that were visible, not only as many as were asked for."""
    xmin: int
    """Every database transaction with a lower id had ended, and whatever it committed was visible."""


class LowWater:
    """The id up to which the outbox is known to be empty for ever.

    Without it each look would begin at the first row that was ever deleted and not yet cleaned up: while an old snapshot
    (a backup) is open, those grow without end.

    "The highest id that I saw" would lose rows: a lower id may belong to a transaction that has yet to commit. But whoever
    has an id got a transaction id before it (they hold wallet locks, and a lock takes one), and ids are given in order.
    So when id M is visible, all ids up to M are held by transactions older than any that starts now, such as the
    relay's own deletion. Once a look sees all of those ended (xmin), it sees all that will ever be there up to M.
    """

    def __init__(self) -> None:
        self.id = 0
        self._mark: tuple[int, int] | None = None

    def deleted(self, claim: Claim, transaction_id: int) -> None:
        """Rows of the claim were deleted by this transaction, which began after the claim."""
        if self._mark is None:
            self._mark = claim.rows[-1].id, transaction_id

    def passed(self, claim: Claim) -> None:
        """All rows of the claim are dealt with."""
        if self._mark is None or claim.xmin < self._mark[1]:
            return
        marked_id, _ = self._mark
        if claim.complete or claim.rows[-1].id >= marked_id:
            self.id = marked_id
            self._mark = None
        else:
            self.id = claim.rows[-1].id


async def allow_long_statements(connection: asyncpg.Connection) -> None:
    """Lift the limits that are made for requests."""
    await connection.execute(_ALLOW_LONG_STATEMENTS, f"{_STATEMENT_TIMEOUT_SECONDS}s", timeout=_ANSWER_SECONDS)


async def try_to_lead(connection: asyncpg.Connection) -> bool:
    """Whether this connection is now the leader's."""
    leads = await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK, timeout=_ANSWER_SECONDS)
    return bool(leads)


async def claim(connection: asyncpg.Connection, after_id: int, limit: int, *, first: bool = False) -> Claim:
    """The committed rows above an id, lowest first, at most `limit`. The first look may take long."""
    seconds = _FIRST_ANSWER_SECONDS if first else _ANSWER_SECONDS
    records = await connection.fetch(_CLAIM, after_id, limit, timeout=seconds)
    rows = tuple(Waiting(record["id"], record["payload"]) for record in records if record["id"] is not None)
    return Claim(rows, complete=len(rows) < limit, xmin=records[0]["xmin"])


async def delete(connection: asyncpg.Connection, ids: Sequence[int]) -> int:
    """Delete published rows; returns the id of the transaction that did it."""
    transaction_id: int = await connection.fetchval(_DELETE, ids, timeout=_ANSWER_SECONDS)
    return transaction_id


async def park(connection: asyncpg.Connection, reasons: Mapping[int, str]) -> None:
    """Set rows aside, each with the reason why it cannot be published."""
    await connection.execute(_PARK, list(reasons), list(reasons.values()), timeout=_ANSWER_SECONDS)
