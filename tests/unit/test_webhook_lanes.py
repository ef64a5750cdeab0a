"""Which deliveries may be sent, and when they are tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.services.webhooks.lanes import Waiting, ready
from app.services.webhooks.schedule import MAX_ATTEMPTS, pause_after, rest_after

NOW = datetime(2026, 11, 28, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
A, B, C = (UUID(int=number) for number in (10, 11, 12))


def waiting(number: int, *lanes: UUID, due: datetime | None = NOW) -> Waiting:
    return Waiting(UUID(int=number), lanes, due)


def ids(*numbers: int) -> list[UUID]:
    return [UUID(int=number) for number in numbers]


def test_the_first_of_each_lane_is_sent() -> None:
    assert ready([waiting(1, A), waiting(2, A), waiting(3, B)], NOW, 10) == (ids(1, 3), None)


def test_what_waits_for_its_next_attempt_or_is_in_flight_stops_its_lane_only() -> None:
    assert ready([waiting(1, A, due=LATER), waiting(2, A), waiting(3, B)], NOW, 10) == (ids(3), LATER)


def test_a_parked_delivery_stops_its_lane_only() -> None:
    assert ready([waiting(1, A, due=None), waiting(2, A), waiting(3, B)], NOW, 10) == (ids(3), None)


def test_an_event_of_two_wallets_waits_for_both() -> None:
    assert ready([waiting(1, A), waiting(2, A, B), waiting(3, B), waiting(4, C)], NOW, 10) == (ids(1, 4), None)


def test_what_has_no_lane_waits_for_nothing() -> None:
    assert ready([waiting(1, due=LATER), waiting(2), waiting(3)], NOW, 10) == (ids(2, 3), LATER)


def test_what_is_past_the_limit_is_due_at_once() -> None:
    assert ready([waiting(1, A), waiting(2, B), waiting(3, C)], NOW, 2) == (ids(1, 2), NOW)


@given(
    st.lists(st.tuples(st.sets(st.sampled_from([A, B, C]), max_size=3), st.sampled_from([NOW, LATER, None])), max_size=20),
    st.integers(1, 5),
)
def test_no_delivery_overtakes_an_earlier_one_of_its_wallets(rows: list[tuple[set[UUID], datetime | None]], limit: int) -> None:
    given_rows = [waiting(number, *lanes, due=due) for number, (lanes, due) in enumerate(rows)]
    chosen = set(ready(given_rows, NOW, limit).ids)
    assert len(chosen) <= limit
    for index, one in enumerate(given_rows):
        if one.id in chosen:
            assert all(set(earlier.lanes).isdisjoint(one.lanes) for earlier in given_rows[:index])


def test_attempts_end_after_three_days() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, MAX_ATTEMPTS)]
    total = sum((pause for pause in pauses if pause is not None), timedelta())
    assert timedelta(hours=71) < total < timedelta(hours=80)
    assert pause_after(MAX_ATTEMPTS) is None


def test_an_endpoint_that_fails_rests_at_most_five_minutes() -> None:
    assert rest_after(4) is None
    assert rest_after(5) == timedelta(seconds=1)
    assert rest_after(10_000) == timedelta(minutes=5)
