"""Server-Sent Events: an operation's results over HTTP, for clients that cannot open a WebSocket.

Here is how they are framed, and what ends a stream besides its operation and its client: the token, and the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from starlette.types import Message, Send
from strawberry.http.streaming import SSETransport


class EventTransport(SSETransport):
    """Frames events with LF. Strawberry's CRLF is as valid, but some clients (urql) only look for two LF in a row."""

    def encode_event(self, event: str, data: str | None = None) -> str:
        """One event."""
        return _with_lf(super().encode_event(event, data))

    def encode_comment(self, comment: str) -> str:
        """One comment, as a heartbeat is."""
        return _with_lf(super().encode_comment(comment))


def _with_lf(frame: str) -> str:
    # Nothing else can be a CR: what an event holds has none.
    return frame.replace("\r\n", "\n")


class EventStreams:
    """The streams of one process."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all streams without a `complete`: their clients connect again, and go on from their cursors."""
        self._stopping.set()

    async def bounded(
        self, chunks: AsyncGenerator[str, None], farewell: Callable[[], Awaitable[str]] | None
    ) -> AsyncGenerator[str, None]:
        """What `chunks` brings, until `farewell` returns, which is then the last of it; None: for as long as it lasts."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        ending = None if farewell is None else asyncio.ensure_future(farewell())
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


def impatient(send: Send, seconds: float) -> Send:
    """Send as before, but not for ever: there are no pings that would tell of a client that does not read.

    Raises TimeoutError where it takes nothing for so long.
    """

    async def send_in_time(message: Message) -> None:
        async with asyncio.timeout(seconds):
            await send(message)

    return send_in_time
