"""The pure core, by example (a table of refusals in order of precedence) and by property (millions of small worlds)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import ids
from app.errors import Refusal, RefusalCode
from app.money import MAX_MINOR, MIN_MINOR
from app.records import (
    Entry,
    EntryPurpose,
    FeePayer,
    FeeReversal,
    FeeSchedule,
    ReversalReason,
    ReversedAmount,
    RoundingMode,
    Transaction,
    TransactionStatus,
    TransactionType,
    Wallet,
    WalletKind,
    WalletStatus,
)
from app.services.fees import NO_FEES, FeeBook
from app.services.ledger import settle
from app.services.outcomes import Outcome, Settlement
from app.services.requests import Condition, ConditionKind, Key, Leg, Request, Reversal, Unit

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
EXPONENTS = {"USD": 2, "EUR": 2}


def user(number: int) -> UUID:
    return UUID(int=number)


def wallet(number: int, owner: int | None = 1, **changes: object) -> Wallet:
    made = Wallet(
        id=UUID(int=1000 + number),
        kind=WalletKind.SYSTEM if owner is None else WalletKind.USER,
        owner_id=None if owner is None else user(owner),
        name="w",
        currency="USD",
        balance=10_000,
        held=0,
        sequence=7,
        status=WalletStatus.ACTIVE,
        version=1,
        posted_at=NOW - timedelta(days=1),
        created_at=NOW - timedelta(days=2),
    )
    return made._replace(**changes)  # type: ignore[arg-type]


_numbers = iter(range(1, 10**9))


def request(sender: int, receiver: int, amount: int = 100, **changes: object) -> Request:
    number = next(_numbers)
    made = Request(
        id=UUID(int=number << ids.LEG_BITS),
        type=TransactionType.TRANSFER,
        initiator_id=user(1),
        idempotency_key=f"key-{number}",
        sender_wallet_id=UUID(int=1000 + sender),
        receiver_wallet_id=UUID(int=1000 + receiver),
        amount=amount,
        currency="USD",
        exponent=2,
        description=None,
        created_at=NOW,
        path=("input",),
    )
    return made._replace(**changes)  # type: ignore[arg-type]


def run(
    units: Sequence[Unit],
    wallets: Iterable[Wallet],
    recorded: dict[Key, Transaction] | None = None,
    fees: FeeBook = NO_FEES,
    given_back: dict[UUID, ReversedAmount] | None = None,
) -> Settlement:
    by_id = {w.id: w for w in wallets}
    return settle(units, by_id, recorded or {}, NOW, EXPONENTS, fees=fees, reversed_amounts=given_back)


FEE_WALLET = UUID(int=1009)


def fee_schedule(number: int, **changes: object) -> FeeSchedule:
    """The sender of a transfer in dollars pays 2.9 % + 0.30, since long ago."""
    made = FeeSchedule(
        id=UUID(int=number),
        number=number,
        transaction_type=TransactionType.TRANSFER,
        currency="USD",
        user_id=None,
        version=1,
        name="Fee",
        payer=FeePayer.SENDER,
        percent=Decimal("2.9"),
        flat=30,
        minimum=None,
        maximum=None,
        rounding=RoundingMode.HALF_EVEN,
        valid_from=NOW - timedelta(days=9),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def book(*schedules: FeeSchedule) -> FeeBook:
    return FeeBook(schedules, {"USD": FEE_WALLET})


SENDER_PAYS = book(fee_schedule(1))
RECEIVER_PAYS = book(fee_schedule(1, payer=FeePayer.RECEIVER))
MANY_FEES = book(
    fee_schedule(1),
    fee_schedule(2, user_id=UUID(int=2), payer=FeePayer.RECEIVER, percent=None, flat=5),
    fee_schedule(3, transaction_type=TransactionType.DEPOSIT, payer=FeePayer.RECEIVER, percent=None, minimum=40),
)


def single(asked: Request, *wallets: Wallet) -> Outcome:
    return run([Unit((asked,))], wallets).outcomes[0][0]


def test_a_transfer_writes_one_debit_and_one_credit_that_continue_both_chains() -> None:
    outcome = single(request(1, 2, 250), wallet(1), wallet(2, owner=2, balance=5, sequence=0))
    debit, credit = outcome.entries
    assert (debit.amount, debit.balance_before, debit.balance_after, debit.sequence) == (-250, 10_000, 9_750, 8)
    assert (credit.amount, credit.balance_before, credit.balance_after, credit.sequence) == (250, 5, 255, 1)
    assert outcome.transaction is not None
    assert outcome.transaction.status is TransactionStatus.COMPLETED
    assert not outcome.replayed


def test_posting_time_is_never_earlier_than_a_wallets_previous_entry() -> None:
    ahead = NOW + timedelta(seconds=5)
    outcome = single(request(1, 2), wallet(1), wallet(2, owner=2, posted_at=ahead))
    assert {entry.created_at for entry in outcome.entries} == {ahead}


REFUSALS = [
    ("unknown sender", request(9, 2), {}, RefusalCode.WALLET_NOT_FOUND, "senderWalletId"),
    ("another's sender", request(2, 1), {}, RefusalCode.WALLET_NOT_FOUND, "senderWalletId"),
    ("system wallet as sender of a transfer", request(3, 2), {}, RefusalCode.WALLET_NOT_FOUND, "senderWalletId"),
    ("unknown receiver", request(1, 9), {}, RefusalCode.WALLET_NOT_FOUND, "receiverWalletId"),
    ("system wallet as receiver", request(1, 3), {}, RefusalCode.WALLET_NOT_FOUND, "receiverWalletId"),
    ("frozen sender", request(1, 2), {1: {"status": WalletStatus.FROZEN}}, RefusalCode.WALLET_NOT_ACTIVE, "senderWalletId"),
    ("closed receiver", request(1, 2), {2: {"status": WalletStatus.CLOSED}}, RefusalCode.WALLET_NOT_ACTIVE, "receiverWalletId"),
    ("amount in another currency", request(1, 2, currency="EUR"), {}, RefusalCode.CURRENCY_MISMATCH, "amount"),
    ("receiver in another currency", request(1, 2), {2: {"currency": "EUR"}}, RefusalCode.CURRENCY_MISMATCH, "receiverWalletId"),
    ("one cent too much", request(1, 2, 10_001), {}, RefusalCode.INSUFFICIENT_FUNDS, "amount"),
    ("held money", request(1, 2, 6_000), {1: {"held": 5_000}}, RefusalCode.INSUFFICIENT_FUNDS, "amount"),
    ("credit past 2^63-1", request(1, 2, 1), {2: {"balance": MAX_MINOR}}, RefusalCode.INVALID_AMOUNT, "amount"),
    (
        "frozen before funds",
        request(1, 2, 10_001),
        {1: {"status": WalletStatus.FROZEN}},
        RefusalCode.WALLET_NOT_ACTIVE,
        "senderWalletId",
    ),
    ("currency before funds", request(1, 2, 10_001, currency="EUR"), {}, RefusalCode.CURRENCY_MISMATCH, "amount"),
]


@pytest.mark.parametrize(
    ("asked", "changes", "code", "field"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_refusals_in_order_of_precedence(
    asked: Request, changes: dict[int, dict[str, object]], code: RefusalCode, field: str
) -> None:
    owners = {1: 1, 2: 2, 3: None}
    wallets = [wallet(number, owner, **changes.get(number, {})) for number, owner in owners.items()]
    settlement = run([Unit((asked,))], wallets)
    ((outcome,),) = settlement.outcomes
    assert outcome.refusal is not None
    assert outcome.refusal.code is code
    assert outcome.refusal.path == ("input", field)
    assert settlement.posted == []
    recorded = code.is_recorded
    assert (outcome.transaction is not None) == recorded
    assert len(settlement.transactions) == recorded
    if outcome.transaction is not None:
        assert outcome.transaction.status is TransactionStatus.FAILED


FEE_REFUSALS = [
    # What is asked; the schedules; changes to wallets 1 and 2; the refusal and its field.
    ("a condition before the limit", request(1, 2, conditions=(Condition(ConditionKind.SEQUENCE_IS, UUID(int=1001), 0),)),
     SENDER_PAYS, {}, RefusalCode.CONDITION_FAILED, ("conditions", "0", "sequenceIs")),
    ("no limit", request(1, 2), SENDER_PAYS, {}, RefusalCode.FEE_EXCEEDS_LIMIT, ("maxFee",)),
    ("a cent above the limit", request(1, 2, max_fee=32), SENDER_PAYS, {}, RefusalCode.FEE_EXCEEDS_LIMIT, ("maxFee",)),
    ("the limit before the amount", request(1, 2, 20), RECEIVER_PAYS, {}, RefusalCode.FEE_EXCEEDS_LIMIT, ("maxFee",)),
    ("the whole amount", request(1, 2, 31, max_fee=99), RECEIVER_PAYS, {}, RefusalCode.FEE_EXCEEDS_AMOUNT, ("amount",)),
    ("the limit before a frozen wallet", request(1, 2), SENDER_PAYS, {1: {"status": WalletStatus.FROZEN}},
     RefusalCode.FEE_EXCEEDS_LIMIT, ("maxFee",)),
    ("the amount before funds", request(1, 2, 20, max_fee=99), RECEIVER_PAYS, {1: {"balance": 0}},
     RefusalCode.FEE_EXCEEDS_AMOUNT, ("amount",)),
    ("another currency without a fee", request(1, 2), SENDER_PAYS, {2: {"currency": "EUR"}},
     RefusalCode.CURRENCY_MISMATCH, ("receiverWalletId",)),
    ("a frozen wallet", request(1, 2, max_fee=99), SENDER_PAYS, {1: {"status": WalletStatus.FROZEN}},
     RefusalCode.WALLET_NOT_ACTIVE, ("senderWalletId",)),
    ("held money for the fee", request(1, 2, 5_000, max_fee=999), SENDER_PAYS, {1: {"held": 4_999}},
     RefusalCode.INSUFFICIENT_FUNDS, ("amount",)),
    ("funds for the amount alone", request(1, 2, 9_800, max_fee=999), SENDER_PAYS, {}, RefusalCode.INSUFFICIENT_FUNDS,
     ("amount",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "fees", "changes", "code", "path"), [case[1:] for case in FEE_REFUSALS], ids=[case[0] for case in FEE_REFUSALS]
)
def test_refusals_for_fees_in_order_of_precedence(
    asked: Request, fees: FeeBook, changes: dict[int, dict[str, object]], code: RefusalCode, path: tuple[str, ...]
) -> None:
    wallets = [wallet(number, owner, **changes.get(number, {})) for number, owner in {1: 1, 2: 2, 9: None}.items()]
    settlement = run([Unit((asked,))], wallets, fees=fees)
    ((outcome,),) = settlement.outcomes
    assert outcome.refusal is not None
    assert (outcome.refusal.code, outcome.refusal.path) == (code, ("input", *path))
    assert settlement.posted == []
    assert (outcome.transaction is not None) == code.is_recorded


def test_the_version_is_chosen_by_the_time_of_posting_even_if_the_fee_wallet_was_posted_to_later() -> None:
    later = NOW + timedelta(seconds=5)
    fees = book(fee_schedule(1), fee_schedule(2, version=2, percent=None, flat=None, valid_from=later))
    wallets = [wallet(1), wallet(2, 2), wallet(9, None, posted_at=later)]
    ((outcome,),) = run([Unit((request(1, 2),))], wallets, fees=fees).outcomes
    assert outcome.transaction is not None
    assert (outcome.transaction.fee, outcome.transaction.completed_at) == (None, later)


def test_a_refusal_for_funds_tells_what_was_available_and_a_replay_repeats_it() -> None:
    asked = request(1, 2, 10_500)
    first = single(asked, wallet(1, held=1), wallet(2, owner=2))
    assert first.transaction is not None
    assert first.refusal is not None
    assert first.refusal.available is not None
    assert first.refusal.available.amount == "99.99"
    again = run(
        [Unit((asked._replace(id=request(1, 2).id),))],
        [wallet(1, balance=10**9), wallet(2, owner=2)],
        {asked.key: first.transaction},
    ).outcomes[0][0]
    assert again.replayed
    assert again.refusal == first.refusal
    assert again.transaction == first.transaction


def test_the_same_key_twice_in_one_batch_moves_money_once() -> None:
    asked = request(1, 2, 100)
    settlement = run([Unit((asked, asked._replace(id=request(1, 2).id)))], [wallet(1), wallet(2, owner=2)])
    first, second = settlement.outcomes[0]
    assert (first.replayed, second.replayed) == (False, True)
    assert first.transaction == second.transaction
    assert len(settlement.posted) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 101},
        {"currency": "EUR"},
        {"sender_wallet_id": UUID(int=1003)},
        {"receiver_wallet_id": UUID(int=1003)},
        {"description": ""},
        {"type": TransactionType.DEPOSIT, "sender_wallet_id": UUID(int=1004)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_key_with_other_input_is_refused_and_names_the_transaction_that_owns_it(change: dict[str, object]) -> None:
    asked = request(1, 2, 100)
    other = asked._replace(id=request(1, 2).id, **change)  # type: ignore[arg-type]
    wallets = [wallet(1), wallet(2, owner=2), wallet(3), wallet(4, owner=None)]
    first, second = run([Unit((asked, other))], wallets).outcomes[0]
    assert first.transaction is not None
    assert second.refusal is not None
    assert second.refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED
    assert second.refusal.transaction_id == first.transaction.id
    assert second.transaction is None


def test_a_key_belongs_to_its_user_alone() -> None:
    asked = request(1, 2, 100, idempotency_key="shared")
    others = request(2, 1, 100, idempotency_key="shared", initiator_id=user(2))
    outcomes = run([Unit((asked, others))], [wallet(1), wallet(2, owner=2)]).outcomes[0]
    assert [outcome.refusal for outcome in outcomes] == [None, None]


def test_what_an_unanswered_commit_wrote_is_the_first_answer_and_no_replay() -> None:
    asked = request(1, 2, 100)
    first = single(asked, wallet(1), wallet(2, owner=2))
    assert first.transaction is not None
    settlement = run([Unit((asked,))], [wallet(1), wallet(2, owner=2)], {asked.key: first.transaction})
    assert not settlement.outcomes[0][0].replayed
    assert settlement.transactions == []


def test_an_atomic_batch_that_the_ledger_refuses_is_recorded_failed_as_a_whole() -> None:
    members = (request(1, 2, 6_000), request(1, 2, 6_000), request(1, 2, 1))
    settlement = run([Unit(members, atomic=True)], [wallet(1), wallet(2, owner=2)])
    codes = [outcome.refusal.code for outcome in settlement.outcomes[0] if outcome.refusal]
    assert codes == [RefusalCode.BATCH_ABORTED, RefusalCode.INSUFFICIENT_FUNDS, RefusalCode.BATCH_ABORTED]
    assert [t.status for t in settlement.transactions] == [TransactionStatus.FAILED] * 3
    assert settlement.posted == []
    replay = run(
        [Unit(tuple(member._replace(id=request(1, 2).id) for member in members), atomic=True)],
        [wallet(1, balance=10**9), wallet(2, owner=2)],
        {(t.initiator_id, t.idempotency_key): t for t in settlement.transactions},
    )
    assert [o.refusal for o in replay.outcomes[0]] == [o.refusal for o in settlement.outcomes[0]]
    assert all(outcome.replayed for outcome in replay.outcomes[0])


@pytest.mark.parametrize(
    "culprit",
    [
        Refusal(RefusalCode.INVALID_AMOUNT, "zero", ("input", "transfers", "1", "amount")),
        request(9, 2),
        request(1, 2, MAX_MINOR, sender_wallet_id=UUID(int=1003), type=TransactionType.DEPOSIT),
    ],
    ids=["malformed", "wallet not found", "overflow"],
)
def test_an_atomic_batch_with_a_member_that_leaves_no_trace_records_nothing(culprit: Request | Refusal) -> None:
    wallets = [wallet(1), wallet(2, owner=2), wallet(3, owner=None)]
    settlement = run([Unit((request(1, 2), culprit, request(1, 2, 99_999)), atomic=True)], wallets)
    first, second, third = settlement.outcomes[0]
    assert settlement.transactions == []
    assert settlement.posted == []
    assert first.refusal is not None
    assert first.refusal.code is RefusalCode.BATCH_ABORTED
    assert first.transaction is None
    assert second.refusal is not None
    assert second.refusal.code in (RefusalCode.INVALID_AMOUNT, RefusalCode.WALLET_NOT_FOUND)
    assert third.refusal is not None
    assert third.refusal.code is RefusalCode.BATCH_ABORTED
    assert third.transaction is None


def test_an_atomic_batch_counts_a_member_that_had_settled_before_and_does_not_undo_it() -> None:
    settled = request(1, 2, 100)
    before = single(settled, wallet(1), wallet(2, owner=2))
    assert before.transaction is not None
    again = settled._replace(id=request(1, 2).id)
    recorded = {settled.key: before.transaction}
    fine = run([Unit((again, request(1, 2, 50)), atomic=True)], [wallet(1), wallet(2, owner=2)], recorded)
    assert [o.refusal for o in fine.outcomes[0]] == [None, None]
    assert len(fine.posted) == 1
    refused = run([Unit((again, request(1, 2, 50_000)), atomic=True)], [wallet(1), wallet(2, owner=2)], recorded)
    assert refused.outcomes[0][0].transaction == before.transaction
    assert refused.outcomes[0][0].refusal is None
    assert [t.status for t in refused.transactions] == [TransactionStatus.FAILED]


def test_a_refused_atomic_batch_leaves_its_neighbours_alone() -> None:
    settlement = run(
        [
            Unit((request(1, 2, 100),)),
            Unit((request(1, 2, 9_000), request(1, 2, 9_000)), atomic=True),
            Unit((request(1, 2, 9_900),)),
        ],
        [wallet(1), wallet(2, owner=2, balance=0)],
    )
    assert [len(entries) for _, entries in settlement.posted] == [2, 2]
    assert settlement.posted[-1][1][0].balance_after == 0


def posting(*legs: Leg, **changes: object) -> Request:
    """A posting of these legs by user 1."""
    named = {"sender_wallet_id": None, "receiver_wallet_id": None, "type": TransactionType.POSTING, "legs": legs}
    return request(1, 2)._replace(**{**named, **changes})  # type: ignore[arg-type]


def test_the_legs_of_a_posting_are_posted_in_their_order() -> None:
    a, b = UUID(int=1001), UUID(int=1002)
    legs = Leg(a, -30, "USD"), Leg(b, 20, "USD"), Leg(a, 10, "USD", EntryPurpose.OTHER)
    outcome = single(posting(*legs), wallet(1, balance=30, sequence=0), wallet(2, owner=2, balance=0, sequence=4))
    rows = [(entry.wallet_id, entry.leg, entry.sequence, entry.amount, entry.balance_after) for entry in outcome.entries]
    assert rows == [(a, 0, 1, -30, 0), (b, 1, 5, 20, 20), (a, 2, 2, 10, 10)]
    assert [entry.purpose for entry in outcome.entries] == [leg.purpose for leg in legs]
    assert len(outcome.wallets) == 2


def test_a_balance_out_of_range_is_refused_at_its_leg_and_leaves_the_key_free() -> None:
    legs = Leg(UUID(int=1001), -5, "USD"), Leg(UUID(int=1002), 2, "USD"), Leg(UUID(int=1003), 3, "USD")
    world = wallet(1), wallet(2, owner=2), wallet(3, owner=2, balance=MAX_MINOR - 2)
    outcome = single(posting(*legs), *world)
    assert outcome.transaction is None
    assert outcome.refusal is not None
    assert (outcome.refusal.code, outcome.refusal.path) == (RefusalCode.INVALID_AMOUNT, ("input", "legs", "2", "amount"))


def test_a_condition_sees_what_earlier_members_of_the_batch_have_posted() -> None:
    seen = Condition(ConditionKind.SEQUENCE_IS, UUID(int=1001), 7)
    first, second = request(1, 2, conditions=(seen,)), request(1, 2, conditions=(seen,))
    settlement = run([Unit((first, second))], [wallet(1), wallet(2, owner=2)])
    ((one, other),) = settlement.outcomes
    assert one.refusal is None
    assert other.refusal is not None
    assert other.refusal.code is RefusalCode.CONDITION_FAILED
    assert len(settlement.transactions) == 1


def test_a_condition_that_fails_comes_before_refusals_that_are_recorded() -> None:
    seen = Condition(ConditionKind.SEQUENCE_IS, UUID(int=1001), 3)
    outcome = single(request(1, 2, 10_001, conditions=(seen,)), wallet(1, status=WalletStatus.FROZEN), wallet(2, owner=2))
    assert outcome.refusal is not None
    assert outcome.refusal.code is RefusalCode.CONDITION_FAILED


# -- properties ----------------------------------------------------------------------------------------------------

WORLD = (
    wallet(1, 1, balance=300, sequence=0),
    wallet(2, 2, balance=150, sequence=3, held=50),
    wallet(3, None, balance=-1_000, sequence=9),
    wallet(4, 1, balance=80, currency="EUR"),
    wallet(5, 2, balance=70, status=WalletStatus.FROZEN),
    wallet(6, 2, balance=MAX_MINOR - 100),
    wallet(7, None, balance=MIN_MINOR + 120),
    wallet(9, None),
)


# Made once: Hypothesis checks each strategy that it has not seen, which took a third of the time.
_PAIR = st.sampled_from(list(permutations(range(1, 9), 2)))
_WALLET, _USER, _KEY = st.integers(1, 8), st.integers(1, 2), st.integers(1, 6)
_AMOUNT = st.one_of(st.integers(1, 200), st.just(MAX_MINOR))
_TYPE = st.sampled_from([TransactionType.TRANSFER, TransactionType.DEPOSIT])
_DESCRIPTION = st.sampled_from([None, "rent"])
_CURRENCY = st.sampled_from(["USD", "USD", "USD", "EUR"])
_MAX_FEE = st.sampled_from([None, 0, 33, MAX_MINOR, MAX_MINOR])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    sender, receiver = draw(_PAIR)
    return request(
        sender,
        receiver,
        draw(_AMOUNT),
        initiator_id=user(draw(_USER)),
        idempotency_key=f"k{draw(_KEY)}",
        description=draw(_DESCRIPTION),
        currency=draw(_CURRENCY),
        type=draw(_TYPE),
        max_fee=draw(_MAX_FEE),
    )


_CURRENCIES = st.sampled_from([["USD"], ["USD"], ["USD", "EUR"]])
_LEGS = st.lists(st.sampled_from([*range(-150, 0), *range(1, 151)]), min_size=1, max_size=4)
_PURPOSE, _CONDITION_KIND = st.sampled_from(EntryPurpose), st.sampled_from(ConditionKind)
_CONDITION_WALLET, _CONDITION_VALUE, _ONE_IN_THREE = (
    st.integers(1, 4),
    st.integers(-50, 300),
    st.sampled_from([False, False, True]),
)


@st.composite
def postings(draw: st.DrawFn) -> Request:
    """Balanced legs in one currency or two, over users' and system wallets, sometimes with a condition."""
    legs: list[Leg] = []
    for currency in draw(_CURRENCIES):
        amounts = draw(_LEGS)
        if sum(amounts):
            amounts.append(-sum(amounts))
        else:
            amounts += [7, -7]
        legs += [Leg(UUID(int=1000 + draw(_WALLET)), amount, currency, draw(_PURPOSE)) for amount in amounts]
    about = Condition(draw(_CONDITION_KIND), UUID(int=1000 + draw(_CONDITION_WALLET)), draw(_CONDITION_VALUE))
    return request(1, 2)._replace(
        type=TransactionType.POSTING,
        initiator_id=user(draw(_USER)),
        idempotency_key=f"k{draw(_KEY)}",
        sender_wallet_id=None,
        receiver_wallet_id=None,
        amount=-sum(leg.amount for leg in legs if leg.amount < 0 and leg.currency == legs[0].currency),
        currency=legs[0].currency,
        legs=tuple(legs),
        conditions=(about,) if draw(_ONE_IN_THREE) else (),
    )


ORIGINAL_AMOUNT, ORIGINAL_FEE = 120, 37
_ORIGINAL = st.sampled_from([(901, 2), (902, 1), (903, None)])
_PART, _FEES = st.one_of(st.none(), st.integers(1, 60)), st.sampled_from(FeeReversal)


@st.composite
def reversals(draw: st.DrawFn) -> Request:
    """Wallet 2 or 4 gives back to 1 or 2, in parts, with the fee that a sender or receiver paid, or without."""
    original, payer = draw(_ORIGINAL)
    amount = draw(_PART)
    return request(2, 1, amount or ORIGINAL_AMOUNT)._replace(
        type=TransactionType.REVERSAL,
        initiator_id=user(draw(_USER)),
        idempotency_key=f"k{draw(_KEY)}",
        reversal=Reversal(
            original_id=UUID(int=original),
            original_amount=ORIGINAL_AMOUNT,
            amount=amount,
            reason=ReversalReason.REFUND,
            fees=draw(_FEES),
            allow_overdraft=draw(_ONE_IN_THREE),
            is_audited=False,
            fee=0 if payer is None else ORIGINAL_FEE,
            fee_legs=None if payer is None else (UUID(int=1000 + payer), FEE_WALLET),
        ),
    )


malformed = st.just(Refusal(RefusalCode.INVALID_AMOUNT, "zero", ("input", "amount")))
units = st.lists(
    st.builds(
        Unit,
        st.lists(st.one_of(requests(), requests(), postings(), reversals(), malformed), min_size=1, max_size=5).map(tuple),
        st.booleans(),
    ),
    max_size=6,
)


books = st.sampled_from([NO_FEES, SENDER_PAYS, RECEIVER_PAYS, MANY_FEES])


def after(world: Iterable[Wallet], entries: Iterable[Entry]) -> list[Wallet]:
    """The wallets as the database has them after these entries."""
    state = {w.id: w for w in world}
    for e in entries:
        state[e.wallet_id] = state[e.wallet_id]._replace(balance=e.balance_after, sequence=e.sequence, posted_at=e.created_at)
    return list(state.values())


def entries_of(settlement: Settlement) -> list[Entry]:
    return [entry for _, entries in settlement.posted for entry in entries]


def given_back_by(settlement: Settlement, before: dict[UUID, ReversedAmount] | None = None) -> dict[UUID, ReversedAmount]:
    """How much of each transaction has gone back, as the database has it after these entries."""
    found = dict(before or {})
    for transaction, entries in settlement.posted:
        if transaction.reverses_id is not None and transaction.terms is not None:
            state = found.get(transaction.reverses_id, ReversedAmount())
            with_fee = transaction.amount if transaction.terms["reversal"]["fees"] == "PROPORTIONAL" else 0
            fee = sum(entry.amount for entry in entries if entry.purpose is EntryPurpose.FEE and entry.amount > 0)
            found[transaction.reverses_id] = ReversedAmount(
                state.reversed + transaction.amount, state.with_fee + with_fee, state.fee_reversed + fee
            )
    return found


def overdrawn_by(settlement: Settlement) -> set[UUID | None]:
    """The wallets that a reversal was allowed to take below zero."""
    reversed_ = (t for t, _ in settlement.posted if t.reverses_id is not None and t.terms is not None)
    return {t.sender_wallet_id for t in reversed_ if t.terms is not None and t.terms["reversal"]["overdraft"]}


def keyed(transactions: Iterable[Transaction]) -> dict[Key, Transaction]:
    return {(t.initiator_id, t.idempotency_key): t for t in transactions}


@given(units, books)
@settings(max_examples=300, deadline=None)
def test_whatever_is_asked_the_ledger_stays_whole(asked: list[Unit], fees: FeeBook) -> None:
    settlement = run(asked, WORLD, fees=fees)
    currency = {w.id: w.currency for w in WORLD}
    position = {w.id: (w.balance, w.sequence) for w in WORLD}
    for transaction, entries in settlement.posted:
        sums: dict[str, int] = defaultdict(int)
        for entry in entries:
            sums[currency[entry.wallet_id]] += entry.amount
            assert (entry.balance_before, entry.sequence) == (position[entry.wallet_id][0], position[entry.wallet_id][1] + 1)
            assert entry.balance_after == entry.balance_before + entry.amount
            position[entry.wallet_id] = (entry.balance_after, entry.sequence)
        assert set(sums.values()) == {0}
        charged = sum(entry.amount for entry in entries if entry.wallet_id == FEE_WALLET and entry.leg == 3)
        assert transaction.type not in (TransactionType.TRANSFER, TransactionType.DEPOSIT) or charged == (transaction.fee or 0)
        assert transaction.status is TransactionStatus.COMPLETED
    for w in after(WORLD, entries_of(settlement)):
        assert MIN_MINOR <= w.balance <= MAX_MINOR
        assert w.kind is WalletKind.SYSTEM or w.available >= 0 or w.id in overdrawn_by(settlement)
        assert w.status is WalletStatus.ACTIVE or w in WORLD
    for original, state in given_back_by(settlement).items():
        fee = 0 if original == UUID(int=903) else ORIGINAL_FEE
        assert 0 < state.reversed <= ORIGINAL_AMOUNT
        assert state.fee_reversed == fee * state.with_fee // ORIGINAL_AMOUNT


@given(units, books)
@settings(max_examples=300, deadline=None)
def test_every_member_gets_one_answer_and_every_key_one_transaction(asked: list[Unit], fees: FeeBook) -> None:
    settlement = run(asked, WORLD, fees=fees)
    assert [len(outcomes) for outcomes in settlement.outcomes] == [len(unit.members) for unit in asked]
    keys = Counter((t.initiator_id, t.idempotency_key) for t in settlement.transactions)
    assert all(times == 1 for times in keys.values())
    completed = {t.id for t in settlement.transactions if t.status is TransactionStatus.COMPLETED}
    assert completed == {t.id for t, _ in settlement.posted}
    for outcome in (outcome for outcomes in settlement.outcomes for outcome in outcomes):
        recorded = outcome.transaction is not None
        assert recorded or outcome.refusal is not None
        if outcome.refusal is not None:
            assert recorded <= outcome.refusal.code.is_recorded
        if recorded and not outcome.replayed:
            assert outcome.transaction in settlement.transactions


@given(units, books)
@settings(max_examples=300, deadline=None)
def test_a_batch_settles_as_its_units_would_one_after_another(asked: list[Unit], fees: FeeBook) -> None:
    together = run(asked, WORLD, fees=fees)
    world: list[Wallet] = list(WORLD)
    recorded: dict[Key, Transaction] = {}
    given_back: dict[UUID, ReversedAmount] = {}
    outcomes: list[tuple[Outcome, ...]] = []
    for unit in asked:
        alone = run([unit], world, recorded, fees, given_back)
        outcomes += alone.outcomes
        given_back = given_back_by(alone, given_back)
        world = after(world, entries_of(alone))
        recorded |= keyed(alone.transactions)
    assert outcomes == together.outcomes
    assert world == after(WORLD, entries_of(together))


@given(units, books)
@settings(max_examples=300, deadline=None)
def test_the_short_way_of_plain_transfers_decides_as_the_general_way(asked: list[Unit], fees: FeeBook) -> None:
    short = run(asked, WORLD, fees=fees)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.services.ledger_rules.plain_sides", lambda _book, _request: None)
        assert run(asked, WORLD, fees=fees) == short


@given(units, books)
@settings(max_examples=300, deadline=None)
def test_asking_again_moves_nothing_and_answers_the_same(asked: list[Unit], fees: FeeBook) -> None:
    first = run(asked, WORLD, fees=fees)
    again = run(asked, after(WORLD, entries_of(first)), keyed(first.transactions), fees)
    moved = {o.transaction.id for outcomes in first.outcomes for o in outcomes if o.transaction}
    for unit, before, now in zip(asked, first.outcomes, again.outcomes, strict=True):
        if unit.atomic:
            continue  # Its members may have left no trace, so that asking again is a first time for them.
        for b, n in zip(before, now, strict=True):
            if b.transaction is not None:
                assert (n.transaction, n.refusal) == (b.transaction, b.refusal)
    assert not {t.id for t in again.transactions} & moved


@given(units, books)
@settings(max_examples=300, deadline=None)
def test_an_atomic_unit_moves_all_of_its_new_members_or_none(asked: list[Unit], fees: FeeBook) -> None:
    settlement = run(asked, WORLD, fees=fees)
    new = {t.id: t for t in settlement.transactions}
    for unit, outcomes in zip(asked, settlement.outcomes, strict=True):
        if unit.atomic:
            statuses = {new[r.id].status for r in unit.requests if r.id in new}
            assert len(statuses) <= 1
            refused = any(outcome.refusal for outcome in outcomes)
            assert refused == (TransactionStatus.COMPLETED not in statuses) or not statuses
