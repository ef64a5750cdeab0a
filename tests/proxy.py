"""A proxy in front of PostgreSQL that cuts connections and delays commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn
from urllib.parse import urlsplit

from tests.forwarding import Admit, forward, open_upstream


class PostgresProxy:
    """Forwards bytes until a test injects a fault. `url` is the database's URL through it."""

    def __init__(self, upstream_url: str) -> None:
        self._upstream = urlsplit(upstream_url)
        self._streams: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose_commit_answers = 0
        """The number of COMMITs that reach the server but whose answers are lost with the connection."""
        self.lose_commits = 0
        """The number of COMMITs that are lost with the connection before they reach the server."""
        self._commits_pass = asyncio.Event()
        self._commits_pass.set()
        self.holding = False
        """Whether a COMMIT waits since `hold_commits`."""
        self.refuse = False
        """Whether new connections are dropped at once."""
        self.commits_lost = 0
        self.lost = asyncio.Event()
        """Set once a COMMIT or its answer was lost."""

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user = self._upstream.username or "postgres"
        password = f":{self._upstream.password}" if self._upstream.password else ""
        self.url = f"postgresql://{user}{password}@127.0.0.1:{port}{self._upstream.path}?sslmode=disable"

    async def stop(self) -> None:
        """Close everything."""
        self._server.close()
        self.drop_connections()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold_commits(self) -> None:
        """From now on delay each COMMIT and the data that its connection sends after it."""
        self.holding = False
        self._commits_pass.clear()

    def pass_commits(self) -> None:
        """Forward commits again, including the delayed ones."""
        self._commits_pass.set()

    def drop_connections(self) -> None:
        """Cut every connection."""
        for stream in list(self._streams):
            stream.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            writer.transport.abort()
            return
        up_reader, up_writer = await open_upstream(self._upstream)
        self._streams |= {writer, up_writer}
        connection = _Connection()

        async def admit_request(data: bytes) -> bool:
            if b"COMMIT\x00" in data:
                await self._admit_commit(connection)
            return True

        async def admit_answer(_: bytes) -> bool:
            if connection.loses_next_answer:
                self._lose()
            return True

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, admit: Admit) -> None:
            await forward(source, target, admit)
            writer.transport.abort()
            up_writer.transport.abort()

        for running in (pump(reader, up_writer, admit_request), pump(up_reader, writer, admit_answer)):
            task = asyncio.create_task(running)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _admit_commit(self, connection: _Connection) -> None:
        if self.lose_commits:
            self.lose_commits -= 1
            self._lose()
        if self.lose_commit_answers:
            self.lose_commit_answers -= 1
            connection.loses_next_answer = True
        if not self._commits_pass.is_set():
            self.holding = True
            await self._commits_pass.wait()

    def _lose(self) -> NoReturn:
        """Count a lost COMMIT and end its connection."""
        self.commits_lost += 1
        self.lost.set()
        raise ConnectionAbortedError


class _Connection:
    loses_next_answer = False


@asynccontextmanager
async def postgres_proxy(upstream_url: str) -> AsyncIterator[PostgresProxy]:
    """A running proxy in front of a database."""
    proxy = PostgresProxy(upstream_url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
