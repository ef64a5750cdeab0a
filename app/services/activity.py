"""What has happened in all wallets of a user, newest first, from the read model, with a search."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from uuid import UUID

from app import ids
from app.access import policy
from app.access.viewer import Viewer
from app.clock import Clock, monotonic
from app.db import activity_sql, lists, sequence_sql
from app.db.activity_sql import ModelPosition, Movement, Sought
from app.db.statements import Reader
from app.errors import BadUserInput, Unavailable
from app.paging.pages import Page, PageRequest, TransactionFilter
from app.paging.update_cursor import read_update_cursor
from app.records import EntryDirection
from app.services import activity_words, reading

MAX_PAIRS = 20
"""Pairs of metadata in a filter: as many as a transaction has."""
_MOST_PARTIES_OF_A_WORD = 200
_WAIT_SECONDS, _LOOK_SECONDS = 1.0, 0.02
_EXPONENTS = range(5)
_LARGEST = 2**63 - 1
_SIGNS = {EntryDirection.DEBIT: -1, EntryDirection.CREDIT: 1}
_BEHIND = "This has not reached the read model yet. Try again shortly."


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Limits the activity. An entry must match every field that is set.

    The amounts are plain decimals in the currency of each entry, without a sign, and inclusive.
    """

    wallet_id: str | None = None
    direction: EntryDirection | None = None
    amount_from: str | None = None
    amount_to: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    created_from: datetime | None = None
    """Inclusive."""
    created_to: datetime | None = None
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class ActivityRequest:
    """What to read of a user's activity. `not_before`: an update cursor of one of the wallets, or a position."""

    page: PageRequest
    query: str | None = None
    narrowed: ActivityFilter = ActivityFilter()
    not_before: str | None = None


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """A place in the news: what is read at it has seen all before it. `at`: it has seen all that had a position by then."""

    position: int
    at: datetime
    lag_seconds: float


@dataclass(frozen=True, slots=True)
class Activity:
    """A page, and the position of the model that it is from."""

    page: Page[Movement]
    position: ReadPosition


async def activity_of(database: Reader, viewer: Viewer, owner_id: UUID, request: ActivityRequest, clock: Clock) -> Activity:
    """The entries of all wallets of a user, newest first. Empty if the viewer may not load the wallets.

    With `not_before` it waits until the model has seen that. Raises BadUserInput, and Unavailable if that takes longer than a
    second.
    """
    if not policy.may_load_wallets_of(viewer, owner_id):
        return await _nothing(database, clock)
    page, narrowed = request.page, request.narrowed
    scope = f"activity of {owner_id}{_narrowing(request.query, narrowed)}"
    between = lists.id_range(reading.page_window(page, scope), _id_times(narrowed))
    words = _words_of_query(request.query)
    sought = _sought(narrowed, page.size + 1)
    if request.not_before is not None:
        await _wait(database, viewer, owner_id, request.not_before)
    if between is None or sought is None:
        return await _nothing(database, clock)
    lowest, highest = between
    search = await _search(database, owner_id, words, narrowed.metadata)
    position, found = await activity_sql.movements(
        database, owner_id, replace(sought, lowest=lowest, highest=highest, words=search)
    )
    shown = reading.page_of(found, page, scope, lambda movement: movement.entry_id.int)
    return Activity(shown, _read_position(position, clock))


async def _nothing(database: Reader, clock: Clock) -> Activity:
    return Activity(reading.empty_page(), _read_position(await activity_sql.model_position(database), clock))


def _sought(narrowed: ActivityFilter, most: int) -> Sought | None:
    """The filter for any words and ids. None: no wallet has this id. Raises BadUserInput."""
    wallet_id = None if narrowed.wallet_id is None else ids.decode("wal", narrowed.wallet_id)
    at_least = _minor(narrowed.amount_from, ROUND_CEILING)
    at_most = _minor(narrowed.amount_to, ROUND_FLOOR)
    if len(narrowed.metadata) > MAX_PAIRS:
        raise BadUserInput(f"A filter has at most {MAX_PAIRS} pairs of metadata.")
    if narrowed.wallet_id is not None and wallet_id is None:
        return None
    return Sought(
        most,
        wallet_id=wallet_id,
        sign=None if narrowed.direction is None else _SIGNS[narrowed.direction],
        at_least=at_least,
        at_most=at_most,
        since=narrowed.created_from,
        until=narrowed.created_to,
    )


def _narrowing(query: str | None, narrowed: ActivityFilter) -> str:
    """The part of a cursor's scope that is about what was asked for."""
    given = ((field.name, getattr(narrowed, field.name)) for field in fields(narrowed))
    return f" {query!r}" + "".join(f" {name}={value!r}" for name, value in given if value)


def _words_of_query(query: str | None) -> Sequence[str]:
    if query is None:
        return ()
    if len(query) > activity_words.MAX_QUERY:
        raise BadUserInput(f"`query` has at most {activity_words.MAX_QUERY} characters.")
    words = activity_words.words_of(query)
    if not 1 <= len(words) <= activity_words.MAX_WORDS:
        raise BadUserInput(f"`query` must have 1 to {activity_words.MAX_WORDS} words of letters and digits.")
    return words


def _minor(amount: str | None, rounding: str) -> list[int] | None:
    """A limit in minor units, by the number of decimals of a currency."""
    if amount is None:
        return None
    given = Decimal(amount)
    if given < 0:
        raise BadUserInput("An amount in a filter has no sign: `direction` says which side.")
    return [min(int(given.scaleb(exponent).to_integral_value(rounding)), _LARGEST) for exponent in _EXPONENTS]


def _id_times(narrowed: ActivityFilter) -> TransactionFilter:
    try:
        return TransactionFilter(
            created_from=None if narrowed.created_from is None else narrowed.created_from - ids.POSTED_WITHIN,
            created_to=None if narrowed.created_to is None else narrowed.created_to + ids.POSTED_WITHIN,
        )
    except OverflowError:
        raise BadUserInput("A time of the filter is out of range.") from None


async def _search(database: Reader, owner_id: UUID, words: Sequence[str], metadata: Sequence[tuple[str, str]]) -> str | None:
    parties = [
        (party_id, activity_words.words_of_name(name))
        for party_id, name in (await activity_sql.parties(database, owner_id) if words else ())
    ]
    meant = [(word, [party_id for party_id, names in parties if any(name.startswith(word) for name in names)]) for word in words]
    return activity_words.search(owner_id, [(word, party_ids[:_MOST_PARTIES_OF_A_WORD]) for word, party_ids in meant], metadata)


async def _wait(database: Reader, viewer: Viewer, owner_id: UUID, not_before: str) -> None:
    """Wait until the model has seen an update cursor or a position."""
    cursor = read_update_cursor(not_before)
    position = int(not_before) if not_before.isascii() and not_before.isdecimal() and len(not_before) < 19 else None
    if cursor is not None:
        wallet = (await reading.load_wallets(database, viewer, [cursor[0]])).get(cursor[0])
        if wallet is None or wallet.owner_id != owner_id or cursor[1] > wallet.sequence:
            cursor = None
    elif position and not await sequence_sql.is_given(database, position):
        # No event may ever get it, for example after a restore of an older backup.
        position = None
    if cursor is None and position is None:
        raise BadUserInput("`notBefore` must be an updatesCursor of one of these wallets, or a position.")
    deadline = monotonic() + _WAIT_SECONDS
    while not await _has_seen(database, cursor, position or 0):
        if monotonic() >= deadline:
            raise Unavailable(_BEHIND)
        await asyncio.sleep(_LOOK_SECONDS)


async def _has_seen(database: Reader, cursor: tuple[UUID, int] | None, position: int) -> bool:
    if cursor is not None:
        return await activity_sql.last_sequence(database, cursor[0]) >= cursor[1]
    return (await activity_sql.model_position(database)).position >= position


def _read_position(found: ModelPosition, clock: Clock) -> ReadPosition:
    now = clock()
    at = now if found.behind_since is None else min(found.behind_since, now)
    return ReadPosition(found.position, at, (now - at).total_seconds())
