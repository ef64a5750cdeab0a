"""The demo's routes for tampering with a row, for administrators, and for what the verification says of it."""

from __future__ import annotations

from datetime import UTC

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import monotonic
from app.demo.tampering import Tampering, shown
from app.errors import NotFound
from app.rest.answers import json_object, json_response
from app.rest.routes import authenticated
from app.services.container import Services


def routes() -> list[Route]:
    return [
        Route("/demo/tampering", authenticated(get_tampering), methods=["GET"]),
        Route("/demo/tampering", authenticated(post_tampering), methods=["POST"]),
        Route("/demo/tampering", authenticated(delete_tampering), methods=["DELETE"]),
        Route("/demo/tampering/verification", authenticated(post_verification), methods=["POST"]),
    ]


async def get_tampering(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - a handler's signature
    """Answers with the row that is tampered with, or null, and whether one can be."""
    policy.require(viewer, Right.MAKE_TRAFFIC)
    tampering: Tampering = request.app.state.demo.tampering
    return json_response({"possible": tampering.is_possible, "tampered": _shown(tampering)})


async def post_tampering(request: Request, services: Services, viewer: Viewer) -> Response:
    """Change a row by SQL, as a superuser would."""
    tampering = _tampering(request, viewer)
    await tampering.tamper(services.engine, viewer, (await json_object(request)).get("what"))
    return json_response({"tampered": _shown(tampering)}, 201)


async def delete_tampering(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - as above
    """Restore the row. Answers with it."""
    return json_response({"row": await _tampering(request, viewer).restore()})


async def post_verification(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - as above
    """Verify the whole ledger, as `paycore verify` does."""
    tampering, started = _tampering(request, viewer), monotonic()
    findings = await tampering.verify()
    return json_response({"findings": findings, "seconds": round(monotonic() - started, 2)})


def _tampering(request: Request, viewer: Viewer) -> Tampering:
    policy.require(viewer, Right.MAKE_TRAFFIC)
    tampering: Tampering = request.app.state.demo.tampering
    if not tampering.is_possible:
        raise NotFound("Only the embedded database of `paycore dev` can be tampered with.")
    return tampering


def _shown(tampering: Tampering) -> dict[str, object] | None:
    tampered = tampering.current
    if tampered is None:
        return None
    restores_at = tampered.restores_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {**shown(tampered), "restores_at": restores_at}
