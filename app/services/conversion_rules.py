"""The rules of conversions, and of giving one back. As in `ledger_rules.py`, each reads the book and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from app.errors import Refusal, RefusalCode
from app.records import FxQuote
from app.services import plans
from app.services.book import Book
from app.services.fx import part_given_back
from app.services.requests import Conversion, Request, Reversal

_QUOTE = "quoteId"


def mismatch(book: Book, request: Request, conversion: Conversion) -> Refusal | None:
    """Return QUOTE_MISMATCH if the wallets are not in the quote's currencies."""
    currencies = tuple(book.wallets[wallet_id].currency for wallet_id in request.wallet_ids[:2])
    if currencies == (conversion.quote.source_currency, conversion.quote.target_currency):
        return None
    return quote_mismatch((*request.path, _QUOTE))


def quote_mismatch(path: tuple[str, ...]) -> Refusal:
    """The refusal of a quote that is unknown, another user's, or for something else: one for all, so that none is revealed."""
    return Refusal(RefusalCode.QUOTE_MISMATCH, RefusalCode.QUOTE_MISMATCH.message, path)


def failure_of(book: Book, request: Request, conversion: Conversion) -> tuple[RefusalCode, str] | None:
    """Return code and field of a refusal that is recorded: used, expired when it would be posted, or beyond the limits."""
    quote = conversion.quote
    if quote.id in book.used_quotes:
        return RefusalCode.QUOTE_USED, _QUOTE
    if book.moment_for(request.wallet_ids[: 2 + len(conversion.wallet_ids)], request.created_at) >= quote.expires_at:
        return RefusalCode.QUOTE_EXPIRED, _QUOTE
    balances = book.positions[conversion.position].balance, book.positions[conversion.target_position].balance
    if is_beyond_limits(quote, balances, book.exposure_limits):
        return RefusalCode.LIQUIDITY_EXHAUSTED, _QUOTE
    return None


def is_beyond_limits(quote: FxQuote, balances: tuple[int, int], limits: Mapping[str, int]) -> bool:
    """Whether the conversion would take the FX wallets, with these balances, further from zero than the currencies' limits.

    What brings a position back towards zero is always allowed, even beyond the limit.
    """
    most, least = limits.get(quote.source_currency), limits.get(quote.target_currency)
    sold = balances[0] + quote.source_amount - quote.spread
    bought = balances[1] - quote.target_amount - quote.residue
    return (most is not None and sold > most) or (least is not None and bought < -least)


def too_small_to_give_back(book: Book, request: Request, reversal: Reversal) -> Refusal | None:
    """Return AMOUNT_TOO_SMALL for a part of a conversion so small that nothing of what was bought would go back."""
    if not reversal.conversion_legs:
        return None
    before, bought = book.reversed_so_far(reversal).reversed, reversal.conversion_legs[1].amount
    if part_given_back(bought, before, request.amount, reversal.original_amount, rounds_up=True):
        return None
    path = (*request.path, plans.amount_field(request, 0))
    return Refusal(RefusalCode.AMOUNT_TOO_SMALL, RefusalCode.AMOUNT_TOO_SMALL.message, path)
