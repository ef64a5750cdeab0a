"""The demo's traffic: transfers between its users for a limited time, through the same services as all transfers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from app.clock import Clock
from app.demo.seed import AMOUNTS, USERS, demo_viewer
from app.errors import BadUserInput, RequestError
from app.money import Currency, format_minor
from app.services.transfers import Ledger, TransferInput, transfer

logger = logging.getLogger(__name__)

MOST_PER_SECOND = 50
MOST_SECONDS = 120
_TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class TrafficState:
    """The state of the current or last traffic."""

    running: bool = False
    per_second: int = 0
    sent: int = 0
    completed: int = 0
    refused: int = 0
    """Refused by the ledger, or answered with an error."""
    ends_at: datetime | None = None


class Traffic:
    """At most one stream of transfers in a process."""

    def __init__(self, ledger: Ledger, currencies: Mapping[str, Currency], clock: Clock) -> None:
        self._ledger = ledger
        self._currencies = currencies
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.state = TrafficState()

    async def start(self, per_second: int, seconds: int) -> None:
        """Start traffic in place of the current one. Raises BadUserInput if a value is out of bounds."""
        if not 1 <= per_second <= MOST_PER_SECOND:
            raise BadUserInput(f"`per_second` must be a whole number from 1 to {MOST_PER_SECOND}.")
        if not 1 <= seconds <= MOST_SECONDS:
            raise BadUserInput(f"`seconds` must be a whole number from 1 to {MOST_SECONDS}.")
        await self.stop()
        self.state = TrafficState(running=True, per_second=per_second, ends_at=self._clock() + timedelta(seconds=seconds))
        self._task = asyncio.create_task(self._run(per_second, seconds), name="demo-traffic")

    async def stop(self) -> None:
        """Stop sending. Transfers that were sent still settle."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self.state = replace(self.state, running=False, ends_at=None)

    async def _run(self, per_second: int, seconds: int) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        sent, wanted = 0, per_second * seconds
        try:
            async with asyncio.TaskGroup() as group:
                while sent < wanted:
                    due = min(int((loop.time() - start) * per_second) + 1, wanted)
                    for _ in range(due - sent):
                        group.create_task(self._send())
                    sent = due
                    await asyncio.sleep(_TICK_SECONDS)
        finally:
            self.state = replace(self.state, running=False, ends_at=None)

    async def _send(self) -> None:
        payer, payment = self._random_transfer()
        self.state = replace(self.state, sent=self.state.sent + 1)
        try:
            result = await transfer(self._ledger, demo_viewer(payer), payment)
        except RequestError:
            is_completed = False
        else:
            is_completed = not result.refusals
        if is_completed:
            self.state = replace(self.state, completed=self.state.completed + 1)
        else:
            self.state = replace(self.state, refused=self.state.refused + 1)

    def _random_transfer(self) -> tuple[int, TransferInput]:
        holders = [(number, wallet) for number, user in enumerate(USERS) for wallet in user.wallets]
        payer, sender = random.choice(holders)  # noqa: S311 - traffic, not secrets
        others = [wallet for number, wallet in holders if wallet.currency == sender.currency and number != payer]
        low, high = AMOUNTS[sender.currency]
        # Small amounts, so that the demo's wallets do not run empty.
        minor = random.randint(max(1, low // 50), max(1, high // 50))  # noqa: S311 - see above
        amount = format_minor(minor, self._currencies[sender.currency].exponent)
        receiver = random.choice(others)  # noqa: S311 - see above
        return payer, TransferInput(
            f"traffic-{uuid4()}",
            sender.public_id,
            receiver.public_id,
            amount,
            sender.currency,
            "Demo traffic",
            # The demo goes on if a fee is published.
            max_fee=(amount, sender.currency),
        )
