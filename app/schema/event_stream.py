"""Server-Sent Events: an operation's results over HTTP, for clients that cannot open a WebSocket.

Strawberry frames them; here is what ends a stream besides its operation and its client: the token, and the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Message, Send

SEND_SECONDS = 60.0
"""For a client to take what it is sent. There are no pings here that would tell of one that does not read."""


class EventStreams:
    """The streams of one process."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all streams without a `complete`: their clients connect again, and go on from their cursors."""
        self._stopping.set()

    async def bounded(self, chunks: AsyncGenerator[str, None], seconds: float | None, farewell: str) -> AsyncGenerator[str, None]:
        """What `chunks` brings, at most for so many seconds, which end with the farewell; None: for as long as it lasts."""
        end = None if seconds is None else asyncio.get_running_loop().time() + seconds
        stopping = asyncio.ensure_future(self._stopping.wait())
        following: asyncio.Future[str | None] | None = None
        try:
            while True:
                following = asyncio.ensure_future(anext(chunks, None))
                left = None if end is None else max(0, end - asyncio.get_running_loop().time())
                await asyncio.wait({following, stopping}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    if not stopping.done():
                        yield farewell
                    return
                chunk = following.result()
                if chunk is None:
                    return
                yield chunk
        finally:
            stopping.cancel()
            if following is not None and not following.done():
                following.cancel()
                await asyncio.wait({following})
            await chunks.aclose()


def impatient(send: Send) -> Send:
    """Send as before, but not for ever. Raises TimeoutError where the client takes nothing for a minute."""

    async def send_in_time(message: Message) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)

    return send_in_time
