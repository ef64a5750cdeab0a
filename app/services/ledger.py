"""The pure core of the ledger: it decides the outcome of requests, in order, on locked wallets.

No I/O, no clock, no randomness. `settlement.py` locks the rows, calls `settle`, and writes the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app.errors import Refusal, RefusalCode
from app.limits.quota import Quota
from app.money import MAX_MINOR, MIN_MINOR, Money
from app.records import (
    Entry,
    FeePayer,
    Hold,
    HoldEvent,
    HoldEventKind,
    ReversedAmount,
    Transaction,
    TransactionStatus,
    TransactionType,
    Wallet,
    WalletKind,
    WalletStatus,
)
from app.services import plans
from app.services.fees import NO_FEES, Charge, FeeBook, fee_of
from app.services.hold_book import Capture, HoldBook, change_of_held
from app.services.outcomes import Outcome, Settlement, Step
from app.services.refusals import (
    aborted,
    condition_failed,
    fee_exceeds_amount,
    fee_exceeds_limit,
    hold_short_of_funds,
    key_reused,
    refusal_of,
    reversal_exceeds_remaining,
    wallet_not_found,
)
from app.services.requests import Condition, ConditionKind, Key, Leg, Member, Request, Reversal, Unit


def settle(
    units: Sequence[Unit],
    wallets: Mapping[UUID, Wallet],
    recorded: Mapping[Key, Transaction],
    now: datetime,
    currency_exponents: Mapping[str, int],
    *,
    quotas: Mapping[UUID, Quota] | None = None,
    fees: FeeBook = NO_FEES,
    reversed_amounts: Mapping[UUID, ReversedAmount] | None = None,
    holds: Mapping[UUID, Hold] | None = None,
    hold_events: Mapping[Key, HoldEvent] | None = None,
) -> Settlement:
    """Decide the units one after another. Each sees the balances that the previous ones left.

    `wallets` are locked, and contain only those that the requester may name: a missing one is refused as not found. `recorded`
    has the transactions that already own a key of this batch. `now` was read after locking. `quotas` are locked, by user; a
    user without an entry has no quota. The fee wallet of each request that `fees` may charge is among the wallets.
    `reversed_amounts`, by transaction, were read under the wallets' locks; one without an entry was never reversed. So were
    `holds`, those that the requests name, and `hold_events`, those that own a key of this batch. What of the wallets' holds has
    expired by `now` is no longer in `held`.
    """
    before = {user_id: quota.at(now) for user_id, quota in (quotas or {}).items()}
    book = _Book(
        wallets,
        dict(recorded),
        now,
        currency_exponents,
        quotas=dict(before),
        fees=fees,
        reversed_amounts=dict(reversed_amounts or {}),
        holds=HoldBook(holds or {}, hold_events or {}, now),
    )
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
    held: int


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
        fees: FeeBook,
        reversed_amounts: dict[UUID, ReversedAmount],
        holds: HoldBook,
    ) -> None:
        self.wallets = wallets
        self.recorded = recorded
        self.now = now
        self.exponents = exponents
        self.quotas = quotas
        self.fees = fees
        self.reversed_amounts = reversed_amounts
        self.holds = holds
        self.positions = {
            wallet.id: _Position(wallet.balance, wallet.sequence, wallet.posted_at, wallet.held) for wallet in wallets.values()
        }
        self.settlement = Settlement(holds=holds.holds)
        self.step = self.settlement.steps[0]

    def settle_member(self, member: Member) -> Outcome:
        """Decide one member on its own."""
        if isinstance(member, Refusal):
            return _not_recorded(member)
        if member.records_event:
            return self._settle_hold(member)
        refusal = self._wallet_refusal(member)
        earlier = self.recorded.get(member.key) if refusal is None else None
        if earlier is not None:
            return self._replay(member, earlier)
        refusal = member.unless_replayed or refusal
        if refusal is None and member.conditions:
            refusal = self._condition_refusal(member)
        if refusal is None and member.reversal is not None:
            member, refusal = self._with_amount_left(member, member.reversal)
        capture = None
        if refusal is None and member.hold is not None:
            taken = self.holds.capture(member, member.hold)
            if isinstance(taken, Refusal):
                return _not_recorded(taken, self.holds.named(member))
            member, capture = member._replace(amount=taken.amount), taken
        charge, not_before = None, member.created_at
        fee_wallet_id = self.fees.wallet_for(member.type, member.currency) if self.fees.newest else None
        if refusal is None and fee_wallet_id is not None:
            charge, not_before = self._charge(member, fee_wallet_id)
            refusal = None if charge is None else self._fee_refusal(member, charge)
        if refusal is not None:
            return _not_recorded(refusal)
        return self._settle_legs(member, charge, not_before, capture)

    def _settle_legs(
        self, request: Request, charge: Charge | None, not_before: datetime, capture: Capture | None = None
    ) -> Outcome:
        """Post what passed all checks that need no legs, or record or return the refusal."""
        if charge is None and self._is_plain_success(request):
            return self._complete_plain(request, not_before)
        legs = plans.legs_of(request, charge) if request.reversal is None else self._legs_back(request, request.reversal)
        after = self._balances_after(legs)
        failure = self._ledger_failure(request, legs, after, capture)
        if failure is not None:
            return self._fail(request, *failure, charge)
        if min(after) < MIN_MINOR or max(after) > MAX_MINOR:
            return _not_recorded(_overflow(request, after))
        if capture is not None:
            return self._complete_capture(request, legs, not_before, capture)
        return self._complete(request, legs, charge, not_before)

    def _complete_capture(self, request: Request, legs: Sequence[Leg], not_before: datetime, capture: Capture) -> Outcome:
        """Post what was held. It is no longer held when its entries are posted."""
        assert request.hold is not None
        event = self.holds.captured(request, request.hold, capture)
        hold = self._happen(request, event)
        outcome = self._complete(request, legs, None, not_before)
        return Outcome(
            outcome.transaction,
            outcome.entries,
            replayed=False,
            refusal=None,
            hold=hold,
            happened=event.kind,
            wallets=outcome.wallets,
        )

    def _settle_hold(self, request: Request) -> Outcome:
        """Place, release or extend a hold. A refusal is not recorded: no transaction was asked for."""
        refusal = self._wallet_refusal(request)
        if refusal is not None:
            return _not_recorded(refusal)
        earlier = self.holds.recorded(request.key)
        if earlier is not None:
            return self._replay_hold(request, earlier)
        event = self._hold_event(request)
        if isinstance(event, Refusal):
            return _not_recorded(event, self.holds.named(request))
        hold = self._happen(request, event)
        quota = self._quota(request)
        if quota is not None and request.amount:
            self.quotas[request.initiator_id] = quota.after(request.amount, request.currency)
        wallets = tuple(self.wallets[wallet_id] for wallet_id in request.wallet_ids)
        return Outcome(None, (), replayed=False, refusal=None, hold=hold, happened=event.kind, wallets=wallets)

    def _hold_event(self, request: Request) -> HoldEvent | Refusal:
        assert request.hold is not None
        if request.hold.kind is HoldEventKind.RELEASED:
            return self.holds.release(request, request.hold)
        if request.hold.kind is HoldEventKind.EXTENDED:
            event = self.holds.extend(request, request.hold)
            return event if isinstance(event, Refusal) else self._funds_refusal(request) or event
        return self._funds_refusal(request) or self.holds.place(request, request.hold)

    def _funds_refusal(self, request: Request) -> Refusal | None:
        """The refusal if the amount of a new hold, or of an extension, cannot be held now."""
        if not request.amount:
            return None
        for index, wallet_id in enumerate(request.wallet_ids):
            wallet = self.wallets[wallet_id]
            field_name = plans.wallet_field(request, index)
            if wallet.status is not WalletStatus.ACTIVE:
                return _unrecorded(RefusalCode.WALLET_NOT_ACTIVE, (*request.path, field_name))
            if wallet.currency != request.currency:
                field_name = field_name if index else "amount"
                return _unrecorded(RefusalCode.CURRENCY_MISMATCH, (*request.path, field_name))
        payer = self.positions[request.wallet_ids[0]]
        available = payer.balance - payer.held
        path = (*request.path, plans.amount_field(request, 0))
        if request.amount > available:
            amounts = (Money(amount, request.currency, request.exponent) for amount in (available, request.amount))
            return hold_short_of_funds(path, *amounts)
        failure = self._quota_failure(request)
        return None if failure is None else _unrecorded(failure[0], path if failure[1] else request.path)

    def _happen(self, request: Request, event: HoldEvent) -> Hold:
        """Record an event of a hold. It comes before the entries of its wallet in its step, so it may begin one."""
        hold = self.holds.apply(request, event)
        if any(entry.wallet_id == hold.wallet_id for _, entries in self.step.posted for entry in entries):
            self.step = Step()
            self.settlement.steps.append(self.step)
        if event.kind is HoldEventKind.PLACED:
            self.step.placed.append(hold)
        self.step.happened.append(event)
        self.positions[hold.wallet_id].held += change_of_held(event)
        return hold

    def _replay_hold(self, request: Request, earlier: HoldEvent) -> Outcome:
        """The hold as it is now, or IDEMPOTENCY_KEY_REUSED if the input differs."""
        if not request.repeats_event(earlier):
            return _not_recorded(key_reused(request.path, None))
        return Outcome(None, (), replayed=earlier.id != request.id, refusal=None, hold=self.holds.holds[earlier.hold_id])

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
        if isinstance(member, Request):
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
        assert isinstance(member, Request), "a unit with a malformed member is not recorded"
        earlier = self.recorded.get(member.key)
        if earlier is not None:
            return self._replay(member, earlier)
        if is_culprit:
            assert tried.transaction is not None
            return self._failed(tried.transaction, member.path)
        return self._fail(member, RefusalCode.BATCH_ABORTED, None, None)

    def _wallet_refusal(self, request: Request) -> Refusal | None:
        """Return WALLET_NOT_FOUND for a missing wallet and for one that the requester may not use: both look the same."""
        missing = plans.unusable_wallet(request, self.wallets)
        return None if missing is None else wallet_not_found((*request.path, *missing.split(".")))

    def _condition_refusal(self, request: Request) -> Refusal | None:
        """Return the refusal for the first condition that does not hold now."""
        for index, condition in enumerate(request.conditions):
            path = (*request.path, "conditions", str(index), condition.kind.value)
            wallet = self.wallets[condition.wallet_id]
            if condition.currency not in (None, wallet.currency):
                code = RefusalCode.CURRENCY_MISMATCH
                return Refusal(code, code.message, (*path, "amount"), not_recorded=True)
            if not self._holds(condition, wallet):
                return condition_failed(path, condition.wallet_id)
        return None

    def _holds(self, condition: Condition, wallet: Wallet) -> bool:
        position = self.positions[wallet.id]
        match condition.kind:
            case ConditionKind.SEQUENCE_IS:
                return position.sequence == condition.value
            case ConditionKind.AVAILABLE_AT_LEAST:
                return position.balance - position.held >= condition.value
            case ConditionKind.BALANCE_AT_MOST:
                return position.balance <= condition.value

    def _state(self, reversal: Reversal) -> ReversedAmount:
        return self.reversed_amounts.get(reversal.original_id) or ReversedAmount()

    def _with_amount_left(self, request: Request, reversal: Reversal) -> tuple[Request, Refusal | None]:
        """The reversal with its amount, which is all that is left unless it names one, and the refusal if that is not left."""
        left = reversal.original_amount - self._state(reversal).reversed
        amount = reversal.amount or left
        if left and amount <= left:
            return request._replace(amount=amount), None
        return request, reversal_exceeds_remaining(request.path, Money(left, request.currency, request.exponent))

    def _legs_back(self, request: Request, reversal: Reversal) -> Sequence[Leg]:
        return plans.legs_of_reversal(request, reversal.fee_given_back(request.amount, self._state(reversal)))

    def _charge(self, request: Request, fee_wallet_id: UUID) -> tuple[Charge | None, datetime]:
        """The fee of a request by the version that is valid when it would be posted, or None, and that moment.

        The moment counts the fee wallet even if nothing is charged in the end: the version is chosen by it.
        """
        sides = [self.wallets[wallet_id] for wallet_id in request.wallet_ids[:2]]
        places = (self.positions[wallet_id].posted_at for wallet_id in (*request.wallet_ids[:2], fee_wallet_id))
        moment = max(self.now, request.created_at, *places)
        if any(side.currency != request.currency for side in sides):
            return None, moment
        sender, receiver = sides
        schedule = self.fees.valid_at(moment, request.type, request.currency, sender=sender.owner_id, receiver=receiver.owner_id)
        amount = 0 if schedule is None else fee_of(schedule, request.amount)
        return (Charge(amount, schedule, fee_wallet_id) if schedule is not None and amount else None), moment

    def _fee_refusal(self, request: Request, charge: Charge) -> Refusal | None:
        """Refuse a fee that the request does not accept, or that would leave the receiver nothing."""
        fee = Money(charge.amount, request.currency, request.exponent)
        is_limited = request.max_fee is not None or self.fees.refuses_unlimited
        limit = request.max_fee or 0
        if is_limited and charge.amount > limit:
            return fee_exceeds_limit(request.path, fee, replace(fee, minor=limit))
        if charge.schedule.payer is FeePayer.RECEIVER and charge.amount >= request.amount:
            return fee_exceeds_amount(request.path, fee)
        return None

    def _balances_after(self, legs: Sequence[Leg]) -> list[int]:
        """The balance of each leg's wallet after the leg, if the legs are posted now."""
        balances: dict[UUID, int] = {}
        after = []
        for wallet_id, amount, _, _ in legs:
            balance = balances[wallet_id] if wallet_id in balances else self.positions[wallet_id].balance
            balances[wallet_id] = balance = balance + amount
            after.append(balance)
        return after

    def _ledger_failure(
        self, request: Request, legs: Sequence[Leg], after: Sequence[int], capture: Capture | None = None
    ) -> tuple[RefusalCode, str | None, int | None] | None:
        """Return code, field and, for missing funds, the available amount. Recorded refusals, in order of precedence."""
        wallets = [self.wallets[leg.wallet_id] for leg in legs]
        for index, wallet in enumerate(wallets):
            if wallet.status is not WalletStatus.ACTIVE:
                return RefusalCode.WALLET_NOT_ACTIVE, plans.wallet_field(request, index), None
        for index, wallet in enumerate(wallets):
            if legs[index].currency != wallet.currency:
                return RefusalCode.CURRENCY_MISMATCH, plans.currency_field(request, index), None
        for index, wallet in enumerate(wallets):
            # Each debit, not only the sum: a later credit of the same request does not cover an earlier debit.
            held = self.positions[wallet.id].held
            if after[index] < held and wallet.kind is WalletKind.USER and legs[index].amount < 0:
                if capture is not None and not capture.is_late:
                    # What is held is there for its capture, even if a reversal has taken the rest.
                    continue
                if request.reversal is not None and request.reversal.allow_overdraft:
                    continue
                before = after[index] - legs[index].amount
                if request.type in (TransactionType.TRANSFER, TransactionType.DEPOSIT):
                    # Of a fee, too: what is missing is a part of amount and fee together.
                    before = self.positions[wallet.id].balance
                available = before - held
                return RefusalCode.INSUFFICIENT_FUNDS, plans.amount_field(request, index), available
        return self._quota_failure(request)

    def _quota_failure(self, request: Request) -> tuple[RefusalCode, str | None, int | None] | None:
        quota = self._quota(request)
        if quota is None or quota.allows(request.amount, request.currency):
            return None
        return RefusalCode.QUOTA_EXCEEDED, "amount" if quota.allows(0, request.currency) else None, None

    def _quota(self, request: Request) -> Quota | None:
        """The quota of a transfer or hold. Deposits by administrators have none."""
        return self.quotas.get(request.initiator_id) if request.uses_quota else None

    def _is_plain_success(self, request: Request) -> bool:
        """Whether two legs, without a fee, pass every rule of the general way, which this saves for the commonest request.

        False says nothing about the outcome: then the general way decides, and names what it refuses.
        """
        if request.sender_wallet_id is None or request.receiver_wallet_id is None:
            return False
        if request.reversal is not None or request.hold is not None:
            return False
        sender, receiver = self.wallets[request.sender_wallet_id], self.wallets[request.receiver_wallet_id]
        position = self.positions[sender.id]
        left = position.balance - request.amount
        return (
            sender.status is WalletStatus.ACTIVE
            and receiver.status is WalletStatus.ACTIVE
            and sender.currency == request.currency == receiver.currency
            and left >= (position.held if sender.kind is WalletKind.USER else MIN_MINOR)
            and self.positions[receiver.id].balance + request.amount <= MAX_MINOR
            and (not self.quotas or self._quota_failure(request) is None)
        )

    def _complete_plain(self, request: Request, not_before: datetime) -> Outcome:
        debit, credit = plans.legs_of(request)
        sender, receiver = self.positions[debit.wallet_id], self.positions[credit.wallet_id]
        posted_at = max(self.now, not_before, sender.posted_at, receiver.posted_at)
        entries = self._post(request.id, 0, debit, posted_at), self._post(request.id, 1, credit, posted_at)
        return self._completed(request, entries, (self.wallets[debit.wallet_id], self.wallets[credit.wallet_id]), None)

    def _complete(self, request: Request, legs: Sequence[Leg], charge: Charge | None, not_before: datetime) -> Outcome:
        wallet_ids = dict.fromkeys([leg.wallet_id for leg in legs])
        posted_at = max(self.now, not_before, *[self.positions[wallet_id].posted_at for wallet_id in wallet_ids])
        entries = tuple([self._post(request.id, index, leg, posted_at) for index, leg in enumerate(legs)])
        return self._completed(request, entries, tuple([self.wallets[wallet_id] for wallet_id in wallet_ids]), charge)

    def _completed(
        self, request: Request, entries: tuple[Entry, ...], wallets: tuple[Wallet, ...], charge: Charge | None
    ) -> Outcome:
        completed_at = entries[0].created_at
        transaction = _transaction(request, TransactionStatus.COMPLETED, completed_at=completed_at, charge=charge)
        self._record(transaction)
        quota = self._quota(request)
        if quota is not None:
            self.quotas[request.initiator_id] = quota.after(request.amount, request.currency)
        if request.reversal is not None:
            state = self._state(request.reversal)
            self.reversed_amounts[request.reversal.original_id] = request.reversal.after(request.amount, state)
        self.step.posted.append((transaction, entries))
        return Outcome(transaction, entries, replayed=False, refusal=None, wallets=wallets)

    def _post(self, transaction_id: UUID, index: int, leg: Leg, posted_at: datetime) -> Entry:
        wallet_id, amount, _, purpose = leg
        position = self.positions[wallet_id]
        position.balance = balance = position.balance + amount
        position.sequence = sequence = position.sequence + 1
        position.posted_at = posted_at
        return Entry(transaction_id, index, wallet_id, sequence, amount, balance, posted_at, purpose)

    def _fail(
        self,
        request: Request,
        code: RefusalCode,
        field_name: str | None,
        available: int | None,
        charge: Charge | None = None,
    ) -> Outcome:
        transaction = _transaction(
            request,
            TransactionStatus.FAILED,
            failure_code=code,
            failure_field=field_name,
            failure_available=available,
            # Only the sender's fee is a part of what is missing.
            charge=charge if charge is not None and charge.schedule.payer is FeePayer.SENDER else None,
        )
        return self._failed(transaction, request.path)

    def _failed(self, transaction: Transaction, path: tuple[str, ...]) -> Outcome:
        self._record(transaction)
        hold = None if transaction.hold_id is None else self.holds.holds.get(transaction.hold_id)
        return Outcome(transaction, (), replayed=False, refusal=self._refusal_of(transaction, path), hold=hold)

    def _replay(self, request: Request, earlier: Transaction) -> Outcome:
        """Return the first outcome of a key, or IDEMPOTENCY_KEY_REUSED if the input differs.

        If the transaction has this request's id, an earlier try of the same batch wrote it and its COMMIT was not answered.
        That is the first answer and not a replay.
        """
        if not request.repeats(earlier):
            return _not_recorded(request.unless_replayed or key_reused(request.path, earlier.id))
        return Outcome(
            earlier,
            (),
            replayed=earlier.id != request.id,
            refusal=self._refusal_of(earlier, request.path),
            hold=self.holds.named(request),
        )

    def _refusal_of(self, transaction: Transaction, path: tuple[str, ...]) -> Refusal | None:
        return refusal_of(transaction, path, self.exponents)

    def _record(self, transaction: Transaction) -> None:
        self.recorded[transaction.initiator_id, transaction.idempotency_key] = transaction
        self.step.transactions.append(transaction)

    def _savepoint(self, unit: Unit) -> _Savepoint:
        touched = {
            wallet_id: _Position(position.balance, position.sequence, position.posted_at, position.held)
            for request in unit.requests
            for wallet_id in (*request.wallet_ids, self.fees.wallet_for(request.type, request.currency))
            if wallet_id is not None and (position := self.positions.get(wallet_id)) is not None
        }
        transactions, posted = len(self.step.transactions), len(self.step.posted)
        return _Savepoint(touched, dict(self.quotas), dict(self.reversed_amounts), transactions, posted)

    def _undo(self, savepoint: _Savepoint) -> None:
        self.positions.update(savepoint.positions)
        self.quotas.update(savepoint.quotas)
        self.reversed_amounts = savepoint.reversed_amounts
        for transaction in self.step.transactions[savepoint.transactions :]:
            del self.recorded[transaction.initiator_id, transaction.idempotency_key]
        del self.step.transactions[savepoint.transactions :]
        del self.step.posted[savepoint.posted :]


@dataclass(frozen=True, slots=True)
class _Savepoint:
    positions: dict[UUID, _Position]
    quotas: dict[UUID, Quota]
    reversed_amounts: dict[UUID, ReversedAmount]
    transactions: int
    posted: int


def _transaction(
    request: Request,
    status: TransactionStatus,
    *,
    completed_at: datetime | None = None,
    failure_code: RefusalCode | None = None,
    failure_field: str | None = None,
    failure_available: int | None = None,
    charge: Charge | None = None,
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
        reference=request.reference,
        metadata=request.metadata,
        terms=request.terms,
        fee=None if charge is None else charge.amount,
        fee_schedule_id=None if charge is None else charge.schedule.id,
        reverses_id=request.reverses_id,
        hold_id=request.hold_id,
    )


def _overflow(request: Request, after: Sequence[int]) -> Refusal:
    """The refusal of the first leg that would take a balance out of the range of a bigint."""
    index = next(index for index, balance in enumerate(after) if not MIN_MINOR <= balance <= MAX_MINOR)
    field_path = plans.amount_field(request, index).split(".")
    code = RefusalCode.INVALID_AMOUNT
    return Refusal(code, code.message, (*request.path, *field_path))


def _not_recorded(refusal: Refusal, hold: Hold | None = None) -> Outcome:
    return Outcome(None, (), replayed=False, refusal=refusal, hold=hold)


def _unrecorded(code: RefusalCode, path: tuple[str, ...]) -> Refusal:
    """The refusal of a hold, by a code that is recorded for transactions."""
    return Refusal(code, code.message, path, not_recorded=True)
