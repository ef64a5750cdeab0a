"""HTTP/1.1 from untrusted clients: adds the limits on time and memory that uvicorn lacks."""

from __future__ import annotations

import asyncio

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.http.connections import LAST_WORDS_SECONDS, ConsiderateTransport, SendTimeouts, cancel
from app.http.framing import FRAMING_BYTES_PER_BYTE, DoubtfulRequest, check_head

BODY_ARRIVED = "body_arrived"
"""Key in a request's state: the whole body has arrived, so reading it does not wait."""
BODY_BROKEN = "body_broken"
"""Key in a request's state: its body is malformed, and the rest of it is not read."""
_MAX_HEAD_BYTES = 65_536
"""Largest line and headers of a request."""


class GuardedProtocol(SendTimeouts, HttpToolsProtocol):
    """Closes connections that send no request in time, that send too large headers, or that exceed the connection limit."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _repeats_head = False
    """Whether the parser is being fed a head again that was handled before."""
    _is_done = False
    """Whether all further bytes are ignored."""
    _answering: RequestResponseCycle | None = None
    """The request that is being answered, or was answered last."""
    _keeps_alive = False
    """Whether the connection may stay open after the current request, if its body is read before its answer starts."""
    _framing_bytes = 0
    """Bytes of the current body besides its content, less the allowance for chunks of any size."""
    _refusal: str | None = None
    """A message for a 400 response that is sent once all earlier requests are answered."""
    transport: ConsiderateTransport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit for the first request."""
        super().connection_made(transport)
        self.transport = ConsiderateTransport(transport, self._may_be_sending, self._half_close)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the disconnect to the request that is being answered."""
        self._end_head()
        super().connection_lost(exc)
        # Uvicorn reports it to the latest request only, which may still be queued behind this one.
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, and check the limits on head and body."""
        if self._is_done:
            return
        timer, read = self._head_timer, self._latest()
        self._unset_keepalive_if_required()
        self._parse(data)
        if not self._is_done:
            self._check_size(data, timer, read)

    def _check_size(self, data: bytes, timer: asyncio.TimerHandle | None, read: RequestResponseCycle | None) -> None:
        """Limit the bytes of a head, and of a body's framing. `timer` and `read` are from before the bytes were parsed."""
        if read is not None and read is self.cycle and read.more_body:
            self._framing_bytes += len(data)
            if self._framing_bytes > _MAX_HEAD_BYTES:
                self.send_400_response("The request's body is mostly chunk extensions or trailers.")
        elif self._head_timer is not None:
            # If the head started within these bytes, whole requests may be before it. They count from the next bytes on.
            self._head_bytes += len(data) if self._head_timer is timer else 0
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.send_400_response("The request's headers are too large.")
        elif self._is_idle():
            # The bytes, for example an empty line, cancelled the keep-alive timer without starting a request.
            self._begin_head()

    def _parse(self, data: bytes) -> None:
        """Feed the parser as uvicorn does, but ignore an upgrade that is not to a WebSocket and read what follows."""
        while data and not self._is_done:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self._upgrade()
                    return
                data = data[upgrade.args[0] :]
                self._ignore_upgrade()
            except httptools.HttpParserError as error:
                reason = error.__context__
                self.send_400_response(str(reason) if isinstance(reason, DoubtfulRequest) else "Invalid HTTP request received.")
                return
            else:
                return

    def _ignore_upgrade(self) -> None:
        """Continue as if the request had not requested an upgrade (RFC 9110, section 7.8).

        The parser has ended the message after its head, and would read the body as another request. A new parser gets to the
        same place by reading the headers that give the length of the body.
        """
        framing = (b"content-length", b"transfer-encoding")
        lines = [b"%b: %b\r\n" % header for header in self.scope["headers"] if header[0] in framing]
        head = b"%b / HTTP/1.1\r\n%b\r\n" % (self.scope["method"].encode(), b"".join(lines))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._repeats_head = True
        self.parser.feed_data(head)
        self._repeats_head = False
        self.headers = []

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        if not self._repeats_head:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        if not self._repeats_head:
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        """Start the time limit for the head, at the first byte of a request."""
        if self._repeats_head:
            return
        super().on_message_begin()
        if self._head_timer is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """Check the head, and start the request."""
        if self._repeats_head:
            return
        version = self.parser.get_http_version()
        check_head(version, self.headers)
        if self.parser.get_method() == b"CONNECT":
            # The bytes after it would belong to another protocol, and go to another host.
            raise DoubtfulRequest("CONNECT is not supported.")
        if version == "1.0":
            # HTTP/1.0 has no interim responses (RFC 9110, section 10.1.1).
            self.expect_100_continue = False
        self._end_head()
        known = self._latest()
        super().on_headers_complete()
        self._framing_bytes = 0
        if self.cycle is not known:
            # An answer before the end of the body is the connection's last, and says so in its Connection header.
            self._keeps_alive, self.cycle.keep_alive = self.cycle.keep_alive, False
        if not self.parser.should_upgrade():
            # Later headers are trailers. They must not be added to the request's headers.
            self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._framing_bytes -= FRAMING_BYTES_PER_BYTE * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Mark the body as complete."""
        if self.parser.should_upgrade() and not self._should_upgrade():
            # The upgrade is ignored, so only the head has ended.
            return
        self.scope["state"][BODY_ARRIVED] = True
        super().on_message_complete()
        cycle = self._latest()
        if cycle is not None and not cycle.more_body:
            # The client has sent the body, so it needs no 100 (Continue).
            cycle.waiting_for_100_continue = False
            if not cycle.response_started:
                cycle.keep_alive = self._keeps_alive

    def on_response_complete(self) -> None:
        """Close the connection after its last answer."""
        is_last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_within(self._limits.send_seconds + LAST_WORDS_SECONDS)
        elif is_last and self._refusal is not None:
            self._refuse(self._refusal)

    def shutdown(self) -> None:
        """Handle the stop of the process."""
        self._keeps_alive = False
        super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the WebSocket protocol, or abort it if the client has not read the earlier answers."""
        self._is_done = True
        if self.flow.write_paused:
            self.transport.abort()
            return
        self.transport = self.transport.real  # type: ignore[assignment]
        super().handle_websocket_upgrade()
        if self.transport.is_closing():
            self._end_within(self._limits.send_seconds)

    def timeout_keep_alive_handler(self) -> None:
        """Close the idle connection."""
        super().timeout_keep_alive_handler()
        self._end_within(self._limits.send_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request with 400, after all earlier requests are answered, and close."""
        self._is_done = True
        self._end_head()
        cycle = self._latest()
        if cycle is None or cycle.response_complete:
            self._refuse(msg)
        elif not cycle.more_body:
            self._refusal = msg
        elif self.pipeline:
            # The last queued request is the one with the malformed body.
            self.pipeline.popleft()
            self._refusal = msg
        elif cycle.response_started:
            cycle.disconnected = True
            cycle.message_event.set()
            self.transport.close()
        else:
            # The application may have acted before it read the body, so only the application can answer correctly.
            cycle.scope["state"][BODY_BROKEN] = True
            cycle.message_event.set()

    def _refuse(self, reason: str) -> None:
        super().send_400_response(reason)
        self._end_within(self._limits.send_seconds + LAST_WORDS_SECONDS)

    def _upgrade(self) -> None:
        if self._latest() is not None and not self.cycle.response_complete:
            self.send_400_response("A WebSocket can be opened only after all earlier requests are answered.")
        else:
            self.handle_websocket_upgrade()

    def _should_upgrade(self) -> bool:
        """Uvicorn limits only requests. A socket above the limit is handled as a request, and gets the same 503."""
        return super()._should_upgrade() and self._is_handshake() and not self._is_above_limit()

    def _is_handshake(self) -> bool:
        """Whether it is a GET of HTTP/1.1 without a body (RFC 6455, section 4.1): a body would be read as WebSocket frames."""
        has_body = any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in self.headers)
        return self.scope["method"] == "GET" and self.scope["http_version"] == "1.1" and not has_body

    def _is_above_limit(self) -> bool:
        limit = self.limit_concurrency
        return limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)

    def _is_idle(self) -> bool:
        if self._is_done or self.transport.is_closing():
            return False
        # `cycle` exists here: the timer for the first request ends only with its headers.
        return self.cycle.response_complete and not self.pipeline

    def _latest(self) -> RequestResponseCycle | None:
        """The latest request with its answer, or None before the first one."""
        return self.cycle

    def _may_be_sending(self) -> bool:
        return self._is_done or bool(self.pipeline) or (self._latest() is not None and self.cycle.more_body)

    def _half_close(self) -> None:
        self._is_done = True
        self._unset_keepalive_if_required()
        self._end_head()
        self.flow.resume_reading()
        self.transport.real.write_eof()
        self._head_timer = self.loop.call_later(LAST_WORDS_SECONDS, self.transport.real.close)

    def _begin_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self._limits.head_seconds, self._give_up)

    def _end_head(self) -> None:
        cancel(self._head_timer)
        self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
            self._end_within(self._limits.send_seconds)
