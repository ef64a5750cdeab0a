"""A wallet's entries by sequence, from the partitions that can have them.

Entries are partitioned by the time in their transactions' ids, and a wallet's sequences rise with time. So a range of sequences
is in a range of ids, which is estimated here from how often the wallet moves. Sequences have no gap, so an answer shows whether
the estimate was right; if it was not, all partitions are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from uuid import UUID

from sqlalchemy import any_, select

from app import ids
from app.db import archive_sql, models
from app.db.rows import ENTRY_COLUMNS, entry_of
from app.db.statements import Reader, Statement, id_parameter, number_parameter, numbers_parameter
from app.errors import Archived
from app.records import Entry, Wallet

_ALL = (ids.LOWEST, ids.HIGHEST)
_SLACK = 1.5
"""Movements are not spread evenly: a span for so many more than are wanted."""


@cache
def _entries(*, is_backward: bool) -> Statement:
    # Of a list of sequences the planner expects few rows. Of a range it expects a part of the wallet's entries: if they are many,
    # it would rather read all of them, and all that anyone has posted in the time of the ids.
    entry = models.LedgerEntry
    query = select(*ENTRY_COLUMNS).where(
        entry.wallet_id == id_parameter("wallet"),
        entry.sequence == any_(numbers_parameter("sequences")),
        entry.transaction_id.between(id_parameter("low"), id_parameter("high")),
    )
    order = entry.sequence.asc() if is_backward else entry.sequence.desc()
    return Statement(query.order_by(order).limit(number_parameter("most")))


async def numbered_entries(reader: Reader, wallet_id: UUID, sequences: range, low: UUID, high: UUID) -> Sequence[Entry]:
    """Returns those of a wallet's entries with these sequences that have ids in a range, the lowest sequence first."""
    values = {"wallet": wallet_id, "sequences": list(sequences), "most": len(sequences)}
    return [entry_of(row) for row in await _entries(is_backward=True).rows(reader, low=low, high=high, **values)]


async def entries_of_wallet(
    reader: Reader, wallet: Wallet, *, above: int, below: int | None, limit: int, is_backward: bool
) -> Sequence[Entry]:
    """Returns at most `limit` entries with sequences above one and below another, from the higher end or from the lower.

    `below` None: up to the newest one, which may be newer than `wallet`. The highest sequence comes first, or the lowest if
    `is_backward`. Raises ArchivedEntries if some of them are in files.
    """
    newest = wallet.sequence if below is None else min(below - 1, wallet.sequence)
    first = above + 1 if is_backward else newest
    count = min(limit, newest - above)
    lowest = first if is_backward else first - count + 1
    statement = _entries(is_backward=is_backward)
    # The wallet may have more entries than when it was read: the page can have some of them.
    last = newest + limit
    if below is not None:
        last = min(last, below - 1)
    start = above + 1 if is_backward else max(above, newest - limit) + 1
    if is_backward:
        last = min(last, above + limit)
    values = {"wallet": wallet.id, "sequences": list(range(start, last + 1)), "most": limit}
    estimated = _span(wallet, lowest)
    found: list[Entry] = []
    for low, high in dict.fromkeys((estimated, _ALL)):
        found = [entry_of(row) for row in await statement.rows(reader, low=low, high=high, **values)]
        if _is_whole(found, first, count, is_backward=is_backward):
            return found
    if await archive_sql.has_archived(reader, wallet.id):
        raise ArchivedEntries(_together(found, first))
    return found


class ArchivedEntries(Archived):
    """Some of the entries are archived. `found` are those before the first one that is."""

    def __init__(self, found: Sequence[Entry]) -> None:
        have = f" Only {len(found)} of those that were asked for are not: ask for as many." if found else ""
        super().__init__(f"{Archived.default_message}{have}")
        self.found = found


def _together(found: Sequence[Entry], first: int) -> Sequence[Entry]:
    """The entries from `first` on that follow each other."""
    steps = [abs(entry.sequence - first) == place for place, entry in enumerate(found)]
    return found[: steps.index(False)] if False in steps else found


def _span(wallet: Wallet, lowest: int) -> tuple[UUID, UUID]:
    """The ids that the wallet's entries from this sequence on have, if it moves about as often as it did so far."""
    wanted = wallet.sequence - lowest + 1
    if wanted <= 0 or wallet.sequence == 0:
        return _ALL
    span = (wallet.posted_at - wallet.created_at) * (wanted / wallet.sequence * _SLACK) + ids.POSTED_WITHIN
    earliest = max(wallet.posted_at - span, wallet.created_at - ids.POSTED_WITHIN)
    return ids.id_floor(earliest), ids.id_floor(wallet.posted_at + ids.POSTED_WITHIN)


def _is_whole(found: Sequence[Entry], first: int, count: int, *, is_backward: bool) -> bool:
    """Whether these are all the entries from `first` on, which are at least `count`. New ones may have come meanwhile."""
    if len(found) < count:
        return False
    if not found:
        return True
    step = 1 if is_backward else -1
    has_first = found[0].sequence == first if is_backward else found[0].sequence >= first
    return has_first and all(entry.sequence == found[0].sequence + step * place for place, entry in enumerate(found))
