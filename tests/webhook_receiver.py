"""An endpoint of a test's own: a real HTTP server that keeps what it is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.content["data"]
        return found


@dataclass
class Endpoint:
    """Answers each message with the status that `status` returns; None: not at all, until the end of the test."""

    status: Callable[[Message], int | None] = lambda _: 200
    messages: list[Message] = field(default_factory=list)
    accepted: list[Message] = field(default_factory=list)
    delay: float = 0.0
    """Seconds before an answer."""
    open_now: int = 0
    most_open: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.splitlines()[1:] if line)
            }
            message = Message(headers, await reader.readexactly(int(headers["content-length"])))
            self.messages.append(message)
            status = self.status(message)
            if status is None:
                await asyncio.sleep(3600)
                return
            await asyncio.sleep(self.delay)
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 4\r\n\r\nbody".encode())
            await writer.drain()
            if 200 <= status < 300:
                self.accepted.append(message)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_now -= 1
            writer.close()


@asynccontextmanager
async def receiving(status: Callable[[Message], int | None] = lambda _: 200) -> AsyncIterator[Endpoint]:
    """An endpoint on a port of its own."""
    endpoint = Endpoint(status)
    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        await endpoint.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
