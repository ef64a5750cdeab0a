"""Quotes for conversions: a price that is promised to one user for some seconds, for one use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.db import fee_sql, fx_sql
from app.db.statements import Reader
from app.errors import Refusal, RefusalCode
from app.money import MAX_MINOR, AmountError, parse_amount
from app.records import FxQuote, QuoteStatus, TransactionType
from app.services.conversion_rules import is_beyond_limits
from app.services.fees import fee_of
from app.services.fx import PairRate, Price, factor_of, price_of_source, price_of_target
from app.services.fx_rates import usable_rates
from app.services.input_rules import idempotency_key_refusal
from app.services.refusals import key_reused, unknown_currency
from app.services.transfers import Ledger
from app.settings import Settings
from app.telemetry import metrics

_PATH = ("input",)


@dataclass(frozen=True, slots=True)
class QuoteInput:
    """The client's input of createFxQuote. The amount is a plain decimal string and its currency, of one of the two sides."""

    idempotency_key: str
    source_currency: str
    target_currency: str
    amount: tuple[str, str]
    is_target_fixed: bool


@dataclass(frozen=True, slots=True)
class QuoteResult:
    """The quote, or the refusals."""

    quote: FxQuote | None
    refusals: tuple[Refusal, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The input in minor units."""

    key: str
    source: str
    target: str
    amount: int
    is_target_fixed: bool

    def repeats(self, earlier: FxQuote) -> bool:
        """Whether the quote with this key came from the same input."""
        fixed = earlier.target_amount if earlier.is_target_fixed else earlier.source_amount
        return (earlier.source_currency, earlier.target_currency, earlier.is_target_fixed, fixed) == (
            self.source,
            self.target,
            self.is_target_fixed,
            self.amount,
        )


async def create_quote(ledger: Ledger, settings: Settings, viewer: Viewer, details: QuoteInput) -> QuoteResult:
    """Promise a price. The same key again returns the same quote, even one that has expired. Raises Forbidden."""
    policy.require(viewer, Right.TRANSFER)
    result = await _create(ledger, settings, viewer, details)
    if not result.replayed:
        metrics.FX_QUOTES.labels(result.refusals[0].code.value if result.refusals else "made").inc()
    return result


async def _create(ledger: Ledger, settings: Settings, viewer: Viewer, details: QuoteInput) -> QuoteResult:
    wanted = _checked(ledger, details)
    if isinstance(wanted, Refusal):
        return QuoteResult(None, (wanted,))
    earlier = await fx_sql.quoted_by(ledger.engine, viewer.user_id, wanted.key)
    if earlier is not None:
        return _again(earlier, wanted)
    quote = await _priced(ledger, settings, viewer, wanted)
    if isinstance(quote, Refusal):
        return QuoteResult(None, (quote,))
    async with ledger.engine.begin() as connection:
        is_new = await fx_sql.insert_quote(connection, quote, wanted.key)
    if not is_new:
        # Another request has used the key meanwhile. Its quote is visible now.
        winner = await fx_sql.quoted_by(ledger.engine, viewer.user_id, wanted.key)
        assert winner is not None
        return _again(winner, wanted)
    ledger.quotes.remember(quote.id, quote)
    return QuoteResult(quote)


def _again(earlier: FxQuote, wanted: _Wanted) -> QuoteResult:
    if not wanted.repeats(earlier):
        return QuoteResult(None, (key_reused(_PATH, None),))
    return QuoteResult(earlier, replayed=True)


async def load_quotes(database: Reader, viewer: Viewer, quote_ids: Collection[UUID]) -> dict[UUID, FxQuote]:
    """Quotes by id: the viewer's own, or any for those who see all."""
    found = await fx_sql.quotes(database, quote_ids)
    return {quote.id: quote for quote in found.values() if quote.user_id == viewer.user_id or policy.sees_all(viewer)}


async def load_used(database: Reader, quote_ids: Collection[UUID]) -> dict[UUID, FxQuote]:
    """The quotes of conversions. Does not check the viewer: pass only those of transactions that the viewer may see."""
    return await fx_sql.quotes(database, quote_ids)


async def load_uses(database: Reader, quote_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The transaction that used each quote. Does not check the viewer: pass only quotes that the viewer may see."""
    return await fx_sql.conversions_by(database, quote_ids)


def status_of(quote: FxQuote, *, is_used: bool, now: datetime) -> QuoteStatus:
    if is_used:
        return QuoteStatus.USED
    return QuoteStatus.EXPIRED if quote.expires_at <= now else QuoteStatus.OPEN


def _checked(ledger: Ledger, details: QuoteInput) -> _Wanted | Refusal:
    for field_name, code in (("from", details.source_currency), ("to", details.target_currency)):
        if code not in ledger.currencies:
            return unknown_currency((*_PATH, field_name))
    if details.source_currency == details.target_currency:
        return Refusal(RefusalCode.INVALID_INPUT, "A conversion is between two currencies.", (*_PATH, "to"))
    text, given = details.amount
    side, currency = ("target", details.target_currency) if details.is_target_fixed else ("source", details.source_currency)
    path = (*_PATH, "amount", side)
    if given != currency:
        message = f"The amount of the {side} is in {currency}."
        return Refusal(RefusalCode.CURRENCY_MISMATCH, message, (*path, "currency"), not_recorded=True)
    try:
        amount = parse_amount(text, ledger.currencies[currency])
    except AmountError as error:
        return Refusal(RefusalCode.INVALID_AMOUNT, str(error), (*path, "amount"))
    wanted = _Wanted(details.idempotency_key, details.source_currency, details.target_currency, amount, details.is_target_fixed)
    return idempotency_key_refusal(details.idempotency_key, _PATH) or wanted


async def _priced(ledger: Ledger, settings: Settings, viewer: Viewer, wanted: _Wanted) -> FxQuote | Refusal:
    now = ledger.clock()
    rate = (await usable_rates(ledger.engine, settings, now)).rate(wanted.source, wanted.target)
    if rate is None:
        return Refusal(RefusalCode.RATE_UNAVAILABLE, RefusalCode.RATE_UNAVAILABLE.message, (*_PATH, "to"))
    price = _price(ledger.exponents, wanted, rate)
    side = (*_PATH, "amount", "target" if wanted.is_target_fixed else "source")
    if price.target < 1:
        return Refusal(RefusalCode.AMOUNT_TOO_SMALL, RefusalCode.AMOUNT_TOO_SMALL.message, side)
    schedule = await fee_sql.schedule_at(ledger.engine, TransactionType.CONVERSION, wanted.source, viewer.user_id, now)
    fee = 0 if schedule is None else fee_of(schedule, price.source)
    if max(price.source + fee, price.target + price.residue) > MAX_MINOR:
        return Refusal(RefusalCode.INVALID_AMOUNT, "This would exceed the largest amount.", side)
    quote = FxQuote(
        id=ids.new_id(now),
        user_id=viewer.user_id,
        source_currency=wanted.source,
        target_currency=wanted.target,
        source_amount=price.source,
        target_amount=price.target,
        is_target_fixed=wanted.is_target_fixed,
        rate=rate.rate,
        rate_source=rate.origin,
        rate_valid_from=rate.valid_from,
        spread_basis_points=rate.spread_basis_points,
        spread=price.spread,
        residue=price.residue,
        fee=fee or None,
        fee_schedule_id=schedule.id if schedule is not None and fee else None,
        created_at=now,
        expires_at=now + timedelta(seconds=settings.fx_quote_seconds),
    )
    if await _is_beyond_limits(ledger, quote):
        return Refusal(RefusalCode.LIQUIDITY_EXHAUSTED, RefusalCode.LIQUIDITY_EXHAUSTED.message, side, not_recorded=True)
    return quote


def _price(exponents: Mapping[str, int], wanted: _Wanted, rate: PairRate) -> Price:
    factor = factor_of(rate.rate, exponents[wanted.source], exponents[wanted.target])
    price = price_of_target if wanted.is_target_fixed else price_of_source
    return price(wanted.amount, factor, rate.spread_basis_points)


async def _is_beyond_limits(ledger: Ledger, quote: FxQuote) -> bool:
    """Whether the conversion would be refused now. Most services have no limits, and need no look at the positions."""
    limits = ledger.exposure_limits
    if quote.source_currency not in limits and quote.target_currency not in limits:
        return False
    held = {currency: balance for currency, _, balance in await fx_sql.positions(ledger.engine, [fx_sql.POSITION])}
    return is_beyond_limits(quote, (held.get(quote.source_currency, 0), held.get(quote.target_currency, 0)), limits)
