"""Reads of a user's activity from the read model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app import ids
from app.db.projection_sql import BEHIND_SINCE
from app.db.statements import Reader
from app.records import EntryPurpose

GLANCED = 250
"""The newest rows in which a search looks first. Frequent words are found there, rare ones by the index of words."""
SCANNED = 1000
"""The newest rows in which it looks next, if GLANCED had so many matches that these should have a whole page."""
MOST_PARTIES = 10_000
"""The users whose names a search compares, of those whom the owner paid or was paid by; the newest users first."""

_COLUMNS = "entry_id, wallet_id, at, amount, currency, purpose::text, counterparty_wallet_id"
_ROWS = "generation = m.generation AND owner_id = $1 AND entry_id >= $2 AND entry_id <= $3"
_CONDITIONS = """
      ($5::uuid IS NULL OR wallet_id = $5) AND ($6::int IS NULL OR sign(amount) = $6)
      AND ($7::bigint[] IS NULL OR abs(amount) >= $7[exponent + 1]) AND ($8::bigint[] IS NULL OR abs(amount) <= $8[exponent + 1])
      AND ($9::timestamptz IS NULL OR at >= $9) AND ($10::timestamptz IS NULL OR at < $10)"""
_NEWEST_FIRST = "ORDER BY entry_id DESC LIMIT $4"


def _page(source: str) -> str:
    """A page with the position of the model, which is there also if the page is empty."""
    return f"""
SELECT m.position, {BEHIND_SINCE.format("m.position")} AS behind_since, found.*
FROM read_models m LEFT JOIN LATERAL ({source}) AS found ON true
WHERE m.is_live ORDER BY found.entry_id DESC
"""  # noqa: S608 - the parts are constants


_PLAIN = _page(f"SELECT {_COLUMNS} FROM activity WHERE {_ROWS} AND {_CONDITIONS} {_NEWEST_FIRST}")  # noqa: S608 - the parts are constants


def _newest(rows: int) -> str:
    return f"""
    SELECT {_COLUMNS} FROM (
        SELECT * FROM activity WHERE {_ROWS} ORDER BY entry_id DESC LIMIT {rows}
    ) AS newest WHERE words @@ $11::tsquery AND {_CONDITIONS} {_NEWEST_FIRST}"""  # noqa: S608 - the parts are constants


def _by_index(condition: str = "true") -> str:
    """By the index of words, if the condition holds.

    Each word has a part of the owner's id, so the index finds few rows of others. The planner does not know that, and would
    read all rows of the owner by the primary key: IS NOT DISTINCT FROM is equality that it cannot use an index for. OFFSET 0
    keeps the conditions on ids out of that choice.
    """
    return f"""
    SELECT {_COLUMNS} FROM (
        SELECT entry_id, wallet_id, at, amount, currency, purpose, counterparty_wallet_id, exponent FROM activity
        WHERE {condition} AND words @@ $11::tsquery AND owner_id IS NOT DISTINCT FROM $1
          AND generation IS NOT DISTINCT FROM m.generation
        OFFSET 0
    ) AS matching WHERE entry_id >= $2 AND entry_id <= $3 AND {_CONDITIONS} {_NEWEST_FIRST}"""  # noqa: S608 - the parts are constants


def _glance(glanced: int, scanned: int) -> str:
    """The newest rows. If so few of them match that `scanned` would hardly have a page, all rows by the index instead.

    One statement, because most words are rare, and a second one would take about as long as both parts.
    """
    return _page(f"""
    WITH glance AS MATERIALIZED ({_newest(glanced)}
    ), glanced AS MATERIALIZED (SELECT count(*) * {scanned} < $4 * {glanced} AS is_rare FROM glance)
    SELECT *, false AS is_all FROM glance WHERE NOT (SELECT is_rare FROM glanced)
    UNION ALL
    (SELECT *, true FROM ({_by_index("(SELECT is_rare FROM glanced)")}) AS found)""")  # noqa: S608 - the parts are constants


_GLANCE = _glance(GLANCED, SCANNED)
_SCAN = _page(_newest(SCANNED))
_BY_INDEX = _page(_by_index())

_PARTIES = f"""
SELECT p.party_id, u.display_name
FROM read_models m
JOIN activity_parties p ON p.generation = m.generation AND p.owner_id = $1
JOIN users u ON u.id = p.party_id
WHERE m.is_live ORDER BY p.party_id DESC LIMIT {MOST_PARTIES}
"""  # noqa: S608 - the parts are constants
_READ_POSITION = f"SELECT position, {BEHIND_SINCE.format('m.position')} AS behind_since FROM read_models m WHERE is_live"  # noqa: S608 - the parts are constants
_LAST_SEQUENCE = """
SELECT d.last_sequence FROM read_models m
JOIN LATERAL (
    SELECT last_sequence FROM wallet_days WHERE generation = m.generation AND wallet_id = $1 ORDER BY day DESC LIMIT 1
) d ON true
WHERE m.is_live
"""


class ModelPosition(NamedTuple):
    """How far the model is. `behind_since`: when the first event that it lacks got its position; None if it lacks none."""

    position: int
    behind_since: datetime | None


class Movement(NamedTuple):
    """An entry of a wallet of the user. `amount` is signed, in minor units."""

    entry_id: UUID
    wallet_id: UUID
    at: datetime
    amount: int
    currency: str
    purpose: EntryPurpose
    counterparty_wallet_id: UUID | None


@dataclass(frozen=True, slots=True)
class Sought:
    """Which rows: how many, the ids, and what each must match. None: anything. The amounts are by the number of decimals."""

    most: int
    lowest: UUID = ids.LOWEST
    highest: UUID = ids.HIGHEST
    wallet_id: UUID | None = None
    sign: int | None = None
    at_least: Sequence[int] | None = None
    at_most: Sequence[int] | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str | None = None


async def movements(reader: Reader, owner_id: UUID, sought: Sought) -> tuple[ModelPosition, list[Movement]]:
    """Returns the newest of the rows, and the position of the model that has them."""
    values = (
        owner_id,
        sought.lowest,
        sought.highest,
        sought.most,
        sought.wallet_id,
        sought.sign,
        sought.at_least,
        sought.at_most,
        sought.since,
        sought.until,
    )
    if sought.words is None:
        return _read(await reader.fetch(_PLAIN, *values))
    glance = await reader.fetch(_GLANCE, *values, sought.words)
    position, found = _read(glance)
    if found and not glance[0]["is_all"] and len(found) < sought.most:
        position, found = _read(await reader.fetch(_SCAN, *values, sought.words))
        if len(found) < sought.most:
            position, found = _read(await reader.fetch(_BY_INDEX, *values, sought.words))
    return position, found


def _read(rows: Sequence[asyncpg.Record]) -> tuple[ModelPosition, list[Movement]]:
    """`rows` have the position, then the columns of a row, which are NULL if the page is empty."""
    found = [Movement._make((*row[2:7], EntryPurpose(row[7]), row[8])) for row in rows if row[2] is not None]
    return ModelPosition(*rows[0][:2]), found


async def parties(reader: Reader, owner_id: UUID) -> Sequence[tuple[UUID, str]]:
    """Returns the users on the other side of the owner's entries, with their names as they are now."""
    return [(party_id, name) for party_id, name in await reader.fetch(_PARTIES, owner_id)]


async def model_position(reader: Reader) -> ModelPosition:
    """Returns how far the live model is."""
    (row,) = await reader.fetch(_READ_POSITION)
    return ModelPosition(*row)


async def last_sequence(reader: Reader, wallet_id: UUID) -> int:
    """Returns the last entry of the wallet that the model has; 0: none."""
    rows = await reader.fetch(_LAST_SEQUENCE, wallet_id)
    return rows[0][0] if rows else 0
