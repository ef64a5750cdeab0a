"""Decides what is asked of a hold: place, release, extend, and the event of a capture. Pure, as `ledger.py`, which uses it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.errors import Refusal, RefusalCode
from app.money import Money
from app.records import HoldEvent, HoldEventKind, WalletStatus
from app.services import ledger_rules, plans
from app.services.book import Book
from app.services.hold_book import Capture
from app.services.outcomes import Outcome, not_recorded
from app.services.refusals import hold_short_of_funds, key_reused
from app.services.requests import Leg, Request


def settle_hold(book: Book, request: Request) -> Outcome:
    """Place, release or extend a hold. A refusal is not recorded: no transaction was asked for."""
    refusal = ledger_rules.wallet_refusal(book, request)
    if refusal is not None:
        return not_recorded(refusal)
    earlier = book.holds.recorded(request.key)
    if earlier is not None:
        return _replay(book, request, earlier)
    event = _event(book, request)
    if isinstance(event, Refusal):
        return not_recorded(event, book.holds.named(request))
    hold = book.happen(request, event)
    if request.amount:
        book.use_quota(request)
    wallets = tuple(book.wallets[wallet_id] for wallet_id in request.wallet_ids)
    return Outcome(None, (), replayed=False, refusal=None, hold=hold, happened=event.kind, wallets=wallets)


def complete_capture(book: Book, request: Request, legs: Sequence[Leg], not_before: datetime, capture: Capture) -> Outcome:
    """Post what was held. It is no longer held when its entries are posted."""
    assert request.hold is not None
    event = book.holds.captured(request, request.hold, capture)
    hold = book.happen(request, event)
    outcome = book.complete(request, legs, None, not_before)
    return Outcome(
        outcome.transaction,
        outcome.entries,
        replayed=False,
        refusal=None,
        hold=hold,
        happened=event.kind,
        wallets=outcome.wallets,
    )


def _event(book: Book, request: Request) -> HoldEvent | Refusal:
    assert request.hold is not None
    if request.hold.kind is HoldEventKind.RELEASED:
        return book.holds.release(request, request.hold)
    if request.hold.kind is HoldEventKind.EXTENDED:
        event = book.holds.extend(request, request.hold)
        return event if isinstance(event, Refusal) else _funds_refusal(book, request) or event
    return _funds_refusal(book, request) or book.holds.place(request, request.hold)


def _funds_refusal(book: Book, request: Request) -> Refusal | None:
    """The refusal if the amount of a new hold, or of an extension, cannot be held now."""
    if not request.amount:
        return None
    for index, wallet_id in enumerate(request.wallet_ids):
        wallet = book.wallets[wallet_id]
        field_name = plans.wallet_field(request, index)
        if wallet.status is not WalletStatus.ACTIVE:
            return _unrecorded(RefusalCode.WALLET_NOT_ACTIVE, (*request.path, field_name))
        if wallet.currency != request.currency:
            field_name = field_name if index else "amount"
            return _unrecorded(RefusalCode.CURRENCY_MISMATCH, (*request.path, field_name))
    available = book.positions[request.wallet_ids[0]].available
    path = (*request.path, plans.amount_field(request, 0))
    if request.amount > available:
        amounts = (Money(amount, request.currency, request.exponent) for amount in (available, request.amount))
        return hold_short_of_funds(path, *amounts)
    failure = ledger_rules.quota_failure(book, request)
    return None if failure is None else _unrecorded(failure[0], path if failure[1] else request.path)


def _replay(book: Book, request: Request, earlier: HoldEvent) -> Outcome:
    """The hold as it is now, or IDEMPOTENCY_KEY_REUSED if the input differs."""
    if not request.repeats_event(earlier):
        return not_recorded(key_reused(request.path, None))
    return Outcome(None, (), replayed=earlier.id != request.id, refusal=None, hold=book.holds.holds[earlier.hold_id])


def _unrecorded(code: RefusalCode, path: tuple[str, ...]) -> Refusal:
    """The refusal of a hold, by a code that is recorded for transactions."""
    return Refusal(code, code.message, path, not_recorded=True)
