"""What a wallet's balance was: at a moment, and over the periods of a calendar."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, repeat
from typing import NamedTuple

from app.access import policy
from app.access.viewer import Viewer
from app.clock import Clock
from app.db import time_sql
from app.db.statements import Reader
from app.db.time_sql import Place
from app.errors import BadUserInput, Unavailable
from app.records import Wallet
from app.services.calendars import BadPeriods, Periods, boundaries

FINAL_AFTER = timedelta(seconds=5)
"""How long after a moment its balance is final at the earliest. The clocks of processes must not differ by more."""
_MAY_BE_UNFINISHED = timedelta(minutes=1)
"""Where an entry was posted so long after a moment, no transaction with an earlier entry can be unfinished: all that post to a
wallet wait for each other, and each takes its time after the wait."""
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
"""Before any entry. Since then, the clocks of all time zones differ from UTC by quarters of an hour."""


@dataclass(frozen=True, slots=True)
class BalancePoint:
    """A wallet after every entry posted at or before `at`, in minor units."""

    at: datetime
    sequence: int
    balance: int
    held: int

    @property
    def available(self) -> int:
        """The balance less what was held."""
        return self.balance - self.held


class BalancePeriod(NamedTuple):
    """A wallet over the time from `start` to before `end`, in minor units. opening + credits - debits = closing.

    A tuple whose figures are computed when they are asked for: a chart has 400, and shows few of them.
    """

    start: datetime
    end: datetime
    first: Place
    """The wallet just before `start`."""
    last: Place
    """The wallet just before `end`."""

    @property
    def opening(self) -> int:
        return self.first.balance

    @property
    def closing(self) -> int:
        return self.last.balance

    @property
    def debits(self) -> int:
        return self.last.debits - self.first.debits

    @property
    def credits(self) -> int:
        return self.closing - self.opening + self.debits

    @property
    def entry_count(self) -> int:
        return self.last.sequence - self.first.sequence

    @property
    def closing_sequence(self) -> int:
        """Of the last entry before `end`."""
        return self.last.sequence


async def balance_at(
    database: Reader, viewer: Viewer, wallet: Wallet, at: datetime, clock: Clock, *, final_after: timedelta = FINAL_AFTER
) -> BalancePoint | None:
    """The wallet's balance at a moment. The answer never changes. None if the viewer may not load the wallet.

    Raises BadUserInput for a moment that is not over long enough.
    """
    if not policy.may_load_wallet(viewer, wallet):
        return None
    if at > clock() - final_after:
        raise BadUserInput(
            f"A balance is final {final_after.seconds} seconds after its time: `at` must be earlier. `balance` is that of now."
        )
    asked = max(at, _EARLIEST).astimezone(UTC)
    found = await time_sql.balance_at(database, wallet.id, asked)
    if found.posted_at <= at + _MAY_BE_UNFINISHED:
        await time_sql.wait_for_posting(database, wallet.id)
        found = await time_sql.balance_at(database, wallet.id, asked)
    return BalancePoint(at, found.sequence, found.balance, await time_sql.held_at(database, wallet.id, asked))


async def balances(
    database: Reader, viewer: Viewer, wallet: Wallet, asked: Periods, clock: Clock, *, with_debits: bool = True
) -> list[BalancePeriod]:
    """The wallet's balances over the periods of a calendar. Without debits, `debits` and `credits` mean nothing.

    The figures of a period are final as `balance_at` is at its end. Empty if the viewer may not load the wallet. Raises
    BadUserInput, and Unavailable if the read model is far behind.
    """
    if not policy.may_load_wallet(viewer, wallet):
        return []
    try:
        borders = boundaries(asked)
    except BadPeriods as problem:
        raise BadUserInput(str(problem)) from None
    over = bisect_right(borders, clock())
    if over and wallet.posted_at <= borders[over - 1] + _MAY_BE_UNFINISHED:
        await time_sql.wait_for_posting(database, wallet.id)
    places = await _places(database, wallet, borders, with_debits=with_debits)
    # What BalancePeriod() does, without a call of Python's for each of 400.
    periods = zip(borders, borders[1:], places, places[1:], strict=False)
    return list(map(tuple.__new__, repeat(BalancePeriod), periods))


async def _places(database: Reader, wallet: Wallet, borders: list[datetime], *, with_debits: bool) -> list[Place]:
    """The wallet before each border: an entry at the very moment of a border belongs to the period that begins there."""
    moments = borders if borders[0] >= _EARLIEST else [max(border, _EARLIEST) for border in borders]
    places, newer = await time_sql.at_borders(database, wallet.id, moments, with_debits=with_debits)
    if len(newer) > time_sql.MOST_NEWER:
        raise Unavailable("The read model is behind. Try again shortly.")
    if not newer:
        return places
    times = [entry.at for entry in newer]
    debits = list(accumulate(entry.debit for entry in newer))
    for n, moment in enumerate(moments):
        count = bisect_left(times, moment)
        if count:
            last = newer[count - 1]
            places[n] = Place(last.sequence, last.balance, places[n].debits + debits[count - 1])
    return places
