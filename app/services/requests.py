"""What the ledger is asked to do: requests, their legs and conditions, and the units that they come in. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from app import texts
from app.errors import Refusal
from app.records import (
    AfterExpiry,
    EntryPurpose,
    FeeReversal,
    FxQuote,
    HoldEvent,
    HoldEventKind,
    ReversalReason,
    ReversedAmount,
    Transaction,
    TransactionType,
)

Key = tuple[UUID, str]
"""An initiator and their idempotency key."""


NO_ID_YET = UUID(int=0)
NO_TIME_YET = datetime.min.replace(tzinfo=UTC)


class Leg(NamedTuple):
    """A signed amount, in minor units, for one wallet. A debit is negative."""

    wallet_id: UUID
    amount: int
    currency: str
    purpose: EntryPurpose = EntryPurpose.PRINCIPAL


class ConditionKind(StrEnum):
    """What a condition compares. The values are the names of the input's fields."""

    SEQUENCE_IS = "sequenceIs"
    AVAILABLE_AT_LEAST = "availableAtLeast"
    BALANCE_AT_MOST = "balanceAtMost"


class Condition(NamedTuple):
    """An assertion about a wallet, checked under its lock. `value` is a sequence, or an amount in minor units of `currency`."""

    kind: ConditionKind
    wallet_id: UUID
    value: int
    currency: str | None = None


class Reversal(NamedTuple):
    """What a request reverses. Amounts are in minor units. What never changes of the transaction was read with its input."""

    original_id: UUID
    original_amount: int
    amount: int | None
    """As it was sent. None: all that is left when it is posted."""
    reason: ReversalReason
    fees: FeeReversal
    allow_overdraft: bool
    is_audited: bool
    """Whether an administrator reverses a transaction between others."""
    fee: int = 0
    fee_legs: tuple[UUID, UUID] | None = None
    """The wallet that paid the fee, and the fee wallet."""
    conversion_legs: tuple[Leg, ...] = ()
    """Of a conversion: its legs, in order. Parts of all of them go back."""

    def fee_given_back(self, amount: int, state: ReversedAmount) -> int:
        """The part of the fee that goes back with an amount: rounded down over all parts so far, so that they sum exactly."""
        if self.fees is FeeReversal.KEEP:
            return 0
        return self.fee * (state.with_fee + amount) // self.original_amount - state.fee_reversed

    def after(self, amount: int, state: ReversedAmount) -> ReversedAmount:
        """The state once the amount has gone back."""
        with_fee = 0 if self.fees is FeeReversal.KEEP else amount
        given = self.fee_given_back(amount, state)
        return ReversedAmount(state.reversed + amount, state.with_fee + with_fee, state.fee_reversed + given)


class Conversion(NamedTuple):
    """What a request converts, as its quote says. Amounts are in minor units. All of it never changes."""

    quote: FxQuote
    position: UUID
    """The FX wallet of the source currency, which gets what is sold less the spread."""
    target_position: UUID
    """The FX wallet of the target currency, which gives what is bought and the residue."""
    spread_wallet: UUID | None = None
    residue_wallet: UUID | None = None
    fee_wallet: UUID | None = None
    is_payment: bool = False
    """Whether it pays another's wallet, by `transfer`. Otherwise both wallets are the viewer's, by `convert`."""

    @property
    def wallet_ids(self) -> tuple[UUID, ...]:
        """The system wallets that it touches."""
        further = (self.spread_wallet, self.residue_wallet, self.fee_wallet)
        return (self.position, self.target_position, *(wallet for wallet in further if wallet is not None))


class HoldAction(NamedTuple):
    """What a request does with a hold. Amounts are in minor units."""

    kind: HoldEventKind
    """PLACED, EXTENDED, CAPTURED or RELEASED."""
    hold_id: UUID | None = None
    """None for a new one."""
    amount: int | None = None
    """As it was sent. None: all that remains; of EXTENDED, nothing more."""
    expires_in: int | None = None
    """Seconds from the moment when it is decided. None: no end; of EXTENDED, the end that it has."""
    keep_remaining: bool = False
    after_expiry: AfterExpiry = AfterExpiry.REFUSE
    reason: str | None = None
    names_receiver: bool = False
    """Whether the input has a receiver."""
    by_right: bool = False
    """Whether a service account or administrator acts on the wallets of others. The audit log records it then."""


class Request(NamedTuple):
    """A well-formed request to move `amount` minor units of `currency` from sender to receiver, or to post `legs`.

    One with a `hold` does something with it instead, and only its capture moves money.
    """

    id: UUID
    """The transaction's id if it is recorded, low 12 bits zero. Set, like the time, when a batch first takes the request."""
    created_at: datetime
    type: TransactionType
    """The type of the transaction that it becomes. CAPTURE for all that is done with a hold: only its capture becomes one."""
    initiator_id: UUID
    idempotency_key: str
    sender_wallet_id: UUID | None
    """Sender and receiver are None for a posting. Of a hold the sender is the wallet whose money it holds."""
    receiver_wallet_id: UUID | None
    """None for a hold without a receiver, too."""
    amount: int
    """Of a posting: what it debits in `currency`, the currency of its first leg. Of an extension: what it adds."""
    currency: str
    exponent: int
    description: str | None
    path: tuple[str, ...]
    """The request's place in the client's input, the prefix of its refusals' paths."""
    request_id: str | None = None
    """The id of its HTTP request, if the audit log records it."""
    trace: str | None = None
    """The `traceparent` of its event, if the transfer is traced."""
    legs: tuple[Leg, ...] = ()
    """Of a posting."""
    conditions: tuple[Condition, ...] = ()
    reference: str | None = None
    metadata: dict[str, str] | None = None
    max_fee: int | None = None
    """The most that it accepts in fees, in minor units of `currency`. None: see `FeeBook.refuses_unlimited`."""
    unless_replayed: Refusal | None = None
    """The refusal by a rule that may be newer than the request's key. A replay of the key is answered; anything else gets it."""
    reversal: Reversal | None = None
    """Of a reversal, whose `amount` is set when it is posted."""
    hold: HoldAction | None = None
    """Of a request about a hold. The `amount` of a capture is set when it is posted."""
    conversion: Conversion | None = None
    """Of a conversion."""

    def stamped(self, id_: UUID, created_at: datetime, trace: str | None) -> Request:
        """The request as a batch takes it."""
        taken = Request(id_, created_at, *self[2:])
        return taken if trace is None else taken._replace(trace=trace)

    @property
    def key(self) -> Key:
        """The key that makes the request unique, without a time limit."""
        return self.initiator_id, self.idempotency_key

    @property
    def terms(self) -> dict[str, Any] | None:
        """The members of the input that only a replay compares, as JSON. None for a plain transfer or deposit.

        The posting trigger reads `legs`: each is an array of wallet, signed amount, currency and purpose.
        """
        if not self.legs and not self.conditions and self.max_fee is None and self.reversal is None and self.hold is None:
            return None
        terms: dict[str, Any] = {}
        if self.hold is not None:
            terms["capture"] = {
                "amount": self.hold.amount,
                "keep": self.hold.keep_remaining,
                "after_expiry": self.hold.after_expiry.value,
            }
        if self.reversal is not None:
            terms["reversal"] = {
                "amount": self.reversal.amount,
                "reason": self.reversal.reason.value,
                "fees": self.reversal.fees.value,
                "overdraft": self.reversal.allow_overdraft,
            }
        if self.legs:
            terms["legs"] = [[str(leg.wallet_id), leg.amount, leg.currency, leg.purpose.value] for leg in self.legs]
        if self.conditions:
            terms["conditions"] = [[c.kind.value, str(c.wallet_id), c.value, c.currency] for c in self.conditions]
        if self.max_fee is not None:
            terms["max_fee"] = self.max_fee
        return terms

    @property
    def reverses_id(self) -> UUID | None:
        """The transaction that it reverses."""
        return None if self.reversal is None else self.reversal.original_id

    @property
    def hold_id(self) -> UUID | None:
        """The hold that it captures, releases or extends."""
        return None if self.hold is None else self.hold.hold_id

    @property
    def quote_id(self) -> UUID | None:
        """The quote that it uses."""
        return None if self.conversion is None else self.conversion.quote.id

    @property
    def records_event(self) -> bool:
        """Whether its outcome is an event of a hold and no transaction."""
        return self.hold is not None and self.hold.kind is not HoldEventKind.CAPTURED

    @property
    def is_audited(self) -> bool:
        """Whether the audit log records it: what needs a right of its own, and what is done by right instead of as a party."""
        if self.reversal is not None:
            return self.reversal.is_audited
        if self.hold is not None:
            return self.hold.by_right
        return self.type not in (TransactionType.TRANSFER, TransactionType.CONVERSION)

    @property
    def uses_quota(self) -> bool:
        """Whether it counts for its initiator's limits: a transfer, a payment in another currency, what is held for others."""
        if self.type is TransactionType.TRANSFER:
            return True
        if self.type is TransactionType.CONVERSION:
            return self.conversion is not None and self.conversion.is_payment
        return self.hold is not None and self.hold.kind in (HoldEventKind.PLACED, HoldEventKind.EXTENDED)

    @property
    def hold_terms(self) -> dict[str, Any]:
        """The input of a request that places, releases or extends a hold, as JSON, for comparison with a replay's."""
        assert self.hold is not None
        return {
            "hold": None if self.hold.hold_id is None else str(self.hold.hold_id),
            "wallet": str(self.sender_wallet_id),
            "receiver": None if self.receiver_wallet_id is None else str(self.receiver_wallet_id),
            "currency": self.currency,
            "amount": self.hold.amount,
            "expires_in": self.hold.expires_in,
            "reason": self.hold.reason,
            "description": self.description,
            "metadata": self.metadata,
        }

    def repeats_event(self, earlier: HoldEvent) -> bool:
        """Whether the event with this key came from the same input."""
        return self.hold is not None and earlier.kind is self.hold.kind and earlier.terms == self.hold_terms

    def repeats(self, earlier: Transaction) -> bool:
        """Whether the transaction with this key came from the same input. 12.3 and 12.30 are equal in minor units.

        A transaction that an older release recorded has none of the newer members: its input had none either.
        """
        return (
            self.sender_wallet_id == earlier.sender_wallet_id
            and self.receiver_wallet_id == earlier.receiver_wallet_id
            # What a reversal or a capture was asked to move is in its terms.
            and (self.amount == earlier.amount or self.reversal is not None or self.hold is not None)
            and self.currency == earlier.currency
            and _is_same_text(self.description, earlier.description)
            and self.type is earlier.type
            and self.reference == earlier.reference
            and self.metadata == earlier.metadata
            and self.terms == earlier.terms
            and self.reverses_id == earlier.reverses_id
            and self.hold_id == earlier.hold_id
            and self.quote_id == earlier.quote_id
        )

    @property
    def wallet_ids(self) -> tuple[UUID, ...]:
        """The wallets that the request names, each once."""
        if self.sender_wallet_id is not None and self.receiver_wallet_id is not None:
            sides: Iterable[UUID] = (self.sender_wallet_id, self.receiver_wallet_id)
            if self.conversion is not None:
                sides = (*sides, *self.conversion.wallet_ids)
            if self.reversal is not None:
                further = (*(self.reversal.fee_legs or ()), *(leg.wallet_id for leg in self.reversal.conversion_legs))
                return tuple(dict.fromkeys([*sides, *further]))
            if not self.conditions and self.conversion is None:
                return self.sender_wallet_id, self.receiver_wallet_id
        elif self.sender_wallet_id is not None:
            return (self.sender_wallet_id,)
        else:
            sides = (leg.wallet_id for leg in self.legs)
        return tuple(dict.fromkeys([*sides, *(condition.wallet_id for condition in self.conditions)]))


def _is_same_text(sent: str | None, stored: str | None) -> bool:
    """Compare in form NFC: texts from before the rule are stored as they were sent."""
    return sent == stored or (sent is not None and stored is not None and texts.normal(sent) == texts.normal(stored))


Member = Request | Refusal
"""A request, or the refusal of a malformed one, which still counts in an atomic unit."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The transfers of one client request. An atomic unit settles completely or not at all."""

    members: tuple[Member, ...]
    atomic: bool = False

    @property
    def size(self) -> int:
        """The work of its members, in transfers. A posting counts as one for each two legs."""
        return sum(max(1, len(member.legs) // 2) if isinstance(member, Request) else 1 for member in self.members)

    @property
    def requests(self) -> list[Request]:
        """Its well-formed members."""
        return [member for member in self.members if isinstance(member, Request)]
