"""The REST routes of receipts and of the log's checkpoints. They answer with text, in the formats of C2SP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.access import policy
from app.access.viewer import Viewer
from app.errors import NotFound
from app.rest.answers import load, text_response
from app.rest.openapi_parts import BEARER, problems
from app.services.container import Services
from app.services.receipts import reading


async def get_receipt(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the transaction and a checkpoint covers it."""
    receipt = await load("txn", reading.load_receipts, request, services, viewer)
    if receipt.proof is None:
        raise NotFound
    return text_response(receipt.proof)


async def get_checkpoint(_request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 if nothing is signed yet."""
    checkpoint = await reading.newest_checkpoint(services.engine, viewer)
    if checkpoint is None:
        raise NotFound
    return text_response(checkpoint.text)


async def get_log_key(_request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 if this service is not told the log's public key."""
    policy.require_view(viewer)
    key = services.settings.log_public_key
    if key is None:
        raise NotFound
    return text_response(f"{key}\n")


LOG_ROUTES: tuple[tuple[str, str, Callable[[Request, Services, Viewer], Awaitable[Response]]], ...] = (
    ("GET", "/transactions/{id}/receipt", get_receipt),
    ("GET", "/checkpoint", get_checkpoint),
    ("GET", "/log/key", get_log_key),
)

_TEXT = {"text/plain": {"schema": {"type": "string"}}}
LOG_PATHS: dict[str, Any] = {
    "/transactions/{id}/receipt": {
        "get": {
            "summary": "A transaction's receipt",
            "description": "A c2sp.org/tlog-proof@v1 that proves offline what was logged. 404 until a checkpoint covers it.",
            "operationId": "getReceipt",
            "security": BEARER,
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "responses": {"200": {"description": "The receipt.", "content": _TEXT}, **problems(404)},
        }
    },
    "/checkpoint": {
        "get": {
            "summary": "The newest signed checkpoint of the log",
            "description": "A c2sp.org/tlog-checkpoint with the cosignatures of witnesses. 404 if nothing is signed yet.",
            "operationId": "getCheckpoint",
            "security": BEARER,
            "responses": {"200": {"description": "The signed note.", "content": _TEXT}, **problems(404)},
        }
    },
    "/log/key": {
        "get": {
            "summary": "The log's public key",
            "description": "As this service is told it. Compare it with the key that the operator has published elsewhere.",
            "operationId": "getLogKey",
            "security": BEARER,
            "responses": {"200": {"description": "A key of c2sp.org/signed-note.", "content": _TEXT}, **problems(404)},
        }
    },
}
