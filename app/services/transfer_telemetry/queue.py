"""How full the queue of transfers is, told once a second.

Not when a batch is taken: just then the queue looks empty, and while the database stalls no batch is taken at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from app.telemetry import metrics

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class QueueWatch:
    """Looks at the queue of one process. `level` tells the transfers without an answer and the units that wait for a batch."""

    def __init__(self, level: Callable[[], tuple[int, int]], limit: int) -> None:
        self._level = level
        self._limit = limit
        self._refused = 0
        """Since it began to refuse; 0 while it takes what comes."""
        self._refused_lately = False

    def refused(self, transfers: int) -> None:
        """So many found no place. Under overload a line for each would be more work than the refusal."""
        if not self._refused:
            logger.warning("the queue is full, it has %d places: transfers are refused", self._limit)
        self._refused += transfers
        self._refused_lately = True
        metrics.QUEUE_REFUSALS.inc(transfers)

    async def look_regularly(self) -> None:
        """For as long as the process settles."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Tell how it stands, and that it takes transfers again where it has refused none since the last look."""
        in_flight, waiting = self._level()
        metrics.TRANSFERS_IN_FLIGHT.set(in_flight)
        metrics.QUEUE_DEPTH.set(waiting)
        metrics.QUEUE_USED.set(in_flight / self._limit)
        if self._refused and not self._refused_lately:
            logger.warning("the queue takes transfers again: %d were refused", self._refused)
            self._refused = 0
        self._refused_lately = False
