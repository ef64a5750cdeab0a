"""Reading the requests of REST routes, and their answers. Errors are application/problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app import ids
from app.access import policy
from app.access.viewer import Viewer
from app.db.statements import Reader
from app.errors import BadUserInput, NotFound, Refusal
from app.http import strict_json
from app.money import Money
from app.rest.views import hold_view, transaction_view
from app.services.container import Services
from app.services.holds import HoldResult
from app.services.transfers import TransferResult

T = TypeVar("T")

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
    "quoteId": "quote_id",
    "sourceWalletId": "source_wallet_id",
    "targetWalletId": "target_wallet_id",
}
_NO_STORE = {"Cache-Control": "no-store"}
"""Caches must not store balances."""


async def load(
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


def settled(services: Services, viewer: Viewer, result: TransferResult) -> Response:
    if result.refusals:
        return refused(services, viewer, result)
    assert result.transaction is not None
    view = transaction_view(services, viewer, result.transaction)
    return json_response({"transaction": view, "replayed": result.replayed}, 200 if result.replayed else 201)


def held(services: Services, viewer: Viewer, found: HoldResult) -> Response:
    result = found.result
    hold = None if found.hold is None else hold_view(services, found.hold)
    if result.refusals:
        return refused(services, viewer, result, {} if hold is None else {"hold": hold})
    transaction = None if result.transaction is None else transaction_view(services, viewer, result.transaction)
    content = {"hold": hold, "transaction": transaction, "replayed": result.replayed}
    return json_response(content, 200 if result.replayed else 201)


def request_id_of(request: Request) -> str | None:
    found: str | None = request.scope["state"].get("request_id")
    return found


def refused(services: Services, viewer: Viewer, result: TransferResult, further: Mapping[str, Any] | None = None) -> Response:
    (refusal,) = result.refusals
    facts: dict[str, Any] = {"replayed": result.replayed, "field": field_of(refusal), **(further or {})}
    for name in ("available", "required", "fee", "limit"):
        money: Money | None = getattr(refusal, name)
        if money is not None:
            facts[name] = {"amount": money.amount, "currency": money.currency}
    if result.transaction is not None:
        facts["transaction"] = transaction_view(services, viewer, result.transaction)
    if refusal.transaction_id is not None:
        facts["transaction_id"] = ids.encode("txn", refusal.transaction_id)
    return problem(refusal.code.http_status, refusal.code.value, refusal.message, facts)


def field_of(refusal: Refusal) -> str | None:
    name = "maxFee" if "maxFee" in refusal.path else refusal.path[-1] if len(refusal.path) > 1 else None
    return None if name is None else _FIELD_OF_PATH.get(name, name)


def json_response(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, _NO_STORE, "application/json")


def text_response(text: str) -> Response:
    return Response(text, 200, _NO_STORE, "text/plain")


def problem(status: int, code: str, detail: str, facts: Mapping[str, Any] | None = None) -> Response:
    """Returns a problem (RFC 9457). `code` is for programs, `detail` for people; `facts` are further members."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail}
    headers = {**_NO_STORE, "www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else _NO_STORE
    return Response(orjson.dumps({**body, **(facts or {})}), status_code=status, media_type=PROBLEM, headers=headers)
