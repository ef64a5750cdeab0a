"""The relay's statements: taking the lead, claiming, deleting and parking outbox rows.

Each statement runs in its own transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

# One statement, so that the rows and xmin are of the same snapshot. The left join returns xmin even if there are no rows.
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
    """An outbox row that waits to be published."""

    id: int
    payload: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The rows that a claim found, by id."""

    rows: tuple[Waiting, ...]
    complete: bool
    """Whether these are all visible rows. False if the limit cut them off."""
    xmin: int
    """Every database transaction with a lower id had ended, and its committed rows were visible."""


class LowWater:
    """The id up to which the outbox is known to stay empty.

    Without it each claim would scan from the oldest deleted row that is not cleaned up yet. While an old snapshot (a backup)
    is open, the number of such rows grows without limit.

    The highest id seen is not safe: a lower id may belong to a transaction that has not committed yet. But every transaction
    gets its transaction id before its outbox ids (it holds wallet locks, and a row lock assigns one), and outbox ids are
    assigned in order. So if id M is visible, all ids up to M belong to transactions older than any that starts now, such as the
    relay's own deletion. Once a claim's xmin shows that all of those have ended, the claim sees every row up to M that will
    ever exist.
    """

    def __init__(self) -> None:
        self.id = 0
        self._mark: tuple[int, int] | None = None

    def deleted(self, claim: Claim, transaction_id: int) -> None:
        """Record that this transaction, which started after the claim, deleted rows of the claim."""
        if self._mark is None:
            self._mark = claim.rows[-1].id, transaction_id

    def passed(self, claim: Claim) -> None:
        """Record that all rows of the claim have been published or parked."""
        if self._mark is None or claim.xmin < self._mark[1]:
            return
        marked_id, _ = self._mark
        if claim.complete or claim.rows[-1].id >= marked_id:
            self.id = marked_id
            self._mark = None
        else:
            self.id = claim.rows[-1].id


async def allow_long_statements(connection: asyncpg.Connection) -> None:
    """Raise this session's statement timeouts, which are set for requests."""
    await connection.execute(_ALLOW_LONG_STATEMENTS, f"{_STATEMENT_TIMEOUT_SECONDS}s", timeout=_ANSWER_SECONDS)


async def try_to_lead(connection: asyncpg.Connection) -> bool:
    """Try to take the leader's lock. Returns whether this connection holds it."""
    leads = await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK, timeout=_ANSWER_SECONDS)
    return bool(leads)


async def claim(connection: asyncpg.Connection, after_id: int, limit: int, *, first: bool = False) -> Claim:
    """Returns the first `limit` committed rows above an id, lowest first. The first claim may take long."""
    seconds = _FIRST_CLAIM_SECONDS if first else _ANSWER_SECONDS
    records = await connection.fetch(_CLAIM, after_id, limit, timeout=seconds)
    rows = tuple(Waiting(record["id"], record["payload"]) for record in records if record["id"] is not None)
    return Claim(rows, complete=len(rows) < limit, xmin=records[0]["xmin"])


async def delete(connection: asyncpg.Connection, ids: Sequence[int]) -> int:
    """Delete published rows. Returns the id of the deleting transaction."""
    transaction_id: int = await connection.fetchval(_DELETE, ids, timeout=_ANSWER_SECONDS)
    return transaction_id


async def park(connection: asyncpg.Connection, reasons: Mapping[int, str]) -> None:
    """Move rows to outbox_parked, each with the reason why it cannot be published."""
    await connection.execute(_PARK, list(reasons), list(reasons.values()), timeout=_ANSWER_SECONDS)
