"""The demo's ambient payments: the landing page asks for the next one and sends it through the public API.

All pages together get one payment at a time. A page that is hidden or closed does not ask, so nothing moves unseen.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

from app.clock import Clock
from app.demo.seed import USERS, DemoUser, DemoWallet
from app.money import format_minor

PAUSE_SECONDS = 1.6
"""From one payment to the next, for all pages together."""
MOST_A_DAY = 4_000
_CENTS = (150, 1_900)
_REASONS = ("Coffee", "Lunch", "Books", "Groceries", "Taxi", "Cinema", "Pizza", "Flowers")


@dataclass(frozen=True, slots=True)
class Payment:
    """What a page sends as the payer, with this key however often it has to try."""

    payer: str
    """A user's subject."""
    idempotency_key: str
    sender_wallet_id: str
    receiver_wallet_id: str
    amount: str
    currency: str
    description: str


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer to a page that asks for a payment."""

    payment: Payment | None
    """None if it is too early, or if no more are left today."""
    wait_seconds: float | None
    """When to ask again. None if no more are left today."""


class Ambient:
    """The pace and the daily limit of one process. A restart starts the day's count again."""

    def __init__(self, clock: Clock, *, most_a_day: int = MOST_A_DAY, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._most_a_day = most_a_day
        self._monotonic = monotonic
        self._free_at = monotonic()
        self._day: date | None = None
        self._count = 0
        self._planned: list[Payment] = []

    def next(self) -> Turn:
        """Returns the next payment, or how long to wait for it."""
        today = self._clock().date()
        if today != self._day:
            self._day, self._count = today, 0
        if self._count >= self._most_a_day:
            return Turn(None, None)
        wait = self._free_at - self._monotonic()
        if wait > 0:
            return Turn(None, wait)
        self._free_at = self._monotonic() + PAUSE_SECONDS
        self._count += 1
        self._planned = self._planned or _plan()
        return Turn(self._planned.pop(), PAUSE_SECONDS)


def _plan() -> list[Payment]:
    """Each amount goes one way and comes back, in random order: in the end all balances are as before, so no wallet runs empty.

    Most are between the first two users, whose phones the page shows. The others keep some variety in their activity.
    """
    first, second, *others = (user for user in USERS if user.role is None)
    pairs = [(first, second)] * 6 + [(one, other) for one in (first, second) for other in others]
    payments = []
    for one, other in pairs:
        cents = random.randint(*_CENTS)  # noqa: S311 - ambience, not secrets
        payments += [_payment(one, other, cents), _payment(other, one, cents)]
    random.shuffle(payments)
    return payments


def _payment(payer: DemoUser, receiver: DemoUser, cents: int) -> Payment:
    return Payment(
        payer.subject,
        f"ambient-{uuid4()}",
        _dollars(payer).public_id,
        _dollars(receiver).public_id,
        format_minor(cents, 2),
        "USD",
        random.choice(_REASONS),  # noqa: S311 - see above
    )


def _dollars(user: DemoUser) -> DemoWallet:
    return next(wallet for wallet in user.wallets if wallet.currency == "USD")
