"""HTTP/1.1 from strangers: what uvicorn would wait for without end, or keep without limit, ends here."""

from __future__ import annotations

import asyncio

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.http.connections import LAST_WORDS_SECONDS, ConsiderateTransport, Impatient, call_off
from app.http.framing import FRAMING_BYTES_PER_BYTE, DoubtfulRequest, check_head

BODY_ARRIVED = "body_arrived"
"""In a request's state: all of it is here, so that nobody need wait for it."""
BODY_BROKEN = "body_broken"
"""In a request's state: what of its body came last cannot be read, and nothing more of it is."""


class GuardedProtocol(Impatient, HttpToolsProtocol):
    """Closes connections whose request takes too long to begin, or whose headers are too large, or that are not wanted."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _knows_head = False
    """The parser reads a head that has been handled."""
    _is_done = False
    """Nothing that still comes is a request."""
    _answering: RequestResponseCycle | None = None
    """The request that is being answered, or was last."""
    _keeps_alive = False
    """Whether the connection may go on after the request that is read now, if its body is read before its answer begins."""
    _framing_bytes = 0
    """What came of the present body beside the body itself, less what bodies in chunks of any size need."""
    _refusal: str | None = None
    """To be answered once all requests before it are."""
    transport: ConsiderateTransport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection: it must ask something."""
        super().connection_made(transport)
        self.transport = ConsiderateTransport(transport, self._may_be_sending, self._half_close)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._end_head()
        super().connection_lost(exc)
        # Uvicorn only lets the latest request know, which may be one that waits behind the one that is being answered.
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        if self._is_done:
            return
        awaited, read = self._head_timer, self._latest()
        self._unset_keepalive_if_required()
        self._parse(data)
        if not self._is_done:
            self._count(data, awaited, read)

    def _count(self, data: bytes, awaited: asyncio.TimerHandle | None, read: RequestResponseCycle | None) -> None:
        """Bound what came: given are the timer and the request that were waiting for it."""
        if read is not None and read is self.cycle and read.more_body:
            self._framing_bytes += len(data)
            if self._framing_bytes > self._limits.head_bytes:
                self.send_400_response("The request's body is mostly chunk extensions or trailers.")
        elif self._head_timer is not None:
            # A head that began in these bytes may have come after whole requests: it counts from the next ones on.
            self._head_bytes += len(data) if self._head_timer is awaited else 0
            if self._head_bytes > self._limits.head_bytes:
                self.send_400_response("The request's headers are too large.")
        elif self._awaits_nothing():
            # An empty line, say, begins no request, but has called off the wait for one.
            self._begin_head()

    def _parse(self, data: bytes) -> None:
        """Feed the parser. As uvicorn does, but an upgrade that is not to a WebSocket is ignored and what follows is read."""
        while data and not self._is_done:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self._upgrade()
                    return
                data = data[upgrade.args[0] :]
                self._go_on_without_upgrade()
            except httptools.HttpParserError as error:
                reason = error.__context__
                self.send_400_response(str(reason) if isinstance(reason, DoubtfulRequest) else "Invalid HTTP request received.")
                return
            else:
                return

    def _go_on_without_upgrade(self) -> None:
        """Read on as if the request had asked for no upgrade (RFC 9110, section 7.8).

        The parser has ended the message at its head, and would take its body for another request. A new one is brought to the
        same place by the part of the head that says how long the body is.
        """
        framing = (b"content-length", b"transfer-encoding")
        lines = [b"%b: %b\r\n" % header for header in self.scope["headers"] if header[0] in framing]
        head = b"%b / HTTP/1.1\r\n%b\r\n" % (self.scope["method"].encode(), b"".join(lines))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._knows_head = True
        self.parser.feed_data(head)
        self._knows_head = False
        self.headers = []

    def on_url(self, url: bytes) -> None:
        """Some of the URL."""
        if not self._knows_head:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._knows_head:
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._knows_head:
            return
        super().on_message_begin()
        if self._head_timer is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """The request can be answered."""
        if self._knows_head:
            return
        version = self.parser.get_http_version()
        check_head(version, self.headers)
        if self.parser.get_method() == b"CONNECT":
            # What follows would be another protocol's bytes, to another host.
            raise DoubtfulRequest("CONNECT is not supported.")
        if version == "1.0":
            # It knows of no answer before the last one (RFC 9110, section 10.1.1).
            self.expect_100_continue = False
        self._end_head()
        known = self._latest()
        super().on_headers_complete()
        self._framing_bytes = 0
        if self.cycle is not known:
            # Until the body is read, an answer is the connection's last, and says so.
            self._keeps_alive, self.cycle.keep_alive = self.cycle.keep_alive, False
        if not self.parser.should_upgrade():
            # What comes like a header from now on is a trailer. It must not be taken for a header of the request.
            self.headers = []

    def on_body(self, body: bytes) -> None:
        """Some of its body."""
        self._framing_bytes -= FRAMING_BYTES_PER_BYTE * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of its body."""
        if self.parser.should_upgrade() and not self._should_upgrade():
            # Of an upgrade that is ignored, only the head has ended.
            return
        self.scope["state"][BODY_ARRIVED] = True
        super().on_message_complete()
        cycle = self._latest()
        if cycle is not None and not cycle.more_body:
            # Nobody waits for a 100 (Continue) any more.
            cycle.waiting_for_100_continue = False
            if not cycle.response_started:
                cycle.keep_alive = self._keeps_alive

    def on_response_complete(self) -> None:
        """An answer is written."""
        is_last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_within(self._limits.send_seconds + LAST_WORDS_SECONDS)
        elif is_last and self._refusal is not None:
            self._refuse(self._refusal)

    def shutdown(self) -> None:
        """The process stops."""
        self._keeps_alive = False
        super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        """From here on the connection is another protocol's; not where earlier answers are still waiting to be taken."""
        self._is_done = True
        if self.flow.write_paused:
            self.transport.abort()
            return
        self.transport = self.transport.real  # type: ignore[assignment]
        super().handle_websocket_upgrade()
        if self.transport.is_closing():
            self._end_within(self._limits.send_seconds)

    def timeout_keep_alive_handler(self) -> None:
        """No other request came."""
        super().timeout_keep_alive_handler()
        self._end_within(self._limits.send_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, after all requests before it, and close."""
        self._is_done = True
        self._end_head()
        cycle = self._latest()
        if cycle is None or cycle.response_complete:
            self._refuse(msg)
        elif not cycle.more_body:
            self._refusal = msg
        elif self.pipeline:
            # The last of those that wait is the one whose body cannot be read.
            self.pipeline.popleft()
            self._refusal = msg
        elif cycle.response_started:
            cycle.disconnected = True
            cycle.message_event.set()
            self.transport.close()
        else:
            # What serves it may have done something already without the body. It alone knows the true answer.
            cycle.scope["state"][BODY_BROKEN] = True
            cycle.message_event.set()

    def _refuse(self, reason: str) -> None:
        super().send_400_response(reason)
        self._end_within(self._limits.send_seconds + LAST_WORDS_SECONDS)

    def _upgrade(self) -> None:
        if self._latest() is not None and not self.cycle.response_complete:
            self.send_400_response("A WebSocket is opened when all requests before it are answered.")
        else:
            self.handle_websocket_upgrade()

    def _should_upgrade(self) -> bool:
        """Uvicorn counts requests alone. A socket too many becomes a request, and is answered like one too many of those."""
        return super()._should_upgrade() and self._is_handshake() and not self._is_one_too_many()

    def _is_handshake(self) -> bool:
        """Whether it is a GET of HTTP/1.1 without a body (RFC 6455, section 4.1): a body would be read as WebSocket frames."""
        has_body = any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in self.headers)
        return self.scope["method"] == "GET" and self.scope["http_version"] == "1.1" and not has_body

    def _is_one_too_many(self) -> bool:
        limit = self.limit_concurrency
        return limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)

    def _awaits_nothing(self) -> bool:
        if self._is_done or self.transport.is_closing():
            return False
        # There is one: the wait for a connection's first request ends with its headers.
        return self.cycle.response_complete and not self.pipeline

    def _latest(self) -> RequestResponseCycle | None:
        """The request that was read last, if there was one, and its answer."""
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
        call_off(self._head_timer)
        self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
            self._end_within(self._limits.send_seconds)
