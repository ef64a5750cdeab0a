"""The pace, the daily limit and the sum of the demo's ambient payments."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.demo.ambient import PAUSE_SECONDS, Ambient, Payment


class Time:
    """Both clocks, moved by the test."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 23, 0, tzinfo=UTC)

    def clock(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def take(ambient: Ambient, time: Time, count: int) -> list[Payment]:
    taken = []
    for _ in range(count):
        payment = ambient.next().payment
        assert payment is not None
        taken.append(payment)
        time.advance(PAUSE_SECONDS)
    return taken


def test_a_payment_is_ready_at_once_and_the_next_one_after_the_pause() -> None:
    time = Time()
    ambient = Ambient(time.clock, monotonic=time.monotonic)
    take(ambient, time, 1)
    time.advance(-PAUSE_SECONDS / 2)
    early = ambient.next()
    assert early.payment is None
    assert early.wait_seconds is not None
    assert abs(early.wait_seconds - PAUSE_SECONDS / 2) < 0.001
    time.advance(early.wait_seconds)
    assert ambient.next().payment is not None


def test_after_the_days_limit_there_is_no_payment_until_the_next_day() -> None:
    time = Time()
    ambient = Ambient(time.clock, most_a_day=3, monotonic=time.monotonic)
    take(ambient, time, 3)
    assert (ambient.next().payment, ambient.next().wait_seconds) == (None, None)
    time.advance(3600)
    assert len(take(ambient, time, 3)) == 3
    assert ambient.next().payment is None


def test_every_amount_comes_back_so_that_no_wallet_runs_empty() -> None:
    time = Time()
    payments = take(Ambient(time.clock, monotonic=time.monotonic), time, 20 * 5)
    moved: Counter[str] = Counter()
    for payment in payments:
        cents = int(Decimal(payment.amount) * 100)
        moved.update({payment.sender_wallet_id: -cents, payment.receiver_wallet_id: cents})
    assert set(moved.values()) == {0}
    assert len(moved) == 4
    assert len({payment.idempotency_key for payment in payments}) == len(payments)
