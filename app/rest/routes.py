"""The REST routes and their error handlers. Errors are application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from app import ids
from app.access import policy
from app.access.tokens import bearer_token
from app.access.viewer import Viewer
from app.db.failures import is_unavailable
from app.db.statements import Reader
from app.errors import (
    BODY_TOO_LARGE,
    METHOD_NOT_ALLOWED,
    BadUserInput,
    Internal,
    NotFound,
    RateLimited,
    Refusal,
    RequestError,
    Unauthenticated,
    Unavailable,
)
from app.http import strict_json
from app.money import Money
from app.rest.bodies import capture_input, place_input, release_input, reversal_input, transfer_input
from app.rest.openapi import DESCRIPTION
from app.rest.query import page_request, transaction_filter
from app.rest.views import hold_view, page_view, transaction_view, wallet_view
from app.services import hold_reading, reading
from app.services.container import Services
from app.services.holds import HoldResult, capture_hold, place_hold, release_hold
from app.services.reversals import reverse_transaction
from app.services.transfers import TransferResult, transfer
from app.telemetry import metrics
from app.telemetry.privacy import withhold_values

T = TypeVar("T")

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"

_FIELD_OF_PATH = {
    "senderWalletId": "sender_wallet_id",
    "receiverWalletId": "receiver_wallet_id",
    "idempotencyKey": "idempotency_key",
    "maxFee": "max_fee",
    "transactionId": "id",
    "holdId": "id",
    "walletId": "wallet_id",
    "expiresIn": "expires_in",
}
_NO_STORE = {"Cache-Control": "no-store"}
"""Caches must not store balances."""

Handler = Callable[[Request, Services, Viewer], Awaitable[Response]]


def routes() -> list[Route]:
    """Returns the REST routes and the route of their description."""
    return [
        _timed("POST", "/transfer", post_transfer),
        _timed("POST", "/transactions/{id}/reverse", post_reversal),
        _timed("POST", "/holds", post_hold),
        _timed("POST", "/holds/{id}/capture", post_capture),
        _timed("POST", "/holds/{id}/release", post_release),
        _timed("GET", "/holds/{id}", get_hold),
        _timed("GET", "/wallets/{id}", get_wallet),
        _timed("GET", "/wallets/{id}/transactions", get_wallet_transactions),
        _timed("GET", "/transactions/{id}", get_transaction),
        Route("/openapi.json", get_openapi, methods=["GET"]),
    ]


def _timed(method: str, path: str, handler: Handler) -> Route:
    endpoint, timer = authenticated(handler), metrics.REQUESTS.labels(f"{method} {path}", "rest")

    async def timed(request: Request) -> Response:
        request.scope["state"][metrics.TIMER] = timer
        return await endpoint(request)

    return Route(path, timed, methods=[method])


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
    return _settled(services, viewer, result)


async def post_reversal(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new reversal, 200 if the key was used for this reversal before."""
    services.rates.check_transfers(viewer.user_id)
    details = reversal_input(request, await json_object(request))
    found = await reverse_transaction(services.ledger, viewer, details, request_id=_request_id(request))
    return _settled(services, viewer, found.result)


async def post_hold(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new hold, 200 if the key was used for this hold before."""
    services.rates.check_transfers(viewer.user_id)
    details = place_input(request, await json_object(request))
    return _held(services, viewer, await place_hold(services.ledger, viewer, details, request_id=_request_id(request)))


async def post_capture(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new capture, 200 if the key was used for this capture before."""
    services.rates.check_transfers(viewer.user_id)
    details = capture_input(request, await json_object(request))
    return _held(services, viewer, await capture_hold(services.ledger, viewer, details, request_id=_request_id(request)))


async def post_release(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new release, 200 if the key was used for this release before."""
    services.rates.check_transfers(viewer.user_id)
    details = release_input(request, await json_object(request))
    return _held(services, viewer, await release_hold(services.ledger, viewer, details, request_id=_request_id(request)))


async def get_hold(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the hold."""
    hold = await _load("hld", hold_reading.load_holds, request, services, viewer)
    return json_response(hold_view(services, hold))


async def get_wallet(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the wallet."""
    wallet = await _load("wal", reading.load_wallets, request, services, viewer)
    return json_response(wallet_view(services, wallet))


async def get_wallet_transactions(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with a page of the transactions that the wallet sent or received, newest first."""
    wallet = await _load("wal", reading.load_wallets, request, services, viewer)
    page, filter_ = page_request(request.query_params), transaction_filter(request.query_params)
    found = await reading.transactions_of(services.engine, viewer, wallet, page, filter_)
    return json_response(page_view(found, lambda one: transaction_view(services, viewer, one)))


async def get_transaction(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the transaction."""
    transaction = await _load("txn", reading.load_transactions, request, services, viewer)
    return json_response(transaction_view(services, viewer, transaction))


async def get_openapi(_request: Request) -> Response:
    """Answers with the OpenAPI description of these routes."""
    return json_response(DESCRIPTION)


async def _load(
    prefix: ids.Prefix,
    load: Callable[[Reader, Viewer, Sequence[UUID]], Awaitable[Mapping[UUID, T]]],
    request: Request,
    services: Services,
    viewer: Viewer,
) -> T:
    """Returns what the path's id names. Raises NotFound unless the viewer may see it."""
    policy.require_view(viewer)
    id_ = ids.decode(prefix, request.path_params["id"])
    found = {} if id_ is None else await load(services.engine, viewer, [id_])
    if id_ is None or id_ not in found:
        raise NotFound
    return found[id_]


async def json_object(request: Request) -> dict[str, Any]:
    """Returns the request's body. Raises BadUserInput if it is not a JSON object, HTTPException if its type is not JSON.

    Requiring JSON's type also protects from forged requests: browsers send it to other sites only after a preflight.
    """
    type_ = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if type_ != "application/json":
        raise HTTPException(415, "The request body must be application/json.")
    try:
        body = strict_json.loads(await request.body())
    except ValueError:
        raise BadUserInput("The request body must be JSON.") from None
    if not isinstance(body, dict):
        raise BadUserInput("The request body must be a JSON object.")
    return body


def _settled(services: Services, viewer: Viewer, result: TransferResult) -> Response:
    if result.refusals:
        return _refused(services, viewer, result)
    assert result.transaction is not None
    view = transaction_view(services, viewer, result.transaction)
    return json_response({"transaction": view, "replayed": result.replayed}, 200 if result.replayed else 201)


def _held(services: Services, viewer: Viewer, found: HoldResult) -> Response:
    result = found.result
    hold = None if found.hold is None else hold_view(services, found.hold)
    if result.refusals:
        return _refused(services, viewer, result, {} if hold is None else {"hold": hold})
    transaction = None if result.transaction is None else transaction_view(services, viewer, result.transaction)
    content = {"hold": hold, "transaction": transaction, "replayed": result.replayed}
    return json_response(content, 200 if result.replayed else 201)


def _request_id(request: Request) -> str | None:
    found: str | None = request.scope["state"].get("request_id")
    return found


def _refused(services: Services, viewer: Viewer, result: TransferResult, further: Mapping[str, Any] | None = None) -> Response:
    (refusal,) = result.refusals
    facts: dict[str, Any] = {"replayed": result.replayed, "field": _field(refusal), **(further or {})}
    for name in ("available", "required", "fee", "limit"):
        money: Money | None = getattr(refusal, name)
        if money is not None:
            facts[name] = {"amount": money.amount, "currency": money.currency}
    if result.transaction is not None:
        facts["transaction"] = transaction_view(services, viewer, result.transaction)
    if refusal.transaction_id is not None:
        facts["transaction_id"] = ids.encode("txn", refusal.transaction_id)
    return problem(refusal.code.http_status, refusal.code.value, refusal.message, facts)


def _field(refusal: Refusal) -> str | None:
    name = "maxFee" if "maxFee" in refusal.path else refusal.path[-1] if len(refusal.path) > 1 else None
    return None if name is None else _FIELD_OF_PATH.get(name, name)


def json_response(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, _NO_STORE, "application/json")


def problem(status: int, code: str, detail: str, facts: Mapping[str, Any] | None = None) -> Response:
    """Returns a problem (RFC 9457). `code` is for programs, `detail` for people; `facts` are further members."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail}
    headers = {**_NO_STORE, "www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else _NO_STORE
    return Response(orjson.dumps({**body, **(facts or {})}), status_code=status, media_type=PROBLEM, headers=headers)


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
