"""The running state of one batch: positions of wallets, used keys, quotas and holds, and the records that will be written.

`ledger.py` decides, and changes the state only through what is here. Each request sees what the previous ones left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app.errors import Refusal, RefusalCode
from app.limits.quota import Quota
from app.records import (
    Entry,
    EntryPurpose,
    FeePayer,
    Hold,
    HoldEvent,
    HoldEventKind,
    ReversedAmount,
    Transaction,
    TransactionStatus,
    Wallet,
)
from app.services.fees import Charge, FeeBook
from app.services.hold_book import HoldBook, change_of_held
from app.services.outcomes import Outcome, Settlement, Step
from app.services.refusals import refusal_of
from app.services.requests import Key, Leg, Request, Reversal, Unit

# A member is slow to reach through its class.
_COMPLETED = TransactionStatus.COMPLETED
_FEE = EntryPurpose.FEE


@dataclass(slots=True)
class Position:
    """A wallet and its running state within the batch."""

    wallet: Wallet
    """As it was before the batch."""
    balance: int
    sequence: int
    posted_at: datetime
    held: int

    def post(
        self, transaction_id: UUID, leg: int, amount: int, posted_at: datetime, purpose: EntryPurpose = EntryPurpose.PRINCIPAL
    ) -> Entry:
        """Move the balance, and return the entry of it."""
        self.balance = balance = self.balance + amount
        self.sequence = sequence = self.sequence + 1
        self.posted_at = posted_at
        return Entry(transaction_id, leg, self.wallet.id, sequence, amount, balance, posted_at, purpose)

    @property
    def available(self) -> int:
        return self.balance - self.held


Sides = tuple[Position, Position]
"""Sender and receiver."""
Charged = tuple[Charge, Position, datetime]
"""A fee, the fee wallet that it goes to, and when it is posted."""


@dataclass(frozen=True, slots=True)
class Savepoint:
    """What an atomic unit may change, as it was before."""

    positions: dict[UUID, Position]
    quotas: dict[UUID, Quota]
    reversed_amounts: dict[UUID, ReversedAmount]
    used_quotes: set[UUID]
    transactions: int
    posted: int


class Book:
    """The running state of one batch."""

    def __init__(
        self,
        wallets: Mapping[UUID, Wallet],
        recorded: dict[Key, Transaction],
        now: datetime,
        exponents: Mapping[str, int],
        *,
        quotas: dict[UUID, Quota],
        fees: FeeBook,
        reversed_amounts: dict[UUID, ReversedAmount],
        holds: HoldBook,
        used_quotes: set[UUID],
        exposure_limits: Mapping[str, int],
    ) -> None:
        self.wallets = wallets
        self.recorded = recorded
        self.now = now
        self.quotas = quotas
        self.fees = fees
        self.holds = holds
        self.used_quotes = used_quotes
        self.exposure_limits = exposure_limits
        self._exponents = exponents
        self._reversed_amounts = reversed_amounts
        self.positions = {
            wallet.id: Position(wallet, wallet.balance, wallet.sequence, wallet.posted_at, wallet.held)
            for wallet in wallets.values()
        }
        self.settlement = Settlement(holds=holds.holds)
        self._step = self.settlement.steps[0]

    def quota(self, request: Request) -> Quota | None:
        """The quota of a transfer or hold. Deposits by administrators have none."""
        return self.quotas.get(request.initiator_id) if request.uses_quota else None

    def reversed_so_far(self, reversal: Reversal) -> ReversedAmount:
        """What has gone back of the transaction that is reversed."""
        return self._reversed_amounts.get(reversal.original_id) or ReversedAmount()

    def balances_after(self, legs: Sequence[Leg]) -> list[int]:
        """The balance of each leg's wallet after the leg, if the legs are posted now."""
        balances: dict[UUID, int] = {}
        after = []
        for wallet_id, amount, _, _ in legs:
            balance = balances[wallet_id] if wallet_id in balances else self.positions[wallet_id].balance
            balances[wallet_id] = balance = balance + amount
            after.append(balance)
        return after

    def complete_plain(self, request: Request, sides: Sides, charged: Charged | None) -> Outcome:
        """Post a transfer without quota, whose fee the sender pays: the same as `complete`, for the commonest requests."""
        sender, receiver = sides
        id_, amount = request.id, request.amount
        charge, fees, posted_at = charged or (None, None, max(self.now, request.created_at, sender.posted_at, receiver.posted_at))
        entries: tuple[Entry, ...] = sender.post(id_, 0, -amount, posted_at), receiver.post(id_, 1, amount, posted_at)
        wallets: tuple[Wallet, ...] = (sender.wallet, receiver.wallet)
        if charge is not None and fees is not None:
            fee = sender.post(id_, 2, -charge.amount, posted_at, _FEE), fees.post(id_, 3, charge.amount, posted_at, _FEE)
            entries, wallets = entries + fee, (*wallets, fees.wallet)
        transaction = _completed(request, posted_at, charge)
        self._record(transaction)
        self._step.posted.append((transaction, entries))
        return Outcome(transaction, entries, replayed=False, refusal=None, wallets=wallets)

    def complete(self, request: Request, legs: Sequence[Leg], charge: Charge | None, not_before: datetime) -> Outcome:
        """Post the legs, no earlier than the newest entry of each wallet."""
        wallet_ids = dict.fromkeys([leg.wallet_id for leg in legs])
        posted_at = self.moment_for(wallet_ids, not_before)
        entries = tuple(
            [
                self.positions[leg.wallet_id].post(request.id, index, leg.amount, posted_at, leg.purpose)
                for index, leg in enumerate(legs)
            ]
        )
        transaction = _completed(request, posted_at, charge)
        self._record(transaction)
        self.use_quota(request)
        if request.conversion is not None:
            self.used_quotes.add(request.conversion.quote.id)
        if request.reversal is not None:
            state = self.reversed_so_far(request.reversal)
            self._reversed_amounts[request.reversal.original_id] = request.reversal.after(request.amount, state)
        self._step.posted.append((transaction, entries))
        wallets = tuple([self.wallets[wallet_id] for wallet_id in wallet_ids])
        return Outcome(transaction, entries, replayed=False, refusal=None, wallets=wallets)

    def moment_for(self, wallet_ids: Iterable[UUID], not_before: datetime) -> datetime:
        """When entries in these wallets are posted now."""
        return max(self.now, not_before, *[self.positions[wallet_id].posted_at for wallet_id in wallet_ids])

    def use_quota(self, request: Request) -> None:
        """Count the request for its initiator's quota, if there is one."""
        quota = self.quota(request)
        if quota is not None:
            self.quotas[request.initiator_id] = quota.after(request.amount, request.currency)

    def happen(self, request: Request, event: HoldEvent) -> Hold:
        """Record an event of a hold. It comes before the entries of its wallet in its step, so it may begin one."""
        hold = self.holds.apply(request, event)
        if any(entry.wallet_id == hold.wallet_id for _, entries in self._step.posted for entry in entries):
            self._step = Step()
            self.settlement.steps.append(self._step)
        if event.kind is HoldEventKind.PLACED:
            self._step.placed.append(hold)
        self._step.happened.append(event)
        self.positions[hold.wallet_id].held += change_of_held(event)
        return hold

    def fail(
        self,
        request: Request,
        code: RefusalCode,
        field_name: str | None,
        available: int | None,
        charge: Charge | None = None,
    ) -> Outcome:
        """Record a refusal."""
        # Only the sender's fee is a part of what is missing.
        missing = charge if charge is not None and charge.schedule.payer is FeePayer.SENDER else None
        transaction = _transaction(request, TransactionStatus.FAILED, (code, field_name, available), None, missing)
        return self.failed(transaction, request.path)

    def failed(self, transaction: Transaction, path: tuple[str, ...]) -> Outcome:
        """Record a FAILED transaction."""
        self._record(transaction)
        hold = None if transaction.hold_id is None else self.holds.holds.get(transaction.hold_id)
        return Outcome(transaction, (), replayed=False, refusal=self.refusal_of(transaction, path), hold=hold)

    def refusal_of(self, transaction: Transaction, path: tuple[str, ...]) -> Refusal | None:
        """The refusal that a FAILED transaction recorded."""
        return refusal_of(transaction, path, self._exponents)

    def _record(self, transaction: Transaction) -> None:
        self.recorded[transaction.initiator_id, transaction.idempotency_key] = transaction
        self._step.transactions.append(transaction)

    def savepoint(self, unit: Unit) -> Savepoint:
        """What the unit may change."""
        touched = {
            wallet_id: replace(position)
            for request in unit.requests
            for wallet_id in (*request.wallet_ids, self.fees.wallet_for(request.type, request.currency))
            if wallet_id is not None and (position := self.positions.get(wallet_id)) is not None
        }
        transactions, posted = len(self._step.transactions), len(self._step.posted)
        quotas, reversed_amounts = dict(self.quotas), dict(self._reversed_amounts)
        return Savepoint(touched, quotas, reversed_amounts, set(self.used_quotes), transactions, posted)

    def undo(self, savepoint: Savepoint) -> None:
        """Return to the savepoint."""
        self.positions.update(savepoint.positions)
        self.quotas.update(savepoint.quotas)
        self._reversed_amounts = savepoint.reversed_amounts
        self.used_quotes = savepoint.used_quotes
        for transaction in self._step.transactions[savepoint.transactions :]:
            del self.recorded[transaction.initiator_id, transaction.idempotency_key]
        del self._step.transactions[savepoint.transactions :]
        del self._step.posted[savepoint.posted :]


def _completed(request: Request, completed_at: datetime, charge: Charge | None = None) -> Transaction:
    return _transaction(request, _COMPLETED, (None, None, None), completed_at, charge)


def _transaction(
    request: Request,
    status: TransactionStatus,
    failure: tuple[RefusalCode | None, str | None, int | None],
    completed_at: datetime | None,
    charge: Charge | None,
) -> Transaction:
    fee, fee_schedule_id = (None, None) if charge is None else (charge.amount, charge.schedule.id)
    if request.conversion is not None and failure[0] is not RefusalCode.BATCH_ABORTED:
        fee, fee_schedule_id = request.conversion.quote.fee, request.conversion.quote.fee_schedule_id
    # By position: names would double the time.
    return Transaction(
        request.id,
        request.initiator_id,
        request.idempotency_key,
        request.type,
        status,
        request.sender_wallet_id,
        request.receiver_wallet_id,
        request.amount,
        request.currency,
        request.description,
        *failure,
        request.created_at,
        completed_at,
        request.reference,
        request.metadata,
        request.terms,
        fee,
        fee_schedule_id,
        request.reverses_id,
        request.hold_id,
        request.quote_id,
    )
