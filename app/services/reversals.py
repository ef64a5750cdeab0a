"""Reversals: a transfer, capture or deposit goes back, whole or in parts, with its fee or without."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.db import archive_sql, reads, reversal_sql
from app.db.reversal_sql import Original
from app.db.statements import Reader
from app.errors import Refusal, RefusalCode
from app.money import AmountError, parse_amount
from app.records import FeeReversal, ReversalReason, ReversedAmount, Transaction, TransactionStatus, TransactionType
from app.services.input_rules import description_of, idempotency_key_refusal
from app.services.requests import NO_ID_YET, NO_TIME_YET, Leg, Request, Reversal, Unit
from app.services.transfers import Ledger, TransferResult, result_of

_REVERSIBLE = (TransactionType.TRANSFER, TransactionType.DEPOSIT, TransactionType.CAPTURE, TransactionType.CONVERSION)


@dataclass(frozen=True, slots=True)
class ReversalInput:
    """A reversal as the client sent it."""

    idempotency_key: str
    transaction_id: str
    reason: ReversalReason
    amount: tuple[str, str] | None = None
    """A plain decimal string and its currency. None: all that has not gone back."""
    fees: FeeReversal = FeeReversal.PROPORTIONAL
    allow_overdraft: bool = False
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ReversalResult:
    """The outcome, and the transaction that it reverses. None if the viewer may not reverse it, or may not see anything."""

    result: TransferResult
    original: Transaction | None


async def reverse_transaction(
    ledger: Ledger, viewer: Viewer, details: ReversalInput, *, request_id: str | None = None
) -> ReversalResult:
    """Move money back from the wallet that was paid. A reversal by an administrator is recorded in the audit log.

    Raises as `transfer` does, and Forbidden for an overdraft without REVERSE_ANY.
    """
    policy.require(viewer, Right.TRANSFER)
    if details.allow_overdraft:
        policy.require(viewer, Right.REVERSE_ANY)
    original = await _original(ledger, viewer, details.transaction_id)
    if original is None:
        refusal = Refusal(RefusalCode.NOT_REVERSIBLE, RefusalCode.NOT_REVERSIBLE.message, ("input", "transactionId"))
        return ReversalResult(TransferResult(None, replayed=False, refusals=(refusal,)), None)
    shown = original.transaction if policy.may_view(viewer) else None
    archived = await _archived(ledger, viewer, details, original)
    if archived is not None:
        return ReversalResult(TransferResult(None, replayed=False, refusals=(archived,)), shown)
    request = _request(ledger, viewer, details, original)
    if isinstance(request, Refusal):
        return ReversalResult(TransferResult(None, replayed=False, refusals=(request,)), shown)
    (outcome,) = await ledger.settle(Unit((request._replace(request_id=request_id),)))
    return ReversalResult(result_of(viewer, outcome), shown)


async def load_reversed(database: Reader, transaction_ids: Collection[UUID]) -> dict[UUID, ReversedAmount]:
    """How much of each transaction has gone back. Does not check the viewer: pass only ids that the viewer may see."""
    return await reversal_sql.reversed_amounts(database, transaction_ids)


def is_reversible(transaction: Transaction) -> bool:
    """Whether any of it could go back. A reversal is final, and a posting is corrected by another posting."""
    return transaction.status is TransactionStatus.COMPLETED and transaction.type in _REVERSIBLE


async def _original(ledger: Ledger, viewer: Viewer, public_id: str) -> Original | None:
    """The transaction, or None: the same for one that does not exist, may not be seen, or may not be reversed."""
    transaction_id = ids.decode("txn", public_id)
    if transaction_id is None:
        return None
    found = await reversal_sql.original(ledger.engine, transaction_id)
    if found is None or not is_reversible(found.transaction):
        return None
    return found if policy.may_reverse(viewer, found.transaction, found.sender_owner_id, found.receiver_owner_id) else None


async def _archived(ledger: Ledger, viewer: Viewer, details: ReversalInput, original: Original) -> Refusal | None:
    """The refusal if the original's entries are archived: the database compares with them. A key that is used replays."""
    if not await archive_sql.archived_among(ledger.engine, [original.transaction.id]):
        return None
    if await reads.transaction_by_key(ledger.engine, viewer.user_id, details.idempotency_key) is not None:
        return None
    return Refusal(RefusalCode.ARCHIVED, RefusalCode.ARCHIVED.message, ("input", "transactionId"))


def _request(ledger: Ledger, viewer: Viewer, details: ReversalInput, original: Original) -> Request | Refusal:
    path = ("input",)
    transaction = original.transaction
    amount = _amount(ledger, details.amount, transaction.currency)
    if isinstance(amount, Refusal):
        return amount
    description = description_of(details.description, path)
    if isinstance(description, Refusal):
        return description
    key_refusal = idempotency_key_refusal(details.idempotency_key, path)
    if key_refusal is not None:
        return key_refusal
    return Request(
        id=NO_ID_YET,
        type=TransactionType.REVERSAL,
        initiator_id=viewer.user_id,
        idempotency_key=details.idempotency_key,
        sender_wallet_id=transaction.receiver_wallet_id,
        receiver_wallet_id=transaction.sender_wallet_id,
        amount=amount or transaction.amount,
        currency=transaction.currency,
        exponent=ledger.exponents[transaction.currency],
        description=description,
        created_at=NO_TIME_YET,
        path=path,
        reversal=Reversal(
            original_id=transaction.id,
            original_amount=transaction.amount,
            amount=amount,
            reason=details.reason,
            fees=details.fees,
            allow_overdraft=details.allow_overdraft,
            is_audited=original.receiver_owner_id != viewer.user_id or transaction.type is TransactionType.DEPOSIT,
            fee=transaction.fee or 0,
            fee_legs=original.fee_legs,
            conversion_legs=() if transaction.quote_id is None else tuple(Leg(*leg) for leg in original.legs),
        ),
    )


def _amount(ledger: Ledger, given: tuple[str, str] | None, currency: str) -> int | Refusal | None:
    """The amount in minor units, None for all that is left, or the refusal."""
    if given is None:
        return None
    path = ("input", "amount")
    text, code = given
    if code != currency:
        message = f"The transaction is in {currency}."
        return Refusal(RefusalCode.CURRENCY_MISMATCH, message, path, not_recorded=True)
    try:
        return parse_amount(text, ledger.currencies[currency])
    except AmountError as error:
        return Refusal(RefusalCode.INVALID_AMOUNT, str(error), path)
