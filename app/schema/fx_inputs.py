"""The inputs of quotes, conversions and exchange rates."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry import UNSET

from app.errors import BadUserInput
from app.schema.inputs import MoneyInput, given
from app.schema.scalars import CurrencyCode, DecimalText
from app.services import conversions, fx_quotes, fx_rates


@strawberry.input(one_of=True, description="The side that is fixed; exactly one. The quote says the other one.")
class FxAmountInput:
    source: MoneyInput | None = UNSET
    target: MoneyInput | None = UNSET


@strawberry.input
class CreateFxQuoteInput:
    idempotency_key: str = strawberry.field(
        description="As for transfers, among the viewer's quotes: the same key with the same input returns the same quote, even "
        "one that has expired."
    )
    from_: CurrencyCode = strawberry.field(name="from")
    to: CurrencyCode
    amount: FxAmountInput

    def to_service(self) -> fx_quotes.QuoteInput:
        fixed = self.amount.target or self.amount.source
        if not fixed:
            raise BadUserInput("A quote fixes one of source and target.")
        return fx_quotes.QuoteInput(
            idempotency_key=self.idempotency_key,
            source_currency=self.from_,
            target_currency=self.to,
            amount=(fixed.amount, fixed.currency),
            is_target_fixed=bool(self.amount.target),
        )


@strawberry.input
class ConvertInput:
    idempotency_key: str
    quote_id: strawberry.ID
    source_wallet_id: strawberry.ID
    target_wallet_id: strawberry.ID
    description: str | None = strawberry.field(default=UNSET, description="At most 280 characters.")

    def to_service(self) -> conversions.ConvertInput:
        return conversions.ConvertInput(
            idempotency_key=self.idempotency_key,
            quote_id=self.quote_id,
            source_wallet_id=self.source_wallet_id,
            target_wallet_id=self.target_wallet_id,
            description=given(self.description),
        )


@strawberry.input
class SetFxRateInput:
    base: CurrencyCode
    quote: CurrencyCode
    rate: DecimalText = strawberry.field(description="Units of quote for one of base, with at most 15 decimals.")
    spread_basis_points: int = strawberry.field(
        description="What a conversion costs, in hundredths of a percent of what is sold: 0 to 5000."
    )
    source: str = strawberry.field(description="Where the rate comes from: 1 to 100 characters, shown to users.")
    valid_from: datetime | None = strawberry.field(
        default=UNSET, description="In the future. Null, or a moment of the last minute: at once."
    )
    reason: str = strawberry.field(description="For the audit log: 1 to 280 characters.")

    def to_service(self) -> fx_rates.RateInput:
        return fx_rates.RateInput(
            base=self.base,
            quote=self.quote,
            rate=self.rate,
            spread_basis_points=self.spread_basis_points,
            source=self.source,
            valid_from=given(self.valid_from),
            reason=self.reason,
        )
