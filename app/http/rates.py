"""Rate limits over HTTP: 429 above the limit, and the remaining requests in the headers of every answer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.tokens import bearer_token
from app.errors import RateLimited
from app.limits.rates import RateLimit, RateStatus, RequestRates
from app.services.container import Services
from app.telemetry import metrics

_PROBES = ("/healthz", "/readyz", "/metrics")


class RequestRateLimit:
    """Refuses requests above the limits with 429 before their body is read. Answers carry the RateLimit headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request, or the opening of one socket. The operations of a socket are counted separately."""
        rates: RequestRates | None = None
        if scope["type"] in ("http", "websocket") and scope["path"] not in _PROBES:
            rates = scope["app"].state.services.rates
        if rates is None or not rates.limits:
            await self._app(scope, receive, send)
            return
        headers, refusal = await _count(rates, scope)
        if refusal is not None:
            await _refuse(scope, send, refusal, headers)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).extend(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _count(rates: RequestRates, scope: Scope) -> tuple[list[tuple[bytes, bytes]], RateLimited | None]:
    """Count a request. Returns the RateLimit headers, and the refusal if a limit is exceeded.

    The address comes first, so that no token is verified for an address above its limit.
    """
    headers: list[tuple[bytes, bytes]] = []
    client, limit, name = scope.get("client"), rates.address, "address"
    try:
        if limit is not None and client:
            headers += _headers(name, limit, rates.check_address(client[0]))
        limit, name = rates.user, "user"
        user_id = None if limit is None else await _user_id(scope)
        if limit is not None and user_id is not None:
            headers += _headers(name, limit, rates.check_user(user_id))
    except RateLimited as error:
        assert limit is not None
        return headers + _headers(name, limit, RateStatus(0, error.retry_after_seconds)), error
    return headers, None


async def _user_id(scope: Scope) -> UUID | None:
    """The user of the request's token. None without a valid token: the endpoint then answers with the error."""
    services: Services = scope["app"].state.services
    header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    try:
        token = None if header is None else bearer_token(header.decode("latin-1"))
        if token is None:
            return None
        viewer = scope["state"]["viewer"] = await services.identities.viewer(token)
    except Exception:  # noqa: BLE001 - the endpoint verifies the token again and answers with the error
        return None
    return viewer.user_id


def _headers(name: str, limit: RateLimit, status: RateStatus | None) -> list[tuple[bytes, bytes]]:
    """The headers of draft-ietf-httpapi-ratelimit-headers."""
    assert status is not None, "a limit is set, so there is a status"
    return [
        (b"ratelimit-policy", _policy(name, limit.limit, limit.window_seconds)),
        (b"ratelimit", f'"{name}";r={status.remaining};t={status.reset_seconds}'.encode()),
    ]


@lru_cache
def _policy(name: str, limit: int, window_seconds: float) -> bytes:
    return f'"{name}";q={limit};w={window_seconds:.0f}'.encode()


async def _refuse(scope: Scope, send: Send, error: RateLimited, status: list[tuple[bytes, bytes]]) -> None:
    """Answer 429 in the endpoint's format. A WebSocket gets it too if the server supports that; otherwise it is closed."""
    metrics.count_errors([error.code])
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1013})
            return
        kind = "websocket.http.response"
    media, body = _body(scope["path"], error)
    headers = [
        (b"content-type", media),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(error.retry_after_seconds).encode()),
        *status,
    ]
    await send({"type": f"{kind}.start", "status": error.http_status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def _body(path: str, error: RateLimited) -> tuple[bytes, bytes]:
    content: dict[str, Any]
    if path == "/graphql":
        content = {"errors": [{"message": str(error), "extensions": error.extensions}]}
        return b"application/json", orjson.dumps(content)
    content = {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": error.http_status,
        "code": error.code,
        "detail": str(error),
        "retry_after_seconds": error.retry_after_seconds,
    }
    return b"application/problem+json", orjson.dumps(content)
