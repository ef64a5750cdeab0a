"""The outermost middleware of every HTTP request: its id, its duration, and limits on its body."""

from __future__ import annotations

import asyncio
import random
import re

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.clock import monotonic
from app.http.protocol import BODY_ARRIVED, BODY_BROKEN
from app.telemetry import logs, metrics

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_HEADER = b"x-request-id"
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")
"""Browsers ignore it over plain HTTP."""


def _header(scope: Scope, name: bytes) -> bytes:
    """A header's value, or b"". ASGI servers send names in lower case. Faster than building Headers for each request."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


class RequestId:
    """Uses the client's X-Request-Id if it is well-formed, otherwise creates one. The answer carries it.

    This middleware is the outermost, so it also measures the duration of requests that set a timer.
    """

    def __init__(self, app: ASGIApp, *, https_only: bool = False) -> None:
        self._app = app
        self._headers = (_NO_SNIFFING, _HTTPS_ONLY) if https_only else (_NO_SNIFFING,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = _header(scope, _HEADER)
        request_id = given if _REQUEST_ID.fullmatch(given) else b"%032x" % random.getrandbits(128)
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        logs.bind(request_id=request_id.decode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).extend(((_HEADER, request_id), *self._headers))
            await send(message)

        started = monotonic()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            timer = scope["state"].get(metrics.TIMER)
            if timer is not None:
                timer.observe(monotonic() - started)


class BodyLimit:
    """Refuses a body above the limit with 413, by its declared length or while it arrives, and a slow one with 408.

    A compressed body is refused with 415, because it may expand a thousandfold.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. The messages of a socket are limited by the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = _header(scope, b"content-length")
        scope.setdefault("state", {})["body_too_large"] = declared.isdigit() and int(declared) > self._limit
        is_compressed = _header(scope, b"content-encoding") not in (b"", b"identity")
        received = 0
        is_complete = False
        deadline = monotonic() + self._seconds

        async def limited() -> Message:
            nonlocal received, is_complete
            if scope["state"]["body_too_large"]:
                raise self._refusal()
            if is_complete:
                # The next message is the client's disconnect.
                return await receive()
            # Most bodies arrive with the head. A timer for each would cost more than the rest of this middleware.
            message = await (receive() if scope["state"].get(BODY_ARRIVED) else _before(deadline, receive))
            if scope["state"].get(BODY_BROKEN):
                raise HTTPException(400, "The request body cannot be read.")
            received += len(message.get("body", b""))
            if is_compressed and received:
                raise HTTPException(415, "The request body must not be compressed.")
            is_complete = not message.get("more_body", False)
            if received > self._limit:
                raise self._refusal()
            return message

        await self._app(scope, limited, send)

    def _refusal(self) -> HTTPException:
        return HTTPException(413, f"The request body is larger than {self._limit} bytes.")


async def _before(deadline: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout(deadline - monotonic()):
            return await receive()
    except TimeoutError:
        raise HTTPException(408, "The request body did not arrive in time.") from None
