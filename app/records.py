"""The ledger's records as plain values. The database layer returns them, the core computes with them, the API shows them.

Records that are created by the thousand are named tuples, which are three times as fast to create as frozen dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from app import ids
from app.errors import RefusalCode


class WalletKind(StrEnum):
    """USER wallets belong to a user and never go below zero. Money enters and leaves the ledger through SYSTEM wallets."""

    USER = "USER"
    SYSTEM = "SYSTEM"


class WalletStatus(StrEnum):
    """FROZEN and CLOSED wallets neither pay nor receive. Only wallets with a balance of zero can be CLOSED."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    CLOSED = "CLOSED"


class AccountType(StrEnum):
    """What a wallet is in the operator's books. Users' wallets are liabilities. A system wallet's type is set when it opens."""

    ASSET = "ASSET"
    LIABILITY = "LIABILITY"
    INCOME = "INCOME"
    EXPENSE = "EXPENSE"


class TransactionType(StrEnum):
    """TRANSFER: between users' wallets. DEPOSIT: from a system wallet to a user's. POSTING: any legs. REVERSAL: back again.

    CAPTURE: from a hold to its receiver. CONVERSION: by a quote, from a wallet to one in another currency.
    """

    TRANSFER = "TRANSFER"
    DEPOSIT = "DEPOSIT"
    POSTING = "POSTING"
    REVERSAL = "REVERSAL"
    CAPTURE = "CAPTURE"
    CONVERSION = "CONVERSION"


class TransactionStatus(StrEnum):
    """PENDING is for transactions that settle later (holds, external rails). Internal transfers are written with a final one."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class EntryDirection(StrEnum):
    """DEBIT lowers the wallet's balance, CREDIT raises it."""

    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


class EntryPurpose(StrEnum):
    """Why an entry exists. PRINCIPAL is the amount that was requested; the others come on top of it."""

    PRINCIPAL = "PRINCIPAL"
    FEE = "FEE"
    FX = "FX"
    SPREAD = "SPREAD"
    RESIDUE = "RESIDUE"
    CLEARING = "CLEARING"
    SETTLEMENT = "SETTLEMENT"
    OTHER = "OTHER"


class EventKind(StrEnum):
    """What an event is about: a settled transaction, an event of a hold, or another change of a wallet."""

    SETTLED = "S"
    HOLD = "H"
    WALLET = "W"


class FeePayer(StrEnum):
    """The side whose wallet a fee is taken from."""

    SENDER = "SENDER"
    RECEIVER = "RECEIVER"


class RoundingMode(StrEnum):
    """How a fee becomes whole minor units. HALF_EVEN: to the nearest, a tie to the even one."""

    UP = "UP"
    DOWN = "DOWN"
    HALF_EVEN = "HALF_EVEN"


class ReversalReason(StrEnum):
    """Why a transaction is reversed. For people and reports: the ledger treats all alike."""

    REFUND = "REFUND"
    MISTAKE = "MISTAKE"
    DUPLICATE = "DUPLICATE"
    FRAUD = "FRAUD"
    RETURN = "RETURN"
    OTHER = "OTHER"


class FeeReversal(StrEnum):
    """What happens to the fee of the transaction: KEEP leaves it, PROPORTIONAL gives back its part."""

    KEEP = "KEEP"
    PROPORTIONAL = "PROPORTIONAL"


class HoldStatus(StrEnum):
    """OPEN until nothing remains. CAPTURED if any of it was captured, else RELEASED, unless what remained EXPIRED."""

    OPEN = "OPEN"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class HoldEventKind(StrEnum):
    """What happens to a hold. CAPTURED_LATE pays what was released or had expired from what is available."""

    PLACED = "PLACED"
    EXTENDED = "EXTENDED"
    CAPTURED = "CAPTURED"
    CAPTURED_LATE = "CAPTURED_LATE"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class AfterExpiry(StrEnum):
    """What a capture of a hold that has expired or was released does: REFUSE, or pay from what is available now."""

    REFUSE = "REFUSE"
    TRY_AVAILABLE = "TRY_AVAILABLE"


@dataclass(frozen=True, slots=True)
class User:
    """An owner of wallets. `subject` is the token's `sub` and is never shown to other users."""

    id: UUID
    subject: str
    display_name: str
    created_at: datetime


class Wallet(NamedTuple):
    """A balance in one currency. Amounts are in minor units."""

    id: UUID
    kind: WalletKind
    owner_id: UUID | None
    name: str
    currency: str
    balance: int
    held: int
    sequence: int
    status: WalletStatus
    version: int
    """Rises with each change other than an entry (status, name). Subscribers use it to drop outdated STATE events."""
    posted_at: datetime
    """When the newest entry was posted; the creation time if there is none."""
    created_at: datetime
    account_type: AccountType = AccountType.LIABILITY

    @property
    def available(self) -> int:
        return self.balance - self.held


class Transaction(NamedTuple):
    """A request to move money and its outcome. Its entries are the movements. Amounts are in minor units of `currency`."""

    id: UUID
    initiator_id: UUID
    idempotency_key: str
    type: TransactionType
    status: TransactionStatus
    sender_wallet_id: UUID | None
    receiver_wallet_id: UUID | None
    amount: int
    currency: str
    description: str | None
    failure_code: RefusalCode | None
    failure_field: str | None
    """The GraphQL name of the input field at fault, so that a replay reports the same one."""
    failure_available: int | None
    """The sender's available balance when the transaction failed with INSUFFICIENT_FUNDS."""
    created_at: datetime
    completed_at: datetime | None
    reference: str | None = None
    """The client's own name for it, such as an order number."""
    metadata: dict[str, str] | None = None
    terms: dict[str, Any] | None = None
    """The rest of the input, as JSON: what a replay must repeat and no other column holds. See `app/services/requests.py`."""
    fee: int | None = None
    """The fee that was posted. Of a FAILED one: the fee that its sender would have paid, a part of what was missing."""
    fee_schedule_id: UUID | None = None
    """The version of the schedule that set the fee."""
    reverses_id: UUID | None = None
    """Of a REVERSAL: the transaction that it gives back."""
    hold_id: UUID | None = None
    """Of a CAPTURE: the hold that it pays from."""
    quote_id: UUID | None = None
    """Of a CONVERSION: the quote that it was made by."""

    @property
    def paying_wallet_id(self) -> UUID | None:
        """The wallet that is debited: the sender, or the only one that a posting debits."""
        return self.sender_wallet_id or self._only_wallet(-1)

    @property
    def paid_wallet_id(self) -> UUID | None:
        """The wallet that is credited: the receiver, or the only one that a posting credits."""
        return self.receiver_wallet_id or self._only_wallet(1)

    def _only_wallet(self, sign: int) -> UUID | None:
        legs: list[tuple[str, int, str, str]] = (self.terms or {}).get("legs", [])
        wallet_ids = {wallet_id for wallet_id, amount, _currency, _purpose in legs if amount * sign > 0}
        return UUID(wallet_ids.pop()) if len(wallet_ids) == 1 else None


class ReversedAmount(NamedTuple):
    """How much of a transaction has gone back, in minor units."""

    reversed: int = 0
    with_fee: int = 0
    """The part of `reversed` that took its part of the fee along."""
    fee_reversed: int = 0


class Hold(NamedTuple):
    """Money of a wallet that waits for a capture. Amounts are in minor units of `currency`."""

    id: UUID
    wallet_id: UUID
    receiver_wallet_id: UUID | None
    """None: each capture names its own receiver."""
    initiator_id: UUID
    currency: str
    amount: int
    captured: int
    released: int
    """With what has expired."""
    status: HoldStatus
    events: int
    """The number of its newest event."""
    created_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None
    description: str | None
    metadata: dict[str, str] | None

    @property
    def remaining(self) -> int:
        """What is still held."""
        return self.amount - self.captured - self.released

    def has_expired(self, moment: datetime) -> bool:
        """Whether its time is over, even if no event says so yet."""
        return self.expires_at is not None and self.expires_at <= moment


class HoldEvent(NamedTuple):
    """A step of a hold. `placed`, `captured` and `released` are what it adds to the hold's sums, in minor units."""

    hold_id: UUID
    number: int
    """Counts from 1 within the hold."""
    id: UUID
    """Of PLACED: the hold's id. Of a capture: its transaction's."""
    kind: HoldEventKind
    placed: int
    captured: int
    released: int
    expires_at: datetime | None
    created_at: datetime
    initiator_id: UUID | None
    """None: its time was over."""
    idempotency_key: str | None
    """None for a capture, whose transaction has it, and for EXPIRED."""
    terms: dict[str, Any] | None
    """The input, as JSON: what a replay must repeat."""


class Entry(NamedTuple):
    """A leg of a transaction in one wallet. `amount` is signed: debits are negative, credits positive."""

    transaction_id: UUID
    leg: int
    wallet_id: UUID
    sequence: int
    amount: int
    balance_after: int
    created_at: datetime
    purpose: EntryPurpose = EntryPurpose.PRINCIPAL

    @property
    def balance_before(self) -> int:
        """Derived, never stored."""
        return self.balance_after - self.amount

    @property
    def id(self) -> UUID:
        """Derived, never stored."""
        return ids.entry_id(self.transaction_id, self.leg)


Payment = tuple[UUID, UUID]
"""The ids of the sending and the receiving wallet."""


FeeLine = tuple[TransactionType, str, UUID | None]
"""What a line of versions of a schedule is for: a type of transaction, a currency and, optionally, one user."""


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """One version of a line. Amounts are in minor units. Without `percent` and `flat` it charges nothing."""

    id: UUID
    number: int
    """Rises with each version that is published, of any line."""
    transaction_type: TransactionType
    currency: str
    user_id: UUID | None
    version: int
    """Counts from 1 within the line."""
    name: str
    payer: FeePayer
    percent: Decimal | None
    flat: int | None
    minimum: int | None
    maximum: int | None
    rounding: RoundingMode
    valid_from: datetime

    @property
    def line(self) -> FeeLine:
        """The line that this is a version of."""
        return self.transaction_type, self.currency, self.user_id

    @property
    def percent_text(self) -> str | None:
        """The percentage without trailing zeros, such as "2.9"."""
        return None if self.percent is None else f"{self.percent.normalize():f}"


@dataclass(frozen=True, slots=True)
class FxRate:
    """An exchange rate: one major unit of `base` is worth `rate` of `quote`. Valid until the next one of its two currencies."""

    id: UUID
    number: int
    """Rises with each rate that is set."""
    base: str
    quote: str
    rate: Decimal
    spread_basis_points: int
    """What a conversion costs, in hundredths of a percent of what is sold."""
    source: str
    valid_from: datetime
    initiator_id: UUID | None
    """The administrator who set it; None: a feed."""


class QuoteStatus(StrEnum):
    """OPEN until a conversion has used it, or its time is over."""

    OPEN = "OPEN"
    USED = "USED"
    EXPIRED = "EXPIRED"


class FxQuote(NamedTuple):
    """A promise to one user, for one use.

    Source amount, spread and fee are in minor units of the source currency, target amount and residue in those of the target
    currency. Source less spread, at the rate, is target and residue, rounded down.
    """

    id: UUID
    user_id: UUID
    source_currency: str
    target_currency: str
    source_amount: int
    target_amount: int
    is_target_fixed: bool
    rate: Decimal
    """Major units of the target currency for one of the source currency, exactly."""
    rate_source: str
    rate_valid_from: datetime
    spread_basis_points: int
    spread: int
    residue: int
    """What the rate gives beyond the target, which a fixed target leaves to the FX wallets."""
    fee: int | None
    """On top of the source amount."""
    fee_schedule_id: UUID | None
    created_at: datetime
    expires_at: datetime

    @property
    def total(self) -> int:
        """What the conversion takes from the source wallet."""
        return self.source_amount + (self.fee or 0)


class WebhookStatus(StrEnum):
    """PAUSED by its owner, or because its owner lost the right; DISABLED_FAILING by its answers. Both go on without a gap."""

    ENABLED = "ENABLED"
    PAUSED = "PAUSED"
    DISABLED_FAILING = "DISABLED_FAILING"


class WebhookSource(StrEnum):
    """The subscription of an endpoint's document: walletUpdated, transactionSettled or holdUpdated."""

    WALLET = "WALLET"
    SETTLED = "SETTLED"
    HOLD = "HOLD"


class WebhookEndpoint(NamedTuple):
    """Where a user's events are sent. `keys` and `old_keys` are sealed."""

    id: UUID
    owner_id: UUID
    source: WebhookSource
    subject_id: UUID | None
    """The wallet or hold; None for SETTLED."""
    sees_all: bool
    """Whether its owner saw all when it was created: its documents are answered so."""
    ordered: bool
    status: WebhookStatus
    url: str
    document: str
    variables: dict[str, Any] | None
    public_key: bytes
    keys: bytes
    old_keys: bytes | None
    old_keys_until: datetime | None
    request_hash: bytes
    failures: int
    """Failed attempts in a row, of all deliveries."""
    created_at: datetime
    rights_until: datetime
    """With `sees_all`: when its owner's right ends, unless a token with it is seen before."""
    deleted_at: datetime | None


class WebhookDelivery(NamedTuple):
    """One event for one endpoint. Waiting: `next_attempt_at` is set. Neither that nor `delivered_at`: parked."""

    id: UUID
    endpoint_id: UUID
    subject_id: UUID
    """The wallet, the transaction or the hold, by the endpoint's source."""
    number: int
    """The entry's sequence, or the number of the hold's event; 0 for a transaction."""
    position: int
    attempts: int
    failures: int
    """Since it was scheduled: a replay begins anew."""
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    payload: str | None
    """What was sent last. None before the first attempt."""
    created_at: datetime


class WebhookAttempt(NamedTuple):
    """What came of an attempt: a status, or an error."""

    delivery_id: UUID
    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    response_body: str | None


class AuditRecord(NamedTuple):
    """An administrator's action on a wallet. `before` and `after` are JSON objects, as text."""

    id: UUID
    actor_id: UUID
    action: str
    subject_id: UUID
    before: str
    after: str
    reason: str | None
    request_id: str | None
