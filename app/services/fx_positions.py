"""What conversions have bought and sold of each currency, and what that is worth now."""

from __future__ import annotations

from dataclasses import dataclass

from app.db import fx_sql
from app.services.fx_rates import usable_rates
from app.services.transfers import Ledger
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Position:
    """Amounts are in minor units of `currency`, `value` in those of the base currency."""

    currency: str
    position: int
    limit: int | None
    value: int | None
    """None without a rate."""
    spread_earned: int
    residue: int


@dataclass(frozen=True, slots=True)
class FxStatus:
    """All positions, and their values together. None if one of them has no value."""

    positions: tuple[Position, ...]
    unrealised: int | None


async def status(ledger: Ledger, settings: Settings) -> FxStatus:
    """The positions at the present rates. Does not check the viewer: call it for those who see all."""
    rates = await usable_rates(ledger.engine, settings, ledger.clock())
    found = await fx_sql.positions(ledger.engine, [fx_sql.POSITION, fx_sql.SPREAD, fx_sql.RESIDUE])
    balances = {(currency, purpose): balance for currency, purpose, balance in found}
    positions = []
    for currency in dict.fromkeys(currency for currency, _, _ in found):
        position = balances.get((currency, fx_sql.POSITION), 0)
        value = rates.value(position, currency, settings.fx_base_currency, ledger.exponents) if position else 0
        earned, residue = balances.get((currency, fx_sql.SPREAD), 0), balances.get((currency, fx_sql.RESIDUE), 0)
        positions.append(Position(currency, position, ledger.exposure_limits.get(currency), value, earned, residue))
    values = [one.value for one in positions]
    known = [value for value in values if value is not None]
    return FxStatus(tuple(positions), sum(known) if len(known) == len(values) else None)
