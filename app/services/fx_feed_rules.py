"""What is taken of a feed's answer: rates that make no sense, or jump, are refused, the others are taken. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from app.db.fx_sql import NewRate
from app.records import FxRate
from app.services.fx_feeds import FeedAnswer, FeedError

_FUTURE = timedelta(minutes=1)
_RENEWED_AFTER = 4
"""A rate that does not change gets a new row after this part of the longest age: often enough, and no row for each read."""
_COLUMN = Context(prec=30, traps=[Inexact, InvalidOperation])
_SMALLEST = Decimal("1e-15")
"""What the database keeps of a rate: 15 digits before the point and 15 behind it."""


class Reason(StrEnum):
    """Why a rate is refused."""

    NOT_A_NUMBER = "not_a_number"
    NOT_POSITIVE = "not_positive"
    TOO_MANY_DIGITS = "too_many_digits"
    UNKNOWN_CURRENCY = "unknown_currency"
    STEP_TOO_LARGE = "step_too_large"


@dataclass(frozen=True, slots=True)
class FeedRules:
    """The settings of what is taken."""

    spread_basis_points: int
    max_step_percent: Decimal
    max_age: timedelta


class Refused(NamedTuple):
    """A rate that is not taken."""

    quote: str
    reason: Reason
    rate: Decimal | None
    previous: FxRate | None
    """The rate that stays in force, of a step that is too large."""


class Decision(NamedTuple):
    """What becomes of an answer's rates."""

    new: list[NewRate]
    kept: list[str]
    """The currencies whose rates stay in force."""
    refused: list[Refused]


def check_moment(at: datetime, now: datetime, rules: FeedRules) -> None:
    """Raises FeedError if an answer about this moment is too old, or about the future."""
    if now - at > rules.max_age:
        raise FeedError(
            f"it is {(now - at).total_seconds():.0f} s old, and rates are used for {rules.max_age.total_seconds():.0f} s"
        )
    if at - now > _FUTURE:
        raise FeedError(f"it is {(at - now).total_seconds():.0f} s ahead of the database's clock")


def decide(
    answer: FeedAnswer, in_force: Iterable[FxRate], currencies: Collection[str], rules: FeedRules, now: datetime
) -> Decision:
    """Decide on each rate of an answer. `in_force` are the rates that are valid now, however old they are.

    Raises FeedError if the answer's base is not a known currency.
    """
    if answer.base not in currencies:
        raise FeedError("its base is not a currency of this installation")
    previous_of = {frozenset((rate.base, rate.quote)): rate for rate in in_force}
    decision = Decision([], [], [])
    for quote, rate in answer.rates.items():
        previous = previous_of.get(frozenset((answer.base, quote)))
        reason = _fault(quote, rate, currencies) or _jump(rate, previous, answer.base, rules)
        if reason is not None:
            decision.refused.append(Refused(quote, reason, rate, previous))
            continue
        assert rate is not None
        new = NewRate(answer.base, quote, rate, rules.spread_basis_points, answer.source, None)
        if previous is not None and _stays(previous, new, answer.at, now, rules):
            decision.kept.append(quote)
        else:
            decision.new.append(new)
    return decision


def _fault(quote: str, rate: Decimal | None, currencies: Collection[str]) -> Reason | None:
    """What is wrong with a rate in itself."""
    if quote not in currencies:
        return Reason.UNKNOWN_CURRENCY
    if rate is None or not rate.is_finite():
        return Reason.NOT_A_NUMBER
    if rate <= 0:
        return Reason.NOT_POSITIVE
    try:
        _COLUMN.quantize(rate, _SMALLEST)
    except (Inexact, InvalidOperation):
        return Reason.TOO_MANY_DIGITS
    return None


def _jump(rate: Decimal | None, previous: FxRate | None, base: str, rules: FeedRules) -> Reason | None:
    """Whether a rate is too far from the one in force, which an administrator may have set."""
    if rate is None or previous is None:
        return None
    before = worth_of(previous, base)
    is_far = abs(Fraction(rate) - before) * 100 > before * Fraction(rules.max_step_percent)
    return Reason.STEP_TOO_LARGE if is_far else None


def _stays(previous: FxRate, new: NewRate, at: datetime | None, now: datetime, rules: FeedRules) -> bool:
    """Whether the rate in force needs no new row."""
    is_news = at is None or at > previous.valid_from
    if previous.initiator_id is not None and not is_news:
        # An administrator has decided after the moment that the answer is about.
        return True
    if (previous.base, previous.quote, previous.rate, previous.spread_basis_points) != new[:4]:
        return False
    return not is_news or now - previous.valid_from < rules.max_age / _RENEWED_AFTER


def worth_of(rate: FxRate, base: str) -> Fraction:
    """What one major unit of `base`, one of the rate's two currencies, is worth in the other."""
    return Fraction(rate.rate) if rate.base == base else 1 / Fraction(rate.rate)
