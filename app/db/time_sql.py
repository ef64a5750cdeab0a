"""A wallet as it was: its balance at a moment, and at the borders of periods.

A wallet's entries are never backdated, so its balance at a moment is that after the last entry posted at or before it. The
marks of the read model have the first entry of each quarter of an hour: before it, the wallet was as that entry found it. What
the model does not have yet is searched in the ledger itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple
from uuid import UUID

from app import ids
from app.db.archive_sql import SPANS
from app.db.projection_sql import DAY_FLOOR, ID_FLOOR, ID_MARGIN, QUARTER
from app.db.statements import Reader
from app.errors import Archived

MOST_NEWER = 10_000
"""Entries that the model does not have yet and that `at_borders` reads."""
NO_ACTIVITY = (
    "Entries of this quarter of an hour are archived. The wallet's balance is known before it and after it, "
    "or once they are restored."
)

_MODEL = """
model AS MATERIALIZED (
    SELECT generation, position FROM read_models WHERE is_live
), wallet AS MATERIALIZED (
    SELECT sequence, posted_at, owner_id FROM wallets WHERE id = $1
), newest AS MATERIALIZED (
    SELECT d.* FROM model CROSS JOIN LATERAL (
        SELECT day, last_sequence, closing, debits_so_far FROM wallet_days
        WHERE generation = model.generation AND wallet_id = $1 ORDER BY day DESC LIMIT 1) d
)"""
_MARKS = "SELECT {columns} FROM wallet_marks WHERE generation = (SELECT generation FROM model) AND wallet_id = $1"
_AS_FOUND = "sequence - 1 AS sequence, balance - amount AS balance"
"""The wallet as an entry found it."""

# `near` is the last mark before the moment in the same quarter of an hour, from $3 on, and `next` the first mark after it. Of
# the up to 3 entries between them each may be the one. They are looked up by their sequences, given one by one: for a range, the
# planner may also read all ids between the two bounds, of all wallets. The bounds $4 and $5 are parameters, so that partitions
# are left out before the query runs. Where such entries are in files, `x` adds up the activity of the quarter: how many entries
# it has, and up to the moment the number and the sum. A wallet of the system has none. `x` takes the quarter's bounds from
# `archived`, so that it reads nothing where that has no row.
_BALANCE_AT = f"""
WITH {_MODEL}, near AS MATERIALIZED (
    {_MARKS.format(columns="sequence, balance")} AND at >= $3 AND at <= $2 ORDER BY at DESC, sequence DESC LIMIT 1
), next AS MATERIALIZED (
    {_MARKS.format(columns=_AS_FOUND)} AND at > $2 ORDER BY at, wallet_marks.sequence LIMIT 1
), place AS MATERIALIZED (
    SELECT coalesce(near.sequence, next.sequence, newest.last_sequence, 0) AS sequence,
           coalesce(near.balance, next.balance, newest.closing, 0) AS balance,
           CASE WHEN near.sequence IS NOT NULL THEN coalesce(next.sequence, newest.last_sequence) ELSE 0 END AS highest
    FROM wallet LEFT JOIN newest ON true LEFT JOIN near ON true LEFT JOIN next ON true
), archived AS MATERIALIZED (
    SELECT $3::timestamptz AS begin, $6::timestamptz AS until FROM place
    WHERE highest > sequence AND EXISTS (
        SELECT FROM ({SPANS}) AS span
        WHERE wallet_id = $1 AND first_sequence <= place.highest AND last_sequence > place.sequence)
)
SELECT coalesce(x.sequence, e.sequence, p.sequence) AS sequence, coalesce(x.balance, e.balance_after, p.balance) AS balance,
       w.posted_at, coalesce(x.is_unknown, false) AS is_unknown, n.day AS newest_day,
       coalesce(n.last_sequence, 0) AS last_sequence,
       w.sequence > coalesce(n.last_sequence, 0) AND NOT EXISTS (SELECT FROM next) AS is_behind, w.sequence AS highest
FROM wallet w
CROSS JOIN place p
LEFT JOIN newest n ON true
LEFT JOIN LATERAL (
    SELECT sequence, balance_after FROM ledger_entries
    WHERE p.highest > p.sequence AND wallet_id = $1 AND sequence = ANY (ARRAY[p.sequence + 1, p.sequence + 2, p.sequence + 3])
      AND sequence <= p.highest AND created_at <= $2 AND transaction_id >= $4 AND transaction_id < $5
    ORDER BY sequence DESC LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT f.sequence + a.until AS sequence, f.balance + a.amount AS balance,
           a.count <> coalesce(g.sequence, n.last_sequence) - f.sequence AS is_unknown
    FROM archived
    CROSS JOIN LATERAL (
        {_MARKS.format(columns=_AS_FOUND)} AND at >= archived.begin ORDER BY at, wallet_marks.sequence LIMIT 1
    ) f
    LEFT JOIN LATERAL (
        {_MARKS.format(columns="sequence - 1 AS sequence")} AND at >= archived.until ORDER BY at, wallet_marks.sequence LIMIT 1
    ) g ON true
    CROSS JOIN LATERAL (
        SELECT count(*), count(*) FILTER (WHERE at <= $2) AS until,
               coalesce(sum(amount) FILTER (WHERE at <= $2), 0)::bigint AS amount
        FROM activity
        WHERE generation = (SELECT generation FROM model) AND owner_id = w.owner_id AND wallet_id = $1
          AND entry_id >= $4 AND entry_id < $7 AND at >= archived.begin AND at < archived.until
    ) a
) x ON true
"""  # noqa: S608 - the parts are constants

# A binary search among the entries that the model does not have: the last one at or before the moment.
_SEARCH = """
WITH RECURSIVE search (low, high) AS (
    SELECT $3::bigint, $4::bigint
    UNION ALL
    SELECT CASE WHEN probe.is_before THEN middle.sequence ELSE s.low END,
           CASE WHEN probe.is_before THEN s.high ELSE middle.sequence - 1 END
    FROM search s
    CROSS JOIN LATERAL (SELECT (s.low + s.high + 1) / 2 AS sequence) middle
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT FROM ledger_entries WHERE wallet_id = $1 AND sequence = middle.sequence AND created_at <= $2
          AND transaction_id >= $5 AND transaction_id < $6) AS is_before) probe
    WHERE s.low < s.high
)
SELECT e.sequence, e.balance_after FROM search s CROSS JOIN LATERAL (
    SELECT sequence, balance_after FROM ledger_entries
    WHERE wallet_id = $1 AND sequence = s.low AND transaction_id >= $5 AND transaction_id < $6) e
WHERE s.low = s.high AND s.low > $3
"""

# Holds of the month before, those that are still open, and the few that lasted longer: all that may have been open then.
_HELD_AT = f"""
SELECT coalesce(sum(remaining), 0)::bigint AS held FROM (
    SELECT sum(e.placed - e.captured - e.released) AS remaining,
           (array_agg(e.expires_at ORDER BY e.number DESC) FILTER (WHERE e.expires_at IS NOT NULL))[1] AS expires_at
    FROM (
        SELECT id FROM holds WHERE wallet_id = $1 AND (closed_at IS NULL OR closed_at > $2)
          AND id >= {ID_FLOOR.format("$2::timestamptz - interval '33 days'")} AND id < {ID_FLOOR.format(f"$2 + {ID_MARGIN}")}
        UNION
        SELECT id FROM holds WHERE wallet_id = $1 AND status = 'OPEN'
        UNION
        SELECT id FROM holds WHERE wallet_id = $1 AND closed_at > $2 AND closed_at - created_at > interval '32 days'
          AND id < {ID_FLOOR.format(f"$2 + {ID_MARGIN}")}
    ) AS h
    JOIN hold_events e ON e.hold_id = h.id AND e.created_at <= $2
    GROUP BY h.id
) AS held WHERE expires_at IS NULL OR expires_at > $2
"""  # noqa: S608 - the parts are constants

# Waits for a transaction that posts to the wallet. The lock ends with the statement, and has nothing that must reach the disk.
_WAIT_FOR_POSTING = """
SELECT set_config('synchronous_commit', 'off', true) FROM wallets WHERE id = $1 FOR SHARE
"""


def _at_borders(debits: str) -> str:
    """The first mark from each border on, the model's newest place, and the entries that it lacks.

    One row with arrays: the driver takes several times longer for hundreds of rows. A border after the last mark has none, so
    the marks are of the first borders.
    """
    return f"""
WITH {_MODEL}
SELECT n.last_sequence, n.closing, n.debits_so_far::text, mark.*, newer.*
FROM wallet w
LEFT JOIN newest n ON true
CROSS JOIN LATERAL (
    SELECT array_agg(m.sequence ORDER BY border.n) AS sequences, array_agg(m.balance ORDER BY border.n) AS balances,
           {debits} AS debits
    FROM unnest($2::text::bigint[]) WITH ORDINALITY AS border (at, n)
    CROSS JOIN LATERAL (
        SELECT {_AS_FOUND}, debits_so_far - greatest(-amount, 0) AS debits FROM wallet_marks
        WHERE generation = (SELECT generation FROM model) AND wallet_id = $1 AND wallet_marks.at >= to_timestamp(border.at)
        ORDER BY at, wallet_marks.sequence LIMIT 1
    ) m
) mark
CROSS JOIN LATERAL (
    SELECT array_agg(e.sequence ORDER BY e.sequence), array_agg(e.balance_after ORDER BY e.sequence),
           array_agg(greatest(-e.amount, 0) ORDER BY e.sequence), array_agg(e.created_at ORDER BY e.sequence)
    FROM (
        SELECT sequence, balance_after, amount, created_at FROM ledger_entries
        WHERE wallet_id = $1 AND sequence > coalesce(n.last_sequence, 0) AND sequence <= w.sequence
          AND transaction_id >= {DAY_FLOOR.format("n.day")} AND transaction_id < {ID_FLOOR.format(f"w.posted_at + {ID_MARGIN}")}
        ORDER BY sequence LIMIT {MOST_NEWER + 1}
    ) e
) newer
"""  # noqa: S608 - the parts are constants


_AT_BORDERS = _at_borders("NULL::text[]")
_AT_BORDERS_WITH_DEBITS = _at_borders("array_agg(m.debits::text ORDER BY border.n)")


class Found(NamedTuple):
    """A wallet at a moment, and when its newest entry was posted."""

    sequence: int
    balance: int
    posted_at: datetime


class Place(NamedTuple):
    """A wallet at a moment. `debits` are the sum of all its debits up to then, or 0 if they were not asked for."""

    sequence: int
    balance: int
    debits: int


class Newer(NamedTuple):
    """An entry that the model does not have yet. `debit` is 0 for a credit."""

    sequence: int
    balance: int
    debit: int
    at: datetime


def begin_of_quarter(at: datetime) -> datetime:
    """Returns where the moment's quarter of an hour begins. The moment is in UTC."""
    return at - (at - datetime.min.replace(tzinfo=UTC)) % QUARTER


async def balance_at(reader: Reader, wallet_id: UUID, at: datetime) -> Found:
    """Returns a wallet's last sequence at a moment in UTC and the balance after it. Both are 0 before its first entry.

    Raises Archived if the entries of that quarter of an hour are in files, and the wallet has no activity.
    """
    begin = begin_of_quarter(at)
    end = begin + QUARTER
    lowest = ids.id_floor(begin - ids.POSTED_WITHIN)
    until, highest = ids.id_floor(at + ids.POSTED_WITHIN), ids.id_floor(end + ids.POSTED_WITHIN)
    (row,) = await reader.fetch(_BALANCE_AT, wallet_id, at, begin, lowest, until, end, highest)
    if row["is_unknown"]:
        raise Archived(NO_ACTIVITY)
    found = Found(row["sequence"], row["balance"], row["posted_at"])
    if not row["is_behind"]:
        return found
    newer = await reader.fetch(_SEARCH, wallet_id, at, row["last_sequence"], row["highest"], _lowest_id(row["newest_day"]), until)
    return found._replace(sequence=newer[0][0], balance=newer[0][1]) if newer else found


def _lowest_id(day: date | None) -> UUID:
    """A bound of the ids of entries of a day and later ones. None: of any day."""
    if day is None:
        return ids.LOWEST
    begin = datetime.combine(day, time.min, UTC)
    return ids.id_floor(begin - ids.POSTED_WITHIN)


async def held_at(reader: Reader, wallet_id: UUID, at: datetime) -> int:
    """Returns what remained of the wallet's holds at a moment."""
    (row,) = await reader.fetch(_HELD_AT, wallet_id, at)
    held: int = row["held"]
    return held


async def wait_for_posting(reader: Reader, wallet_id: UUID) -> None:
    """Return once no transaction that has already begun to post to the wallet is unfinished.

    Raises asyncpg.LockNotAvailableError after the lock timeout.
    """
    await reader.fetch(_WAIT_FOR_POSTING, wallet_id)


@lru_cache(maxsize=8192)
def _seconds(border: datetime) -> str:
    return str(int(border.timestamp()))


async def at_borders(
    reader: Reader, wallet_id: UUID, borders: Sequence[datetime], *, with_debits: bool
) -> tuple[list[Place], list[Newer]]:
    """Returns the wallet just before each border as far as the model knows, and the entries that it does not have, by sequence.

    Each border is where a quarter of an hour begins in UTC. The entries are at most MOST_NEWER + 1. All is from one snapshot.
    """
    # As text, for the literal of an array: the driver takes longer to encode an array than the database to read it.
    given = ",".join(map(_seconds, borders))
    statement = _AT_BORDERS_WITH_DEBITS if with_debits else _AT_BORDERS
    ((sequence, balance, debits, *marks, sequences, balances, newer_debits, times),) = await reader.fetch(
        statement, wallet_id, f"{{{given}}}"
    )
    newest = Place(0, 0, 0)
    if sequence is not None:
        newest = Place(sequence, balance, int(debits) if with_debits else 0)
    places = _places(*marks)
    places += [newest] * (len(borders) - len(places))
    newer = [] if sequences is None else list(map(Newer, sequences, balances, newer_debits, times))
    return places, newer


def _places(sequences: list[int] | None, balances: list[int], debits: list[str] | None) -> list[Place]:
    """The arrays of a row as places. PostgreSQL returns NULL for an array of nothing, and for debits that were not asked for."""
    if sequences is None:
        return []
    sums = repeat(0) if debits is None else map(int, debits)
    # What Place() does, without a call of Python's for each of 400.
    return list(map(tuple.__new__, repeat(Place), zip(sequences, balances, sums, strict=False)))
