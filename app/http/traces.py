"""The root of a trace: one HTTP request."""

from __future__ import annotations

from opentelemetry.trace import Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry import tracing

_TRACED = ("/graphql", "/transfer", "/wallets/", "/transactions/")
"""Paths that move or read money. Pages, probes and metrics are not traced."""
_TRACEPARENT = b"traceparent"


class TracedRequests:
    """Opens a span for each request. An operation on a WebSocket gets its own in `app/schema/engine/build.py`."""

    def __init__(self, app: ASGIApp, *, continues: bool) -> None:
        self._app = app
        self._continues = continues
        """Whether to continue the trace of a request's `traceparent` header."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Trace one request."""
        if scope["type"] != "http" or not scope["path"].startswith(_TRACED):
            await self._app(scope, receive, send)
            return
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == _TRACEPARENT), None)
        method = scope["method"]
        # Not the current context: for a pipelined request that is still the previous request's.
        parent_context = tracing.context_of(parent if self._continues else None)
        with tracing.request_span(method, parent_context, attributes={"http.request.method": method}) as span:
            assert span is not None

            async def send_and_record(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            try:
                await self._app(scope, receive, send_and_record)
            finally:
                # The route's template and not the path, so that there are few names.
                route = getattr(scope.get("route"), "path_format", None)
                if route is not None:
                    span.set_attribute("http.route", route)
                    span.update_name(f"{method} {route}")
