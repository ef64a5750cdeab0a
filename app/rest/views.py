"""The objects of REST answers, in snake_case: the same fields as in GraphQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from app import ids
from app.access import policy
from app.access.viewer import Viewer
from app.clock import rfc3339
from app.money import format_minor
from app.paging.pages import Page
from app.records import FxQuote, FxRate, Hold, QuoteStatus, Transaction, Wallet
from app.services.container import Services
from app.services.fx_rates import rate_text

T = TypeVar("T")


def wallet_view(services: Services, wallet: Wallet) -> dict[str, Any]:
    """The caller must have checked that the viewer may load the wallet."""
    exponent = services.currencies[wallet.currency].exponent
    return {
        "id": ids.encode("wal", wallet.id),
        "kind": wallet.kind.value,
        "name": wallet.name,
        "currency": wallet.currency,
        "balance": format_minor(wallet.balance, exponent),
        "available": format_minor(wallet.available, exponent),
        "held": format_minor(wallet.held, exponent),
        "status": wallet.status.value,
        "account_type": wallet.account_type.value,
        "sequence": str(wallet.sequence),
        "created_at": rfc3339(wallet.created_at),
    }


def transaction_view(services: Services, viewer: Viewer, transaction: Transaction) -> dict[str, Any]:
    """The caller must have checked that the viewer may see the transaction.

    The key and the quote are only shown to the initiator, the fee to administrators too.
    """
    exponent = services.currencies[transaction.currency].exponent
    shows_key = policy.may_know_key(viewer, transaction)
    # Of a FAILED one it was not charged.
    shows_fee = transaction.completed_at is not None and (shows_key or policy.sees_all(viewer))
    return {
        "id": ids.encode("txn", transaction.id),
        "type": transaction.type.value,
        "status": transaction.status.value,
        "sender_wallet_id": _wallet_id(transaction.paying_wallet_id),
        "receiver_wallet_id": _wallet_id(transaction.paid_wallet_id),
        "amount": format_minor(transaction.amount, exponent),
        "currency": transaction.currency,
        "fee": format_minor(transaction.fee, exponent) if transaction.fee is not None and shows_fee else None,
        "description": transaction.description,
        "reference": transaction.reference,
        "metadata": transaction.metadata or {},
        "reverses_id": None if transaction.reverses_id is None else ids.encode("txn", transaction.reverses_id),
        "hold_id": None if transaction.hold_id is None else ids.encode("hld", transaction.hold_id),
        "quote_id": ids.encode("fxq", transaction.quote_id) if transaction.quote_id is not None and shows_key else None,
        "failure_code": None if transaction.failure_code is None else transaction.failure_code.value,
        "idempotency_key": transaction.idempotency_key if shows_key else None,
        "created_at": rfc3339(transaction.created_at),
        "completed_at": None if transaction.completed_at is None else rfc3339(transaction.completed_at),
    }


def hold_view(services: Services, hold: Hold) -> dict[str, Any]:
    """The caller must have checked that the viewer may see the hold."""
    exponent = services.currencies[hold.currency].exponent
    return {
        "id": ids.encode("hld", hold.id),
        "status": hold.status.value,
        "wallet_id": _wallet_id(hold.wallet_id),
        "receiver_wallet_id": _wallet_id(hold.receiver_wallet_id),
        "amount": format_minor(hold.amount, exponent),
        "captured": format_minor(hold.captured, exponent),
        "released": format_minor(hold.released, exponent),
        "remaining": format_minor(hold.remaining, exponent),
        "currency": hold.currency,
        "description": hold.description,
        "metadata": hold.metadata or {},
        "created_at": rfc3339(hold.created_at),
        "expires_at": None if hold.expires_at is None else rfc3339(hold.expires_at),
        "closed_at": None if hold.closed_at is None else rfc3339(hold.closed_at),
    }


def quote_view(services: Services, quote: FxQuote, status: QuoteStatus) -> dict[str, Any]:
    """The caller must have checked that the viewer may see the quote."""
    source, target = (services.currencies[code].exponent for code in (quote.source_currency, quote.target_currency))
    return {
        "id": ids.encode("fxq", quote.id),
        "status": status.value,
        "source_currency": quote.source_currency,
        "source_amount": format_minor(quote.source_amount, source),
        "target_currency": quote.target_currency,
        "target_amount": format_minor(quote.target_amount, target),
        "rate": rate_text(quote.rate),
        "rate_source": quote.rate_source,
        "spread_basis_points": quote.spread_basis_points,
        "spread": format_minor(quote.spread, source),
        "residue": format_minor(quote.residue, target),
        "fee": None if quote.fee is None else format_minor(quote.fee, source),
        "total": format_minor(quote.total, source),
        "created_at": rfc3339(quote.created_at),
        "expires_at": rfc3339(quote.expires_at),
    }


def rate_view(rate: FxRate) -> dict[str, Any]:
    return {
        "base": rate.base,
        "quote": rate.quote,
        "rate": rate_text(rate.rate),
        "spread_basis_points": rate.spread_basis_points,
        "source": rate.source,
        "valid_from": rfc3339(rate.valid_from),
    }


def page_view(page: Page[T], view: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """Returns a page's items, and the cursors of the first and the last one."""
    return {
        "items": [view(item) for item in page.items],
        "has_next_page": page.has_next,
        "has_previous_page": page.has_previous,
        "start_cursor": page.cursors[0] if page.cursors else None,
        "end_cursor": page.cursors[-1] if page.cursors else None,
    }


def _wallet_id(wallet_id: UUID | None) -> str | None:
    return None if wallet_id is None else ids.encode("wal", wallet_id)
