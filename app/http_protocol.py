"""HTTP/1.1 and WebSockets from strangers: what uvicorn would wait for without end, or keep without limit, ends here."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_SECONDS = 10.0
"""For a request's line and headers to arrive, from the connection's opening or the request's first byte."""
HEAD_BYTES = 65_536
"""What its line and headers may measure."""
BODY_ARRIVED = "body_arrived"
"""In a request's state: all of it is here, so that nobody need wait for it."""
ON_STOP = "on_stop"
"""In a WebSocket's state: what to call when the process stops. Whoever puts it there closes the socket, soon."""
_LAST_WORDS_SECONDS = 3.0
"""For what is unsent, once a WebSocket is given up."""


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose request takes too long to begin, or whose headers are too large."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection: it must ask something."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self._end_head()
                self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if self._head_timer is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """The request can be answered."""
        self._end_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of its body."""
        self.scope["state"][BODY_ARRIVED] = True
        super().on_message_complete()

    def _begin_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """Lets go of a client that answers no ping, even where it takes no bytes any more. Ends with its last answer."""

    def shutdown(self) -> None:
        """The process stops. Uvicorn would close at once, also where a transfer has yet to be answered."""
        self.close_timeout = _LAST_WORDS_SECONDS
        on_stop = self.scope["state"].get(ON_STOP) if self.handshake_complete and not self.close_sent else None
        if on_stop is None:
            super().shutdown()
        else:
            on_stop()

    def keepalive_timeout(self) -> None:
        """No pong came. Closing waits until all is sent, which may be never: so not for long."""
        super().keepalive_timeout()
        self.loop.call_later(_LAST_WORDS_SECONDS, self.transport.abort)
