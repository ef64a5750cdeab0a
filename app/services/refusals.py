"""Builds each refusal of a transfer, so that the first answer and every replay are equal."""

from __future__ import annotations

from uuid import UUID

from app.errors import Refusal, RefusalCode
from app.money import Money
from app.records import Transaction


def wallet_not_found(path: tuple[str, ...]) -> Refusal:
    """The refusal of a wallet id that is unknown, malformed or another user's. One for all three, so that none is revealed."""
    return Refusal(RefusalCode.WALLET_NOT_FOUND, RefusalCode.WALLET_NOT_FOUND.message, path)


def key_reused(path: tuple[str, ...], transaction_id: UUID | None) -> Refusal:
    """The refusal of a key that belongs to a transaction with other input."""
    return Refusal(
        RefusalCode.IDEMPOTENCY_KEY_REUSED,
        RefusalCode.IDEMPOTENCY_KEY_REUSED.message,
        (*path, "idempotencyKey"),
        transaction_id=transaction_id,
    )


def aborted(path: tuple[str, ...]) -> Refusal:
    """The refusal of a member of an atomic batch in which another member was refused."""
    return Refusal(RefusalCode.BATCH_ABORTED, RefusalCode.BATCH_ABORTED.message, path)


def refusal_of(transaction: Transaction, path: tuple[str, ...], exponent: int) -> Refusal | None:
    """The refusal of a FAILED transaction, the same at first and at every replay. None for a transaction that did not fail."""
    code = transaction.failure_code
    if code is None:
        return None
    if code is RefusalCode.BATCH_ABORTED:
        return aborted(path)
    at_fault = path if transaction.failure_field is None else (*path, transaction.failure_field)
    if code is not RefusalCode.INSUFFICIENT_FUNDS:
        return Refusal(code, code.message, at_fault)
    assert transaction.failure_available is not None
    return Refusal(
        code,
        code.message,
        at_fault,
        available=Money(transaction.failure_available, transaction.currency, exponent),
        required=Money(transaction.amount, transaction.currency, exponent),
    )
