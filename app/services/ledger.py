"""The pure core of the ledger: it decides the outcome of requests, in order, on locked wallets.

No I/O, no clock, no randomness. `settlement.py` locks the rows, calls `settle`, and writes the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from app import texts
from app.errors import Refusal, RefusalCode
from app.limits.quota import Quota
from app.money import MAX_MINOR, MIN_MINOR
from app.records import (
    Entry,
    Transaction,
    TransactionStatus,
    TransactionType,
    Wallet,
    WalletKind,
    WalletStatus,
)
from app.services.refusals import aborted, key_reused, refusal_of, wallet_not_found

Key = tuple[UUID, str]
"""An initiator and their idempotency key."""


NO_ID_YET = UUID(int=0)
NO_TIME_YET = datetime.min.replace(tzinfo=UTC)


class TransferRequest(NamedTuple):
    """A well-formed request to move `amount` minor units of `currency`."""

    id: UUID
    """The transaction's id if it is recorded, low 12 bits zero. Set, like the time, when a batch first takes the request."""
    type: TransactionType
    initiator_id: UUID
    idempotency_key: str
    sender_wallet_id: UUID
    receiver_wallet_id: UUID
    amount: int
    currency: str
    exponent: int
    description: str | None
    created_at: datetime
    path: tuple[str, ...]
    """The request's place in the client's input, the prefix of its refusals' paths."""
    request_id: str | None = None
    """The id of its HTTP request, if the audit log records it."""
    trace: str | None = None
    """The `traceparent` of its event, if the transfer is traced."""
    unless_replayed: Refusal | None = None
    """The refusal by a rule that may be newer than the request's key. A replay of the key is answered; anything else gets it."""

    @property
    def key(self) -> Key:
        """The key that makes the request unique, without a time limit."""
        return self.initiator_id, self.idempotency_key

    def repeats(self, earlier: Transaction) -> bool:
        """Whether the transaction with this key came from the same input. 12.3 and 12.30 are equal in minor units."""
        return (
            self.sender_wallet_id == earlier.sender_wallet_id
            and self.receiver_wallet_id == earlier.receiver_wallet_id
            and self.amount == earlier.amount
            and self.currency == earlier.currency
            and _is_same_text(self.description, earlier.description)
            and self.type is earlier.type
        )

    @property
    def wallet_ids(self) -> tuple[UUID, UUID]:
        """The sender's and the receiver's wallet."""
        return self.sender_wallet_id, self.receiver_wallet_id


def _is_same_text(sent: str | None, stored: str | None) -> bool:
    """Compare in form NFC: texts from before the rule are stored as they were sent."""
    return sent == stored or (sent is not None and stored is not None and texts.normal(sent) == texts.normal(stored))


Member = TransferRequest | Refusal
"""A request, or the refusal of a malformed one, which still counts in an atomic unit."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The transfers of one client request. An atomic unit settles completely or not at all."""

    members: tuple[Member, ...]
    atomic: bool = False

    @property
    def requests(self) -> list[TransferRequest]:
        """Its well-formed members."""
        return [member for member in self.members if isinstance(member, TransferRequest)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one member. A `refusal` without `transaction` is not recorded."""

    transaction: Transaction | None
    entries: tuple[Entry, ...]
    """The entries that are written now. Empty for a replay."""
    replayed: bool
    refusal: Refusal | None
    wallets: tuple[Wallet, ...] = field(default=(), compare=False)
    """The wallets of these entries as they were locked, before the batch. Not compared: equal outcomes may come from batches
    with different start balances."""


@dataclass(slots=True)
class Settlement:
    """The outcomes to answer with, and the records to write."""

    outcomes: list[tuple[Outcome, ...]] = field(default_factory=list)
    """One tuple for each unit, with one outcome for each member, in order."""
    transactions: list[Transaction] = field(default_factory=list)
    posted: list[tuple[Transaction, tuple[Entry, ...]]] = field(default_factory=list)
    """The completed transactions with their entries, in the order in which they settled."""
    quotas: list[Quota] = field(default_factory=list)
    """The quotas that were used, with their new counts."""


def settle(
    units: Sequence[Unit],
    wallets: Mapping[UUID, Wallet],
    recorded: Mapping[Key, Transaction],
    now: datetime,
    currency_exponents: Mapping[str, int],
    *,
    quotas: Mapping[UUID, Quota] | None = None,
) -> Settlement:
    """Decide the units one after another. Each sees the balances that the previous ones left.

    `wallets` are locked, and contain only those that the requester may name: a missing one is refused as not found. `recorded`
    has the transactions that already own a key of this batch. `now` was read after locking. `quotas` are locked, by user; a
    user without an entry has no quota.
    """
    before = {user_id: quota.at(now) for user_id, quota in (quotas or {}).items()}
    book = _Book(wallets, dict(recorded), now, currency_exponents, quotas=dict(before))
    for unit in units:
        answer = book.settle_atomic(unit) if unit.atomic else tuple(book.settle_member(member) for member in unit.members)
        book.settlement.outcomes.append(answer)
    book.settlement.quotas = [quota for user_id, quota in book.quotas.items() if quota is not before[user_id]]
    return book.settlement


@dataclass(slots=True)
class _Position:
    """A wallet's running state within the batch."""

    balance: int
    sequence: int
    posted_at: datetime


class _Book:
    """The running state of one batch."""

    def __init__(
        self,
        wallets: Mapping[UUID, Wallet],
        recorded: dict[Key, Transaction],
        now: datetime,
        exponents: Mapping[str, int],
        *,
        quotas: dict[UUID, Quota],
    ) -> None:
        self.wallets = wallets
        self.recorded = recorded
        self.now = now
        self.exponents = exponents
        self.quotas = quotas
        self.positions = {wallet.id: _Position(wallet.balance, wallet.sequence, wallet.posted_at) for wallet in wallets.values()}
        self.settlement = Settlement()

    def settle_member(self, member: Member) -> Outcome:
        """Decide one member on its own."""
        if isinstance(member, Refusal):
            return _not_recorded(member)
        refusal = self._wallet_refusal(member)
        earlier = self.recorded.get(member.key) if refusal is None else None
        if earlier is not None:
            return self._replay(member, earlier)
        refusal = member.unless_replayed or refusal
        if refusal is not None:
            return _not_recorded(refusal)
        failure = self._ledger_failure(member)
        if failure is not None:
            return self._fail(member, *failure)
        if self._overflows(member):
            return _not_recorded(
                Refusal(RefusalCode.INVALID_AMOUNT, RefusalCode.INVALID_AMOUNT.message, (*member.path, "amount"))
            )
        return self._complete(member)

    def settle_atomic(self, unit: Unit) -> tuple[Outcome, ...]:
        """Decide an atomic unit: try all members, and undo everything if one is refused."""
        savepoint = self._savepoint(unit)
        outcomes = tuple(self.settle_member(member) for member in unit.members)
        first_refused = next((index for index, outcome in enumerate(outcomes) if outcome.refusal is not None), None)
        if first_refused is None:
            return outcomes
        self._undo(savepoint)
        if any(outcome.refusal is not None and outcome.transaction is None for outcome in outcomes):
            return tuple(map(self._abort_unrecorded, unit.members, outcomes))
        return tuple(
            self._abort_recorded(member, outcome, is_culprit=index == first_refused)
            for index, (member, outcome) in enumerate(zip(unit.members, outcomes, strict=True))
        )

    def _abort_unrecorded(self, member: Member, tried: Outcome) -> Outcome:
        """Decide a member of an atomic unit with a malformed member or a reused key: nothing new is recorded."""
        if isinstance(member, TransferRequest):
            earlier = self.recorded.get(member.key)
            if earlier is not None and member.repeats(earlier):
                return self._replay(member, earlier)
            if tried.refusal is not None and tried.refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED and earlier is None:
                return _not_recorded(key_reused(member.path, None))
            if tried.refusal is None or tried.transaction is not None:
                return _not_recorded(aborted(member.path))
        return tried

    def _abort_recorded(self, member: Member, tried: Outcome, *, is_culprit: bool) -> Outcome:
        """Decide a member of an atomic unit that the ledger refused: an earlier outcome stays, others are recorded FAILED."""
        assert isinstance(member, TransferRequest), "a unit with a malformed member is not recorded"
        earlier = self.recorded.get(member.key)
        if earlier is not None:
            return self._replay(member, earlier)
        if is_culprit:
            assert tried.transaction is not None
            assert tried.transaction.failure_code is not None
            failed = tried.transaction
            return self._fail(member, tried.transaction.failure_code, failed.failure_field, failed.failure_available)
        return self._fail(member, RefusalCode.BATCH_ABORTED, None, None)

    def _wallet_refusal(self, request: TransferRequest) -> Refusal | None:
        """Return WALLET_NOT_FOUND for a missing wallet and for one that the requester may not use: both look the same."""
        sender = self.wallets.get(request.sender_wallet_id)
        receiver = self.wallets.get(request.receiver_wallet_id)
        if request.type is TransactionType.TRANSFER:
            sender_usable = sender is not None and sender.owner_id == request.initiator_id
        else:
            sender_usable = sender is not None and sender.kind is WalletKind.SYSTEM
        if not sender_usable:
            return wallet_not_found((*request.path, "senderWalletId"))
        if receiver is None or receiver.kind is not WalletKind.USER:
            return wallet_not_found((*request.path, _receiver_field(request.type)))
        return None

    def _ledger_failure(self, request: TransferRequest) -> tuple[RefusalCode, str | None, int | None] | None:
        """Return code, field and, for missing funds, the available amount. Recorded refusals, in order of precedence."""
        sender = self.wallets[request.sender_wallet_id]
        receiver = self.wallets[request.receiver_wallet_id]
        receiver_field = _receiver_field(request.type)
        if sender.status is not WalletStatus.ACTIVE:
            return RefusalCode.WALLET_NOT_ACTIVE, "senderWalletId", None
        if receiver.status is not WalletStatus.ACTIVE:
            return RefusalCode.WALLET_NOT_ACTIVE, receiver_field, None
        if request.currency != sender.currency:
            return RefusalCode.CURRENCY_MISMATCH, "amount", None
        if request.currency != receiver.currency:
            return RefusalCode.CURRENCY_MISMATCH, receiver_field, None
        available = self.positions[sender.id].balance - sender.held
        if sender.kind is WalletKind.USER and available < request.amount:
            return RefusalCode.INSUFFICIENT_FUNDS, "amount", available
        return self._quota_failure(request)

    def _quota_failure(self, request: TransferRequest) -> tuple[RefusalCode, str | None, int | None] | None:
        quota = self._quota(request)
        if quota is None or quota.allows(request.amount, request.currency):
            return None
        return RefusalCode.QUOTA_EXCEEDED, "amount" if quota.allows(0, request.currency) else None, None

    def _quota(self, request: TransferRequest) -> Quota | None:
        """The quota of a transfer. Deposits by administrators have none."""
        return self.quotas.get(request.initiator_id) if request.type is TransactionType.TRANSFER else None

    def _overflows(self, request: TransferRequest) -> bool:
        credited = self.positions[request.receiver_wallet_id].balance + request.amount
        debited = self.positions[request.sender_wallet_id].balance - request.amount
        return credited > MAX_MINOR or debited < MIN_MINOR

    def _complete(self, request: TransferRequest) -> Outcome:
        sender = self.positions[request.sender_wallet_id]
        receiver = self.positions[request.receiver_wallet_id]
        posted_at = max(self.now, sender.posted_at, receiver.posted_at, request.created_at)
        entries = (
            self._post(request, request.sender_wallet_id, 0, -request.amount, posted_at),
            self._post(request, request.receiver_wallet_id, 1, request.amount, posted_at),
        )
        transaction = _transaction(request, TransactionStatus.COMPLETED, completed_at=posted_at)
        self._record(transaction)
        quota = self._quota(request)
        if quota is not None:
            self.quotas[request.initiator_id] = quota.after(request.amount, request.currency)
        self.settlement.posted.append((transaction, entries))
        touched = self.wallets[request.sender_wallet_id], self.wallets[request.receiver_wallet_id]
        return Outcome(transaction, entries, replayed=False, refusal=None, wallets=touched)

    def _post(self, request: TransferRequest, wallet_id: UUID, leg: int, amount: int, posted_at: datetime) -> Entry:
        position = self.positions[wallet_id]
        position.balance += amount
        position.sequence += 1
        position.posted_at = posted_at
        return Entry(request.id, leg, wallet_id, position.sequence, amount, position.balance, posted_at)

    def _fail(self, request: TransferRequest, code: RefusalCode, field_name: str | None, available: int | None) -> Outcome:
        transaction = _transaction(
            request,
            TransactionStatus.FAILED,
            failure_code=code,
            failure_field=field_name,
            failure_available=available,
        )
        self._record(transaction)
        return Outcome(transaction, (), replayed=False, refusal=self._refusal_of(transaction, request.path))

    def _replay(self, request: TransferRequest, earlier: Transaction) -> Outcome:
        """Return the first outcome of a key, or IDEMPOTENCY_KEY_REUSED if the input differs.

        If the transaction has this request's id, an earlier try of the same batch wrote it and its COMMIT was not answered.
        That is the first answer and not a replay.
        """
        if not request.repeats(earlier):
            return _not_recorded(request.unless_replayed or key_reused(request.path, earlier.id))
        return Outcome(earlier, (), replayed=earlier.id != request.id, refusal=self._refusal_of(earlier, request.path))

    def _refusal_of(self, transaction: Transaction, path: tuple[str, ...]) -> Refusal | None:
        return refusal_of(transaction, path, self.exponents[transaction.currency])

    def _record(self, transaction: Transaction) -> None:
        self.recorded[transaction.initiator_id, transaction.idempotency_key] = transaction
        self.settlement.transactions.append(transaction)

    def _savepoint(self, unit: Unit) -> _Savepoint:
        touched = {
            wallet_id: _Position(position.balance, position.sequence, position.posted_at)
            for request in unit.requests
            for wallet_id in request.wallet_ids
            if (position := self.positions.get(wallet_id)) is not None
        }
        return _Savepoint(touched, dict(self.quotas), len(self.settlement.transactions), len(self.settlement.posted))

    def _undo(self, savepoint: _Savepoint) -> None:
        self.positions.update(savepoint.positions)
        self.quotas.update(savepoint.quotas)
        for transaction in self.settlement.transactions[savepoint.transactions :]:
            del self.recorded[transaction.initiator_id, transaction.idempotency_key]
        del self.settlement.transactions[savepoint.transactions :]
        del self.settlement.posted[savepoint.posted :]


@dataclass(frozen=True, slots=True)
class _Savepoint:
    positions: dict[UUID, _Position]
    quotas: dict[UUID, Quota]
    transactions: int
    posted: int


def _transaction(
    request: TransferRequest,
    status: TransactionStatus,
    *,
    completed_at: datetime | None = None,
    failure_code: RefusalCode | None = None,
    failure_field: str | None = None,
    failure_available: int | None = None,
) -> Transaction:
    return Transaction(
        id=request.id,
        initiator_id=request.initiator_id,
        idempotency_key=request.idempotency_key,
        type=request.type,
        status=status,
        sender_wallet_id=request.sender_wallet_id,
        receiver_wallet_id=request.receiver_wallet_id,
        amount=request.amount,
        currency=request.currency,
        description=request.description,
        failure_code=failure_code,
        failure_field=failure_field,
        failure_available=failure_available,
        created_at=request.created_at,
        completed_at=completed_at,
    )


def _not_recorded(refusal: Refusal) -> Outcome:
    return Outcome(None, (), replayed=False, refusal=refusal)


def _receiver_field(type_: TransactionType) -> str:
    return "walletId" if type_ is TransactionType.DEPOSIT else "receiverWalletId"
