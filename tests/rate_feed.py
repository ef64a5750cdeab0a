"""Feeds of exchange rates for tests: an HTTP server, and one that says what the test sets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from app.clock import system_clock
from app.db import fx_sql
from app.db.pool import Database
from app.records import FxRate
from app.services.fx_feeds import FeedAnswer
from tests.identity_provider import Provider


def rates_document(base: str = "USD", /, *, at: str | None = None, **rates: object) -> bytes:
    """The document of a feed."""
    return json.dumps({"base": base, "rates": rates, **({} if at is None else {"at": at})}).encode()


@dataclass
class FeedServer(Provider):
    """Answers with `body`. If it drips, one byte at a time, without end."""

    drips: bool = False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        if not self.drips:
            await super().answer(reader, writer)
            return
        with contextlib.closing(writer), contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)


@asynccontextmanager
async def feed_server(body: bytes = b"") -> AsyncIterator[FeedServer]:
    """A server whose document is `body`."""
    running = FeedServer("", body)
    server = await asyncio.start_server(running.answer, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rates.json?key=secret"
    async with server:
        yield running


@dataclass
class SetFeed:
    """Says what the test sets, or raises it."""

    rates: dict[str, Decimal | None] = field(default_factory=dict)
    error: BaseException | None = None

    async def read(self) -> FeedAnswer:
        """Returns the rates, for dollars."""
        if self.error is not None:
            raise self.error
        return FeedAnswer("a feed", "USD", dict(self.rates))


async def rates_in_force(engine: Database) -> dict[str, FxRate]:
    """The rates that are valid now, such as `USD/EUR`."""
    return {f"{rate.base}/{rate.quote}": rate for rate in await fx_sql.rates_at(engine, system_clock())}
