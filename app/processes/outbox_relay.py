"""The outbox relay: gives committed events their positions, publishes them over Redis, and deletes them.

One relay leads, holding a lock that ends with its database connection. The others stand by and take over. The leader claims
rows on the same connection, so a leader that lost its lock cannot claim. `app/services/sequencer.py` gives the rows their
positions, in which they are then published. A row is deleted after it is published: a crash in between publishes it twice but
never loses it, and subscribers drop duplicates. The leader also ends the holds whose time is over, reads the feed of
exchange rates, and seals the log of transactions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
from opentelemetry.trace import Span, SpanKind

from app import tasks
from app.backoff import Backoff
from app.clock import monotonic, system_clock
from app.db import installation_sql, outbox_sql
from app.db.engine import connect, refuse_shared_sessions
from app.db.failures import DATABASE_ERRORS
from app.db.outbox_sql import Claim, Waiting
from app.db.session import ReadOnlyServer, server_state
from app.messages import events
from app.messages.publisher import OK, UNAVAILABLE, NotPublished, Publisher, RedisPublisher, redis_url
from app.messages.redis_names import RedisNames
from app.processes.database_log import DatabaseLog
from app.processes.fx_feed import polling_rates
from app.processes.relay_health import RelayState, answering
from app.processes.sealing import sealing
from app.services import sequencer
from app.services.hold_settlement import sweep
from app.services.receipts.operating import signer_of
from app.services.sequencer import Sequencer
from app.settings import Settings
from app.telemetry import metrics, tracing

logger = logging.getLogger(__name__)

_WRONG_ADDRESS = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""The errors of a reachable server that does not accept this user, password or database."""
_BATCH_LIMIT = 500
"""Rows that one round numbers and publishes."""
_STANDBY_SECONDS = 1.0
_BUSY_PAUSE_SECONDS = 0.005
"""Pause after an empty claim in a busy outbox: polling for each single row would take a whole core."""
IDLE_SECONDS = 0.05
"""Longest pause between the claims from an idle outbox."""
_CLOSE_TIMEOUT_SECONDS = 2.0
_SWEEP_SECONDS = 0.5
"""How often the leader ends the holds whose time is over. They count for nothing before: this only publishes it."""
_SWEEP_LIMIT = 500
"""Holds that one sweep ends. If more are due, the next follows at once."""
_REDIS_CHECK_SECONDS = 2.0
"""How often a relay with nothing to publish checks Redis."""
_SILENT_AFTER_SECONDS = 7.0
"""A relay whose database has not answered for this long is not ready. Longer than the longest pause between two claims."""
_STOP_SECONDS = 5.0
"""For the current batch, once the relay is asked to stop. If it is abandoned, the next leader publishes it again."""
RELAY_ENDS_WITHIN_SECONDS = 20
"""From SIGTERM to the end of the process, in every case."""
_FROZEN_AFTER = "30s"
"""A leader that sends no statement for this long is suspended or stuck. The database then ends its session, and with it the
lock. Longer than a leader waits between two tries to reach Redis."""

_CONNECTION = {
    # If a crash undoes a deletion, the rows are only published again, so commits need not wait for the disk. Those of positions
    # wait all the same: a trigger sees to it.
    "synchronous_commit": "off",
    "idle_session_timeout": _FROZEN_AFTER,
}


class OutboxRelay:
    """One relay. `run` returns once `stop` is set and the current batch is done."""

    def __init__(self, settings: Settings, publisher: Publisher, *, batch_limit: int = _BATCH_LIMIT) -> None:
        self._settings = settings
        self._batch_limit = batch_limit
        self._publisher = publisher
        self._positions: Sequencer | None = None
        """The positions that this relay gives. None: it has not led yet."""
        self._redis_retry = Backoff(0.05, 5.0)
        self._redis_retry_at = 0.0
        """After a failed publication: when to try the next one. Events get their positions meanwhile."""
        self._names: RedisNames | None = None
        self._database_log = DatabaseLog(logger, "relay")
        self._had_database = False
        self._redis = OK
        """OK, or the problem with Redis."""
        self._redis_checked_at: float | None = None
        self._database_answered_at: float | None = None
        self._swept_at = -_SWEEP_SECONDS
        self.leading = False

    def state(self) -> RelayState:
        """Return what readiness shows.

        A relay is ready without Redis: removing it, or keeping its successor from taking over, would not bring Redis back. It
        is not ready if Redis refuses it: that does not pass by itself, and a rollout with such settings must stop.
        """
        answered_at = self._database_answered_at
        has_database = answered_at is not None and monotonic() - answered_at < _SILENT_AFTER_SECONDS
        return RelayState(
            ready=has_database and self._redis in (OK, UNAVAILABLE),
            role="leader" if self.leading else "standby",
            database=OK if has_database else UNAVAILABLE,
            redis=self._redis,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Lead or stand by until `stop` is set, through restarts of database and Redis.

        Raises asyncpg's error if the first connection is refused because of the user, password or database name.
        """
        working, stopping = asyncio.create_task(self._run(stop)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({working}, timeout=_STOP_SECONDS)
            if working.done():
                await working
            else:
                logger.warning("the relay stops before its current batch is done: the next leader publishes it")
        finally:
            await tasks.end(working, stopping)

    async def _run(self, stop: asyncio.Event) -> None:
        backoff = Backoff(0.1, 5.0)
        while not stop.is_set():
            try:
                async with self._connection() as connection:
                    self._names = await installation_sql.redis_names(connection)
                    self._database_answered_at = monotonic()
                    self._had_database = True
                    backoff.reset()
                    self._database_log.answered()
                    await self._stand_by(connection, stop)
                    if self.leading:
                        async with polling_rates(self._settings), sealing(self._settings):
                            await self._lead(connection, stop)
            except DATABASE_ERRORS as error:
                if isinstance(error, _WRONG_ADDRESS) and not self._had_database:
                    # Before the first success the URL is probably wrong. After it, a password may be changing.
                    raise
                self._database_log.failed(error)
                await _pause(stop, backoff.next())
            finally:
                self.leading, self._database_answered_at = False, None
                for gauge in (metrics.RELAY_LEADING, metrics.RELAY_UNPUBLISHED, metrics.RELAY_SEQUENCING_LAG):
                    gauge.set(0)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await connect(self._settings, "paycore-relay", **_CONNECTION)
        try:
            await refuse_shared_sessions(connection, self._settings)
            if (await server_state(connection)).read_only:
                # A standby server grants the leader's lock too.
                raise ReadOnlyServer("it is read-only")
            await outbox_sql.allow_long_statements(connection)
            yield connection
        finally:
            try:
                await connection.close(timeout=_CLOSE_TIMEOUT_SECONDS)
            except DATABASE_ERRORS:
                connection.terminate()

    async def _stand_by(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Return once this connection holds the leader's lock, or `stop` is set."""
        waited = False
        while not stop.is_set():
            leads = await outbox_sql.try_to_lead(connection)
            self._database_answered_at = monotonic()
            if leads:
                self.leading = True
                metrics.RELAY_LEADING.set(1)
                logger.info("this relay leads")
                return
            if not waited:
                logger.info("another relay leads; this one stands by")
                waited = True
            await self._check_redis()
            await _pause(stop, _STANDBY_SECONDS)

    async def _lead(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        positions = self._positions = await sequencer.resume(connection)
        self._redis_retry_at = 0.0
        idle = Backoff(_BUSY_PAUSE_SECONDS, IDLE_SECONDS)
        while not stop.is_set():
            await self._sweep(connection)
            found = await self._relay_batch(connection, positions)
            if found:
                idle.reset()
            if found < self._batch_limit:
                await _pause(stop, idle.next())
        await positions.finish(connection)

    async def _sweep(self, connection: asyncpg.Connection) -> None:
        """End holds whose time is over. Their events wait in the outbox like all others."""
        now = monotonic()
        if now - self._swept_at < _SWEEP_SECONDS:
            return
        if await sweep(connection, system_clock(), _SWEEP_LIMIT) < _SWEEP_LIMIT:
            self._swept_at = now

    async def _relay_batch(self, connection: asyncpg.Connection, positions: Sequencer) -> int:
        """Number one batch, and publish it or what waits before it. Returns how many rows there were."""
        claim = await positions.claim(connection, self._batch_limit)
        self._database_answered_at = monotonic()
        has_backlog = positions.published < positions.last
        may_publish = monotonic() >= self._redis_retry_at
        spans = _PublishSpans()
        if has_backlog or not may_publish:
            await self._number(connection, positions, claim, lambda trace: trace)
            return max(len(claim.rows), await self._publish_backlog(connection, positions) if may_publish else 0)
        messages = await self._number(connection, positions, claim, spans.begin)
        if not messages:
            await self._check_redis()
        elif await self._publish(messages, spans):
            metrics.RELAY_PUBLISHED.inc(positions.last - positions.published)
            positions.was_published(positions.last)
        return len(claim.rows)

    async def _number(
        self, connection: asyncpg.Connection, positions: Sequencer, claim: Claim, publish: Callable[[str | None], str | None]
    ) -> list[tuple[str, str]]:
        """Give the rows of a claim their positions. Returns their messages."""
        assert self._names is not None, "read with every new connection"
        messages: list[tuple[str, str]] = []
        readable: list[tuple[Waiting, events.Subject]] = []
        unreadable: dict[int, str] = {}
        now = system_clock()
        for row in claim.rows:
            try:
                outgoing = events.outgoing(self._names, row.payload, now, publish)
                readable.append((row, outgoing.subject))
                messages += outgoing.messages
            except events.MalformedEvent as error:
                unreadable[row.id] = str(error)
                logger.error("parked outbox row %d, which cannot be read: %s", row.id, error)  # noqa: TRY400 - the error is enough
        await positions.number(connection, claim, readable, unreadable)
        metrics.RELAY_PARKED.inc(len(unreadable))
        return messages

    async def _publish_backlog(self, connection: asyncpg.Connection, positions: Sequencer) -> int:
        """Publish the next events that have a position and are not published. Returns how many rows there were.

        Their rows are read again: they may be more than fit into memory.
        """
        assert self._names is not None, "read with every new connection"
        backlog = await positions.backlog(connection, self._batch_limit)
        messages: list[tuple[str, str]] = []
        spans = _PublishSpans()
        now = system_clock()
        for payload in backlog.payloads:
            try:
                messages += events.outgoing(self._names, payload, now, spans.begin).messages
            except events.MalformedEvent as error:
                # Numbered by a later release. Watches read what they miss from the database.
                logger.error("an event that cannot be read is not published: %s", error)  # noqa: TRY400 - the error is enough
        if not await self._publish(messages, spans):
            return 0
        metrics.RELAY_PUBLISHED.inc(len(backlog.payloads))
        positions.was_published(backlog.position)
        return max(len(backlog.payloads), 1)

    async def _publish(self, messages: list[tuple[str, str]], spans: _PublishSpans) -> bool:
        """Publish messages. Returns whether Redis has accepted all; if not, the next try waits."""
        try:
            with spans:
                if messages:
                    await self._publisher.publish(messages)
        except NotPublished as error:
            self._report_redis(error)
            self._redis_retry_at = monotonic() + self._redis_retry.next()
            return False
        self._report_redis(None)
        self._redis_retry.reset()
        return True

    async def _check_redis(self) -> None:
        """Check Redis while there is nothing to publish, at most every _REDIS_CHECK_SECONDS."""
        if self._redis_checked_at is not None and monotonic() - self._redis_checked_at < _REDIS_CHECK_SECONDS:
            return
        try:
            # Publish, as for an event: a PING would not show whether this user may publish.
            assert self._names is not None, "read with every new connection"
            await self._publisher.publish([(self._names.check_channel, "")])
        except NotPublished as error:
            self._report_redis(error)
        else:
            self._report_redis(None)
        self._redis_checked_at = monotonic()

    def _report_redis(self, error: NotPublished | None) -> None:
        state = OK if error is None else error.state
        if error is not None and state != self._redis:
            logger.warning("the relay waits for Redis, the outbox keeps all events: %s", error)
        elif error is None and self._redis != OK:
            logger.info("the relay is connected to Redis again")
        self._redis = state
        metrics.RELAY_REDIS_CONNECTED.set(error is None)


class _PublishSpans:
    """The relay's spans in the traces of one batch. They end together, once Redis has accepted the batch."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def begin(self, trace: str | None) -> str | None:
        """Start a span in a transfer's trace. Returns the trace for the messages."""
        span = None if trace is None else tracing.start_span("publish", trace, kind=SpanKind.PRODUCER)
        if span is None:
            return trace
        self._spans.append(span)
        return tracing.traceparent(span)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        for span in self._spans:
            if error is not None:
                tracing.fail(span, error)
            span.end()


async def run_relay(settings: Settings, stop: asyncio.Event) -> None:
    """Run one relay until `stop` is set. Raises ConfigurationError if a setting that it needs is missing or wrong."""
    signer_of(settings)
    publisher = RedisPublisher(redis_url(settings))
    tracing.start(settings, "paycore-relay")
    try:
        relay = OutboxRelay(settings, publisher)
        async with answering(settings, settings.relay_port, relay.state):
            await relay.run(stop)
    finally:
        await publisher.close()
        await tracing.stop()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, or return early when `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
