"""The root of a trace: one HTTP request."""

from __future__ import annotations

from opentelemetry.trace import Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry import tracing

_TRACED = ("/graphql", "/transfer", "/wallets/", "/transactions/")
"""What moves or reads money. Pages, probes and metrics would only be noise."""
_TRACEPARENT = b"traceparent"


class TracedRequests:
    """A span for each request; an operation on a WebSocket has one of its own (`app/schema/engine/build.py`)."""

    def __init__(self, app: ASGIApp, *, continues: bool) -> None:
        self._app = app
        self._continues = continues
        """Whether a request's own `traceparent` is believed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].startswith(_TRACED):
            await self._app(scope, receive, send)
            return
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == _TRACEPARENT), None)
        method = scope["method"]
        # Not the current context: that of a pipelined request is still the one before it.
        above = tracing.context_of(parent if self._continues else None)
        with tracing.request_span(method, above, attributes={"http.request.method": method}) as span:
            assert span is not None

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                # Templates, not paths: so that there are few of them.
                route = getattr(scope.get("route"), "path_format", None)
                if route is not None:
                    span.set_attribute("http.route", route)
                    span.update_name(f"{method} {route}")
