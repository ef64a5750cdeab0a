"""Serves the pages: the dashboard and GraphiQL, built from frontend-demo/, on the API's own origin.

A browser sends `Accept: text/html`, so the same URL can be a page for a browser and JSON for a program: /wallets/{id} is both.
"""

from __future__ import annotations

import html
import mimetypes
import re
import time
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings

FRONTEND = Path(__file__).parents[2] / "frontend-demo"
DIST = FRONTEND / "dist"
"""Directory of the built pages."""
BUILDING = "The pages are being built."
"""Content of the supervisor's note while it builds the pages."""

_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GRAPHIQL_POLICY = f"{_POLICY}; style-src 'self' 'unsafe-inline'; font-src 'self' data:; worker-src 'self' blob:"
"""Monaco, GraphiQL's editor, adds inline styles at run time."""
_PLAIN_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "X-Frame-Options": "DENY",
    "Vary": "Accept",
}
_NEVER_A_PAGE = ("/assets/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/demo/", "/statements/")
_PAGES = re.compile(
    r"/(|wallets(/[^/]+(/statements)?)?|activity|send|convert|transactions/[^/]+|holds/[^/]+|checkout|control|find(/[^/]+)?|break)/?"
)
"""The paths of the dashboard's pages. It shows on any other that there is no such page (frontend-demo/src/app/NoSuchPage.tsx)."""
_RETRY_SECONDS = 2

mimetypes.add_type("font/woff2", ".woff2")  # Python 3.11 and 3.12 know it only if the system does.

_WAITING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Paycore</title>{refresh}
<style>:root{{color-scheme:light dark;--text:light-dark(#131722,#e9ecf1);--muted:light-dark(#566070,#9aa5b4)}}
body{{margin:0;padding:12vh 1rem 2rem;
background:light-dark(#f5f6f8,#0d1015);color:var(--text);font:1rem/1.55 system-ui,sans-serif}}
main{{max-width:36rem;margin:auto;padding:1.75rem;border:1px solid light-dark(#e1e5ea,#2a303b);border-radius:1rem;
background:light-dark(#fff,#161a21)}}
h1{{margin:0 0 .75rem;font-size:1.5rem}}p{{margin:.75rem 0 0}}.muted{{color:var(--muted)}}
a{{color:light-dark(#2749c9,#8aa4ff)}}pre{{white-space:pre-wrap}}</style>
<main><h1>Paycore runs</h1>
{text}
<p class="muted">The API is there: <code>POST /graphql</code>,
<a href="/openapi.json">REST</a>, <a href="/readyz">readiness</a>.</p>
</main></html>
"""


def routes(settings: Settings) -> list[Mount]:
    """The routes for the pages' scripts and styles."""
    directory = (settings.dashboard_dir or DIST) / "assets"
    return [Mount("/assets", GZipMiddleware(_Assets(directory=directory, check_dir=False)))]


class Pages:
    """Middleware that answers browsers with pages and passes on every other request."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._directory = settings.dashboard_dir or DIST
        self._note = settings.supervisor_home and settings.supervisor_home / "pages.txt"
        self._has_graphiql = settings.graphiql_enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a page, or pass the request or socket on."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
        elif self._wants_page(scope):
            await self._page(scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _wants_page(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if path == "/graphql" and b"query=" in scope["query_string"]:
            return False
        return not path.startswith(_NEVER_A_PAGE) and "text/html" in Headers(scope=scope).get("accept", "")

    def _page(self, path: str) -> Response:
        if path in ("/graphql", "/graphiql/"):
            return RedirectResponse("/graphiql", 307, {"Vary": "Accept"})
        is_graphiql = path == "/graphiql" and self._has_graphiql
        if path == "/graphiql" and not is_graphiql:
            return _plain("<p>GraphiQL is switched off here.</p>", status=404)
        file = self._directory / ("graphiql/index.html" if is_graphiql else "index.html")
        if not file.is_file():
            return self._without_pages()
        policy = _GRAPHIQL_POLICY if is_graphiql else _POLICY
        headers = {**_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-cache"}
        return FileResponse(file, 200 if is_graphiql or _PAGES.fullmatch(path) else 404, headers)

    def _time_so_far(self) -> str:
        """How long it has taken, by the age of the supervisor's note, and what to expect."""
        try:
            seconds = 0 if self._note is None else max(0, int(time.time() - self._note.stat().st_mtime))
        except FileNotFoundError:
            seconds = 0
        return f"It has taken {_duration(seconds)} so far, and takes half a minute, or up to two minutes on a busy machine."

    def _without_pages(self) -> Response:
        note = self._note.read_text(encoding="utf-8") if self._note is not None and self._note.is_file() else ""
        if note == BUILDING:
            return _plain(f"<p>{BUILDING} {self._time_so_far()} This page reloads by itself.</p>", refresh=True)
        reason = f"<pre>{html.escape(note)}</pre>" if note else ""
        how = "With Node 20.19 or later: <code>cd frontend-demo &amp;&amp; npm ci &amp;&amp; npm run build</code>, then reload."
        return _plain(f"<p>Its pages are not built.</p>{reason}<p>{how}</p>")


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


class _Assets(StaticFiles):
    """Files whose names change with their content, so browsers may cache them without a time limit."""

    async def check_config(self) -> None:
        """Accept a missing directory. Until the pages are built, each of their files is a 404."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one file, with its caching header."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["Cache-Control"] = "public, max-age=31536000, immutable"
            await send(message)

        await super().__call__(scope, receive, send_with_headers)


def _plain(text: str, *, refresh: bool = False, status: int = 200) -> Response:
    tag = f'<meta http-equiv="refresh" content="{_RETRY_SECONDS}">' if refresh else ""
    headers = {**_HEADERS, "Content-Security-Policy": _PLAIN_POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(_WAITING.format(text=text, refresh=tag), status, headers)
