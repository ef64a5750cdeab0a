"""The outbox relay: takes committed news from the database, publishes it over Redis, and deletes it.

One relay leads, by a lock that lives and dies with its database connection; others stand by and take over. The leader
claims on that same connection, so a leader that lost its lock cannot claim. Rows are published in the order of their
ids, which were given under the wallets' locks: in order per wallet. A row is deleted after it was published: a crash in
between publishes it twice, never not at all, and subscribers drop what they have seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from opentelemetry.trace import Span, SpanKind

from app import tasks
from app.backoff import Backoff
from app.clock import monotonic, system_clock
from app.db import installation_sql, outbox_sql
from app.db.engine import connect, refuse_shared_sessions
from app.db.outbox_sql import LowWater
from app.db.session import ReadOnlyServer, server_state
from app.messages import events
from app.messages.redis_backend import OK, UNAVAILABLE, NotPublished, RedisPublisher, redis_url
from app.messages.redis_names import RedisNames
from app.processes.relay_health import RelayState, answering
from app.settings import Settings
from app.telemetry import metrics, tracing

logger = logging.getLogger(__name__)

# InternalClientError: asyncpg's protocol, confused by a connection that went away while a statement was being sent.
_DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_WRONG_ADDRESS = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""What a server answers that is there, but does not know this user, password or database."""
_STANDBY_SECONDS = 1.0
_BUSY_PAUSE_SECONDS = 0.005
"""Between looks at a busy outbox that was empty after the last one: looking for each single row would take a core."""
_CLOSE_TIMEOUT_SECONDS = 2.0
_REDIS_LOOK_SECONDS = 2.0
"""How often a relay with nothing to publish asks Redis whether it is there."""
_SILENT_AFTER_SECONDS = 7.0
"""A relay whose database has not answered for so long is not ready. It is longer than the longest pause between two looks."""
_IN_HAND_SECONDS = 5.0
"""For what is in hand when the relay is told to stop. What is given up is published again by the next one."""
RELAY_ENDS_WITHIN_SECONDS = 20
"""From SIGTERM to the end of the process, come what may."""
_FROZEN_AFTER = "30s"
"""A leader that asks nothing for so long is stopped or stuck: the database ends its session, and with it its lead. It is
longer than what a leader waits for a Redis that is away."""

_CONNECTION = {
    # A deletion that a crash undoes only publishes again, so it need not wait for the disk.
    "synchronous_commit": "off",
    "idle_session_timeout": _FROZEN_AFTER,
}


class OutboxRelay:
    """One relay. `run` returns when it is told to stop, having finished what it had in hand."""

    def __init__(self, settings: Settings, publisher: RedisPublisher) -> None:
        self._settings = settings
        self._publisher = publisher
        self._low_water = LowWater()
        self._has_looked = False
        """Whether this leader has seen the outbox."""
        self._names: RedisNames | None = None
        self._database_away = False
        self._had_database = False
        self._redis = OK
        """OK, or what is wrong with Redis."""
        self._redis_asked_at: float | None = None
        self._database_answered_at: float | None = None
        self.leading = False

    def state(self) -> RelayState:
        """What its readiness shows.

        It is ready without Redis: taking it out, or keeping its successor from taking over, would bring nothing back. But not
        where Redis refuses it: that does not pass by itself, and a rollout of such settings must stop.
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

        Raises asyncpg's error where it never had the database, and the server does not know its user, password or database.
        """
        working, stopping = asyncio.create_task(self._run(stop)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({working}, timeout=_IN_HAND_SECONDS)
            if working.done():
                await working
            else:
                logger.warning("the relay gives up what it had in hand: the next one publishes it")
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
                    self._report_database(None)
                    await self._stand_by(connection, stop)
                    await self._lead(connection, stop)
            except _DATABASE_ERRORS as error:
                if isinstance(error, _WRONG_ADDRESS) and not self._had_database:
                    # Most likely its URL is wrong. Later on it may be a password that is being changed.
                    raise
                self._report_database(error)
                await _pause(stop, backoff.next())
            finally:
                self.leading, self._database_answered_at = False, None
                metrics.RELAY_LEADING.set(0)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await connect(self._settings, "paycore-relay", **_CONNECTION)
        try:
            await refuse_shared_sessions(connection, self._settings)
            if (await server_state(connection)).read_only:
                # A standby grants the lead's lock too.
                raise ReadOnlyServer("it is read-only")
            await outbox_sql.allow_long_statements(connection)
            yield connection
        finally:
            try:
                await connection.close(timeout=_CLOSE_TIMEOUT_SECONDS)
            except _DATABASE_ERRORS:
                connection.terminate()

    async def _stand_by(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Returns once this connection leads, or with `stop`."""
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
            await self._look_at_redis()
            await _pause(stop, _STANDBY_SECONDS)

    async def _lead(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        self._low_water, self._has_looked = LowWater(), False
        idle = Backoff(min(_BUSY_PAUSE_SECONDS, self._settings.relay_idle_seconds), self._settings.relay_idle_seconds)
        redis_away = Backoff(0.05, 5.0)
        while not stop.is_set():
            try:
                found = await self._relay_some(connection)
            except NotPublished as error:
                self._report_redis(error)
                await _pause(stop, redis_away.next())
                continue
            if found:
                self._report_redis(None)
                redis_away.reset()
                idle.reset()
            else:
                await self._look_at_redis()
            if found < self._settings.relay_batch_limit:
                await _pause(stop, idle.next())

    async def _relay_some(self, connection: asyncpg.Connection) -> int:
        """Publish and delete what waits, up to the limit; how much there was. Raises NotPublished; then all rows stay."""
        limit = self._settings.relay_batch_limit
        claim = await outbox_sql.claim(connection, self._low_water.id, limit, first=not self._has_looked)
        self._has_looked = True
        self._database_answered_at = monotonic()
        messages: list[tuple[str, str]] = []
        published: list[int] = []
        unreadable: dict[int, str] = {}
        now = system_clock()
        spans = _PublishSpans()
        assert self._names is not None, "read with every new connection"
        for row in claim.rows:
            try:
                messages += events.messages(self._names, row.payload, now, spans.begin)
                published.append(row.id)
            except events.MalformedEvent as error:
                unreadable[row.id] = str(error)
                logger.error("outbox row %d is parked, it cannot be read: %s", row.id, error)  # noqa: TRY400 - no trace
        if unreadable:
            await outbox_sql.park(connection, unreadable)
            metrics.RELAY_PARKED.inc(len(unreadable))
        if messages:
            with spans:
                await self._publisher.publish(messages)
        if claim.rows:
            self._low_water.deleted(claim, await outbox_sql.delete(connection, published))
            metrics.RELAY_PUBLISHED.inc(len(published))
        self._low_water.passed(claim)
        return len(claim.rows)

    async def _look_at_redis(self) -> None:
        """Learn whether Redis is there, where nothing is published that would show it; not at every look."""
        if self._redis_asked_at is not None and monotonic() - self._redis_asked_at < _REDIS_LOOK_SECONDS:
            return
        try:
            # It publishes as it will: that Redis answers says nothing of our right to publish.
            assert self._names is not None, "read with every new connection"
            await self._publisher.publish([(self._names.check_channel, "")])
        except NotPublished as error:
            self._report_redis(error)
        else:
            self._report_redis(None)
        self._redis_asked_at = monotonic()

    def _report_database(self, error: Exception | None) -> None:
        if error is not None and not self._database_away:
            logger.warning("the relay waits for the database: %s", error)
        elif error is None and self._database_away:
            logger.info("the relay has the database back")
        self._database_away = error is not None

    def _report_redis(self, error: NotPublished | None) -> None:
        state = OK if error is None else error.state
        if error is not None and state != self._redis:
            logger.warning("the relay waits for Redis, the outbox keeps everything: %s", error)
        elif error is None and self._redis != OK:
            logger.info("the relay has Redis back")
        self._redis = state
        metrics.RELAY_REDIS_CONNECTED.set(error is None)


class _PublishSpans:
    """The relay's step in the traces of what it publishes at a time. They end together, when Redis has taken all of it."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def begin(self, trace: str | None) -> str | None:
        """Go on with a transfer's trace; the messages carry what this returns."""
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
    """Run one relay until `stop` is set. Raises ConfigurationError where it is not configured to run."""
    publisher = RedisPublisher(redis_url(settings))
    tracing.start(settings, "paycore-relay")
    try:
        relay = OutboxRelay(settings, publisher)
        async with answering(settings, relay.state):
            await relay.run(stop)
    finally:
        await publisher.close()
        await tracing.stop()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not past `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
