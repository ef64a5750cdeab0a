"""The rules of conversions, and of giving one back. As in `ledger_rules.py`, each reads the book and changes nothing."""

from __future__ import annotations

from app.errors import Refusal, RefusalCode
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
    sold = book.positions[conversion.position].balance + quote.source_amount - quote.spread
    bought = book.positions[conversion.target_position].balance - quote.target_amount - quote.residue
    if exceeds(book.exposure_limits.get(quote.source_currency), sold, is_bought=False) or exceeds(
        book.exposure_limits.get(quote.target_currency), bought, is_bought=True
    ):
        return RefusalCode.LIQUIDITY_EXHAUSTED, _QUOTE
    return None


def exceeds(limit: int | None, position: int, *, is_bought: bool) -> bool:
    """Whether a position would be beyond its limit. What reduces a position is always allowed, even beyond the limit."""
    if limit is None:
        return False
    return position < -limit if is_bought else position > limit


def too_small_to_give_back(book: Book, request: Request, reversal: Reversal) -> Refusal | None:
    """Return AMOUNT_TOO_SMALL for a part of a conversion so small that nothing of what was bought would go back."""
    if not reversal.conversion_legs:
        return None
    before, bought = book.reversed_so_far(reversal).reversed, reversal.conversion_legs[1].amount
    if part_given_back(bought, before, request.amount, reversal.original_amount, rounds_up=True):
        return None
    path = (*request.path, plans.amount_field(request, 0))
    return Refusal(RefusalCode.AMOUNT_TOO_SMALL, RefusalCode.AMOUNT_TOO_SMALL.message, path)
