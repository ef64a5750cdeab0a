"""Server-Sent Events: an operation's results over HTTP, for clients that cannot open a WebSocket.

This module frames the events. It also ends a stream when the token expires or the process stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from starlette.types import Message, Send
from strawberry.http.streaming import SSETransport


class EventTransport(SSETransport):
    """Frames events with LF. Strawberry's CRLF is valid as well, but some clients (urql) only look for two LF in a row."""

    def encode_event(self, event: str, data: str | None = None) -> str:
        return _with_lf(super().encode_event(event, data))

    def encode_comment(self, comment: str) -> str:
        return _with_lf(super().encode_comment(comment))


def _with_lf(frame: str) -> str:
    # Only line ends can contain a CR: in the JSON of an event it is escaped.
    return frame.replace("\r\n", "\n")


class EventStreams:
    """All event streams of one process."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all streams without a `complete`, so that clients reconnect and resume from their cursors."""
        self._stopping.set()

    async def until_end(
        self, chunks: AsyncGenerator[str, None], last_chunk: Callable[[], Awaitable[str]] | None
    ) -> AsyncGenerator[str, None]:
        """Yield `chunks` until they end or the process stops.

        If `last_chunk` is given and returns earlier, its result is sent and the stream ends.
        """
        stopping = asyncio.ensure_future(self._stopping.wait())
        ending = None if last_chunk is None else asyncio.ensure_future(last_chunk())
        ends: set[asyncio.Future[Any]] = {stopping} if ending is None else {stopping, ending}
        following: asyncio.Future[str | None] | None = None
        try:
            while True:
                following = asyncio.ensure_future(anext(chunks, None))
                await asyncio.wait({following, *ends}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    if ending is not None and not stopping.done():
                        yield ending.result()
                    return
                chunk = following.result()
                if chunk is None:
                    return
                yield chunk
        finally:
            for end in ends:
                end.cancel()
            if following is not None and not following.done():
                following.cancel()
                await asyncio.wait({following})
            await chunks.aclose()


def with_timeout(send: Send, seconds: float) -> Send:
    """Add a time limit to `send`: a stream has no pings, so nothing else detects a client that stopped reading.

    Raises TimeoutError if the client takes nothing for that long.
    """

    async def send_in_time(message: Message) -> None:
        async with asyncio.timeout(seconds):
            await send(message)

    return send_in_time
