"""A unit that waits in the queue of transfers: its caller, its time limit, and its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.errors import RequestError, RequestTimeout
from app.services.outcomes import Outcome
from app.services.requests import Unit
from app.services.transfer_telemetry.log_lines import unanswered_lines
from app.services.transfer_telemetry.metrics import count_unanswered
from app.services.transfer_telemetry.traces import TransferTrace
from app.telemetry import logs

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Waiting:
    """A unit in the queue and the caller that waits for it."""

    unit: Unit
    """Its requests get ids and times when a batch first takes them, and keep them through every retry."""
    user_id: UUID
    accepted_at: datetime
    answer: asyncio.Future[tuple[Outcome, ...]]
    """The caller waits for it. It is cancelled if the caller has gone; the unit is still settled."""
    leave: Callable[[Waiting], None]
    context: Mapping[str, Any]
    """The log fields of its request."""
    trace: TransferTrace | None
    size: int
    """The unit's work, in transfers."""
    timer: asyncio.TimerHandle | None = None
    batched_at: datetime | None = None
    is_done: bool = False
    commit_unknown: bool = False
    locked: frozenset[UUID] = frozenset()
    """Its wallets that other sessions had locked at the last try."""

    @property
    def wallet_ids(self) -> set[UUID]:
        return {wallet_id for request in self.unit.requests for wallet_id in request.wallet_ids}

    def settled(self, outcomes: tuple[Outcome, ...]) -> None:
        """Answer the caller with the outcomes."""
        if not self.is_done:
            self._end()
            if not self.answer.done():
                self.answer.set_result(outcomes)

    def give_up(self, error: type[RequestError]) -> None:
        """Answer the caller with an error. If the commit may have happened, it is TIMEOUT: "nothing moved" could be false."""
        if not self.is_done:
            self._end()
            sent = RequestTimeout() if self.commit_unknown else error()
            if not self.answer.done():
                self.answer.set_exception(sent)
            try:
                self._report_unanswered(sent)
            except Exception:
                logger.exception("reporting a transfer without an outcome failed")

    def _report_unanswered(self, error: RequestError) -> None:
        count_unanswered(error.code, len(self.unit.members))
        if logs.logs_transfers():
            logs.log_transfers(list(unanswered_lines(self.unit, error, self.context)))
        if self.trace is not None:
            self.trace.gave_up(error)

    def _end(self) -> None:
        self.is_done = True
        if self.timer is not None:
            self.timer.cancel()
        self.leave(self)
