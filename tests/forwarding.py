"""Shared by the proxies of the tests: connect to the server behind a proxy, and copy data."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, parse_qs

Admit = Callable[[bytes], Awaitable[bool]]
"""Called with each piece of data. It may wait, return False to drop the data, or raise ConnectionError to stop."""


async def open_upstream(url: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the PostgreSQL or Redis server of this URL, over TCP or a Unix socket."""
    if url.scheme == "unix":
        return await asyncio.open_unix_connection(url.path)
    query = parse_qs(url.query)
    directory = query.get("host", [""])[0]
    port = int(query.get("port", [url.port or (6379 if url.scheme.startswith("redis") else 5432)])[0])
    if directory.startswith("/"):
        return await asyncio.open_unix_connection(f"{directory}/.s.PGSQL.{port}")
    return await asyncio.open_connection(url.hostname, port)


async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter, admit: Admit) -> None:
    """Copy admitted data until the source ends or a side is lost."""
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            if await admit(data):
                target.write(data)
                await target.drain()
