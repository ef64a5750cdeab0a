"""A small exchange for tests: users with wallets in several currencies, and rates between these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from app import ids
from app.access.viewer import Viewer
from app.records import FxQuote
from app.services.conversions import ConvertInput, convert
from app.services.fx_quotes import QuoteInput, QuoteResult, create_quote
from app.services.fx_rates import RateInput, set_rate
from app.services.transfers import TransferInput, TransferResult, transfer
from app.settings import Settings
from tests.bank import Bank, new_key


class Exchange:
    """Alice has 1,000 dollars, 1,000 euros and 100,000 yen, Bob an empty wallet of each. An administrator sets the rates."""

    def __init__(self, bank: Bank, settings: Settings) -> None:
        self.bank = bank
        self.settings = settings
        self.wallets: dict[str, str] = {}
        self.theirs: dict[str, str] = {}

    async def build(self) -> Exchange:
        """Open the wallets and set the rates."""
        self.alice, self.bob = await self.bank.viewer("alice"), await self.bank.viewer("bob")
        self.admin = await self.bank.viewer("admin", admin=True)
        for currency, balance in (("USD", "1000.00"), ("EUR", "1000.00"), ("JPY", "100000"), ("KWD", "1000.000")):
            self.wallets[currency] = await self.bank.wallet(self.alice, currency, balance)
            self.theirs[currency] = await self.bank.wallet(self.bob, currency)
        await self.set_rate("EUR", "USD", "1.25", spread=50)
        await self.set_rate("USD", "JPY", "150", spread=50)
        await self.set_rate("KWD", "USD", "3.25", spread=50)
        return self

    def with_ledger(self, bank: Bank) -> Exchange:
        """The same exchange through another process."""
        other = Exchange(bank, self.settings)
        vars(other).update({**vars(self), "bank": bank})
        return other

    async def set_rate(self, base: str, quote: str, rate: str, *, spread: int = 0, **more: Any) -> None:
        """Set a rate as the administrator."""
        details = RateInput(base, quote, rate, spread, "Test desk", None, "A test")
        result = await set_rate(self.bank.engine, self.admin, replace(details, **more), self.bank.currencies, self.bank.clock)
        assert result.rate is not None, result.refusals
        assert result.rate.rate == Decimal(rate)

    async def try_quote(self, source: str, target: str, amount: str, *, fixes_target: bool = False, **more: Any) -> QuoteResult:
        """Ask for a quote: of the source amount, or of the target's."""
        viewer: Viewer = more.pop("viewer", self.alice)
        side = target if fixes_target else source
        details = replace(QuoteInput(new_key(), source, target, (amount, side), fixes_target), **more)
        return await create_quote(self.bank.ledger, self.settings, viewer, details)

    async def quote(self, source: str, target: str, amount: str, *, fixes_target: bool = False, **more: Any) -> FxQuote:
        """A quote."""
        result = await self.try_quote(source, target, amount, fixes_target=fixes_target, **more)
        assert result.quote is not None, result.refusals
        return result.quote

    async def convert(self, quote: FxQuote, **more: Any) -> TransferResult:
        """Convert between the viewer's own wallets by a quote."""
        viewer: Viewer = more.pop("viewer", self.alice)
        details = ConvertInput(
            new_key(),
            ids.encode("fxq", quote.id),
            self.wallets[quote.source_currency],
            self.wallets[quote.target_currency],
        )
        return await convert(self.bank.ledger, viewer, replace(details, **more))

    async def pay(self, quote: FxQuote, **more: Any) -> TransferResult:
        """Pay Bob in his currency by a quote."""
        exponent = self.bank.currencies[quote.source_currency].exponent
        amount = f"{Decimal(quote.source_amount).scaleb(-exponent):.{exponent}f}"
        details = TransferInput(
            new_key(),
            self.wallets[quote.source_currency],
            self.theirs[quote.target_currency],
            amount,
            quote.source_currency,
            quote_id=ids.encode("fxq", quote.id),
        )
        return await transfer(self.bank.ledger, self.alice, replace(details, **more))

    async def positions(self) -> Mapping[tuple[str, str], int]:
        """The balances of the FX wallets, by currency and purpose."""
        query = "SELECT currency, system_purpose, balance FROM wallets WHERE system_purpose LIKE 'FX%'"
        async with self.bank.engine.connect() as connection:
            return {(row[0], row[1]): row[2] for row in await connection.execute(text(query))}


def codes(result: TransferResult | QuoteResult) -> list[str]:
    """The codes of a result's refusals."""
    return [refusal.code.value for refusal in result.refusals]
