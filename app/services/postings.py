"""Postings: balanced sets of legs between any wallets, for administrators and service accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.errors import Refusal, RefusalCode
from app.money import MAX_MINOR, AmountError, parse_amount
from app.records import EntryDirection, EntryPurpose, TransactionType
from app.services.conditions import ConditionInput, conditions_of
from app.services.input_rules import description_of, idempotency_key_refusal, metadata_of, reference_of
from app.services.refusals import unknown_currency, wallet_not_found
from app.services.requests import NO_ID_YET, NO_TIME_YET, Leg, Request, Unit
from app.services.transfers import Ledger, TransferResult, result_of

MIN_LEGS = 2
MAX_LEGS = 100


@dataclass(frozen=True, slots=True)
class LegInput:
    """One leg as the client sent it: a public id, an amount as a plain decimal string."""

    wallet_id: str
    direction: EntryDirection
    amount: str
    currency: str
    purpose: EntryPurpose = EntryPurpose.PRINCIPAL


@dataclass(frozen=True, slots=True)
class PostingInput:
    """A posting as the client sent it."""

    idempotency_key: str
    legs: Sequence[LegInput]
    description: str | None = None
    reference: str | None = None
    metadata: Sequence[tuple[str, str]] = ()
    conditions: Sequence[ConditionInput] = ()


async def post_transaction(
    ledger: Ledger, viewer: Viewer, details: PostingInput, *, request_id: str | None = None
) -> TransferResult:
    """Post the legs in their order, all or none, with a record for the audit log. Raises as `transfer` does."""
    policy.require(viewer, Right.POST)
    request = posting_request(ledger, viewer, details)
    if isinstance(request, Refusal):
        return TransferResult(None, replayed=False, refusals=(request,))
    (outcome,) = await ledger.settle(Unit((request._replace(request_id=request_id),)))
    return result_of(viewer, outcome)


def posting_request(ledger: Ledger, viewer: Viewer, details: PostingInput) -> Request | Refusal:
    """Return the request of a client's input, or the first refusal."""
    path = ("input",)
    legs = _legs(ledger, details.legs, path)
    if isinstance(legs, Refusal):
        return legs
    texts = _texts(details, path)
    if isinstance(texts, Refusal):
        return texts
    description, reference, metadata = texts
    conditions = conditions_of(details.conditions, ledger.currencies, path)
    if isinstance(conditions, Refusal):
        return conditions
    currency = legs[0].currency
    return Request(
        id=NO_ID_YET,
        type=TransactionType.POSTING,
        initiator_id=viewer.user_id,
        idempotency_key=details.idempotency_key,
        sender_wallet_id=None,
        receiver_wallet_id=None,
        amount=-sum(leg.amount for leg in legs if leg.amount < 0 and leg.currency == currency),
        currency=currency,
        exponent=ledger.exponents[currency],
        description=description,
        created_at=NO_TIME_YET,
        path=path,
        legs=legs,
        conditions=conditions,
        reference=reference,
        metadata=metadata,
    )


def _legs(ledger: Ledger, given: Sequence[LegInput], path: tuple[str, ...]) -> tuple[Leg, ...] | Refusal:
    at = (*path, "legs")
    if len(given) < MIN_LEGS:
        return Refusal(RefusalCode.INVALID_INPUT, f"A posting has at least {MIN_LEGS} legs.", at)
    if len(given) > MAX_LEGS:
        return Refusal(RefusalCode.TOO_MANY_ENTRIES, RefusalCode.TOO_MANY_ENTRIES.message, at)
    legs: list[Leg] = []
    for index, one in enumerate(given):
        leg = _leg(ledger, one, (*at, str(index)))
        if isinstance(leg, Refusal):
            return leg
        legs.append(leg)
    sums: dict[str, int] = defaultdict(int)
    debits: dict[str, int] = defaultdict(int)
    for leg in legs:
        sums[leg.currency] += leg.amount
        debits[leg.currency] -= min(leg.amount, 0)
    unbalanced = sorted(currency for currency, total in sums.items() if total != 0)
    if unbalanced:
        message = f"The debits and credits of each currency must be equal. They differ in {', '.join(unbalanced)}."
        return Refusal(RefusalCode.UNBALANCED, message, at)
    if max(debits.values()) > MAX_MINOR:
        return Refusal(RefusalCode.INVALID_AMOUNT, RefusalCode.INVALID_AMOUNT.message, at)
    return tuple(legs)


def _leg(ledger: Ledger, given: LegInput, path: tuple[str, ...]) -> Leg | Refusal:
    currency = ledger.currencies.get(given.currency)
    if currency is None:
        return unknown_currency((*path, "amount", "currency"))
    try:
        amount = parse_amount(given.amount, currency)
    except AmountError as error:
        return Refusal(RefusalCode.INVALID_AMOUNT, str(error), (*path, "amount"))
    wallet_id = ids.decode("wal", given.wallet_id)
    if wallet_id is None:
        return wallet_not_found((*path, "walletId"))
    signed = -amount if given.direction is EntryDirection.DEBIT else amount
    return Leg(wallet_id, signed, currency.code, given.purpose)


_Texts = tuple[str | None, str | None, dict[str, str] | None]


def _texts(details: PostingInput, path: tuple[str, ...]) -> _Texts | Refusal:
    """Return description, reference and metadata as they are stored, once they and the key are valid."""
    description = description_of(details.description, path)
    if isinstance(description, Refusal):
        return description
    reference = reference_of(details.reference, path)
    if isinstance(reference, Refusal):
        return reference
    metadata = metadata_of(details.metadata, path)
    if isinstance(metadata, Refusal):
        return metadata
    return idempotency_key_refusal(details.idempotency_key, path) or (description, reference, metadata)
