"""Redirects a URL with a trailing slash to the one without it.

The redirect is relative. Behind a proxy the server does not know the scheme and path prefix that the client uses.
"""

from __future__ import annotations

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Receive, Scope, Send


def without_slash(router: Router) -> ASGIApp:
    """The router's default if no route matches: redirect `/graphql/` to `/graphql`, otherwise answer 404."""

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        target = _target(router, scope) if scope["type"] == "http" else None
        if target is None:
            await router.not_found(scope, receive, send)
        else:
            await RedirectResponse(target, 307)(scope, receive, send)

    return default


def _target(router: Router, scope: Scope) -> str | None:
    """The URL without its trailing slash, relative to the requested one. None if no route matches it."""
    bare = scope["path"].removesuffix("/")
    # A slash written as %2F is part of the last segment.
    if not scope["raw_path"].endswith(b"/") or bare == "" or bare.endswith("/"):
        return None
    if all(route.matches({**scope, "path": bare})[0] is Match.NONE for route in router.routes):
        return None
    name = scope["raw_path"].decode("ascii").removesuffix("/").rpartition("/")[2]
    query = scope["query_string"].decode("latin-1")
    return f"../{name}?{query}" if query else f"../{name}"
