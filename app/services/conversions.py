"""Conversions between a user's own wallets, by a quote. A payment to another's wallet is a `transfer` with a quote."""

from __future__ import annotations

from dataclasses import dataclass

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.errors import Refusal, RefusalCode
from app.records import TransactionType
from app.services.conversion_rules import quote_mismatch
from app.services.input_rules import description_of, idempotency_key_refusal
from app.services.refusals import wallet_not_found
from app.services.requests import NO_ID_YET, NO_TIME_YET, Request, Unit
from app.services.transfers import Ledger, TransferResult, conversion_of, result_of

_PATH = ("input",)


@dataclass(frozen=True, slots=True)
class ConvertInput:
    """A conversion as the client sent it: public ids."""

    idempotency_key: str
    quote_id: str
    source_wallet_id: str
    target_wallet_id: str
    description: str | None = None


async def convert(ledger: Ledger, viewer: Viewer, details: ConvertInput) -> TransferResult:
    """Exchange what the quote says between two of the viewer's wallets. Raises as `transfer` does."""
    policy.require(viewer, Right.TRANSFER)
    request = await _request(ledger, viewer, details)
    if isinstance(request, Refusal):
        return TransferResult(None, replayed=False, refusals=(request,))
    (outcome,) = await ledger.settle(Unit((request,)))
    return result_of(viewer, outcome)


async def _request(ledger: Ledger, viewer: Viewer, details: ConvertInput) -> Request | Refusal:
    description = description_of(details.description, _PATH)
    if isinstance(description, Refusal):
        return description
    key_refusal = idempotency_key_refusal(details.idempotency_key, _PATH)
    if key_refusal is not None:
        return key_refusal
    source_id = ids.decode("wal", details.source_wallet_id)
    target_id = ids.decode("wal", details.target_wallet_id)
    if source_id is None or target_id is None:
        return wallet_not_found((*_PATH, "sourceWalletId" if source_id is None else "targetWalletId"))
    if source_id == target_id:
        return Refusal(RefusalCode.SAME_WALLET, RefusalCode.SAME_WALLET.message, (*_PATH, "targetWalletId"))
    conversion = await conversion_of(ledger, viewer, details.quote_id, is_payment=False)
    if conversion is None:
        return quote_mismatch((*_PATH, "quoteId"))
    quote = conversion.quote
    return Request(
        id=NO_ID_YET,
        type=TransactionType.CONVERSION,
        initiator_id=viewer.user_id,
        idempotency_key=details.idempotency_key,
        sender_wallet_id=source_id,
        receiver_wallet_id=target_id,
        amount=quote.source_amount,
        currency=quote.source_currency,
        exponent=ledger.exponents[quote.source_currency],
        description=description,
        created_at=NO_TIME_YET,
        path=_PATH,
        conversion=conversion,
    )
