"""Holds: money of a wallet that waits for a capture. Checks a client's input, has the ledger settle it, and returns the hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.db.hold_sql import HoldFacts
from app.errors import Refusal, RefusalCode
from app.money import AmountError, parse_amount
from app.records import AfterExpiry, Hold, HoldEventKind, TransactionType, Wallet
from app.services.input_rules import MAX_DESCRIPTION, description_of, idempotency_key_refusal, metadata_of, people_text
from app.services.refusals import unknown_currency, wallet_not_found
from app.services.requests import NO_ID_YET, NO_TIME_YET, HoldAction, Request, Unit
from app.services.transfers import Ledger, TransferResult, result_of, without_amounts

LONGEST_DAYS = 31
"""The longest time of a user's hold, from the moment when it is placed or extended."""
_LONGEST_SECONDS = LONGEST_DAYS * 24 * 60 * 60
_MOST_SECONDS = 10 * 366 * 24 * 60 * 60
"""The longest time of any other hold that has an end."""
_PATH = ("input",)

T = TypeVar("T")

Amount = tuple[str, str]
"""A plain decimal string and its currency."""


@dataclass(frozen=True, slots=True)
class PlaceInput:
    """A new hold as the client sent it."""

    idempotency_key: str
    wallet_id: str
    amount: Amount
    receiver_wallet_id: str | None = None
    expires_in: int | None = None
    """Seconds from the moment when it is placed."""
    description: str | None = None
    metadata: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class CaptureInput:
    """A capture as the client sent it."""

    idempotency_key: str
    hold_id: str
    amount: Amount | None = None
    """None: all that remains."""
    receiver_wallet_id: str | None = None
    keep_remaining: bool = False
    after_expiry: AfterExpiry = AfterExpiry.REFUSE


@dataclass(frozen=True, slots=True)
class ReleaseInput:
    """A release as the client sent it."""

    idempotency_key: str
    hold_id: str
    amount: Amount | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExtendInput:
    """An extension as the client sent it."""

    idempotency_key: str
    hold_id: str
    by: Amount | None = None
    expires_in: int | None = None


@dataclass(frozen=True, slots=True)
class HoldResult:
    """The hold, None if the viewer may not see it, and the outcome. Only a capture has a transaction."""

    result: TransferResult
    hold: Hold | None


async def place_hold(ledger: Ledger, viewer: Viewer, details: PlaceInput, *, request_id: str | None = None) -> HoldResult:
    """Hold money of the viewer's wallet, or of any user's with POST. Raises as `transfer` does."""
    policy.require_holds(viewer)

    async def request() -> Request:
        return _placement(ledger, viewer, details)

    return await _settle(ledger, viewer, request, request_id)


async def capture_hold(ledger: Ledger, viewer: Viewer, details: CaptureInput, *, request_id: str | None = None) -> HoldResult:
    """Pay from a hold: for the owner of its receiver's wallet, or with POST. Raises as `transfer` does."""

    async def request() -> Request:
        found = await _find(ledger, viewer, details.hold_id)
        policy.require_hold_action(viewer, found.receiver_owner_id)
        return _capture(ledger, viewer, details, found)

    return await _settle(ledger, viewer, request, request_id)


async def release_hold(ledger: Ledger, viewer: Viewer, details: ReleaseInput, *, request_id: str | None = None) -> HoldResult:
    """Give up a hold, or a part of it. Raises as `transfer` does.

    For the owner of the receiver's wallet, the payer if the hold names no receiver, or with POST.
    """

    async def request() -> Request:
        found = await _find(ledger, viewer, details.hold_id)
        has_receiver = found.receiver_wallet_id is not None
        policy.require_hold_action(viewer, found.receiver_owner_id if has_receiver else found.owner_id)
        return _release(ledger, viewer, details, found)

    return await _settle(ledger, viewer, request, request_id)


async def extend_hold(ledger: Ledger, viewer: Viewer, details: ExtendInput, *, request_id: str | None = None) -> HoldResult:
    """Hold more, or for longer: for the owner of the wallet whose money it is, or with POST. Raises as `transfer` does."""

    async def request() -> Request:
        found = await _find(ledger, viewer, details.hold_id)
        policy.require_hold_action(viewer, found.owner_id)
        return _extension(ledger, viewer, details, found)

    return await _settle(ledger, viewer, request, request_id)


class _Refused(Exception):
    """Ends the check of an input."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def _kept(value: T | Refusal) -> T:
    if isinstance(value, Refusal):
        raise _Refused(value)
    return value


async def _settle(ledger: Ledger, viewer: Viewer, build: Callable[[], Awaitable[Request]], request_id: str | None) -> HoldResult:
    try:
        request = await build()
    except _Refused as refused:
        return HoldResult(TransferResult(None, replayed=False, refusals=(refused.refusal,)), None)
    action = request.hold
    assert action is not None
    if action.by_right:
        request = request._replace(request_id=request_id)
    (outcome,) = await ledger.settle(Unit((request,)))
    if outcome.happened is HoldEventKind.PLACED and outcome.hold is not None:
        ledger.holds.remember(outcome.hold.id, _facts(outcome.hold, outcome.wallets))
    result = result_of(viewer, outcome)
    if action.by_right and not policy.sees_all(viewer):
        # Of a wallet that need not be theirs.
        result = replace(result, refusals=tuple(map(without_amounts, result.refusals)))
    # A party to a hold may see it, except with a token that may not see anything.
    return HoldResult(result, outcome.hold if policy.may_view(viewer) else None)


def _facts(hold: Hold, wallets: Sequence[Wallet]) -> HoldFacts:
    owners = {wallet.id: wallet.owner_id for wallet in wallets}
    receiver_id = hold.receiver_wallet_id
    return HoldFacts(
        hold.id,
        hold.wallet_id,
        receiver_id,
        hold.initiator_id,
        hold.currency,
        hold.description,
        owners[hold.wallet_id],
        None if receiver_id is None else owners[receiver_id],
    )


async def _find(ledger: Ledger, viewer: Viewer, public_id: str) -> HoldFacts:
    """The hold. One between others is refused like one that does not exist."""
    policy.require_holds(viewer)
    hold_id = ids.decode("hld", public_id)
    found = None if hold_id is None else await ledger.holds.find(hold_id)
    if found is not None and policy.may_use_hold(viewer, found.parties):
        return found
    code = RefusalCode.HOLD_NOT_OPEN
    raise _Refused(Refusal(code, code.message, (*_PATH, "holdId")))


def _placement(ledger: Ledger, viewer: Viewer, details: PlaceInput) -> Request:
    currency = ledger.currencies.get(details.amount[1])
    if currency is None:
        raise _Refused(unknown_currency((*_PATH, "amount", "currency")))
    is_service = Right.POST in viewer.rights
    amount = _amount(ledger, details.amount, currency.code, "amount")
    description = _kept(description_of(details.description, _PATH))
    metadata = _kept(metadata_of(details.metadata, _PATH))
    expires_in = _seconds(details.expires_in, is_service=is_service)
    _kept(idempotency_key_refusal(details.idempotency_key, _PATH))
    wallet_id = ids.decode("wal", details.wallet_id)
    if wallet_id is None:
        raise _Refused(wallet_not_found((*_PATH, "walletId")))
    if details.receiver_wallet_id is None and not is_service:
        raise _Refused(_invalid("Only a service account may place a hold without a receiver.", "receiverWalletId"))
    receiver_id = None if details.receiver_wallet_id is None else _receiver(details.receiver_wallet_id, wallet_id)
    action = HoldAction(
        HoldEventKind.PLACED,
        amount=amount,
        expires_in=expires_in,
        names_receiver=receiver_id is not None,
        by_right=is_service,
    )
    wallets = wallet_id, receiver_id
    return _request(
        ledger,
        viewer,
        details.idempotency_key,
        action,
        wallets=wallets,
        currency=currency.code,
        description=description,
        metadata=metadata,
    )


def _capture(ledger: Ledger, viewer: Viewer, details: CaptureInput, found: HoldFacts) -> Request:
    receiver_id = found.receiver_wallet_id
    if (details.receiver_wallet_id is None) is (receiver_id is None):
        message = "The hold names its receiver." if receiver_id else "This hold names no receiver, so its capture must."
        raise _Refused(_invalid(message, "receiverWalletId"))
    if details.receiver_wallet_id is not None:
        receiver_id = _receiver(details.receiver_wallet_id, found.wallet_id)
    amount = None if details.amount is None else _amount(ledger, details.amount, found.currency, "amount")
    _kept(idempotency_key_refusal(details.idempotency_key, _PATH))
    action = HoldAction(
        HoldEventKind.CAPTURED,
        found.id,
        amount,
        keep_remaining=details.keep_remaining,
        after_expiry=details.after_expiry,
        names_receiver=details.receiver_wallet_id is not None,
        by_right=found.receiver_owner_id != viewer.user_id,
    )
    wallets = found.wallet_id, receiver_id
    return _request(
        ledger,
        viewer,
        details.idempotency_key,
        action,
        wallets=wallets,
        currency=found.currency,
        description=found.description,
    )


def _release(ledger: Ledger, viewer: Viewer, details: ReleaseInput, found: HoldFacts) -> Request:
    amount = None if details.amount is None else _amount(ledger, details.amount, found.currency, "amount")
    reason = None
    if details.reason is not None:
        reason = _kept(people_text(details.reason, (*_PATH, "reason"), least=0, most=MAX_DESCRIPTION))
    _kept(idempotency_key_refusal(details.idempotency_key, _PATH))
    action = HoldAction(
        HoldEventKind.RELEASED,
        found.id,
        amount,
        reason=reason,
        by_right=viewer.user_id not in (found.owner_id, found.receiver_owner_id),
    )
    return _of_hold(ledger, viewer, details.idempotency_key, action, found)


def _extension(ledger: Ledger, viewer: Viewer, details: ExtendInput, found: HoldFacts) -> Request:
    if details.by is None and details.expires_in is None:
        raise _Refused(_invalid("An extension needs by, expiresIn or both.", "by"))
    by = None if details.by is None else _amount(ledger, details.by, found.currency, "by")
    expires_in = details.expires_in
    if expires_in is not None:
        expires_in = _seconds(expires_in, is_service=Right.POST in viewer.rights)
    _kept(idempotency_key_refusal(details.idempotency_key, _PATH))
    by_right = found.owner_id != viewer.user_id
    action = HoldAction(HoldEventKind.EXTENDED, found.id, by, expires_in=expires_in, by_right=by_right)
    return _of_hold(ledger, viewer, details.idempotency_key, action, found)


def _of_hold(ledger: Ledger, viewer: Viewer, key: str, action: HoldAction, found: HoldFacts) -> Request:
    wallets = found.wallet_id, found.receiver_wallet_id
    return _request(ledger, viewer, key, action, wallets=wallets, currency=found.currency)


def _request(
    ledger: Ledger,
    viewer: Viewer,
    key: str,
    action: HoldAction,
    *,
    wallets: tuple[UUID, UUID | None],
    currency: str,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Request:
    return Request(
        id=NO_ID_YET,
        type=TransactionType.CAPTURE,
        initiator_id=viewer.user_id,
        idempotency_key=key,
        sender_wallet_id=wallets[0],
        receiver_wallet_id=wallets[1],
        amount=action.amount or 0,
        currency=currency,
        exponent=ledger.exponents[currency],
        description=description,
        created_at=NO_TIME_YET,
        path=_PATH,
        metadata=metadata,
        hold=action,
    )


def _receiver(public_id: str, payer_id: UUID) -> UUID:
    path = (*_PATH, "receiverWalletId")
    receiver_id = ids.decode("wal", public_id)
    if receiver_id is None:
        raise _Refused(wallet_not_found(path))
    if receiver_id == payer_id:
        raise _Refused(Refusal(RefusalCode.SAME_WALLET, RefusalCode.SAME_WALLET.message, path))
    return receiver_id


def _amount(ledger: Ledger, given: Amount, currency: str, field: str) -> int:
    """The amount in minor units."""
    text, code = given
    path = (*_PATH, field)
    if code != currency:
        raise _Refused(Refusal(RefusalCode.CURRENCY_MISMATCH, f"The hold is in {currency}.", path, not_recorded=True))
    try:
        return parse_amount(text, ledger.currencies[currency])
    except AmountError as error:
        raise _Refused(Refusal(RefusalCode.INVALID_AMOUNT, str(error), path)) from error


def _seconds(given: int | None, *, is_service: bool) -> int | None:
    """How long the hold counts. None: until it is closed, which is for service accounts; of a user, the longest time."""
    most = _MOST_SECONDS if is_service else _LONGEST_SECONDS
    if given is None:
        return None if is_service else most
    if 1 <= given <= most:
        return given
    limit = "10 years" if is_service else f"{LONGEST_DAYS} days"
    raise _Refused(_invalid(f"A hold lasts from 1 second to {limit}.", "expiresIn"))


def _invalid(message: str, field: str) -> Refusal:
    return Refusal(RefusalCode.INVALID_INPUT, message, (*_PATH, field))
