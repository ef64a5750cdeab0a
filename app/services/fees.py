"""Fees: which version of a schedule applies at a moment, what it charges, and why, in words. Pure functions, exact arithmetic.

A version is valid from its moment until the next version of its line: versions do not overlap and leave no gap. A user's line
is preferred to the general one where that user pays the fee.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal, localcontext
from typing import NamedTuple
from uuid import UUID

from app.money import MAX_MINOR, format_minor
from app.records import FeeLine, FeePayer, FeeSchedule, RoundingMode, Transaction, TransactionType

_DIGITS = 60
"""Enough for each product of an amount and a percentage to be exact."""
_ROUNDING = {RoundingMode.UP: ROUND_UP, RoundingMode.DOWN: ROUND_DOWN, RoundingMode.HALF_EVEN: ROUND_HALF_EVEN}


def fee_of(schedule: FeeSchedule, amount: int) -> int:
    """The fee for an amount, in minor units: rounded once, then kept between minimum and maximum."""
    if schedule.percent is None and schedule.flat is None:
        return 0
    with localcontext(prec=_DIGITS):
        part = (schedule.percent or Decimal(0)) * amount / 100
        fee = int(part.to_integral_value(_ROUNDING[schedule.rounding])) + (schedule.flat or 0)
    fee = max(fee, schedule.minimum or 0)
    return min(fee, MAX_MINOR if schedule.maximum is None else schedule.maximum)


def explain(schedule: FeeSchedule, amount: int, exponent: int) -> str:
    """How the fee for an amount is computed, such as "2.9 % of 100.00 + 0.30 = 3.20"."""
    parts = []
    if schedule.percent is not None:
        parts.append(f"{schedule.percent_text} % of {format_minor(amount, exponent)}")
    if schedule.flat is not None:
        parts.append(format_minor(schedule.flat, exponent))
    text = " + ".join(parts) or "no fee"
    for word, limit in (("at least", schedule.minimum), ("at most", schedule.maximum)):
        if limit is not None:
            text += f", {word} {format_minor(limit, exponent)}"
    return f"{text} = {format_minor(fee_of(schedule, amount), exponent)}"


class Charge(NamedTuple):
    """A fee to post: more than zero, in minor units, from the payer's wallet to the currency's fee wallet."""

    amount: int
    schedule: FeeSchedule
    fee_wallet_id: UUID


class FeeBook:
    """All versions of all lines, as of the newest number, with the fee wallet of each currency.

    Without `refuses_unlimited`, a request that sets no limit on its fees accepts any.
    """

    def __init__(
        self, schedules: Iterable[FeeSchedule] = (), wallets: Mapping[str, UUID] | None = None, *, refuses_unlimited: bool = True
    ) -> None:
        self.refuses_unlimited = refuses_unlimited
        self.newest = 0
        """The highest number of a version; 0 if there is none."""
        self._by_id: dict[UUID, FeeSchedule] = {}
        self._lines: dict[FeeLine, list[FeeSchedule]] = {}
        self._wallets: dict[tuple[TransactionType, str], UUID] = {}
        for schedule in sorted(schedules, key=lambda one: one.valid_from):
            self._by_id[schedule.id] = schedule
            self._lines.setdefault(schedule.line, []).append(schedule)
            self._wallets[schedule.transaction_type, schedule.currency] = (wallets or {})[schedule.currency]
            self.newest = max(self.newest, schedule.number)
        self._has_lines_of_users = any(user_id is not None for _, _, user_id in self._lines)

    def wallet_for(self, type_: TransactionType, currency: str) -> UUID | None:
        """The fee wallet to lock for such a request, or None if no version, past or future, is for it."""
        return self._wallets.get((type_, currency))

    def charged(self, transaction: Transaction) -> Charge | None:
        """The fee of a transaction that these schedules were applied to."""
        if transaction.fee is None or transaction.fee_schedule_id is None:
            return None
        fee_wallet_id = self._wallets[transaction.type, transaction.currency]
        return Charge(transaction.fee, self._by_id[transaction.fee_schedule_id], fee_wallet_id)

    def valid_at(
        self, moment: datetime, type_: TransactionType, currency: str, *, sender: UUID | None, receiver: UUID | None
    ) -> FeeSchedule | None:
        """The version that is valid at a moment for a payment between these owners.

        The sender's line counts if its version is paid by the sender, then the receiver's if it is paid by the receiver, then
        the general line.
        """
        if self._has_lines_of_users:
            for user_id, payer in ((sender, FeePayer.SENDER), (receiver, FeePayer.RECEIVER)):
                own = None if user_id is None else self._newest_at(moment, (type_, currency, user_id))
                if own is not None and own.payer is payer:
                    return own
        return self._newest_at(moment, (type_, currency, None))

    def _newest_at(self, moment: datetime, line: FeeLine) -> FeeSchedule | None:
        versions = self._lines.get(line, [])
        place = bisect_right(versions, moment, key=lambda one: one.valid_from)
        return versions[place - 1] if place else None


NO_FEES = FeeBook()
