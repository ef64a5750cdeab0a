"""A wallet as it was: its balance at a moment, and at the borders of periods.

A wallet's entries are never backdated, so its balance at a moment is that after the last entry posted at or before it. The
read model narrows the search to 4 entries. What it does not have yet is searched in the ledger itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from app import ids
from app.db.archive_sql import SPANS
from app.db.projection_sql import DAY_FLOOR, ID_FLOOR, ID_MARGIN
from app.db.statements import Reader
from app.errors import Archived

MOST_NEWER = 10_000
"""Entries that the model does not have yet and that `at_moments` reads."""
NO_ACTIVITY = (
    "Entries of this day are archived. The wallet's balance is known at the ends of days in UTC, or once they are restored."
)

_MODEL = f"""
model AS MATERIALIZED (
    SELECT generation, position FROM read_models WHERE is_live
), wallet AS MATERIALIZED (
    SELECT sequence, posted_at, owner_id FROM wallets WHERE id = $1
), archived AS MATERIALIZED (
    SELECT first_sequence, last_sequence FROM ({SPANS}) AS span WHERE wallet_id = $1
), files AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM archived) AS has_any
), newest AS MATERIALIZED (
    SELECT d.day, d.last_sequence FROM model CROSS JOIN LATERAL (
        SELECT day, last_sequence FROM wallet_days WHERE generation = model.generation AND wallet_id = $1
        ORDER BY day DESC LIMIT 1) d
)"""  # noqa: S608 - the parts are constants
# The last mark of the moment's day at or before the moment. If there is none, or entries of the wallet are in files: the day
# of the moment, or the last one before it with an entry. `is_inside` is false where the whole day is before the moment. Where
# entries of the day are in files, `x` adds up the activity of the day instead: how many there are, and up to the moment the
# number, the sum and the debits. A wallet of the system has none.
_PLACE = f"""
CROSS JOIN files
LEFT JOIN LATERAL (
    SELECT m.sequence, m.balance, m.debits_so_far, NOT files.has_any AS is_enough FROM wallet_marks m
    WHERE m.generation = model.generation AND m.wallet_id = $1 AND m.at >= {{midnight}} AND m.at <= {{at}}
    ORDER BY m.at DESC, m.sequence DESC LIMIT 1
) m ON true
LEFT JOIN LATERAL (
    SELECT d.*, d.day = {{day}} AND isfinite({{midnight}}) AS is_inside,
        files.has_any AND EXISTS (
            SELECT FROM archived a
            WHERE a.first_sequence <= d.last_sequence AND a.last_sequence >= d.first_sequence) AS is_archived
    FROM wallet_days d
    WHERE m.is_enough IS NOT true AND d.generation = model.generation AND d.wallet_id = $1 AND d.day <= {{day}}
    ORDER BY d.day DESC LIMIT 1
) d ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN d.is_inside AND d.is_archived THEN (
        SELECT ARRAY[count(*), count(*) FILTER (WHERE x.at <= {{at}}), coalesce(sum(x.amount) FILTER (WHERE x.at <= {{at}}), 0),
                     coalesce(sum(greatest(-x.amount, 0)) FILTER (WHERE x.at <= {{at}}), 0)]
        FROM wallet CROSS JOIN activity x
        WHERE x.generation = model.generation AND x.owner_id = wallet.owner_id AND x.wallet_id = $1
          AND x.entry_id >= {DAY_FLOOR.format("d.day")}
          AND x.entry_id < {ID_FLOOR.format(f"(d.day + 1)::timestamp AT TIME ZONE 'UTC' + {ID_MARGIN}")}
          AND x.at >= d.day::timestamp AT TIME ZONE 'UTC' AND x.at < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
    ) END AS sums OFFSET 0
) x"""  # noqa: S608 - the parts are constants
# `midnight` is when the day begins, or infinity for the last moment of a day, for which the day alone is enough.
_OF_ONE = {
    "at": "$2::timestamptz",
    "day": "($2::timestamptz AT TIME ZONE 'UTC')::date",
    "midnight": "(CASE WHEN (($2::timestamptz + interval '1 microsecond') AT TIME ZONE 'UTC')::date > "
    "($2 AT TIME ZONE 'UTC')::date THEN 'infinity' ELSE date_trunc('day', $2 AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' END)",
}
_OF_MANY = {name: f"moment.{name}" for name in _OF_ONE}
_BASE = """
    m.is_enough IS true OR (d.is_inside AND NOT d.is_archived) AS is_inside,
    d.is_inside AND d.is_archived AND x.sums[1] <> d.entry_count AS is_unknown,
    CASE WHEN m.is_enough THEN m.sequence WHEN NOT d.is_inside THEN d.last_sequence
         WHEN d.is_archived THEN d.first_sequence - 1 + x.sums[2]::bigint
         ELSE coalesce(m.sequence, d.first_sequence - 1) END AS sequence,
    CASE WHEN m.is_enough THEN m.balance WHEN NOT d.is_inside THEN d.closing
         WHEN d.is_archived THEN d.opening + x.sums[3]::bigint ELSE coalesce(m.balance, d.opening) END AS balance,
    CASE WHEN m.is_enough THEN m.debits_so_far WHEN NOT d.is_inside THEN d.debits_so_far
         WHEN d.is_archived THEN d.debits_so_far - d.debits + x.sums[4]
         ELSE coalesce(m.debits_so_far, d.debits_so_far - d.debits) END AS debits"""

# A binary search between the last entry that is surely not after the moment and the last that may be. It has two steps within
# the model, and more where the model is behind.
_BALANCE_AT = f"""
WITH RECURSIVE {_MODEL}, base AS MATERIALIZED (
    SELECT {DAY_FLOOR.format(f"CASE WHEN m.is_enough THEN {_OF_ONE['day']} ELSE d.day END")} AS lowest,
           {ID_FLOOR.format(f"$2 + {ID_MARGIN}")} AS highest, {_BASE}
    FROM model {_PLACE.format(**_OF_ONE)}
), search (low, high) AS (
    SELECT coalesce(b.sequence, 0), CASE
        WHEN w.sequence > coalesce(n.last_sequence, 0) AND coalesce(n.day <= ($2 AT TIME ZONE 'UTC')::date, true) THEN w.sequence
        WHEN b.is_inside THEN least(b.sequence + 3, n.last_sequence)
        ELSE coalesce(b.sequence, 0) END
    FROM wallet w CROSS JOIN base b LEFT JOIN newest n ON true
    UNION ALL
    SELECT CASE WHEN probe.is_before THEN middle.sequence ELSE s.low END,
           CASE WHEN probe.is_before THEN s.high ELSE middle.sequence - 1 END
    FROM search s
    CROSS JOIN base b
    CROSS JOIN LATERAL (SELECT (s.low + s.high + 1) / 2 AS sequence) middle
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT FROM ledger_entries WHERE wallet_id = $1 AND sequence = middle.sequence AND created_at <= $2
          AND transaction_id >= b.lowest AND transaction_id < b.highest) AS is_before) probe
    WHERE s.low < s.high
), found AS MATERIALIZED (
    SELECT low AS sequence FROM search WHERE low = high
)
SELECT f.sequence, w.posted_at, b.is_unknown, CASE WHEN f.sequence = coalesce(b.sequence, 0) THEN coalesce(b.balance, 0) ELSE (
    SELECT balance_after FROM ledger_entries WHERE wallet_id = $1 AND sequence = f.sequence
      AND transaction_id >= b.lowest AND transaction_id < b.highest) END AS balance
FROM found f CROSS JOIN base b CROSS JOIN wallet w
"""  # noqa: S608 - the parts are constants

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

# Up to 3 entries after the mark are added up for each moment. They are looked up by their sequences, given one by one: for a
# range, the planner may also read all ids between the two bounds, of all wallets, which are only there to leave out partitions.
# $7 and $8 bound all moments: partitions outside them are left out before the query runs.
_AT_MOMENTS = f"""
WITH {_MODEL}
SELECT moment.n, b.sequence + coalesce(e.count, 0) AS sequence, b.balance + coalesce(e.amount, 0)::bigint AS balance,
       (b.debits + coalesce(e.debits, 0))::text AS debits, NULL::timestamptz AS at, b.is_unknown
FROM model
CROSS JOIN unnest($2::text::timestamptz[], $3::text::date[], $4::text::timestamptz[], $5::text::uuid[], $6::text::uuid[])
    WITH ORDINALITY AS moment (at, day, midnight, lowest, highest, n)
LEFT JOIN newest ON true
CROSS JOIN LATERAL (
    SELECT {_BASE} FROM (SELECT) AS one {_PLACE.format(**_OF_MANY)}
) b
LEFT JOIN LATERAL (
    SELECT count(*) AS count, sum(amount) AS amount, sum(greatest(-amount, 0)) AS debits
    FROM ledger_entries
    WHERE b.is_inside AND wallet_id = $1 AND sequence = ANY (ARRAY[b.sequence + 1, b.sequence + 2, b.sequence + 3])
      AND sequence <= newest.last_sequence AND created_at <= moment.at
      AND transaction_id >= moment.lowest AND transaction_id < moment.highest
      AND transaction_id >= $7 AND transaction_id < $8
) e ON true
UNION ALL
SELECT NULL, e.sequence, e.balance_after, greatest(-e.amount, 0)::text, e.created_at, false
FROM wallet w LEFT JOIN newest n ON true
CROSS JOIN LATERAL (
    SELECT sequence, balance_after, amount, created_at FROM ledger_entries
    WHERE wallet_id = $1 AND sequence > coalesce(n.last_sequence, 0) AND sequence <= w.sequence
      AND transaction_id >= {DAY_FLOOR.format("n.day")} AND transaction_id < {ID_FLOOR.format(f"w.posted_at + {ID_MARGIN}")}
    ORDER BY sequence LIMIT {MOST_NEWER + 1}
) e
"""  # noqa: S608 - the parts are constants
_POSTED_AT = "SELECT posted_at FROM wallets WHERE id = $1"


_RESOLUTION = timedelta(microseconds=1)


class Found(NamedTuple):
    """A wallet at a moment, and when its newest entry was posted."""

    sequence: int
    balance: int
    posted_at: datetime


class Place(NamedTuple):
    """A wallet at a moment. `debits` are the sum of all its debits up to then."""

    sequence: int
    balance: int
    debits: int


class Newer(NamedTuple):
    """An entry that the model does not have yet. `debit` is 0 for a credit."""

    sequence: int
    balance: int
    debit: int
    at: datetime


async def balance_at(reader: Reader, wallet_id: UUID, at: datetime) -> Found:
    """Returns a wallet's last sequence at a moment and the balance after it. Both are 0 before its first entry.

    Raises Archived if the entries of that day are in files, and the wallet has no activity.
    """
    (row,) = await reader.fetch(_BALANCE_AT, wallet_id, at)
    if row["is_unknown"]:
        raise Archived(NO_ACTIVITY)
    return Found(row["sequence"], row["balance"], row["posted_at"])


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


async def posted_at(reader: Reader, wallet_id: UUID) -> datetime:
    """Returns when the wallet's newest entry was posted, or when the wallet was opened."""
    (row,) = await reader.fetch(_POSTED_AT, wallet_id)
    moment: datetime = row["posted_at"]
    return moment


@lru_cache(maxsize=8192)
def _facts(moment: datetime) -> tuple[str, ...]:
    """What the database would have to find out about a moment: its day in UTC, when that begins, and bounds of entries' ids.

    As texts, for the literals of arrays: the driver takes longer to encode an array than the database to read it. Where the
    moment is the last one of its day, the day does not begin: its marks are not needed.
    """
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = "infinity" if moment + _RESOLUTION == midnight + timedelta(days=1) else midnight.isoformat()
    lowest, highest = ids.id_floor(midnight - ids.POSTED_WITHIN), ids.id_floor(moment + ids.POSTED_WITHIN)
    return moment.isoformat(), midnight.date().isoformat(), begin, str(lowest), str(highest)


async def at_moments(reader: Reader, wallet_id: UUID, moments: Sequence[datetime]) -> tuple[list[Place], list[Newer]]:
    """Returns the wallet at each moment as far as the model knows, and the entries that it does not have, by sequence.

    The moments are in UTC. The entries are at most MOST_NEWER + 1. All is from one snapshot. Raises Archived as `balance_at`.
    """
    places: list[Place] = [Place(0, 0, 0)] * len(moments)
    newer: list[Newer] = []
    columns = list(zip(*map(_facts, moments), strict=True))
    bounds = UUID(min(columns[-2])), UUID(max(columns[-1]))
    rows = await reader.fetch(_AT_MOMENTS, wallet_id, *(f"{{{','.join(column)}}}" for column in columns), *bounds)
    for n, sequence, balance, debits, at, is_unknown in rows:
        if is_unknown:
            raise Archived(NO_ACTIVITY)
        if n is None:
            newer.append(Newer(sequence, balance, int(debits), at))
        elif sequence is not None:
            places[n - 1] = Place(sequence, balance, int(debits))
    return places, newer
