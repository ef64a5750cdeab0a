"""Setting exchange rates, and reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock
from app.db import fx_sql, wallet_sql
from app.db.fx_sql import NewRate
from app.db.statements import Reader
from app.errors import Refusal, RefusalCode
from app.money import Currency
from app.records import FxRate
from app.services.fx import MAX_SPREAD, RateBook
from app.services.input_rules import people_text
from app.services.refusals import unknown_currency
from app.services.wallets import MAX_NAME, MAX_REASON
from app.settings import Settings

_MAX_DECIMALS = 15
_MAX_RATE = Decimal(10) ** 15
_NOT_BACKDATED = "fx_rates_not_backdated"


@dataclass(frozen=True, slots=True)
class RateInput:
    """The client's input of setFxRate. `rate` is a plain decimal string."""

    base: str
    quote: str
    rate: str
    spread_basis_points: int
    source: str
    valid_from: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class RateResult:
    """The rate that was set, or the refusals."""

    rate: FxRate | None
    refusals: tuple[Refusal, ...] = ()


async def set_rate(
    engine: AsyncEngine,
    viewer: Viewer,
    details: RateInput,
    currencies: Mapping[str, Currency],
    clock: Clock,
    *,
    request_id: str | None = None,
) -> RateResult:
    """Set the rate between two currencies, with a record for the audit log. Raises Forbidden for all but administrators."""
    policy.require(viewer, Right.SET_FX_RATES)
    new = _checked(details, currencies)
    if isinstance(new, Refusal):
        return RateResult(None, (new,))
    reason = people_text(details.reason, ("input", "reason"), least=1, most=MAX_REASON)
    if isinstance(reason, Refusal):
        return RateResult(None, (reason,))
    now = clock()
    try:
        async with engine.begin() as connection:
            await fx_sql.lock_rates(connection)
            rate = await fx_sql.insert_rate(connection, ids.new_id(now), new, viewer.user_id)
            await wallet_sql.audit(
                connection,
                ids.new_id(now),
                "SET_FX_RATE",
                rate.id,
                before={},
                after=_audited(rate),
                actor_id=viewer.user_id,
                reason=reason,
                request_id=request_id,
            )
    except IntegrityError as error:
        if getattr(error.orig.__cause__ if error.orig else None, "constraint_name", None) != _NOT_BACKDATED:
            raise
        message = "A rate cannot be valid from a time that has passed. Leave validFrom out for now."
        return RateResult(None, (_invalid(message, "validFrom"),))
    return RateResult(rate)


async def rates_at(database: Reader, viewer: Viewer, moment: datetime) -> list[FxRate]:
    """The rate of each two currencies that is valid at the moment. Raises Forbidden if the viewer may neither see nor send."""
    policy.require_view_or_transfer(viewer)
    return await fx_sql.rates_at(database, moment)


async def usable_rates(database: Reader, settings: Settings, now: datetime) -> RateBook:
    """The rates that a quote may use now: those of feeds only while they are recent."""
    oldest = now - timedelta(seconds=settings.fx_max_rate_age_seconds)
    found = await fx_sql.rates_at(database, now)
    recent = [rate for rate in found if rate.initiator_id is not None or rate.valid_from >= oldest]
    return RateBook(recent, settings.fx_base_currency)


def rate_text(rate: Decimal) -> str:
    """The rate in plain notation, without trailing zeros."""
    return f"{rate.normalize():f}"


def _checked(details: RateInput, currencies: Mapping[str, Currency]) -> NewRate | Refusal:
    for field_name, code in (("base", details.base), ("quote", details.quote)):
        if code not in currencies:
            return unknown_currency(("input", field_name))
    if details.base == details.quote:
        return _invalid("A rate is between two currencies.", "quote")
    rate = Decimal(details.rate)
    decimals = len(details.rate.partition(".")[2])
    if not 0 < rate < _MAX_RATE or decimals > _MAX_DECIMALS:
        return _invalid(f"A rate is more than zero, below 10^15, with at most {_MAX_DECIMALS} decimals.", "rate")
    if not 0 <= details.spread_basis_points <= MAX_SPREAD:
        return _invalid(f"A spread is 0 to {MAX_SPREAD} basis points.", "spreadBasisPoints")
    source = people_text(details.source, ("input", "source"), least=1, most=MAX_NAME)
    if isinstance(source, Refusal):
        return source
    return NewRate(details.base, details.quote, rate, details.spread_basis_points, source, details.valid_from)


def _audited(rate: FxRate) -> dict[str, str]:
    return {
        "base": rate.base,
        "quote": rate.quote,
        "rate": rate_text(rate.rate),
        "spread_basis_points": str(rate.spread_basis_points),
        "source": rate.source,
        "valid_from": rate.valid_from.isoformat(),
    }


def _invalid(message: str, field_name: str) -> Refusal:
    return Refusal(RefusalCode.INVALID_INPUT, message, ("input", field_name))
