"""WebSockets from untrusted clients: adds the limits on time and memory that uvicorn lacks."""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from app.http.connections import LAST_WORDS_SECONDS, SendTimeouts

ON_STOP = "on_stop"
"""Key in a WebSocket's state: a function to call when the process stops. It must close the socket soon."""
_NO_TEXT = 1007
"""The close code for a text message that is not valid UTF-8 (RFC 6455, section 7.4.1)."""
_FRAGMENTS = 1000
"""Most fragments of a message that are kept separately. Even an empty one takes some dozens of bytes."""


class GuardedWebSocket(SendTimeouts, WebSocketsSansIOProtocol):
    """Drops a client that answers no ping even if it does not read, and queues at most one pong for a client's pings.

    When the process stops, the socket ends after its last answer.
    """

    _pong = b""
    """The pong to send once the client reads again."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message. Raises ClientDisconnected if the client has gone or the socket is closing."""
        await self.writable.wait()
        if self.close_sent:
            # Uvicorn would raise a RuntimeError, which cannot be told apart from a bug.
            raise ClientDisconnected
        await super().send(message)

    def send_receive_event_to_app(self) -> None:
        """Pass on a whole message. Invalid UTF-8 in a text message closes the socket; uvicorn would log a traceback."""
        self.frames = [b"".join(self.frames)]
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(self.frames[0]):
            self.frames = []
            self.conn.send_close(_NO_TEXT)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer a ping, or keep the pong until the client reads. Only the last ping needs one (RFC 6455, section 5.5.3)."""
        pongs = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pong = pongs[-1]

    def resume_writing(self) -> None:
        """The client has read most of the unsent bytes. Send the kept pong."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    def handle_cont(self, event: Frame) -> None:
        """Add a fragment to the message. Joins the fragments if there are many."""
        super().handle_cont(event)
        if len(self.frames) >= _FRAGMENTS:
            self.frames = [b"".join(self.frames)]

    def shutdown(self) -> None:
        """Handle the stop of the process. Uvicorn would close at once, even if a transfer has not been answered yet."""
        self.close_timeout = LAST_WORDS_SECONDS
        on_stop = self.scope["state"].get(ON_STOP) if self.handshake_complete and not self.close_sent else None
        if on_stop is None:
            super().shutdown()
        else:
            on_stop()

    def keepalive_timeout(self) -> None:
        """Close because no pong came. Limits the time, since closing waits until everything is sent, which may never happen."""
        super().keepalive_timeout()
        self._end_within(LAST_WORDS_SECONDS)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """End the connection once the application is done. The client has uvicorn's close timeout to close its side."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._end_within(self.close_timeout + LAST_WORDS_SECONDS)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
