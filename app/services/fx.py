"""Exchange rates, and what a conversion moves. Pure functions, exact arithmetic.

What is sold is rounded up, what is bought is rounded down, and a rate that follows from others is rounded down. So no chain of
conversions at standing rates gains a minor unit. docs/ledger.md has the arithmetic with examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

from app.records import FxRate

RATE_DIGITS = 18
"""Significant digits of a rate that follows from others."""
BASIS_POINTS = 10_000
MAX_SPREAD = 5_000
"""Half of what is sold, in basis points: the most of one rate."""
_MAX_PAIR_SPREAD = BASIS_POINTS - 1


class PairRate(NamedTuple):
    """The rate from one currency to another."""

    source: str
    target: str
    rate: Decimal
    """Major units of `target` for one of `source`, exactly."""
    spread_basis_points: int
    origin: str
    """Where its rates come from, in words."""
    valid_from: datetime


class Price(NamedTuple):
    """The amounts of a conversion. Source and spread are in minor units of the source currency, the others of the target's."""

    source: int
    target: int
    spread: int
    residue: int


def factor_of(rate: Decimal, source_exponent: int, target_exponent: int) -> Fraction:
    """Minor units of the target currency for one of the source currency."""
    return Fraction(rate) * Fraction(10) ** (target_exponent - source_exponent)


def price_of_source(source: int, factor: Fraction, spread_basis_points: int) -> Price:
    """What an amount buys. The target may be zero: then it is too small to buy anything."""
    spread = -(-source * spread_basis_points // BASIS_POINTS)
    return Price(source, int((source - spread) * factor), spread, 0)


def price_of_target(target: int, factor: Fraction, spread_basis_points: int) -> Price:
    """What an amount costs: the least that buys it. What that buys beyond it is the residue."""
    net = -(-target * factor.denominator // factor.numerator)
    source = -(-net * BASIS_POINTS // (BASIS_POINTS - spread_basis_points))
    return Price(source, target, source - net, int(net * factor) - target)


def part_given_back(whole: int, before: int, now: int, total: int, *, rounds_up: bool = False) -> int:
    """The part of `whole` that goes back with `now` of `total`, after `before` of it: all parts together are `whole`."""
    extra = total - 1 if rounds_up else 0
    return (whole * (before + now) + extra) // total - (whole * before + extra) // total


class RateBook:
    """The rates of one moment, one for each two currencies.

    Every currency gets one value, along a tree of rates that grows from the base currency. A rate that is not in the tree is
    used only as far as it is not better than these values: otherwise rates that do not fit each other could be played off.
    """

    def __init__(self, rates: Iterable[FxRate], base: str) -> None:
        self._edges: dict[str, dict[str, FxRate]] = {}
        self._values: dict[str, _Value] = {}
        for rate in rates:
            self._edges.setdefault(rate.base, {})[rate.quote] = rate
            self._edges.setdefault(rate.quote, {})[rate.base] = rate
        for root in (base, *sorted(self._edges)):
            if root in self._edges and root not in self._values:
                self._grow(root)

    def _grow(self, root: str) -> None:
        """Value every currency that rates connect with the root, the nearest first."""
        self._values[root] = _Value(root, Fraction(1), frozenset())
        reached = [root]
        for currency in reached:
            known = self._values[currency]
            for neighbour, rate in sorted(self._edges[currency].items()):
                if neighbour not in self._values:
                    value = known.value * _worth(rate, neighbour, currency)
                    self._values[neighbour] = _Value(root, value, known.path | {rate})
                    reached.append(neighbour)

    def rate(self, source: str, target: str) -> PairRate | None:
        """The rate between two currencies, or None if no rates connect them."""
        value, other = self._values.get(source), self._values.get(target)
        if value is None or other is None or value.root != other.root or source == target:
            return None
        worth = value.value / other.value
        direct = self._edges[source].get(target)
        used = (direct,) if direct is not None else tuple(sorted(value.path ^ other.path, key=lambda rate: rate.number))
        if direct is not None:
            worth = min(worth, _worth(direct, source, target))
        return PairRate(
            source,
            target,
            _decimal(worth),
            min(sum(rate.spread_basis_points for rate in used), _MAX_PAIR_SPREAD),
            ", ".join(dict.fromkeys(rate.source for rate in used)),
            max(rate.valid_from for rate in used),
        )

    def value(self, amount: int, source: str, target: str, exponents: Mapping[str, int]) -> int | None:
        """A signed amount in minor units of another currency, without spread, rounded down; None if no rates connect them."""
        if source == target:
            return amount
        found = self.rate(source, target)
        if found is None:
            return None
        return (amount * factor_of(found.rate, exponents[source], exponents[target])).__floor__()


class _Value(NamedTuple):
    root: str
    value: Fraction
    """What one major unit is worth in the root's currency."""
    path: frozenset[FxRate]
    """The rates that lead to the root. Those of one currency and not of the other lead from one to the other."""


def _worth(rate: FxRate, source: str, target: str) -> Fraction:
    """Major units of `target` for one of `source`, by a rate between the two."""
    assert {source, target} == {rate.base, rate.quote}
    return Fraction(rate.rate) if rate.base == source else 1 / Fraction(rate.rate)


def _decimal(worth: Fraction) -> Decimal:
    """The value as a decimal, rounded down if it has more digits than a rate keeps."""
    with localcontext(prec=RATE_DIGITS, rounding=ROUND_DOWN):
        return (Decimal(worth.numerator) / Decimal(worth.denominator)).normalize()
