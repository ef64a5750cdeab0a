"""Reports how full the queue of transfers is, once a second.

Not when a batch is taken: the queue is empty right then, and no batch is taken while the database stalls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from app.telemetry import metrics

logger = logging.getLogger(__name__)

_REPORT_SECONDS = 1.0


class QueueWatch:
    """Watches the queue of one process.

    `level` returns the number of transfers without an answer, and of units that wait for a batch.
    """

    def __init__(self, level: Callable[[], tuple[int, int]], limit: int) -> None:
        self._level = level
        self._limit = limit
        self._refused = 0
        """Transfers refused since the queue became full. 0 while it accepts."""
        self._refused_lately = False

    def refused(self, transfers: int) -> None:
        """Count refused transfers. Logs once and not for each: under overload a line would cost more than the refusal."""
        if not self._refused:
            logger.warning("the queue is full at %d transfers: further ones are refused", self._limit)
        self._refused += transfers
        self._refused_lately = True
        metrics.QUEUE_REFUSALS.inc(transfers)

    async def run(self) -> None:
        """Report until the task is cancelled."""
        while True:
            self.report()
            await asyncio.sleep(_REPORT_SECONDS)

    def report(self) -> None:
        """Set the gauges. Logs that the queue accepts again if it refused nothing since the last report."""
        in_flight, waiting = self._level()
        metrics.TRANSFERS_IN_FLIGHT.set(in_flight)
        metrics.QUEUE_DEPTH.set(waiting)
        metrics.QUEUE_USED.set(in_flight / self._limit)
        if self._refused and not self._refused_lately:
            logger.warning("the queue accepts transfers again: %d were refused", self._refused)
            self._refused = 0
        self._refused_lately = False
