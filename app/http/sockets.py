"""WebSockets from strangers: what uvicorn would wait for without end, or keep without limit, ends here."""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from app.http.connections import LAST_WORDS_SECONDS, Impatient

ON_STOP = "on_stop"
"""In a WebSocket's state: what to call when the process stops. Whoever puts it there closes the socket, soon."""
_NO_TEXT = 1007
"""The code for a message whose bytes do not fit its type (RFC 6455, section 7.4.1)."""
_FRAGMENTS = 1000
"""Parts of a WebSocket message that are kept apart. Each costs as much as some dozens of bytes, were it empty."""


class GuardedWebSocket(Impatient, WebSocketsSansIOProtocol):
    """Lets go of a client that answers no ping, even where it takes no bytes any more, and keeps nothing for its own pings.

    At the process's end it ends with its last answer.
    """

    _pong = b""
    """Owed to the client as soon as it takes anything."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send. Raises ClientDisconnected where the client has gone or is being let go of."""
        await self.writable.wait()
        if self.close_sent:
            # Uvicorn raises a RuntimeError then, which might as well be a fault of ours.
            raise ClientDisconnected
        await super().send(message)

    def send_receive_event_to_app(self) -> None:
        """One whole message. One that is sent as text and is none ends the socket: uvicorn would log a traceback."""
        self.frames = [b"".join(self.frames)]
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(self.frames[0]):
            self.frames = []
            self.conn.send_close(_NO_TEXT)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer, once there is room: of several pings only the last needs an answer (RFC 6455, section 5.5.3)."""
        pongs = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pong = pongs[-1]

    def resume_writing(self) -> None:
        """Most of what was unsent has been taken."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    def handle_cont(self, event: Frame) -> None:
        """One more part of a message."""
        super().handle_cont(event)
        if len(self.frames) >= _FRAGMENTS:
            self.frames = [b"".join(self.frames)]

    def shutdown(self) -> None:
        """The process stops. Uvicorn would close at once, also where a transfer has yet to be answered."""
        self.close_timeout = LAST_WORDS_SECONDS
        on_stop = self.scope["state"].get(ON_STOP) if self.handshake_complete and not self.close_sent else None
        if on_stop is None:
            super().shutdown()
        else:
            on_stop()

    def keepalive_timeout(self) -> None:
        """No pong came. Closing waits until all is sent, which may be never: so not for long."""
        super().keepalive_timeout()
        self._end_within(LAST_WORDS_SECONDS)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Nobody here serves the socket any more. Its client has the time that uvicorn gives it to close on its own side."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._end_within(self.close_timeout + LAST_WORDS_SECONDS)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
