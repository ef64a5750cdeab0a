"""The pure core of the ledger: it decides the outcome of requests, in order, on locked wallets.

No I/O, no clock, no randomness. `settlement.py` locks the rows, calls `settle`, and writes the result. The rules are in
`ledger_rules.py` and `hold_decisions.py`, the running state of a batch is in `book.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from uuid import UUID

from app.errors import Refusal, RefusalCode
from app.limits.quota import Quota
from app.records import Hold, HoldEvent, ReversedAmount, Transaction, Wallet
from app.services import conversion_rules, hold_decisions, ledger_rules, plans
from app.services.book import Book
from app.services.fees import NO_FEES, Charge, FeeBook
from app.services.hold_book import Capture, HoldBook
from app.services.outcomes import Outcome, Settlement, not_recorded
from app.services.refusals import aborted, key_reused
from app.services.requests import Key, Leg, Member, Request, Unit


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
    used_quotes: AbstractSet[UUID] = frozenset(),
    exposure_limits: Mapping[str, int] | None = None,
) -> Settlement:
    """Decide the units one after another. Each sees the balances that the previous ones left.

    `wallets` are locked, and contain only those that the requester may name: a missing one is refused as not found. `recorded`
    has the transactions that already own a key of this batch. `now` was read after locking. `quotas` are locked, by user; a
    user without an entry has no quota. The fee wallet of each request that `fees` may charge is among the wallets.
    `reversed_amounts`, by transaction, were read under the wallets' locks; one without an entry was never reversed. So were
    `holds`, those that the requests name, and `hold_events`, those that own a key of this batch. What of the wallets' holds has
    expired by `now` is no longer in `held`. `used_quotes`, of those that the requests name, were read under the locks of the FX
    wallets. `exposure_limits` bound the balances of these, by currency.
    """
    before = {user_id: quota.at(now) for user_id, quota in (quotas or {}).items()}
    book = Book(
        wallets,
        dict(recorded),
        now,
        currency_exponents,
        quotas=dict(before),
        fees=fees,
        reversed_amounts=dict(reversed_amounts or {}),
        holds=HoldBook(holds or {}, hold_events or {}, now),
        used_quotes=set(used_quotes),
        exposure_limits=exposure_limits or {},
    )
    for unit in units:
        answer = _settle_atomic(book, unit) if unit.atomic else tuple([_settle_member(book, member) for member in unit.members])
        book.settlement.outcomes.append(answer)
    book.settlement.quotas = [quota for user_id, quota in book.quotas.items() if quota is not before[user_id]]
    return book.settlement


def _settle_member(book: Book, member: Member) -> Outcome:
    """Decide one member on its own."""
    if isinstance(member, Refusal):
        return not_recorded(member)
    sides = ledger_rules.plain_sides(book, member)
    if sides is not None:
        fee_wallet_id = book.fees.newest and book.fees.wallet_for(member.type, member.currency)
        if not fee_wallet_id:
            return book.complete_plain(member, sides, None)
        charged = ledger_rules.plain_charge(book, member, sides, fee_wallet_id)
        if charged is not None:
            return book.complete_plain(member, sides, charged)
    return hold_decisions.settle_hold(book, member) if member.records_event else _settle_request(book, member)


def _settle_request(book: Book, member: Request) -> Outcome:
    """Decide a request that becomes a transaction, of any kind: its refusals come in the order of these checks."""
    refusal = ledger_rules.wallet_refusal(book, member)
    earlier = book.recorded.get(member.key) if refusal is None else None
    if earlier is not None:
        return _replay(book, member, earlier)
    refusal = member.unless_replayed or refusal
    if refusal is None:
        member, refusal = _checked(book, member)
    capture = None
    if refusal is None and member.hold is not None:
        taken = book.holds.capture(member, member.hold)
        if isinstance(taken, Refusal):
            return not_recorded(taken, book.holds.named(member))
        member, capture = member._replace(amount=taken.amount), taken
    charge, not_before = None, member.created_at
    # The fee of a conversion is what its quote promised.
    is_charged_now = book.fees.newest and member.conversion is None
    fee_wallet_id = book.fees.wallet_for(member.type, member.currency) if is_charged_now else None
    if refusal is None and fee_wallet_id is not None:
        charge, not_before = ledger_rules.charge_of(book, member, fee_wallet_id)
        refusal = None if charge is None else ledger_rules.fee_refusal(book, member, charge)
    if refusal is not None:
        return not_recorded(refusal)
    return _settle_legs(book, member, charge, not_before, capture)


def _checked(book: Book, request: Request) -> tuple[Request, Refusal | None]:
    """The request, a reversal with its amount, and the refusal by a rule whose refusal is not recorded."""
    refusal = ledger_rules.condition_refusal(book, request) if request.conditions else None
    if refusal is None and request.reversal is not None:
        return ledger_rules.with_amount_left(book, request, request.reversal)
    if refusal is None and request.conversion is not None:
        refusal = conversion_rules.mismatch(book, request, request.conversion)
    return request, refusal


def _settle_legs(
    book: Book, request: Request, charge: Charge | None, not_before: datetime, capture: Capture | None = None
) -> Outcome:
    """Post what passed all checks that need no legs, or record or return the refusal."""
    legs = _legs(book, request, charge)
    after = book.balances_after(legs)
    failure = ledger_rules.failure_of(book, request, legs, after, capture)
    if failure is not None:
        return book.fail(request, *failure, charge)
    refusal = ledger_rules.overflow(request, after)
    if refusal is not None:
        return not_recorded(refusal)
    if capture is not None:
        return hold_decisions.complete_capture(book, request, legs, not_before, capture)
    return book.complete(request, legs, charge, not_before)


def _legs(book: Book, request: Request, charge: Charge | None) -> Sequence[Leg]:
    if request.reversal is None:
        return plans.legs_of(request, charge)
    state = book.reversed_so_far(request.reversal)
    given_back = request.reversal.fee_given_back(request.amount, state)
    if request.reversal.conversion_legs:
        return plans.legs_of_converted_reversal(request.reversal, request.amount, given_back, state)
    return plans.legs_of_reversal(request, given_back)


def _replay(book: Book, request: Request, earlier: Transaction) -> Outcome:
    """Return the first outcome of a key, or IDEMPOTENCY_KEY_REUSED if the input differs.

    If the transaction has this request's id, an earlier try of the same batch wrote it and its COMMIT was not answered.
    That is the first answer and not a replay.
    """
    if not request.repeats(earlier):
        return not_recorded(request.unless_replayed or key_reused(request.path, earlier.id))
    return Outcome(
        earlier,
        (),
        replayed=earlier.id != request.id,
        refusal=book.refusal_of(earlier, request.path),
        hold=book.holds.named(request),
    )


def _settle_atomic(book: Book, unit: Unit) -> tuple[Outcome, ...]:
    """Decide an atomic unit: try all members, and undo everything if one is refused."""
    savepoint = book.savepoint(unit)
    outcomes = tuple(_settle_member(book, member) for member in unit.members)
    first_refused = next((index for index, outcome in enumerate(outcomes) if outcome.refusal is not None), None)
    if first_refused is None:
        return outcomes
    book.undo(savepoint)
    if any(outcome.refusal is not None and outcome.transaction is None for outcome in outcomes):
        return tuple(_abort_unrecorded(book, member, tried) for member, tried in zip(unit.members, outcomes, strict=True))
    return tuple(
        _abort_recorded(book, member, outcome, is_culprit=index == first_refused)
        for index, (member, outcome) in enumerate(zip(unit.members, outcomes, strict=True))
    )


def _abort_unrecorded(book: Book, member: Member, tried: Outcome) -> Outcome:
    """Decide a member of an atomic unit with a malformed member or a reused key: nothing new is recorded."""
    if isinstance(member, Request):
        earlier = book.recorded.get(member.key)
        if earlier is not None and member.repeats(earlier):
            return _replay(book, member, earlier)
        if tried.refusal is not None and tried.refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED and earlier is None:
            return not_recorded(key_reused(member.path, None))
        if tried.refusal is None or tried.transaction is not None:
            return not_recorded(aborted(member.path))
    return tried


def _abort_recorded(book: Book, member: Member, tried: Outcome, *, is_culprit: bool) -> Outcome:
    """Decide a member of an atomic unit that the ledger refused: an earlier outcome stays, others are recorded FAILED."""
    assert isinstance(member, Request), "a unit with a malformed member is not recorded"
    earlier = book.recorded.get(member.key)
    if earlier is not None:
        return _replay(book, member, earlier)
    if is_culprit:
        assert tried.transaction is not None
        return book.failed(tried.transaction, member.path)
    return book.fail(member, RefusalCode.BATCH_ABORTED, None, None)
