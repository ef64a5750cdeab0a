"""Exchange rates, quotes, and what a conversion moved."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from app import ids, records
from app.access import policy
from app.schema.basics import Money, Node, money_of
from app.schema.context import Info
from app.schema.enums import QuoteStatus
from app.schema.fees import FeeCharge
from app.schema.scalars import CurrencyCode, DecimalText
from app.services import fx_positions
from app.services.fx_quotes import status_of
from app.services.fx_rates import rate_text

if TYPE_CHECKING:
    from app.schema.types import Transaction


@strawberry.type(description="Valid from validFrom until the next rate between its two currencies, in either direction.")
class FxRate:
    base: CurrencyCode
    quote: CurrencyCode
    rate: DecimalText = strawberry.field(description="Units of quote for one of base, exactly; without trailing zeros.")
    spread_basis_points: int = strawberry.field(description="What a conversion costs, in hundredths of a percent.")
    source: str
    valid_from: datetime

    @staticmethod
    def of(rate: records.FxRate) -> FxRate:
        return FxRate(
            base=CurrencyCode(rate.base),
            quote=CurrencyCode(rate.quote),
            rate=DecimalText(rate_text(rate.rate)),
            spread_basis_points=rate.spread_basis_points,
            source=rate.source,
            valid_from=rate.valid_from,
        )

    @staticmethod
    def of_quote(quote: records.FxQuote) -> FxRate:
        """The rate from what is sold to what is bought, which may follow from others."""
        return FxRate(
            base=CurrencyCode(quote.source_currency),
            quote=CurrencyCode(quote.target_currency),
            rate=DecimalText(rate_text(quote.rate)),
            spread_basis_points=quote.spread_basis_points,
            source=quote.rate_source,
            valid_from=quote.rate_valid_from,
        )


@strawberry.type(
    description="A promise for one user and one use: what it says is what is posted, to the minor unit. Only its user and "
    "administrators see it."
)
class FxQuote(Node):
    created_at: datetime
    expires_at: datetime = strawberry.field(description="A conversion that would be posted at this moment or later is refused.")
    record: strawberry.Private[records.FxQuote]

    @staticmethod
    def of(quote: records.FxQuote) -> FxQuote:
        """The caller checks that the viewer may see the quote."""
        return FxQuote(
            id=strawberry.ID(ids.encode("fxq", quote.id)),
            created_at=quote.created_at,
            expires_at=quote.expires_at,
            record=quote,
        )

    @strawberry.field
    async def status(self, info: Info) -> QuoteStatus:
        is_used = await info.context.loaders.quote_uses.load(self.record.id) is not None
        return status_of(self.record, is_used=is_used, now=info.context.services.clock())

    @strawberry.field(description="What is sold, with the spread.")
    def source(self, info: Info) -> Money:
        return money_of(info, self.record.source_amount, self.record.source_currency)

    @strawberry.field(description="What arrives.")
    def target(self, info: Info) -> Money:
        return money_of(info, self.record.target_amount, self.record.target_currency)

    @strawberry.field(description="The market rate that it was made from. The rate with all costs is target / total.")
    def rate(self) -> FxRate:
        return FxRate.of_quote(self.record)

    @strawberry.field(description="What the spread costs, as a part of source.")
    def spread(self, info: Info) -> Money:
        return money_of(info, self.record.spread, self.record.source_currency)

    @strawberry.field(description="What will be charged on top of source. It does not change until the quote expires.")
    async def fees(self, info: Info) -> list[FeeCharge]:
        fee, schedule_id = self.record.fee, self.record.fee_schedule_id
        schedule = None if schedule_id is None else await info.context.loaders.fee_schedules.load(schedule_id)
        if fee is None or schedule is None:
            return []
        return [FeeCharge.of(info, schedule, self.record.source_amount, fee)]

    @strawberry.field(description="What leaves the source wallet: source and fees.")
    def total(self, info: Info) -> Money:
        return money_of(info, self.record.total, self.record.source_currency)

    @strawberry.field(description="The conversion that used it.")
    async def transaction(self, info: Info) -> Annotated[Transaction, strawberry.lazy("app.schema.types")] | None:
        from app.schema.types import Transaction  # noqa: PLC0415 - the two types refer to each other

        loaders = info.context.loaders
        transaction_id = await loaders.quote_uses.load(self.record.id)
        found = None if transaction_id is None else await loaders.transactions.load(transaction_id)
        return None if found is None else Transaction.of(info, found)


@strawberry.type(description="What a completed conversion exchanged.")
class Conversion:
    record: strawberry.Private[records.FxQuote]

    @strawberry.field(description="Null for those who may not see it: the receiver of a payment.")
    def quote(self, info: Info) -> FxQuote | None:
        viewer = info.context.viewer
        may_see = policy.may_load_user(viewer, self.record.user_id)
        return FxQuote.of(self.record) if may_see else None

    @strawberry.field
    def rate(self) -> FxRate:
        return FxRate.of_quote(self.record)

    @strawberry.field(description="What left the source wallet, without fees.")
    def sold(self, info: Info) -> Money:
        return money_of(info, self.record.source_amount, self.record.source_currency)

    @strawberry.field(description="What arrived in the target wallet.")
    def bought(self, info: Info) -> Money:
        return money_of(info, self.record.target_amount, self.record.target_currency)

    @strawberry.field(description="The part of what was sold that is the spread.")
    def spread(self, info: Info) -> Money:
        return money_of(info, self.record.spread, self.record.source_currency)

    @strawberry.field(
        description="What rounding left: zero where the source was fixed, else less than what one minor unit of the source buys."
    )
    def residue(self, info: Info) -> Money:
        return money_of(info, self.record.residue, self.record.target_currency)


@strawberry.type(description="What conversions have bought and sold of a currency together.")
class FxPosition:
    currency: CurrencyCode
    position: Money = strawberry.field(description="Above zero: more was bought from users than sold to them.")
    limit: Money | None = strawberry.field(description="How far it may go above or below zero; null without a limit.")
    value: Money | None = strawberry.field(description="In the base currency at the present rate; null if there is no rate.")
    spread_earned: Money
    residue: Money = strawberry.field(description="What rounding left.")


@strawberry.type
class FxStatus:
    base_currency: CurrencyCode
    positions: list[FxPosition] = strawberry.field(description="By currency.")
    unrealised: Money | None = strawberry.field(
        description="What all positions together are worth at the present rates: the gain or loss of holding them, because each "
        "conversion was even at its own rate. Null if a currency has no rate."
    )


async def fx_status(info: Info) -> FxStatus:
    """Positions at the present rates. The caller checks that the viewer sees all."""
    services = info.context.services
    found = await fx_positions.status(services.ledger, services.settings)
    base = services.settings.fx_base_currency

    def money(minor: int | None, currency: str) -> Money | None:
        return None if minor is None else money_of(info, minor, currency)

    return FxStatus(
        base_currency=CurrencyCode(base),
        positions=[
            FxPosition(
                currency=CurrencyCode(one.currency),
                position=money_of(info, one.position, one.currency),
                limit=money(one.limit, one.currency),
                value=money(one.value, base),
                spread_earned=money_of(info, one.spread_earned, one.currency),
                residue=money_of(info, one.residue, one.currency),
            )
            for one in found.positions
        ],
        unrealised=money(found.unrealised, base),
    )
