"""Builds each refusal of a transfer, so that the first answer and every replay are equal."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from app.errors import Refusal, RefusalCode
from app.money import Money
from app.records import Transaction, TransactionType


def wallet_not_found(path: tuple[str, ...]) -> Refusal:
    """The refusal of a wallet id that is unknown, malformed or another user's. One for all three, so that none is revealed."""
    return Refusal(RefusalCode.WALLET_NOT_FOUND, RefusalCode.WALLET_NOT_FOUND.message, path)


def unknown_currency(path: tuple[str, ...]) -> Refusal:
    """The refusal of a currency that does not exist. `path` leads to the field that names it."""
    return Refusal(RefusalCode.INVALID_INPUT, "There is no such currency in ISO 4217.", path)


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


def condition_failed(path: tuple[str, ...], wallet_id: UUID) -> Refusal:
    """The refusal of a request whose condition did not hold under the wallets' locks."""
    return Refusal(RefusalCode.CONDITION_FAILED, RefusalCode.CONDITION_FAILED.message, path, wallet_id=wallet_id)


def fee_exceeds_limit(path: tuple[str, ...], fee: Money, limit: Money) -> Refusal:
    """The refusal of a fee above what the request accepts. `limit` is zero for a request that sets none."""
    message = f"The fee of {fee.amount} {fee.currency} is more than maxFee allows, so nothing moved. The key is still unused."
    return Refusal(RefusalCode.FEE_EXCEEDS_LIMIT, message, (*path, "maxFee"), fee=fee, limit=limit)


def fee_exceeds_amount(path: tuple[str, ...], fee: Money) -> Refusal:
    """The refusal of a fee that would leave the receiver nothing."""
    return Refusal(RefusalCode.FEE_EXCEEDS_AMOUNT, RefusalCode.FEE_EXCEEDS_AMOUNT.message, (*path, "amount"), fee=fee)


def reversal_exceeds_remaining(path: tuple[str, ...], left: Money) -> Refusal:
    """The refusal of a reversal of more than has not gone back yet."""
    if left.minor:
        message = f"Only {left.amount} {left.currency} of this transaction has not gone back yet, so nothing moved."
    else:
        message = "All of this transaction has gone back already, so nothing moved."
    return Refusal(RefusalCode.REVERSAL_EXCEEDS_REMAINING, message, (*path, "amount"))


def hold_exceeded(path: tuple[str, ...], left: Money) -> Refusal:
    """The refusal of a capture or release of more than remains of the hold."""
    message = f"Only {left.amount} {left.currency} remain of this hold, so nothing moved. The key is still unused."
    return Refusal(RefusalCode.HOLD_EXCEEDED, message, (*path, "amount"))


def hold_short_of_funds(path: tuple[str, ...], available: Money, required: Money) -> Refusal:
    """The refusal of a hold of more than is available. No transaction records it."""
    code = RefusalCode.INSUFFICIENT_FUNDS
    message = f"{code.message} Nothing is held, and the key is still unused."
    return Refusal(code, message, path, available=available, required=required, not_recorded=True)


def refusal_of(transaction: Transaction, path: tuple[str, ...], exponents: Mapping[str, int]) -> Refusal | None:
    """The refusal of a FAILED transaction, the same at first and at every replay. None for a transaction that did not fail.

    `exponents` are the currencies' numbers of decimals.
    """
    code = transaction.failure_code
    if code is None:
        return None
    if code is RefusalCode.BATCH_ABORTED:
        return aborted(path)
    at_fault = path if transaction.failure_field is None else (*path, *transaction.failure_field.split("."))
    if code is not RefusalCode.INSUFFICIENT_FUNDS:
        return Refusal(code, code.message, at_fault)
    assert transaction.failure_available is not None
    required, currency = _required(transaction)
    return Refusal(
        code,
        code.message,
        at_fault,
        available=Money(transaction.failure_available, currency, exponents[currency]),
        required=Money(required, currency, exponents[currency]),
    )


def _required(transaction: Transaction) -> tuple[int, str]:
    """The amount that was missing, in minor units, and its currency: the transaction's, or that of a posting's leg."""
    if transaction.type is not TransactionType.POSTING:
        return transaction.amount + (transaction.fee or 0), transaction.currency
    assert transaction.terms is not None
    assert transaction.failure_field is not None
    _, index, _ = transaction.failure_field.split(".")
    _, amount, currency, _ = transaction.terms["legs"][int(index)]
    return -amount, currency
