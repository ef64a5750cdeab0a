"""A network to a server that can drop data, slow it down or cut connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.forwarding import forward, open_upstream


class _Link:
    """One connection through the network."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = writers
        self.swallows = False


class Network:
    """A network to one server. `url` is the server's URL through it."""

    def __init__(self, upstream_url: str) -> None:
        self._upstream = urlsplit(upstream_url)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.delay = 0.0
        """Seconds of delay for each piece of data, in both directions."""
        self.swallows_new = False
        """Whether new connections are silent from the start."""

    def swallow(self) -> int:
        """Keep the existing connections open and forward nothing more on them. Returns their number."""
        for link in self._links:
            link.swallows = True
        return len(self._links)

    def cut(self) -> None:
        """Abort the existing connections."""
        for link in list(self._links):
            for writer in link.writers:
                writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await open_upstream(self._upstream)
        link = _Link(writer, up_writer)
        link.swallows = self.swallows_new
        self._links.add(link)
        pumps = [asyncio.create_task(self._pump(link, *ends)) for ends in ((reader, up_writer), (up_reader, writer))]
        for task in pumps:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, link: _Link, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        async def admit(_: bytes) -> bool:
            if self.delay:
                await asyncio.sleep(self.delay)
            return not link.swallows

        await forward(source, target, admit)
        if link.swallows:
            # A swallowed connection does not forward the end of one side either.
            return
        self._links.discard(link)
        for writer in link.writers:
            writer.transport.abort()

    async def close(self) -> None:
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def network(upstream_url: str) -> AsyncIterator[Network]:
    """A network on a loopback port in front of PostgreSQL or Redis."""
    through = Network(upstream_url)
    server = await asyncio.start_server(through.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upstream = urlsplit(upstream_url)
    if upstream.scheme.startswith("postgres"):
        password = f":{upstream.password}" if upstream.password else ""
        user = f"{upstream.username or 'postgres'}{password}"
        through.url = f"postgresql://{user}@127.0.0.1:{port}{upstream.path}?sslmode=disable"
    else:
        database = upstream.path if upstream.scheme == "redis" else ""
        through.url = f"redis://127.0.0.1:{port}{database}"
    try:
        yield through
    finally:
        server.close()
        await through.close()
        await server.wait_closed()
