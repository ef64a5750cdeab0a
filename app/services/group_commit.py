"""Group commit: queued transfers are settled together in one database transaction.

A worker takes all queued units, settles them in one transaction, answers each caller, and takes the units that queued
meanwhile. An idle system settles one transfer at once; a busy one forms batches by itself. Transfers whose wallets are locked
by another session for long wait in a separate slow lane, so that one locked wallet never stops the others.

Every try of a unit uses the same transaction ids. After a lost connection, even during COMMIT, the unit is settled again: its
locks wait for the old connection's transaction, and its keys then show whether that committed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from app import ids, tasks
from app.clock import Clock
from app.errors import Internal, RateLimited, RequestTimeout, Unavailable
from app.services.outcomes import Outcome
from app.services.requests import Request, Unit
from app.services.settlement import Answer, CommitUnknown, Deferred, Failure, Settler, classify
from app.services.transfer_telemetry import traces as transfer_traces
from app.services.transfer_telemetry.log_lines import outcome_lines
from app.services.transfer_telemetry.metrics import count_outcomes, count_unanswered
from app.services.transfer_telemetry.queue import QueueWatch
from app.services.transfer_telemetry.timeline import Timeline
from app.services.waiting import Waiting
from app.telemetry import logs, metrics, tracing
from app.telemetry.privacy import fingerprint, withhold_values

logger = logging.getLogger(__name__)

MAX_RETRIES = 3
"""After a serialization failure, a deadlock or a lost connection."""
MAX_KEY_RACES = 20
"""Retries after another process recorded a key first. Each means that a transfer elsewhere made progress."""
RESTART_SECONDS = 1.0
"""Pause before a task that ended because of a bug starts again."""
_TURNS_TO_GATHER = 3
_BACKOFF_SECONDS = 0.01
_LANE_PAUSE_SECONDS = 0.025
_TOO_MANY_WAIT = "Too many of your transfers are waiting already: this one was not accepted, and nothing moved."


class GroupCommit:
    """The queue, its worker and its slow lane. One per process."""

    def __init__(
        self,
        worker: Settler,
        slow_lane: Settler,
        clock: Clock,
        *,
        queue_limit: int,
        queue_limit_per_user: int,
        commit_limit: int,
        timeout_seconds: float,
        observe: Callable[[Sequence[Outcome], Timeline], None] | None = None,
    ) -> None:
        self._clock = clock
        self._observe = observe
        self._worker_settler = worker
        self._lane_settler = slow_lane
        self._queue_limit = queue_limit
        self._queue_limit_per_user = queue_limit_per_user
        self._commit_limit = commit_limit
        self._timeout_seconds = timeout_seconds
        self._watch = QueueWatch(self._level, queue_limit)
        self._queue: deque[Waiting] = deque()
        self._queued = asyncio.Event()
        self._lane: deque[Waiting] = deque()
        self._deferred = asyncio.Event()
        self._contended: set[UUID] = set()
        """Wallets that other sessions have locked. Units that name one go straight to the slow lane."""
        self._held_back: Counter[UUID] = Counter()
        """Wallets whose transfers wait until a change of the wallet is done."""
        self._size = 0
        self._size_of_user: dict[UUID, int] = {}
        """Transfers without an answer, by user. Only users who have some."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._accepting = False
        self._failed = 0
        """Tasks that ended because of a bug and will start again."""

    async def start(self) -> None:
        """Start settling."""
        self._accepting = True
        self._tasks = [
            asyncio.create_task(self._keep_running(work), name=f"group-commit {work.__name__}")
            for work in (self._work, self._work_slow_lane, self._watch.run)
        ]

    @property
    def is_running(self) -> bool:
        """Whether all tasks that settle transfers run. False while one that failed waits to start again."""
        return self._failed == 0 and bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def _keep_running(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run one of the tasks that settle transfers. If it raises, log the exception and start it again after a pause."""
        while True:
            try:
                await work()
            except Exception:
                logger.exception("%s ended unexpectedly; it starts again", work.__name__)
                self._failed += 1
                await asyncio.sleep(RESTART_SECONDS)
                self._failed -= 1

    async def stop(self) -> None:
        """Stop accepting, settle what was accepted, then end the tasks."""
        self._accepting = False
        try:
            async with asyncio.timeout(self._timeout_seconds + 1):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("stopped with %d transfers unanswered; their keys can be sent again", self._size)
        await tasks.end(*self._tasks)
        self._watch.report()
        await self._worker_settler.close()
        await self._lane_settler.close()

    async def settle(self, unit: Unit) -> tuple[Outcome, ...]:
        """Queue a unit and wait for its outcomes, one for each member, in order.

        Raises Unavailable if it was not accepted or could not be settled, RateLimited if its user has too many transfers in the
        queue (nothing moved), and RequestTimeout if the outcome is not known in time. If the caller is cancelled, the unit is
        still settled, and its keys return the outcome.
        """
        loop = asyncio.get_running_loop()
        size = unit.size
        if not self._accepting or self._size + size > self._queue_limit:
            raise self._refusal(len(unit.members))
        user_id = unit.requests[0].initiator_id
        of_user = self._size_of_user.get(user_id, 0) + size
        if of_user > self._queue_limit_per_user:
            raise RateLimited(1, _TOO_MANY_WAIT)
        trace = transfer_traces.begin(unit)
        waiting = Waiting(unit, user_id, self._clock(), loop.create_future(), self._leave, logs.bound(), trace, size)
        self._size += size
        self._size_of_user[user_id] = of_user
        self._idle.clear()
        # After the timeout a queued unit is skipped. One that is in a batch may still settle, once.
        waiting.timer = loop.call_later(self._timeout_seconds, waiting.give_up, RequestTimeout)
        self._queue.append(waiting)
        self._queued.set()
        return await waiting.answer

    def _refusal(self, transfers: int) -> Unavailable:
        count_unanswered(Unavailable.code, transfers)
        if self._accepting:
            self._watch.refused(transfers)
        return Unavailable()

    def _level(self) -> tuple[int, int]:
        return self._size, len(self._queue)

    def _leave(self, waiting: Waiting) -> None:
        self._size -= waiting.size
        of_user = self._size_of_user.pop(waiting.user_id) - waiting.size
        if of_user:
            self._size_of_user[waiting.user_id] = of_user
        if self._size == 0:
            self._idle.set()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._queued.wait()
            await self._gather()
            batch, started = self._take(self._queue), loop.time()
            if not self._queue:
                self._queued.clear()
            self._set_aside(batch, self._contended | self._held_back.keys())
            await self._settle_guarded(self._worker_settler, batch)
            self._measure(batch, started)

    async def _gather(self) -> None:
        """Let the event loop run tasks that are ready.

        Each answer of the last batch takes a turn of the loop, and so does each new request on its way to the queue. Under load
        this doubles the batches, which saves time in API and database. Without load it takes microseconds.
        """
        for _ in range(_TURNS_TO_GATHER):
            await asyncio.sleep(0)

    def _measure(self, batch: Sequence[Waiting], now: float) -> None:
        """Record the queue time of one unit for each batch: with shared counters each observation costs microseconds."""
        if batch and batch[0].timer is not None:
            metrics.QUEUE_WAIT.observe(now - (batch[0].timer.when() - self._timeout_seconds))

    async def _work_slow_lane(self) -> None:
        while True:
            await self._deferred.wait()
            self._deferred.clear()
            await asyncio.sleep(_LANE_PAUSE_SECONDS * _jitter())
            batch = self._take(self._lane)
            self._set_aside(batch, self._held_back.keys())
            # `_contended` is updated only afterwards: meanwhile new units keep away from the wallets that were locked before.
            await self._settle_guarded(self._lane_settler, batch, skip_locked=True)
            self._contended = set().union(*(waiting.locked for waiting in self._lane))

    @contextmanager
    def holding_back(self, wallet_id: UUID) -> Iterator[None]:
        """While the block runs, transfers of the wallet that are not in a batch yet wait, so that a change can come first."""
        self._held_back[wallet_id] += 1
        try:
            yield
        finally:
            self._held_back[wallet_id] -= 1
            if not self._held_back[wallet_id]:
                del self._held_back[wallet_id]

    def _set_aside(self, batch: list[Waiting], wallet_ids: AbstractSet[UUID]) -> None:
        """Move the units that name one of these wallets to the slow lane."""
        if not wallet_ids:
            return
        for waiting in [waiting for waiting in batch if waiting.wallet_ids & wallet_ids]:
            batch.remove(waiting)
            self._defer(waiting)

    def _take(self, queue: deque[Waiting]) -> list[Waiting]:
        """Take the next batch: up to the commit limit in transfers, and at least one unit."""
        batch: list[Waiting] = []
        size = 0
        while queue and (not batch or size + queue[0].size <= self._commit_limit):
            waiting = queue.popleft()
            if not waiting.is_done:
                batch.append(waiting)
                size += waiting.size
        self._stamp([waiting for waiting in batch if waiting.batched_at is None])
        return batch

    def _stamp(self, batch: Sequence[Waiting]) -> None:
        """Give the requests ascending ids in the order in which they settle, so that indexes by id grow at their end."""
        now = self._clock()
        fresh = iter(ids.new_transaction_ids(now, sum(len(waiting.unit.members) for waiting in batch)))
        for waiting in batch:
            trace = None if waiting.trace is None else tracing.traceparent(waiting.trace.span)
            members = [
                member.stamped(next(fresh), now, trace) if isinstance(member, Request) else member
                for member in waiting.unit.members
            ]
            waiting.unit = Unit(tuple(members), waiting.unit.atomic)
            waiting.batched_at = now

    def _defer(self, waiting: Waiting) -> None:
        self._lane.append(waiting)
        self._deferred.set()

    async def _settle_guarded(self, settler: Settler, batch: list[Waiting], *, skip_locked: bool = False) -> None:
        """Settle a batch. Logs any exception from outside the database transaction, so that the task survives a bug."""
        members = list(batch)
        try:
            await self._settle_batch(settler, batch, skip_locked=skip_locked)
        except Exception:
            logger.exception("settling a batch of %d ended unexpectedly", len(members))
            for waiting in members:
                # It is unknown here whether the batch committed.
                waiting.give_up(RequestTimeout)

    async def _settle_batch(self, settler: Settler, batch: list[Waiting], *, skip_locked: bool = False) -> None:
        """Settle and answer every unit of the batch. Units whose wallets are locked by others go to the slow lane."""
        failures = dict.fromkeys(Failure, 0)
        while batch := [waiting for waiting in batch if not waiting.is_done]:
            traces = [waiting.trace for waiting in batch if waiting.trace is not None]
            try:
                with metrics.COMMITS.time(), transfer_traces.batch(traces, sum(waiting.size for waiting in batch)):
                    answers = await settler.settle([waiting.unit for waiting in batch], skip_locked=skip_locked)
            except Exception as error:  # noqa: BLE001 - every caller must get an answer
                failure = classify(error)
                failures[failure] += 1
                metrics.RETRIES.labels(failure.name.lower(), getattr(error, "sqlstate", None) or "none").inc()
                if failure is Failure.LOCK_TIMEOUT and not skip_locked:
                    skip_locked = True
                elif failure is Failure.LOCK_TIMEOUT and len(batch) == 1:
                    # Its wallets are not locked, but its key is in another session's open transaction.
                    self._defer(batch[0])
                    return
                elif failure in (Failure.CULPRIT, Failure.LOCK_TIMEOUT, Failure.BUG) and len(batch) > 1:
                    await self._split(settler, batch, skip_locked=skip_locked)
                    return
                else:
                    await self._retry_or_give_up(batch, error, failure, failures[failure])
            else:
                self._answer(batch, answers)
                return

    def _answer(self, batch: Sequence[Waiting], answers: Sequence[Answer]) -> None:
        """Answer every caller first, then report: a failing metric, log or observer cannot lose a committed answer."""
        settled: list[tuple[Waiting, tuple[Outcome, ...]]] = []
        for waiting, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Deferred):
                waiting.locked = answer.locked
                self._contended |= answer.locked
                self._defer(waiting)
            else:
                waiting.settled(answer)
                settled.append((waiting, answer))
        committed_at, size = self._clock(), sum(waiting.size for waiting in batch)
        lines: list[dict[str, Any]] = []
        for waiting, outcomes in settled:
            try:
                lines += self._report(waiting, outcomes, committed_at, size)
            except Exception:
                logger.exception("reporting a settled transfer failed")
        try:
            count_outcomes([outcome for _, outcomes in settled for outcome in outcomes])
            logs.log_transfers(lines)
        except Exception:
            logger.exception("reporting a settled batch failed")

    def _report(self, waiting: Waiting, outcomes: tuple[Outcome, ...], committed_at: datetime, size: int) -> list[dict[str, Any]]:
        """Report a settled unit to the observer and its trace. Returns its log lines."""
        accepted_at, batched_at = waiting.accepted_at, waiting.batched_at
        assert batched_at is not None
        if self._observe is not None:
            self._observe(outcomes, Timeline(accepted_at, batched_at, size, committed_at))
        if waiting.trace is not None:
            waiting.trace.settled(outcomes, accepted_at, batched_at, committed_at)
        if not logs.logs_transfers():
            return []
        return list(outcome_lines(waiting.unit, outcomes, waiting.context, (accepted_at, batched_at, committed_at), size))

    async def _split(self, settler: Settler, batch: list[Waiting], *, skip_locked: bool) -> None:
        """Settle each half on its own, to isolate the unit that fails the batch. A unit is never split."""
        middle = len(batch) // 2
        await self._settle_batch(settler, batch[:middle], skip_locked=skip_locked)
        await self._settle_batch(settler, batch[middle:], skip_locked=skip_locked)

    async def _retry_or_give_up(self, batch: Sequence[Waiting], error: Exception, failure: Failure, times: int) -> None:
        """Pause before the next try, or answer the callers with an error if there is none left."""
        is_bug = failure in (Failure.BUG, Failure.CULPRIT)
        withhold_values(error)
        # A unit that fails alone is the cause. Its key identifies the request.
        alone = batch[0].unit.requests[0] if len(batch) == 1 and batch[0].unit.requests else None
        logger.log(
            logging.ERROR if is_bug else logging.WARNING,
            "a batch of %d%s failed (%s, time %d): %s",
            len(batch),
            "" if alone is None else f" with key {fingerprint(alone.idempotency_key)}",
            failure.name,
            times,
            type(error).__name__,
            exc_info=error if is_bug else None,
        )
        if isinstance(error, CommitUnknown):
            for waiting in batch:
                waiting.commit_unknown = True
        if failure in (Failure.KEYS_TAKEN, Failure.FEES_CHANGED) and times <= MAX_KEY_RACES:
            return
        if failure in (Failure.RETRY, Failure.CONNECTION) and times <= MAX_RETRIES:
            await asyncio.sleep(_BACKOFF_SECONDS * 2**times * _jitter())
            return
        if failure is Failure.CONNECTION:
            # If a commit may have happened, "nothing moved" could be false: those units are retried until their time is over.
            for waiting in batch:
                if not waiting.commit_unknown:
                    waiting.give_up(Unavailable)
            await asyncio.sleep(_BACKOFF_SECONDS * 2**MAX_RETRIES)
            return
        for waiting in batch:
            waiting.give_up(Internal if is_bug else Unavailable)


def _jitter() -> float:
    return random.uniform(0.5, 1.5)  # noqa: S311 - spreads retries, hides nothing
