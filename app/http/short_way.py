"""A short way to the endpoint of the commonest requests: through the steps that every request takes, past the rest of Starlette.

Starlette's routing, its middleware for pages and its handling of errors of routes take a tenth of the time of a transfer. GraphQL
by POST needs none of them. Every other request takes the general way, and so does one that needs CORS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send


class Application(Starlette):
    """Starlette, with a short way for POST requests to one path once `shorten` is called."""

    _short: ASGIApp | None = None
    _path = ""
    _has_cors = False

    def shorten(
        self, path: str, endpoint: ASGIApp, steps: Sequence[Middleware], error_handlers: Mapping[Any, Any], *, has_cors: bool
    ) -> None:
        """Send POST requests to `path` through `steps` to `endpoint`. With `has_cors`, only those that no page sends."""
        app: ASGIApp = _Answering(endpoint, error_handlers)
        for cls, arguments, options in reversed(steps):
            app = cls(app, *arguments, **options)
        self._short, self._path, self._has_cors = ServerErrorMiddleware(app, handler=error_handlers[Exception]), path, has_cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, a socket or the lifespan."""
        if self._short is None or not self._is_short(scope):
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self._short(scope, receive, send)

    def _is_short(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path:
            return False
        return not (self._has_cors and any(name == b"origin" for name, _ in scope["headers"]))


class _Answering:
    """Answers the errors of reading a body as Starlette does. They come before any answer has started."""

    def __init__(self, endpoint: ASGIApp, error_handlers: Mapping[Any, Any]) -> None:
        self._endpoint = endpoint
        self._handlers = error_handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._endpoint(scope, receive, send)
        except (HTTPException, ClientDisconnect) as error:
            response = await self._handlers[type(error)](Request(scope), error)
            await response(scope, receive, send)
