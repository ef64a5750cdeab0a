"""Large JSON answers are compressed for clients that accept gzip."""

from __future__ import annotations

from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FROM_BYTES = 1_400
"""A smaller answer, such as a transfer's, fits into one packet as it is."""
_LEVEL = 1
"""Higher levels take up to nine times as long and save a tenth more."""


class CompressedAnswers:
    """Compresses JSON from 1,400 bytes. Event streams, and answers whose length is not known at their start, stay as they are.

    The compression is Starlette's. Its middleware is not used, because it also costs time for each small answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Sockets are passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chosen = send

        async def compressed(message: Message) -> None:
            nonlocal chosen
            if message["type"] == "http.response.start" and _is_large_json(message):
                chosen = _responder(self._app, scope, send).send_with_compression
            await chosen(message)

        await self._app(scope, receive, compressed)


def _is_large_json(start: Message) -> bool:
    length, media = 0, b""
    for name, value in start.get("headers", ()):
        if name == b"content-length":
            length = int(value)
        elif name == b"content-type":
            media = value.partition(b";")[0]
        elif name == b"content-disposition":
            # A file: its ETag and its length are of these bytes.
            return False
    return length >= _FROM_BYTES and media.endswith(b"json")


def _responder(app: ASGIApp, scope: Scope, send: Send) -> IdentityResponder:
    """The one for this client. Both name Accept-Encoding in Vary."""
    responder = GZipResponder(app, 0, _LEVEL) if _accepts_gzip(scope) else IdentityResponder(app, 0)
    responder.send = send
    return responder


def _accepts_gzip(scope: Scope) -> bool:
    """Whether Accept-Encoding names gzip with a weight above zero."""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            for part in value.decode("latin-1").lower().split(","):
                coding, _, weight = part.replace(" ", "").partition(";")
                if coding == "gzip":
                    return not weight.startswith("q=0") or any(digit in "123456789" for digit in weight[3:])
    return False
