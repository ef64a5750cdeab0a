"""The holds of one batch: what may be done with each, and its state after each event. Pure, as `ledger.py`, which uses it.

A hold counts until its time is over by the batch's clock, read once the wallets are locked. The database repeats these rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from app.errors import Refusal, RefusalCode
from app.money import Money
from app.records import AfterExpiry, Hold, HoldEvent, HoldEventKind, HoldStatus
from app.services.refusals import hold_exceeded
from app.services.requests import HoldAction, Key, Request

LATE_CAPTURE_DAYS = 7
"""How long after its end a hold may still be captured from what is available: its payer must not wait for it without an end."""


class Capture(NamedTuple):
    """What a capture takes, in minor units."""

    amount: int
    is_late: bool
    """It pays what is no longer held from what is available."""


class HoldBook:
    """The running state of the holds that a batch names."""

    def __init__(self, holds: Mapping[UUID, Hold], recorded: Mapping[Key, HoldEvent], now: datetime) -> None:
        self.holds = dict(holds)
        self._recorded = dict(recorded)
        self._now = now

    def recorded(self, key: Key) -> HoldEvent | None:
        """The event that owns the key, if there is one."""
        return self._recorded.get(key)

    def named(self, request: Request) -> Hold | None:
        """The hold that the request names, as it is now."""
        return None if request.hold_id is None else self.holds.get(request.hold_id)

    def capture(self, request: Request, action: HoldAction) -> Capture | Refusal:
        """What a capture takes. `amount` None: all that remains."""
        hold = self.named(request)
        is_late = False
        refusal = self._closed(request, hold)
        if refusal is not None and hold is not None and self._may_be_late(hold, action):
            is_late, refusal = True, None
        if refusal is not None or hold is None:
            return refusal or _refused(RefusalCode.HOLD_NOT_OPEN, request)
        left = hold.released if is_late else hold.remaining
        amount = left if action.amount is None else action.amount
        if not 0 < amount <= left:
            return hold_exceeded(request.path, Money(left, request.currency, request.exponent))
        return Capture(amount, is_late)

    def captured(self, request: Request, action: HoldAction, capture: Capture) -> HoldEvent:
        """The event of a capture. Unless what remains is kept, it is released with it."""
        hold = self._open(request)
        if capture.is_late:
            return self._event(request, hold, HoldEventKind.CAPTURED_LATE, captured=capture.amount, released=-capture.amount)
        rest = 0 if action.keep_remaining else hold.remaining - capture.amount
        return self._event(request, hold, HoldEventKind.CAPTURED, captured=capture.amount, released=rest)

    def release(self, request: Request, action: HoldAction) -> HoldEvent | Refusal:
        """The event of a release. `amount` None: all that remains."""
        refusal = self._closed(request, self.named(request))
        if refusal is not None:
            return refusal
        hold = self._open(request)
        amount = hold.remaining if action.amount is None else action.amount
        if amount > hold.remaining:
            return hold_exceeded(request.path, Money(hold.remaining, request.currency, request.exponent))
        return self._event(request, hold, HoldEventKind.RELEASED, released=amount)

    def extend(self, request: Request, action: HoldAction) -> HoldEvent | Refusal:
        """The event of an extension. It never shortens what the receiver was promised."""
        refusal = self._closed(request, self.named(request))
        if refusal is not None:
            return refusal
        hold = self._open(request)
        expires_at = None
        if action.expires_in is not None:
            expires_at = self._now + timedelta(seconds=action.expires_in)
            if hold.expires_at is None or expires_at <= hold.expires_at:
                message = "The hold lasts longer than this already, and an extension never shortens it."
                return Refusal(RefusalCode.INVALID_INPUT, message, (*request.path, "expiresIn"))
        return self._event(request, hold, HoldEventKind.EXTENDED, placed=request.amount, expires_at=expires_at)

    def place(self, request: Request, action: HoldAction) -> HoldEvent:
        """The event of a new hold, which has its amount once the event is applied."""
        assert request.sender_wallet_id is not None
        hold = Hold(
            id=request.id,
            wallet_id=request.sender_wallet_id,
            receiver_wallet_id=request.receiver_wallet_id,
            initiator_id=request.initiator_id,
            currency=request.currency,
            amount=0,
            captured=0,
            released=0,
            status=HoldStatus.OPEN,
            events=0,
            created_at=self._now,
            expires_at=None,
            closed_at=None,
            description=request.description,
            metadata=request.metadata,
        )
        expires_at = None if action.expires_in is None else self._now + timedelta(seconds=action.expires_in)
        self.holds[hold.id] = hold
        return self._event(request, hold, HoldEventKind.PLACED, placed=request.amount, expires_at=expires_at)

    def apply(self, request: Request, event: HoldEvent) -> Hold:
        """The hold's state after the event, which owns the request's key from now on if it has one."""
        hold = self.holds[event.hold_id] = after(self.holds[event.hold_id], event)
        if event.idempotency_key is not None:
            self._recorded[request.key] = event
        return hold

    def _open(self, request: Request) -> Hold:
        hold = self.named(request)
        assert hold is not None, "checked before"
        return hold

    def _closed(self, request: Request, hold: Hold | None) -> Refusal | None:
        """The refusal of what needs an open hold, or None if it is open."""
        if hold is None or hold.status in (HoldStatus.CAPTURED, HoldStatus.RELEASED):
            return _refused(RefusalCode.HOLD_NOT_OPEN, request)
        if hold.status is HoldStatus.EXPIRED or hold.has_expired(self._now):
            return _refused(RefusalCode.HOLD_EXPIRED, request)
        return None

    def _may_be_late(self, hold: Hold, action: HoldAction) -> bool:
        if action.after_expiry is not AfterExpiry.TRY_AVAILABLE or hold.status not in (HoldStatus.EXPIRED, HoldStatus.RELEASED):
            return False
        assert hold.closed_at is not None
        return self._now < hold.closed_at + timedelta(days=LATE_CAPTURE_DAYS)

    def _event(
        self,
        request: Request,
        hold: Hold,
        kind: HoldEventKind,
        *,
        placed: int = 0,
        captured: int = 0,
        released: int = 0,
        expires_at: datetime | None = None,
    ) -> HoldEvent:
        is_capture = captured > 0
        return HoldEvent(
            hold_id=hold.id,
            number=hold.events + 1,
            id=request.id,
            kind=kind,
            placed=placed,
            captured=captured,
            released=released,
            expires_at=expires_at,
            created_at=self._now,
            initiator_id=request.initiator_id,
            # A capture's key and input are its transaction's.
            idempotency_key=None if is_capture else request.idempotency_key,
            terms=None if is_capture else request.hold_terms,
        )


def after(hold: Hold, event: HoldEvent) -> Hold:
    """The state of a hold after its next event."""
    amount, captured = hold.amount + event.placed, hold.captured + event.captured
    released = hold.released + event.released
    status, closed_at = hold.status, hold.closed_at
    if status is HoldStatus.OPEN and captured + released >= amount:
        if event.kind is HoldEventKind.EXPIRED:
            status, closed_at = HoldStatus.EXPIRED, hold.expires_at
        else:
            status, closed_at = HoldStatus.CAPTURED if captured else HoldStatus.RELEASED, event.created_at
    return hold._replace(
        amount=amount,
        captured=captured,
        released=released,
        status=status,
        events=event.number,
        expires_at=event.expires_at or hold.expires_at,
        closed_at=closed_at,
    )


def change_of_held(event: HoldEvent) -> int:
    """What the event adds to what is held of the wallet."""
    return event.placed - event.captured - event.released


def _refused(code: RefusalCode, request: Request) -> Refusal:
    return Refusal(code, code.message, (*request.path, "holdId"))
