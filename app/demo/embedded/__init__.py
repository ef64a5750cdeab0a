"""Real PostgreSQL and Redis from Python wheels, for `paycore dev` and the tests.

Production uses servers of its own. The supervisor that starts these is in `demo/dev.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from app.demo.embedded import home as homes
from app.demo.embedded.home import Addresses, HomeLock, find_running, make_home
from app.demo.embedded.postgres import EmbeddedPostgres
from app.demo.embedded.redis import EmbeddedRedis

__all__ = ["Addresses", "EmbeddedServers", "find_running", "make_home", "start_servers"]


class EmbeddedServers:
    """PostgreSQL and Redis with one home directory, which only one supervisor can use at a time.

    Start them from the main thread: then they also end when this process is killed (on Linux).
    """

    def __init__(
        self,
        home: Path,
        *,
        durable: bool = True,
        postgres_parameters: Mapping[str, str] | None = None,
        postgres_programs: Path | None = None,
    ) -> None:
        self.home = home.resolve()
        self._durable = durable
        self._parameters = postgres_parameters
        self._programs = postgres_programs
        self._lock = HomeLock(self.home)
        self._postgres: EmbeddedPostgres | None = None
        self._redis: EmbeddedRedis | None = None

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The PostgreSQL server. Only after `start`."""
        assert self._postgres is not None, "start() comes first"
        return self._postgres

    @property
    def redis(self) -> EmbeddedRedis:
        """The Redis server. Only after `start`."""
        assert self._redis is not None, "start() comes first"
        return self._redis

    @property
    def database_url(self) -> str:
        """For `Settings.database_url`, psql and pgbench."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        """For `Settings.redis_url`."""
        return self.redis.url

    def start(self, *, reset: bool = False) -> Self:
        """End servers that a killed supervisor left behind, then start both. `reset` deletes the data first.

        Raises ConfigurationError, one line, if this home is in use or a server cannot start.
        """
        self._lock.take()
        try:
            self._postgres = EmbeddedPostgres(
                self.home, durable=self._durable, parameters=self._parameters, programs=self._programs
            )
            self._redis = EmbeddedRedis(self.home, self.postgres.sockets)
            if reset:
                self.postgres.end_orphan()
                self.postgres.delete_data()
            self.postgres.start()
            self.redis.start()
            homes.publish(self.home, Addresses(self.database_url, self.redis_url))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop both. May be called twice."""
        if not self._lock.is_held:
            return
        try:
            homes.withdraw(self.home)
            for server in self._servers():
                server.stop()
            if self._postgres is not None:
                self._postgres.clean_up()
        finally:
            self._lock.release()

    def restart_redis(self) -> None:
        """Restart Redis at the same address. It is empty afterwards."""
        self.redis.stop()
        self.redis.start()

    def restart_postgres(self) -> None:
        """Restart PostgreSQL at the same address, with the same data."""
        self.postgres.stop()
        self.postgres.start()

    def dead(self) -> list[str]:
        """Returns the names of the servers that have ended by themselves."""
        return [server.name for server in self._servers() if not server.is_running]

    def _servers(self) -> list[EmbeddedPostgres | EmbeddedRedis]:
        return [server for server in (self._postgres, self._redis) if server is not None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_servers(
    home: Path,
    *,
    durable: bool = True,
    reset: bool = False,
    postgres_parameters: Mapping[str, str] | None = None,
    postgres_programs: Path | None = None,
) -> EmbeddedServers:
    """Returns servers that are ready. Use them in a `with` statement, or call `stop`."""
    servers = EmbeddedServers(home, durable=durable, postgres_parameters=postgres_parameters, postgres_programs=postgres_programs)
    return servers.start(reset=reset)
