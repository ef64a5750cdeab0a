"""Holds in the pure core, by property: whatever is asked, in whatever batches, the sums fit and every step is sound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app import ids
from app.errors import RefusalCode
from app.records import AfterExpiry, Hold, HoldEvent, HoldEventKind, HoldStatus, TransactionType
from app.services.hold_book import after, change_of_held
from app.services.ledger import settle
from app.services.outcomes import Outcome, Settlement
from app.services.requests import HoldAction, Key, Request, Unit
from tests.unit.test_ledger import EXPONENTS, NOW, request, user, wallet

ALICE, BOB = 1, 2
BORN = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_HOLD = 500
ENDS = (None, NOW - timedelta(seconds=1), NOW, NOW + timedelta(hours=1))


def hold(number: int, amount: int, ends: datetime | None) -> Hold:
    """A hold on Alice's wallet in favour of Bob's, as it is stored: what is over has been ended when its wallet was locked."""
    made = Hold(
        id=UUID(int=FIRST_HOLD + number),
        wallet_id=wallet(ALICE).id,
        receiver_wallet_id=wallet(BOB).id,
        initiator_id=user(ALICE),
        currency="USD",
        amount=amount,
        captured=0,
        released=0,
        status=HoldStatus.OPEN,
        events=1,
        created_at=BORN,
        expires_at=ends,
        closed_at=None,
        description=None,
        metadata=None,
    )
    if not made.has_expired(NOW):
        return made
    return made._replace(released=amount, status=HoldStatus.EXPIRED, closed_at=ends, events=2)


@st.composite
def holdings(draw: st.DrawFn) -> list[Hold]:
    return [hold(number, draw(st.integers(1, 3000)), draw(st.sampled_from(ENDS))) for number in range(draw(st.integers(0, 3)))]


@st.composite
def actions(draw: st.DrawFn) -> Request:
    """A transfer, or an action on one of the holds or on a new one."""
    kind = draw(st.sampled_from([None, *list(HoldEventKind)[:3], HoldEventKind.RELEASED]))
    if kind is None:
        sides = draw(st.sampled_from([(ALICE, BOB), (BOB, ALICE)]))
        return request(*sides, draw(st.integers(1, 6000)), initiator_id=user(sides[0]))
    amount = draw(st.one_of(st.none(), st.integers(1, 4000)))
    is_new = kind is HoldEventKind.PLACED
    if is_new or kind is HoldEventKind.EXTENDED:
        amount = amount or 1
    action = HoldAction(
        kind,
        None if is_new else UUID(int=FIRST_HOLD + draw(st.integers(0, 3))),
        amount,
        expires_in=draw(st.sampled_from([None, 7200])),
        keep_remaining=draw(st.booleans()),
        after_expiry=draw(st.sampled_from(AfterExpiry)),
    )
    actor = ALICE if kind in (HoldEventKind.PLACED, HoldEventKind.EXTENDED) else BOB
    changes = {"type": TransactionType.CAPTURE, "initiator_id": user(actor), "hold": action}
    return request(ALICE, BOB, amount or 0, **changes)


class World:
    """The stored state, which takes what a batch writes, step by step, as the database does."""

    def __init__(self, holds: Sequence[Hold]) -> None:
        self.holds = {one.id: one for one in holds}
        held = sum(one.remaining for one in holds)
        self.wallets = {
            one.id: one for one in (wallet(ALICE, ALICE, held=held, balance=held + 5000), wallet(BOB, BOB, balance=1000))
        }
        self.events: list[HoldEvent] = []

    def settle(self, requests: Sequence[Request]) -> Settlement:
        decided = settle(
            [Unit((one,)) for one in requests], self.wallets, {}, NOW, EXPONENTS,
            holds=self.holds, hold_events=self._recorded(),
        )  # fmt: skip
        self._write(decided)
        return decided

    def _recorded(self) -> dict[Key, HoldEvent]:
        return {
            (event.initiator_id, event.idempotency_key): event
            for event in self.events
            if event.initiator_id is not None and event.idempotency_key is not None
        }

    def _write(self, decided: Settlement) -> None:
        """Each statement writes the events first, then the entries. Nothing is overdrawn at any moment."""
        for step in decided.steps:
            for new in step.placed:
                assert (new.captured, new.released, new.events, new.status) == (0, 0, 1, HoldStatus.OPEN)
                self.holds[new.id] = new
            for event in step.happened:
                before = self.holds[event.hold_id]
                if event.kind is HoldEventKind.PLACED:
                    assert (event.number, event.placed, event.expires_at) == (1, before.amount, before.expires_at)
                else:
                    assert event.number == before.events + 1
                    is_open = before.status is HoldStatus.OPEN and not before.has_expired(NOW)
                    assert is_open is (event.kind is not HoldEventKind.CAPTURED_LATE)
                    self.holds[event.hold_id] = after(before, event)
                self._change(before.wallet_id, held=change_of_held(event))
            for _, entries in step.posted:
                for entry in entries:
                    self._change(entry.wallet_id, balance=entry.amount)
                    assert self.wallets[entry.wallet_id].balance == entry.balance_after
            self.events += step.happened

    def _change(self, wallet_id: UUID, balance: int = 0, held: int = 0) -> None:
        before = self.wallets[wallet_id]
        changed = before._replace(
            balance=before.balance + balance, held=before.held + held, sequence=before.sequence + (balance != 0)
        )
        assert changed.available >= 0
        self.wallets[wallet_id] = changed


def answers(decided: Settlement) -> list[tuple[object, ...]]:
    """What each member was answered."""
    return [
        (one.refusal and one.refusal.code, one.happened, one.hold and (one.hold.status, one.hold.remaining))
        for outcomes in decided.outcomes
        for one in outcomes
    ]


@given(holdings(), st.lists(actions(), max_size=12))
@settings(max_examples=300)
def test_whatever_is_done_with_holds_their_sums_fit_and_nothing_is_overdrawn(held: list[Hold], asked: list[Request]) -> None:
    world = World(held)
    total = sum(one.balance for one in world.wallets.values())
    world.settle(asked)
    assert sum(one.balance for one in world.wallets.values()) == total
    for one in world.holds.values():
        assert one.amount == one.captured + one.released + one.remaining
        assert min(one.captured, one.released, one.remaining) >= 0
        assert (one.status is HoldStatus.OPEN) == (one.remaining > 0)
    open_ones = [one for one in world.holds.values() if one.status is HoldStatus.OPEN]
    assert sum(one.remaining for one in open_ones) == world.wallets[wallet(ALICE).id].held


@given(holdings(), st.lists(actions(), max_size=12))
@settings(max_examples=300)
def test_a_batch_with_holds_settles_as_its_requests_would_one_after_another(held: list[Hold], asked: list[Request]) -> None:
    together, apart = World(held), World(held)
    at_once = together.settle(asked)
    singly: list[tuple[object, ...]] = []
    for one in asked:
        singly += answers(apart.settle([one]))
    assert answers(at_once) == singly
    assert (together.holds, together.wallets, together.events) == (apart.holds, apart.wallets, apart.events)


@given(holdings(), st.lists(actions(), max_size=8))
def test_asking_again_changes_no_hold_and_answers_with_its_present_state(held: list[Hold], asked: list[Request]) -> None:
    world = World(held)
    first = world.settle(asked)
    # Ids are new for every try of a client.
    again = [one._replace(id=UUID(int=one.id.int + (1 << 60))) for one in asked if one.records_event]
    before = dict(world.holds)
    done = {one.idempotency_key for one, outcome in zip(asked, flat(first), strict=True) if outcome.refusal is None}
    repeated = world.settle([one for one in again if one.idempotency_key in done])
    assert world.holds == before
    assert all(outcome.replayed and outcome.refusal is None for outcome in flat(repeated))
    assert all(outcome.hold is None or outcome.hold == before[outcome.hold.id] for outcome in flat(repeated))


def flat(decided: Settlement) -> list[Outcome]:
    return [outcome for outcomes in decided.outcomes for outcome in outcomes]


def test_a_key_with_other_input_is_refused() -> None:
    world = World([hold(0, 1000, None)])
    release = request(ALICE, BOB, 0, type=TransactionType.CAPTURE, initiator_id=user(BOB))
    release = release._replace(hold=HoldAction(HoldEventKind.RELEASED, UUID(int=FIRST_HOLD), 10))
    world.settle([release])
    other = release._replace(id=UUID(int=7 << ids.LEG_BITS), hold=HoldAction(HoldEventKind.RELEASED, UUID(int=FIRST_HOLD), 11))
    (outcome,) = flat(world.settle([other]))
    assert outcome.refusal is not None
    assert outcome.refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED


def test_a_batch_without_holds_is_one_step() -> None:
    world = World([])
    assert len(world.settle([request(ALICE, BOB) for _ in range(5)]).steps) == 1


def test_a_hold_of_what_has_just_arrived_begins_a_step() -> None:
    world = World([])
    arrives = request(BOB, ALICE, 1000, initiator_id=user(BOB))
    placed = request(ALICE, BOB, 6000, type=TransactionType.CAPTURE, hold=HoldAction(HoldEventKind.PLACED, None, 6000))
    decided = world.settle([arrives, placed])
    assert [(len(step.posted), len(step.happened)) for step in decided.steps] == [(1, 0), (0, 1)]
