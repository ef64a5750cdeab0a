"""The REST routes and their error handlers. Errors are application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app import ids
from app.access import policy
from app.access.tokens import bearer_token
from app.access.viewer import Viewer
from app.db.failures import is_unavailable
from app.errors import (
    BODY_TOO_LARGE,
    METHOD_NOT_ALLOWED,
    BadUserInput,
    Internal,
    NotFound,
    RateLimited,
    RequestError,
    Unauthenticated,
    Unavailable,
)
from app.rest.answers import held, json_object, json_response, load, problem, request_id_of, settled
from app.rest.bodies import capture_input, place_input, release_input, reversal_input, transfer_input
from app.rest.feed_routes import FEED_ROUTES
from app.rest.fx_routes import FX_ROUTES
from app.rest.log_routes import LOG_ROUTES
from app.rest.openapi import DESCRIPTION
from app.rest.query import page_request, transaction_filter
from app.rest.statement_routes import STATEMENT_ROUTES, get_linked_file
from app.rest.time_routes import TIME_ROUTES
from app.rest.views import hold_view, page_view, transaction_view, wallet_view
from app.services import hold_reading, reading
from app.services.container import Services
from app.services.holds import capture_hold, place_hold, release_hold
from app.services.reversals import reverse_transaction
from app.services.transfers import transfer
from app.telemetry import metrics
from app.telemetry.privacy import withhold_values

T = TypeVar("T")

logger = logging.getLogger(__name__)

Handler = Callable[[Request, Services, Viewer], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def routes() -> list[Route]:
    """Returns the REST routes and the route of their description."""
    own = (
        ("POST", "/transfer", post_transfer),
        ("POST", "/transactions/{id}/reverse", post_reversal),
        ("POST", "/holds", post_hold),
        ("POST", "/holds/{id}/capture", post_capture),
        ("POST", "/holds/{id}/release", post_release),
        ("GET", "/holds/{id}", get_hold),
        *(*FX_ROUTES, *FEED_ROUTES, *LOG_ROUTES, *TIME_ROUTES, *STATEMENT_ROUTES),
        ("GET", "/wallets/{id}", get_wallet),
        ("GET", "/wallets/{id}/transactions", get_wallet_transactions),
        ("GET", "/transactions/{id}", get_transaction),
    )
    # One route for a path, so that `Allow` has all of its methods.
    by_path: dict[str, dict[str, Endpoint]] = {}
    for method, path, handler in own:
        by_path.setdefault(path, {})[method] = _timed_endpoint(method, path, handler)
    return [
        *(_route(path, endpoints) for path, endpoints in by_path.items()),
        Route("/statements/{statement}.{format}", _linked, methods=["GET"]),
        Route("/openapi.json", get_openapi, methods=["GET"]),
    ]


def _route(path: str, endpoints: Mapping[str, Endpoint]) -> Route:
    async def by_method(request: Request) -> Response:
        # HEAD is answered as GET.
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, by_method, methods=[*endpoints])


async def _linked(request: Request) -> Response:
    """The one route without a token: its link is signed."""
    request.scope["state"][metrics.TIMER] = metrics.REQUESTS.labels("GET /statements/{statement}.{format}", "rest")
    try:
        return await get_linked_file(request, request.app.state.services)
    except Exception as error:
        if is_unavailable(error):
            raise Unavailable from error
        raise


def _timed_endpoint(method: str, path: str, handler: Handler) -> Endpoint:
    endpoint, timer = authenticated(handler), metrics.REQUESTS.labels(f"{method} {path}", "rest")

    async def timed(request: Request) -> Response:
        request.scope["state"][metrics.TIMER] = timer
        return await endpoint(request)

    return timed


class TransferEndpoint:
    """`POST /transfer` for the short way, which answers its errors."""

    def __init__(self) -> None:
        self._endpoint = _timed_endpoint("POST", "/transfer", post_transfer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def authenticated(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Returns an endpoint that authenticates the request, then calls the handler. It raises Unauthenticated without a token."""

    async def endpoint(request: Request) -> Response:
        services: Services = request.app.state.services
        token = bearer_token(request.headers.get("authorization"))
        if token is None:
            raise Unauthenticated
        try:
            return await handler(request, services, await services.identities.viewer(token))
        except Exception as error:
            if is_unavailable(error):
                raise Unavailable from error
            raise

    return endpoint


async def post_transfer(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new transfer, 200 if the key was used for this transfer before."""
    services.rates.check_transfers(viewer.user_id)
    result = await transfer(services.ledger, viewer, transfer_input(request, await json_object(request)))
    return settled(services, viewer, result)


async def post_reversal(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new reversal, 200 if the key was used for this reversal before."""
    services.rates.check_transfers(viewer.user_id)
    details = reversal_input(request, await json_object(request))
    found = await reverse_transaction(services.ledger, viewer, details, request_id=request_id_of(request))
    return settled(services, viewer, found.result)


async def post_hold(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new hold, 200 if the key was used for this hold before."""
    services.rates.check_transfers(viewer.user_id)
    details = place_input(request, await json_object(request))
    return held(services, viewer, await place_hold(services.ledger, viewer, details, request_id=request_id_of(request)))


async def post_capture(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new capture, 200 if the key was used for this capture before."""
    services.rates.check_transfers(viewer.user_id)
    details = capture_input(request, await json_object(request))
    return held(services, viewer, await capture_hold(services.ledger, viewer, details, request_id=request_id_of(request)))


async def post_release(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new release, 200 if the key was used for this release before."""
    services.rates.check_transfers(viewer.user_id)
    details = release_input(request, await json_object(request))
    return held(services, viewer, await release_hold(services.ledger, viewer, details, request_id=request_id_of(request)))


async def get_hold(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the hold."""
    hold = await load("hld", hold_reading.load_holds, request, services, viewer)
    return json_response(hold_view(services, hold))


async def get_wallet(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the wallet."""
    wallet = await load("wal", reading.load_wallets, request, services, viewer)
    return json_response(wallet_view(services, wallet))


async def get_wallet_transactions(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with a page of the transactions that the wallet sent or received, newest first."""
    policy.require_view(viewer)
    page, filter_ = page_request(request.query_params), transaction_filter(request.query_params)
    wallet_id = ids.decode("wal", request.path_params["id"])
    if wallet_id is None:
        raise NotFound
    found = await reading.wallet_and_transactions(services.engine, viewer, wallet_id, page, filter_)
    if found is None:
        raise NotFound
    _, transactions = found
    return json_response(page_view(transactions.page, lambda one: transaction_view(services, viewer, one)))


async def get_transaction(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the transaction."""
    transaction = await load("txn", reading.load_transactions, request, services, viewer)
    return json_response(transaction_view(services, viewer, transaction))


async def get_openapi(_request: Request) -> Response:
    """Answers with the OpenAPI description of these routes."""
    return json_response(DESCRIPTION)


async def _on_request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    metrics.count_errors([error.code])
    facts = {name: value for name, value in error.extensions.items() if name != "code"}
    if "retryAfterSeconds" in facts:
        facts["retry_after_seconds"] = facts.pop("retryAfterSeconds")
    response = problem(error.http_status, error.code, str(error), facts)
    if isinstance(error, RateLimited):
        response.headers["retry-after"] = str(error.retry_after_seconds)
    return response


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: NotFound.code, 405: METHOD_NOT_ALLOWED, 413: BODY_TOO_LARGE}
    code = codes.get(error.status_code, BadUserInput.code)
    metrics.count_errors([code])
    response = problem(error.status_code, code, error.detail)
    response.headers.update(error.headers or {})
    return response


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    """The client disconnected while it sent the body, so nobody receives this answer."""
    return Response(status_code=400)


async def _on_any_error(request: Request, error: Exception) -> Response:
    """Answers for a bug. Starlette raises the exception again, and the server logs it; this line adds which request failed."""
    request_id = request.scope.get("state", {}).get("request_id", "")
    logger.error("request %s failed: %s %r: %s", request_id, request.method, request.scope["path"], type(error).__name__)
    withhold_values(error)
    response = await _on_request_error(request, Internal())
    # Starlette sends this answer outside of the middleware that adds the header to others.
    response.headers["x-request-id"] = request_id
    return response


EXCEPTION_HANDLERS: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    RequestError: _on_request_error,
    HTTPException: _on_http_exception,
    ClientDisconnect: _on_disconnect,
    Exception: _on_any_error,
}
"""Map every error of a route to its answer."""
