"""An address with a slash too many leads to the one without, by a relative redirect.

An absolute one would need to know what the client sees: behind a proxy the scheme is not ours, nor is a prefix of the path.
"""

from __future__ import annotations

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Receive, Scope, Send


def without_slash(router: Router) -> ASGIApp:
    """What the router does where no route matches: redirect from `/graphql/` to `/graphql`, else as it does anyway."""

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        target = _target(router, scope) if scope["type"] == "http" else None
        if target is None:
            await router.not_found(scope, receive, send)
        else:
            await RedirectResponse(target, 307)(scope, receive, send)

    return default


def _target(router: Router, scope: Scope) -> str | None:
    """The address without its last slash, relative to the one that was asked for; None where no route has it."""
    bare = scope["path"].removesuffix("/")
    # One that is written %2F belongs to the name before it.
    if not scope["raw_path"].endswith(b"/") or bare == "" or bare.endswith("/"):
        return None
    if all(route.matches({**scope, "path": bare})[0] is Match.NONE for route in router.routes):
        return None
    name = scope["raw_path"].decode("ascii").removesuffix("/").rpartition("/")[2]
    query = scope["query_string"].decode("latin-1")
    return f"../{name}?{query}" if query else f"../{name}"
