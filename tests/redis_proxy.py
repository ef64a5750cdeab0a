"""A proxy in front of Redis that can hold all data or one command, and cut connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.forwarding import forward, open_upstream


class RedisProxy:
    """`url` is Redis' URL through the proxy."""

    def __init__(self, redis_url: str) -> None:
        self._upstream = urlsplit(redis_url)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._held = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_client: dict[int, list[asyncio.Task[None]]] = {}
        self.url = ""
        self.refuses = False
        """Whether new connections are closed at once."""
        self.holding = False
        """Whether data waits since `go_silent`."""

    def go_silent(self, about: bytes = b"") -> None:
        """From now on hold data that contains `about`, and what follows it. Connections stay open."""
        self._held = about
        self.holding = False
        self._flowing.clear()

    def cut(self) -> None:
        """Close all connections and drop the held data. New connections are accepted."""
        for task in self._tasks:
            task.cancel()

    def cut_from(self, client_ports: set[int]) -> None:
        """Close the connections from these client ports."""
        for task in [task for port in client_ports for task in self._by_client.get(port, ())]:
            task.cancel()

    def flow(self) -> None:
        """Forward data again, including what was held."""
        self._flowing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.close()
            return
        up_reader, up_writer = await open_upstream(self._upstream)
        for source, target in ((reader, up_writer), (up_reader, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            self._by_client.setdefault(writer.get_extra_info("peername")[1], []).append(task)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            await forward(source, target, self._admit)
        finally:
            target.close()

    async def _admit(self, data: bytes) -> bool:
        if self._held in data and not self._flowing.is_set():
            self.holding = True
            await self._flowing.wait()
        return True

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def redis_proxy(redis_url: str) -> AsyncIterator[RedisProxy]:
    """A proxy in front of Redis, on a loopback port."""
    proxy = RedisProxy(redis_url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()
