"""PostgreSQL and Redis for the tests: embedded, given or in containers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
import pytest
import redis
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer

from app.demo.embedded import EmbeddedServers, start_servers

_MEMORY_BYTES = 6_000_000_000
"""Free space that allows servers in memory: each of the test workers needs about half a gigabyte, more if tests fail."""


class Servers(ABC):
    """PostgreSQL and Redis, with the faults that tests cause. The user of `database_url` may create databases."""

    database_url: str
    redis_url: str
    copying = ""
    """Options of CREATE DATABASE that make a copy cheap on these servers."""

    @abstractmethod
    def stop_redis(self) -> None:
        """Stop Redis until `start_redis`."""

    @abstractmethod
    def start_redis(self) -> None:
        """Start Redis again, empty, at the same address."""

    @abstractmethod
    def kill_postgres(self) -> None:
        """Crash PostgreSQL, as a power cut would."""

    @abstractmethod
    def start_postgres(self) -> None:
        """Start PostgreSQL again at the same address, on the same data."""

    @abstractmethod
    def freeze_postgres(self) -> None:
        """Stop PostgreSQL's processes, so that it answers nothing and closes no connection."""

    @abstractmethod
    def thaw_postgres(self) -> None:
        """Continue PostgreSQL's processes."""

    @abstractmethod
    def ensure_running(self) -> None:
        """Start the servers that do not run."""

    def restart_redis(self) -> None:
        """Stop and start Redis."""
        self.stop_redis()
        self.start_redis()

    def restart_postgres(self) -> None:
        """Crash and start PostgreSQL."""
        self.kill_postgres()
        self.start_postgres()

    def execute(self, statement: str) -> None:
        """Run one SQL statement as the user who may create databases."""
        fetch_value(self.database_url, statement)


class Embedded(Servers):
    """Servers from Python wheels, with a temporary home. Without fsync, as no data needs to survive the tests."""

    copying = "STRATEGY FILE_COPY"

    def __init__(self, servers: EmbeddedServers) -> None:
        self.embedded = servers
        self.database_url = servers.database_url
        self.redis_url = servers.redis_url

    def stop_redis(self) -> None:
        self.embedded.redis.stop()

    def start_redis(self) -> None:
        self.embedded.redis.start()

    def kill_postgres(self) -> None:
        self.embedded.postgres.kill()

    def start_postgres(self) -> None:
        self.embedded.postgres.start()

    def freeze_postgres(self) -> None:
        self._signal_postgres(signal.SIGSTOP)

    def thaw_postgres(self) -> None:
        self._signal_postgres(signal.SIGCONT)

    def _signal_postgres(self, number: signal.Signals) -> None:
        postmaster = psutil.Process(self.embedded.postgres.pid)
        # The postmaster first, so that it starts no process that would miss the signal.
        for process in (postmaster, *postmaster.children(recursive=True)):
            process.send_signal(number)

    def ensure_running(self) -> None:
        if not self.embedded.redis.is_running:
            self.start_redis()
        if not self.embedded.postgres.is_running:
            self.start_postgres()


class Given(Servers):
    """Servers that already run. Tests that would stop them are skipped."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.database_url = database_url
        self.redis_url = redis_url

    def stop_redis(self) -> None:
        pytest.skip("needs a Redis that may be stopped")

    def start_redis(self) -> None:
        pytest.skip("needs a Redis that may be stopped")

    def kill_postgres(self) -> None:
        pytest.skip("needs a PostgreSQL that may be stopped")

    def start_postgres(self) -> None:
        pytest.skip("needs a PostgreSQL that may be stopped")

    def freeze_postgres(self) -> None:
        pytest.skip("needs a PostgreSQL that may be stopped")

    def thaw_postgres(self) -> None:
        return

    def ensure_running(self) -> None:
        return


class Containers(Servers):
    """The official images through testcontainers, on ports that stay the same when a container restarts."""

    def __init__(self, postgres: PostgresContainer, redis_container: RedisContainer, redis_port: int, postgres_port: int) -> None:
        self._postgres = postgres
        self._redis = redis_container
        self.database_url = f"postgresql://paycore:paycore@127.0.0.1:{postgres_port}/paycore"
        self.redis_url = f"redis://127.0.0.1:{redis_port}/0"

    def stop_redis(self) -> None:
        self._redis.get_wrapped_container().stop()

    def start_redis(self) -> None:
        self._redis.get_wrapped_container().start()
        _wait_for_redis(self.redis_url)

    def kill_postgres(self) -> None:
        self._postgres.get_wrapped_container().kill()

    def start_postgres(self) -> None:
        self._postgres.get_wrapped_container().start()
        _wait_for_postgres(self)

    def freeze_postgres(self) -> None:
        self._postgres.get_wrapped_container().pause()

    def thaw_postgres(self) -> None:
        self._postgres.get_wrapped_container().unpause()

    def ensure_running(self) -> None:
        # Starting a running container has no effect.
        self.start_redis()
        self.start_postgres()


@contextmanager
def embedded_servers() -> Iterator[Servers]:
    """Servers from Python wheels, with a temporary home; or the PostgreSQL in the directory PAYCORE_TEST_POSTGRES_PROGRAMS."""
    home = Path(tempfile.mkdtemp(prefix="paycore-test-", dir=_memory()))
    programs = os.environ.get("PAYCORE_TEST_POSTGRES_PROGRAMS")
    try:
        with start_servers(
            home,
            durable=False,
            postgres_parameters={"max_wal_size": "256MB"},
            postgres_programs=Path(programs) if programs else None,
        ) as servers:
            yield Embedded(servers)
    finally:
        shutil.rmtree(home)


def _memory() -> str | None:
    """The file system in memory, if it has much space. Each test's database is 350 files, which a disk takes long to delete."""
    try:
        return "/dev/shm" if shutil.disk_usage("/dev/shm").free > _MEMORY_BYTES else None
    except OSError:
        return None


@contextmanager
def container_servers() -> Iterator[Servers]:
    """The official images, or those of PAYCORE_TEST_POSTGRES_IMAGE and _REDIS_IMAGE; needs a Docker daemon."""
    postgres_port, redis_port = free_port(), free_port()
    postgres_image = os.environ.get("PAYCORE_TEST_POSTGRES_IMAGE", "postgres:18")
    redis_image = os.environ.get("PAYCORE_TEST_REDIS_IMAGE", "valkey/valkey:9")
    postgres = PostgresContainer(postgres_image, username="paycore", password="paycore", dbname="paycore", driver=None)
    redis_container = RedisContainer(redis_image)
    with postgres.with_bind_ports(5432, postgres_port), redis_container.with_bind_ports(6379, redis_port):
        yield Containers(postgres, redis_container, redis_port, postgres_port)


def are_given() -> bool:
    """Whether PAYCORE_TEST_DATABASE_URL and _REDIS_URL name running servers."""
    return bool(os.environ.get("PAYCORE_TEST_DATABASE_URL") and os.environ.get("PAYCORE_TEST_REDIS_URL"))


def servers_by_setting() -> Iterator[Servers]:
    """The given servers, or those that PAYCORE_TEST_SERVERS selects: embedded or testcontainers."""
    kind = os.environ.get("PAYCORE_TEST_SERVERS", "embedded")
    if are_given():
        yield Given(os.environ["PAYCORE_TEST_DATABASE_URL"], os.environ["PAYCORE_TEST_REDIS_URL"])
    elif kind in _BACKENDS:
        with _BACKENDS[kind]() as servers:
            yield servers
    else:
        pytest.exit(f"PAYCORE_TEST_SERVERS={kind}: it can be {' or '.join(_BACKENDS)}", returncode=4)


_BACKENDS = {"embedded": embedded_servers, "testcontainers": container_servers}


def fetch_value(url: str, statement: str) -> Any:
    """The first value that an SQL statement returns, on a new connection."""

    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def with_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def free_port() -> int:
    """An unused TCP port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_redis(url: str) -> None:
    retries = redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100)
    with redis.Redis.from_url(url, retry=retries) as client:
        client.ping()


def _wait_for_postgres(servers: Servers) -> None:
    for attempt in range(100):
        try:
            servers.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            if attempt == 99:
                raise
        else:
            return
