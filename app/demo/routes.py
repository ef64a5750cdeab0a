"""What only the demo has: tokens for its users, the timeline of a transaction, traffic, and ways to break things.

In production none of these routes exists.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import ids
from app.access import policy
from app.access.tokens import mint_token
from app.access.viewer import Right, Viewer
from app.demo import seed
from app.demo.tools import DemoTools
from app.errors import BadUserInput, NotFound
from app.rest.routes import authenticated, json_object, json_response, problem
from app.services import reading
from app.services.container import Services

BREAKABLE = ("redis", "relay", "api")


def routes() -> list[Route]:
    """The demo's routes."""
    return [
        Route("/demo/session", get_session, methods=["GET"]),
        Route("/demo/transactions/{id}/life", authenticated(get_life), methods=["GET"]),
        Route("/demo/break", authenticated(post_break), methods=["POST"]),
        Route("/demo/traffic", authenticated(get_traffic), methods=["GET"]),
        Route("/demo/traffic", authenticated(post_traffic), methods=["POST"]),
        Route("/demo/traffic", authenticated(delete_traffic), methods=["DELETE"]),
    ]


async def get_session(request: Request) -> Response:
    """The demo's users, each with a token. Not there unless everybody could make these tokens themselves.

    With a secret of one's own, or an identity provider, a stranger who asks gets none.
    """
    services: Services = request.app.state.services
    if not services.settings.uses_demo_secret:
        raise NotFound
    users = [
        {
            "subject": user.subject,
            "display_name": user.display_name,
            "role": user.role,
            "token": mint_token(user.subject, services.settings, role=user.role),
            "wallets": [{"id": one.public_id, "name": one.name, "currency": one.currency} for one in user.wallets],
        }
        for user in seed.USERS
    ]
    return json_response({"users": users, "can_break": services.settings.supervisor_home is not None})


async def get_life(request: Request, services: Services, viewer: Viewer) -> Response:
    """The timeline of a transaction that the viewer may see, if this process still keeps it."""
    policy.require_view(viewer)
    transaction_id = ids.decode("txn", request.path_params["id"])
    if transaction_id is None or not await reading.load_transactions(services.engine, viewer, [transaction_id]):
        raise NotFound
    timeline = _tools(request).timelines.get(transaction_id)
    if timeline is None:
        raise NotFound("Only the process that settled a transaction keeps its timeline, and only for a while.")
    return json_response(
        {
            "transaction_id": request.path_params["id"],
            "accepted_at": _time(timeline.accepted_at),
            "batched_at": _time(timeline.batched_at),
            "batch_size": timeline.batch_size,
            "committed_at": _time(timeline.committed_at),
            "published_at": _time(timeline.published_at),
        }
    )


async def post_break(request: Request, services: Services, viewer: Viewer) -> Response:
    """Ask the supervisor to restart Redis, or to kill the relay or the API. Any user of the demo may."""
    policy.require_view(viewer)
    what = (await json_object(request)).get("what")
    if what not in BREAKABLE:
        raise BadUserInput(f"`what` is one of {', '.join(BREAKABLE)}.")
    home = services.settings.supervisor_home
    if home is None:
        return problem(409, "NOT_SUPERVISED", "Nobody would start it again: this works under `paycore dev`.")
    (home / f"break-{what}").touch()
    return json_response({"at": _time(services.clock())}, 202)


async def get_traffic(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - a handler's signature
    """What runs, or ran last."""
    policy.require(viewer, Right.MAKE_TRAFFIC)
    return json_response(_traffic(request))


async def post_traffic(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - see get_traffic
    """Start transfers between the demo's users."""
    policy.require(viewer, Right.MAKE_TRAFFIC)
    asked = await json_object(request)
    await _tools(request).traffic.start(_whole(asked, "per_second"), _whole(asked, "seconds"))
    return json_response(_traffic(request), 202)


async def delete_traffic(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - see get_traffic
    """Stop them."""
    policy.require(viewer, Right.MAKE_TRAFFIC)
    await _tools(request).traffic.stop()
    return json_response(_traffic(request))


def _tools(request: Request) -> DemoTools:
    tools: DemoTools = request.app.state.demo
    return tools


def _whole(asked: dict[str, Any], name: str) -> int:
    value = asked.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadUserInput(f"`{name}` is a whole number.")
    return value


def _traffic(request: Request) -> dict[str, object]:
    state = _tools(request).traffic.state
    return {
        "running": state.running,
        "per_second": state.per_second,
        "sent": state.sent,
        "completed": state.completed,
        "refused": state.refused,
        "ends_at": _time(state.ends_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
