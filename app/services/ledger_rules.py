"""The rules that a request must pass before its legs are posted. Each reads the book and changes nothing.

`ledger.py` asks them in the order of precedence of their refusals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.errors import Refusal, RefusalCode
from app.money import MAX_MINOR, MIN_MINOR, Money
from app.records import FeePayer, TransactionType, Wallet, WalletKind, WalletStatus
from app.services import conversion_rules, plans
from app.services.book import Book, Charged, Sides
from app.services.fees import Charge, fee_of
from app.services.hold_book import Capture
from app.services.refusals import (
    condition_failed,
    fee_exceeds_amount,
    fee_exceeds_limit,
    reversal_exceeds_remaining,
    wallet_not_found,
)
from app.services.requests import Condition, ConditionKind, Leg, Request, Reversal

# A member is slow to reach through its class.
_TRANSFER = TransactionType.TRANSFER
_USER = WalletKind.USER
_ACTIVE = WalletStatus.ACTIVE
_SENDER = FeePayer.SENDER

Failure = tuple[RefusalCode, str | None, int | None]
"""The code, the input field and, for missing funds, the available amount of a refusal that is recorded."""


def wallet_refusal(book: Book, request: Request) -> Refusal | None:
    """Return WALLET_NOT_FOUND for a missing wallet and for one that the requester may not use: both look the same."""
    missing = plans.unusable_wallet(request, book.wallets)
    return None if missing is None else wallet_not_found((*request.path, *missing.split(".")))


def condition_refusal(book: Book, request: Request) -> Refusal | None:
    """Return the refusal for the first condition that does not hold now."""
    for index, condition in enumerate(request.conditions):
        path = (*request.path, "conditions", str(index), condition.kind.value)
        wallet = book.wallets[condition.wallet_id]
        if condition.currency not in (None, wallet.currency):
            code = RefusalCode.CURRENCY_MISMATCH
            return Refusal(code, code.message, (*path, "amount"), not_recorded=True)
        if not _holds(book, condition, wallet):
            return condition_failed(path, condition.wallet_id)
    return None


def _holds(book: Book, condition: Condition, wallet: Wallet) -> bool:
    position = book.positions[wallet.id]
    match condition.kind:
        case ConditionKind.SEQUENCE_IS:
            return position.sequence == condition.value
        case ConditionKind.AVAILABLE_AT_LEAST:
            return position.available >= condition.value
        case ConditionKind.BALANCE_AT_MOST:
            return position.balance <= condition.value


def with_amount_left(book: Book, request: Request, reversal: Reversal) -> tuple[Request, Refusal | None]:
    """The reversal with its amount, which is all that is left unless it names one, and the refusal if that is not left."""
    left = reversal.original_amount - book.reversed_so_far(reversal).reversed
    amount = reversal.amount or left
    if left and amount <= left:
        given = request._replace(amount=amount)
        return given, conversion_rules.too_small_to_give_back(book, given, reversal)
    return request, reversal_exceeds_remaining(request.path, Money(left, request.currency, request.exponent))


def charge_of(book: Book, request: Request, fee_wallet_id: UUID) -> tuple[Charge | None, datetime]:
    """The fee of a request by the version that is valid when it would be posted, or None, and that moment.

    The moment counts the fee wallet even if nothing is charged in the end: the version is chosen by it.
    """
    sides = [book.wallets[wallet_id] for wallet_id in request.wallet_ids[:2]]
    places = (book.positions[wallet_id].posted_at for wallet_id in (*request.wallet_ids[:2], fee_wallet_id))
    moment = max(book.now, request.created_at, *places)
    if any(side.currency != request.currency for side in sides):
        return None, moment
    sender, receiver = sides
    schedule = book.fees.valid_at(moment, request.type, request.currency, sender=sender.owner_id, receiver=receiver.owner_id)
    amount = 0 if schedule is None else fee_of(schedule, request.amount)
    return (Charge(amount, schedule, fee_wallet_id) if schedule is not None and amount else None), moment


def fee_refusal(book: Book, request: Request, charge: Charge) -> Refusal | None:
    """Refuse a fee that the request does not accept, or that would leave the receiver nothing."""
    fee = Money(charge.amount, request.currency, request.exponent)
    is_limited = request.max_fee is not None or book.fees.refuses_unlimited
    limit = request.max_fee or 0
    if is_limited and charge.amount > limit:
        return fee_exceeds_limit(request.path, fee, replace(fee, minor=limit))
    if charge.schedule.payer is FeePayer.RECEIVER and charge.amount >= request.amount:
        return fee_exceeds_amount(request.path, fee)
    return None


def plain_sides(book: Book, request: Request) -> Sides | None:
    """Sender and receiver of a new transfer that passes every rule but those of fees: the general way in short.

    None says nothing about the outcome: then the general way decides, and names what it refuses.
    """
    if request.type is not _TRANSFER or request.conditions or request.unless_replayed is not None or book.quotas:
        return None
    assert request.sender_wallet_id is not None
    assert request.receiver_wallet_id is not None
    sender, receiver = book.positions.get(request.sender_wallet_id), book.positions.get(request.receiver_wallet_id)
    if sender is None or receiver is None or request.key in book.recorded:
        return None
    payer, payee, amount = sender.wallet, receiver.wallet, request.amount
    is_sound = (
        payer.owner_id == request.initiator_id
        and payee.kind is _USER
        and payer.status is _ACTIVE
        and payee.status is _ACTIVE
        and payer.currency == request.currency == payee.currency
        and sender.balance - amount >= sender.held
        and receiver.balance + amount <= MAX_MINOR
    )
    return (sender, receiver) if is_sound else None


def plain_charge(book: Book, request: Request, sides: Sides, fee_wallet_id: UUID) -> Charged | None:
    """The fee of such a transfer, if its sender pays it and it passes every rule. None says nothing about the outcome."""
    sender, fees = sides[0], book.positions[fee_wallet_id]
    charge, moment = charge_of(book, request, fee_wallet_id)
    if charge is None or charge.schedule.payer is not _SENDER or fee_refusal(book, request, charge) is not None:
        return None
    is_sound = (
        sender.balance - request.amount - charge.amount >= sender.held
        and fees.wallet.status is _ACTIVE
        and fees.wallet.currency == request.currency
        and fees.balance + charge.amount <= MAX_MINOR
    )
    return (charge, fees, moment) if is_sound else None


def failure_of(
    book: Book, request: Request, legs: Sequence[Leg], after: Sequence[int], capture: Capture | None = None
) -> Failure | None:
    """Return code, field and, for missing funds, the available amount. Recorded refusals, in order of precedence."""
    wallets = [book.wallets[leg.wallet_id] for leg in legs]
    for index, wallet in enumerate(wallets):
        if wallet.status is not WalletStatus.ACTIVE:
            return RefusalCode.WALLET_NOT_ACTIVE, plans.wallet_field(request, index), None
    for index, wallet in enumerate(wallets):
        if legs[index].currency != wallet.currency:
            return RefusalCode.CURRENCY_MISMATCH, plans.currency_field(request, index), None
    if request.conversion is not None:
        failure = conversion_rules.failure_of(book, request, request.conversion)
        if failure is not None:
            return *failure, None
    return _funds_failure(book, request, legs, after, capture) or quota_failure(book, request)


def _funds_failure(
    book: Book, request: Request, legs: Sequence[Leg], after: Sequence[int], capture: Capture | None
) -> Failure | None:
    """INSUFFICIENT_FUNDS for the first debit that a user's wallet has too little for."""
    for index, leg in enumerate(legs):
        wallet = book.wallets[leg.wallet_id]
        # Each debit, not only the sum: a later credit of the same request does not cover an earlier debit.
        held = book.positions[wallet.id].held
        if after[index] < held and wallet.kind is WalletKind.USER and leg.amount < 0:
            if capture is not None and not capture.is_late:
                # What is held is there for its capture, even if a reversal has taken the rest.
                continue
            if request.reversal is not None and request.reversal.allow_overdraft:
                continue
            before = after[index] - leg.amount
            if request.type in (TransactionType.TRANSFER, TransactionType.DEPOSIT, TransactionType.CONVERSION):
                # Of a fee, too: what is missing is a part of amount and fee together.
                before = book.positions[wallet.id].balance
            available = before - held
            return RefusalCode.INSUFFICIENT_FUNDS, plans.amount_field(request, index), available
    return None


def quota_failure(book: Book, request: Request) -> Failure | None:
    """QUOTA_EXCEEDED if the request would use more than is left of its initiator's quota."""
    quota = book.quota(request)
    if quota is None or quota.allows(request.amount, request.currency):
        return None
    return RefusalCode.QUOTA_EXCEEDED, "amount" if quota.allows(0, request.currency) else None, None


def overflow(request: Request, after: Sequence[int]) -> Refusal | None:
    """The refusal of the first leg that would take a balance out of the range of a bigint."""
    if min(after) >= MIN_MINOR and max(after) <= MAX_MINOR:
        return None
    index = next(index for index, balance in enumerate(after) if not MIN_MINOR <= balance <= MAX_MINOR)
    field_path = plans.amount_field(request, index).split(".")
    code = RefusalCode.INVALID_AMOUNT
    return Refusal(code, code.message, (*request.path, *field_path))
