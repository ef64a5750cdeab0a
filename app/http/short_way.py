"""A short way to the endpoint of the commonest requests: through the steps that every request takes, past the rest of Starlette.

Starlette's routing, its middleware for pages and its handling of errors of routes take a tenth of the time of a transfer. GraphQL
and `/transfer` by POST need none of them. Every other request takes the general way, and so does one that needs CORS.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import RequestError


class Application(Starlette):
    """Starlette, with a short way for POST requests to some paths once `shorten` is called."""

    _short: ASGIApp | None = None
    _paths: Collection[str] = ()
    _has_cors = False

    def shorten(
        self, endpoints: Mapping[str, ASGIApp], steps: Sequence[Middleware], error_handlers: Mapping[Any, Any], *, has_cors: bool
    ) -> None:
        """Send POST requests to these paths through `steps` to their endpoints. With `has_cors`, only those without an origin."""
        app: ASGIApp = _Answering(endpoints, error_handlers)
        for cls, arguments, options in reversed(steps):
            app = cls(app, *arguments, **options)
        self._short = ServerErrorMiddleware(app, handler=error_handlers[Exception])
        self._paths, self._has_cors = frozenset(endpoints), has_cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, a socket or the lifespan."""
        if self._short is None or not self._is_short(scope):
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self._short(scope, receive, send)

    def _is_short(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._paths:
            return False
        return not (self._has_cors and any(name == b"origin" for name, _ in scope["headers"]))


class _Answering:
    """Calls the endpoint of the path, and answers its errors as Starlette does. They come before any answer has started."""

    def __init__(self, endpoints: Mapping[str, ASGIApp], error_handlers: Mapping[Any, Any]) -> None:
        self._endpoints = endpoints
        self._handlers = error_handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._endpoints[scope["path"]](scope, receive, send)
        except (RequestError, HTTPException, ClientDisconnect) as error:
            handler = next(self._handlers[cls] for cls in type(error).__mro__ if cls in self._handlers)
            response = await handler(Request(scope), error)
            await response(scope, receive, send)
