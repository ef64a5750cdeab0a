"""The REST routes of statements: lists and files with a token, and files by a signed link without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app import ids
from app.access.viewer import Viewer
from app.clock import rfc3339
from app.errors import NotFound
from app.money import format_minor
from app.records import AccountStatement, StatementFile, Wallet
from app.rest.answers import field_of, json_object, json_response, load, problem, request_id_of
from app.rest.bodies import statement_input
from app.rest.query import page_request
from app.rest.views import page_view
from app.services.container import Services
from app.services.reading import load_wallets
from app.services.statements import creating, links, reading
from app.services.statements.creating import StatementResult
from app.services.statements.reading import FORMATS, MEDIA_TYPES
from app.telemetry import metrics

_MOST_DIGITS = 19
"""Of a statement's number."""


async def get_statements(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with a page of a wallet's statements, newest first."""
    wallet = await load("wal", load_wallets, request, services, viewer)
    found = await reading.statements_of(services.engine, viewer, wallet, page_request(request.query_params, has_filter=False))
    made = await reading.load_files(services.engine, [one.id for one in found.items])
    return json_response(page_view(found, lambda one: _view(services, wallet, one, made.get(one.id, ()))))


async def post_statement(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new statement, 200 if the key was used for this statement before."""
    services.rates.check_transfers(viewer.user_id)
    details = statement_input(request, await json_object(request))
    result = await creating.create(
        services.engine, services.settings, viewer, details, clock=services.clock, request_id=request_id_of(request)
    )
    if result.statement is None:
        return _refused(result)
    wallet = (await load_wallets(services.engine, viewer, [result.statement.wallet_id]))[result.statement.wallet_id]
    made = await reading.load_files(services.engine, [result.statement.id])
    content = _view(services, wallet, result.statement, made.get(result.statement.id, ()))
    return json_response({"statement": content, "replayed": result.replayed}, 200 if result.replayed else 201)


async def get_file(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the wallet and the statement has this file."""
    wallet = await load("wal", load_wallets, request, services, viewer)
    number = request.path_params["number"]
    is_number = number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS
    statement = await reading.statement_of(services.engine, wallet, int(number)) if is_number else None
    return await _file(request, services, statement, request.path_params["format"])


async def get_linked_file(request: Request, services: Services) -> Response:
    """Answers 404 unless the link is one of ours, 403 if its time is over. Nobody needs a token."""
    params = request.query_params
    extension = request.path_params["format"]
    statement_id = links.statement_of_link(
        services.settings,
        request.path_params["statement"],
        extension,
        expires=params.get("expires", ""),
        signature=params.get("signature", ""),
        clock=services.clock,
    )
    statement = await reading.linked_statement(services.engine, statement_id)
    return await _file(request, services, statement, extension)


async def _file(request: Request, services: Services, statement: AccountStatement | None, extension: str) -> Response:
    format_ = FORMATS.get(extension)
    if statement is None or format_ is None:
        raise NotFound
    made = (await reading.load_files(services.engine, [statement.id])).get(statement.id, ())
    file = next((one for one in made if one.format is format_ and one.sha256 is not None), None)
    if file is None or file.sha256 is None:
        raise NotFound
    sha256 = file.sha256.hex()
    headers = {
        # It never changes, but a link ends, and a viewer may lose the right to see it.
        "Cache-Control": "private, no-cache",
        "ETag": f'"{sha256}"',
    }
    if f'"{sha256}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    metrics.STATEMENT_DOWNLOADS.labels(format_.value).inc()
    headers |= {
        "Content-Disposition": f'attachment; filename="{reading.file_name(statement, format_)}"',
        "Content-Length": str(file.size),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Paycore-Sha256": sha256,
    }
    return StreamingResponse(reading.content_of(services.engine, file), headers=headers, media_type=MEDIA_TYPES[format_])


def _view(services: Services, wallet: Wallet, statement: AccountStatement, made: Sequence[StatementFile]) -> dict[str, Any]:
    """The caller must have checked that the viewer may see the wallet."""
    exponent = services.currencies[wallet.currency].exponent

    def decimal(minor: int | None) -> str | None:
        return None if minor is None else format_minor(minor, exponent)

    return {
        "id": ids.encode("stm", statement.id),
        "number": str(statement.number),
        "status": statement.status.value,
        "wallet_id": ids.encode("wal", statement.wallet_id),
        "from": rfc3339(statement.from_at),
        "to": rfc3339(statement.to_at),
        "first_sequence": str(statement.first_sequence),
        "last_sequence": str(statement.last_sequence),
        "currency": wallet.currency,
        "opening": decimal(statement.opening),
        "credits": decimal(statement.credits),
        "debits": decimal(statement.debits),
        "closing": decimal(statement.closing),
        "problem": statement.problem,
        "created_at": rfc3339(statement.created_at),
        "files": [
            {
                "format": reading.EXTENSIONS[one.format],
                "bytes": one.size,
                "sha256": None if one.sha256 is None else one.sha256.hex(),
                "problem": one.problem,
            }
            for one in made
        ],
    }


def _refused(result: StatementResult) -> Response:
    (refusal,) = result.refusals
    facts: dict[str, Any] = {"replayed": False, "field": field_of(refusal)}
    if refusal.expected_from is not None:
        facts["expected_from"] = rfc3339(refusal.expected_from)
    return problem(refusal.code.http_status, refusal.code.value, refusal.message, facts)


STATEMENT_ROUTES: tuple[tuple[str, str, Callable[[Request, Services, Viewer], Awaitable[Response]]], ...] = (
    ("GET", "/wallets/{id}/statements", get_statements),
    ("POST", "/wallets/{id}/statements", post_statement),
    ("GET", "/wallets/{id}/statements/{number}.{format}", get_file),
)
