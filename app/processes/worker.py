"""The worker: projects events into the read models, delivers webhooks, makes statements, and does the duties of `duties.py`.

Any number may run; all do the same work.

Each step is one transaction or one HTTP request, and a worker may be killed at any point. What it had taken is taken again by
another once the lease is over, so each endpoint gets each event at least once, with the same webhook-id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from opentelemetry.trace import SpanKind
from sqlalchemy.exc import SQLAlchemyError

from app import tasks
from app.backoff import Backoff
from app.clock import Clock, monotonic, system_clock
from app.db import projection_sql, webhook_queue_sql
from app.db.engine import create_engine, dispose
from app.db.failures import DATABASE_ERRORS
from app.db.pool import Database, driver_connection
from app.db.projection_sql import State
from app.processes.database_log import DatabaseLog
from app.processes.duties import duties_of
from app.processes.relay_health import RelayState, answering
from app.processes.statement_maker import StatementMaker
from app.processes.webhook_payloads import NoPayload, Payloads, services_of_worker
from app.services.duties import Duties
from app.services.projection import project_live
from app.services.webhooks import delivering
from app.services.webhooks.delivering import Outcome, Taken
from app.services.webhooks.events import message_id
from app.services.webhooks.fan_out import catch_up, fan_out
from app.services.webhooks.sealing import CannotOpen, Seal
from app.services.webhooks.sending import Answer, Sender
from app.services.webhooks.signing import SigningKeys, signed_headers
from app.settings import Settings
from app.telemetry import metrics, tracing

logger = logging.getLogger(__name__)

_DATABASE_ERRORS = (SQLAlchemyError, *DATABASE_ERRORS)
"""SQLAlchemyError: the pool has no connection in time."""
_MOST_IN_FLIGHT = 400
_MOST_FAILING = 200
"""Of them to endpoints that have just failed: hundreds that hang leave room for those that answer."""
_BUSY_SECONDS, _IDLE_SECONDS = 0.02, 0.25
_MEASURE_STATEMENTS_SECONDS = 10.0
_PROJECT_SECONDS = 0.1
"""How long a projector that has seen all events waits: most of the time after which a reader sees its own payment."""
_MEASURE_MODELS_SECONDS = 1.0
"""How often the models are measured while there are events to add."""
_AFTER_A_BUG_SECONDS = 5.0
_MEASURE_SECONDS = 60.0
_SILENT_AFTER_SECONDS = 10.0
WORKER_ENDS_WITHIN_SECONDS = 30
"""From SIGTERM to the end of the process, in every case."""


class Worker:
    """One worker. `run` returns once `stop` is set and what is in flight has ended."""

    def __init__(
        self, settings: Settings, engine: Database, payloads: Payloads, sender: Sender, clock: Clock = system_clock
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._payloads = payloads
        self._sender = sender
        self._clock = clock
        self._seal = Seal(settings.sealing_keys) if settings.sealing_keys else None
        self._duties = Duties(engine, duties_of(settings, engine, clock), clock)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._failing = 0
        self._wake = asyncio.Event()
        self._statements = StatementMaker(engine, clock)
        self._database_log = DatabaseLog(logger, "worker")
        self._answered_at: float | None = None
        self._measure_models_at = 0.0
        self._has_projected = False

    def state(self) -> RelayState:
        """Return what readiness shows: a worker is ready while the database answers it."""
        is_ready = self._answered_at is not None and monotonic() - self._answered_at < _SILENT_AFTER_SECONDS
        return RelayState(ready=is_ready, role="worker", database="ok" if is_ready else "unavailable", redis="not used")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, through restarts of the database."""
        loops = [
            asyncio.create_task(self._repeat(stop, self._fan_out), name="webhook-fan-out"),
            asyncio.create_task(self._repeat(stop, self._project), name="projector"),
            asyncio.create_task(self._repeat(stop, lambda: self._statements.make_next(stop)), name="statements"),
            asyncio.create_task(self._repeat(stop, self._measure_statements), name="statement-measures"),
            asyncio.create_task(self._repeat(stop, self._measure), name="webhook-measures"),
            asyncio.create_task(self._repeat(stop, self._duties.step), name="duties"),
        ]
        if self._seal is None:
            logger.warning("PAYCORE_WEBHOOK_KEYS is not set: this worker sends no webhooks")
        else:
            loops.append(asyncio.create_task(self._repeat(stop, self._send_due), name="webhook-delivery"))
        try:
            await asyncio.gather(*loops)
            await self._duties.end()
            if self._in_flight:
                # Each ends by its own time limit.
                await asyncio.wait(self._in_flight)
        finally:
            await tasks.end(*loops, *self._in_flight)
            await self._duties.end()

    async def _repeat(self, stop: asyncio.Event, step: Callable[[], Awaitable[float]]) -> None:
        """Repeat a step, which returns the seconds to pause after it. Waits out a database that is away."""
        backoff = Backoff(0.1, 5.0)
        while not stop.is_set():
            try:
                seconds = await step()
                backoff.reset()
                self._answered_at = monotonic()
                self._database_log.answered()
            except _DATABASE_ERRORS as error:
                self._database_log.failed(error)
                seconds = backoff.next()
            await self._pause(stop, seconds, self._wake if step == self._send_due else None)

    async def _pause(self, stop: asyncio.Event, seconds: float, wake: asyncio.Event | None) -> None:
        ends = [asyncio.create_task(event.wait()) for event in (stop, wake) if event is not None]
        try:
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await tasks.end(*ends)

    async def _fan_out(self) -> float:
        async with driver_connection(self._engine) as connection:
            found = await fan_out(connection, self._clock)
            is_behind = await catch_up(connection, self._clock)
        if found or is_behind:
            self._wake.set()
            self._wake.clear()
        return 0.0 if found or is_behind else _IDLE_SECONDS

    async def _project(self) -> float:
        try:
            async with driver_connection(self._engine) as connection:
                # Most of the time there is nothing: one statement finds that out, a transaction would take four.
                is_behind = self._has_projected
                if not is_behind or monotonic() >= self._measure_models_at:
                    self._measure_models_at = monotonic() + _MEASURE_MODELS_SECONDS
                    state = await projection_sql.state(connection)
                    self._report(state)
                    is_behind = state.position < state.last
                found = await project_live(connection) if is_behind else 0
                self._has_projected = found > 0
        except _DATABASE_ERRORS:
            raise
        except Exception:
            # A bug here must not stop the webhooks. The lag shows it.
            logger.exception("the read models cannot go on")
            return _AFTER_A_BUG_SECONDS
        return 0.0 if found else _PROJECT_SECONDS

    def _report(self, state: State) -> None:
        lag = 0.0 if state.behind_since is None else (self._clock() - state.behind_since).total_seconds()
        metrics.MODEL_POSITION.set(state.position)
        metrics.MODEL_BEHIND.set(max(0, state.last - state.position))
        metrics.MODEL_LAG.set(max(0.0, lag))

    async def _send_due(self) -> float:
        if len(self._in_flight) >= _MOST_IN_FLIGHT:
            return _BUSY_SECONDS
        seconds, also_failing = self._settings.webhook_timeout_seconds, self._failing < _MOST_FAILING
        async with driver_connection(self._engine) as connection:
            taken = await delivering.take(connection, self._clock(), seconds, also_failing=also_failing)
        for one in taken or ():
            task = asyncio.create_task(self._deliver(one), name="webhook-attempt")
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
        return _IDLE_SECONDS if taken is None else 0.0

    async def _deliver(self, taken: Taken) -> None:
        is_failing = taken.endpoint.failures > 0
        self._failing += is_failing
        metrics.WEBHOOK_IN_FLIGHT.inc()
        try:
            number = taken.delivery.attempts + 1
            attributes = {"paycore.webhook.source": taken.endpoint.source.value, "paycore.webhook.attempt": number}
            with tracing.work_span("deliver webhook", attributes=attributes) as span:
                answer, payload = await self._attempt(taken)
                async with driver_connection(self._engine) as connection:
                    outcome = await delivering.record(connection, taken, answer, payload, self._clock())
                if span is not None:
                    span.set_attribute("paycore.webhook.outcome", outcome.value)
            metrics.WEBHOOK_ATTEMPTS.labels(outcome.value).inc()
            if outcome is Outcome.DISABLED:
                logger.warning("disabled the webhook endpoint %s", taken.endpoint.id)
        except _DATABASE_ERRORS as error:
            # Not recorded: the delivery is sent again once its lease is over.
            self._database_log.failed(error)
        except Exception:
            logger.exception("a delivery of a webhook failed")
        finally:
            self._failing -= is_failing
            metrics.WEBHOOK_IN_FLIGHT.dec()
            self._wake.set()
            self._wake.clear()

    async def _attempt(self, taken: Taken) -> tuple[Answer, str | None]:
        """Make the payload, unless an earlier attempt has sent one, sign it and send it."""
        payload = taken.delivery.payload
        try:
            with tracing.within(tracing.start_span("make payload")):
                body = (await self._payloads.make(taken.endpoint, taken.delivery)) if payload is None else payload.encode()
            keys = self._keys(taken)
        except (NoPayload, CannotOpen) as problem:
            return Answer(None, None, f"not sent: {problem}", 0), payload
        with metrics.WEBHOOK_SECONDS.time():
            now = int(self._clock().timestamp())
            headers = signed_headers(message_id(taken.delivery.id), now, body, keys)
            headers |= {"content-type": "application/json", "user-agent": "Paycore-Webhooks"}
            with tracing.within(tracing.start_span("post", kind=SpanKind.CLIENT)):
                answer = await self._sender.post(taken.endpoint.url, headers, body)
        return answer, body.decode()

    def _keys(self, taken: Taken) -> list[SigningKeys]:
        endpoint = taken.endpoint
        assert self._seal is not None
        sealed = [endpoint.keys]
        if endpoint.old_keys is not None and endpoint.old_keys_until is not None and endpoint.old_keys_until > self._clock():
            sealed.append(endpoint.old_keys)
        return [SigningKeys.unpack(self._seal.open(one, endpoint.id)) for one in sealed]

    async def _measure_statements(self) -> float:
        await self._statements.measure()
        return _MEASURE_STATEMENTS_SECONDS

    async def _measure(self) -> float:
        """Measure what waits. Each worker does, so that none shows what was."""
        now = self._clock()
        async with driver_connection(self._engine) as connection:
            waiting, oldest = await webhook_queue_sql.backlog(connection)
            stopped = await webhook_queue_sql.stopped(connection, now)
        metrics.WEBHOOK_WAITING.set(waiting)
        metrics.WEBHOOK_OLDEST_SECONDS.set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
        metrics.WEBHOOK_STOPPED.set(stopped)
        return _MEASURE_SECONDS


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Run one worker until `stop` is set. Raises ConfigurationError if a setting that it needs is missing or wrong."""
    tracing.start(settings, "paycore-worker")
    engine = create_engine(settings)
    sender = Sender(seconds=settings.webhook_timeout_seconds, allow_private=settings.webhook_private_targets)
    try:
        services = await services_of_worker(engine, settings, system_clock)
        worker = Worker(settings, engine, Payloads(services), sender)
        async with answering(settings, settings.worker_port, worker.state):
            await worker.run(stop)
    finally:
        await sender.close()
        await dispose(engine)
        await tracing.stop()
