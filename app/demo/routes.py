"""The demo's routes: tokens for its users, the timeline of a transaction, traffic, a receiver of webhooks, faults to request.

Production does not have these routes.
"""

from __future__ import annotations

from dataclasses import asdict
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
from app.demo.receiver import Receiver
from app.demo.tools import DemoTools
from app.errors import BadUserInput, NotFound
from app.rest.answers import json_object, json_response, problem
from app.rest.routes import authenticated
from app.services import reading
from app.services.container import Services

BREAKABLE = ("redis", "relay", "api")


def routes() -> list[Route]:
    return [
        Route("/demo/session", get_session, methods=["GET"]),
        Route("/demo/transactions/{id}/life", authenticated(get_life), methods=["GET"]),
        Route("/demo/break", authenticated(post_break), methods=["POST"]),
        Route("/demo/ambient", authenticated(post_ambient), methods=["POST"]),
        Route("/demo/traffic", authenticated(get_traffic), methods=["GET"]),
        Route("/demo/traffic", authenticated(post_traffic), methods=["POST"]),
        Route("/demo/traffic", authenticated(delete_traffic), methods=["DELETE"]),
        Route("/demo/receiver", authenticated(get_receiver), methods=["GET"]),
        Route("/demo/receiver", authenticated(put_receiver), methods=["PUT"]),
        Route("/demo/receiver/{subject}", post_to_receiver, methods=["POST"]),
    ]


async def get_session(request: Request) -> Response:
    """Answers with the demo's users, each with a token. Answers 404 unless the public demo secret is in use.

    With that secret anyone could create these tokens. With another secret or an identity provider nobody may get one here.
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
    """Answers with the timeline of a transaction, or 404 if the viewer may not see it or this process does not have it."""
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
    """Request that the supervisor restarts Redis, or kills the relay or the API. Any user of the demo may."""
    policy.require_view(viewer)
    what = (await json_object(request)).get("what")
    if what not in BREAKABLE:
        raise BadUserInput(f"`what` must be one of {', '.join(BREAKABLE)}.")
    home = services.settings.supervisor_home
    if home is None:
        return problem(409, "NOT_SUPERVISED", "This only works under `paycore dev`, which restarts the process.")
    (home / f"break-{what}").touch()
    return json_response({"at": _time(services.clock())}, 202)


async def post_ambient(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with the next ambient payment, for a page that has the tokens of `get_session`; else 404, as there."""
    policy.require_view(viewer)
    if not services.settings.uses_demo_secret:
        raise NotFound
    return json_response(asdict(_tools(request).ambient.next()))


async def get_traffic(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - a handler's signature
    """Answers with the state of the current or last traffic."""
    policy.require(viewer, Right.MAKE_TRAFFIC)
    return json_response(_traffic(request))


async def post_traffic(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - see get_traffic
    """Start transfers between the demo's users."""
    policy.require(viewer, Right.MAKE_TRAFFIC)
    body = await json_object(request)
    await _tools(request).traffic.start(_whole_number(body, "per_second"), _whole_number(body, "seconds"))
    return json_response(_traffic(request), 202)


async def delete_traffic(request: Request, services: Services, viewer: Viewer) -> Response:  # noqa: ARG001 - see get_traffic
    """Stop the traffic."""
    policy.require(viewer, Right.MAKE_TRAFFIC)
    await _tools(request).traffic.stop()
    return json_response(_traffic(request))


async def get_receiver(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with what the viewer's own receiver of webhooks has received; 404 for users that are not the demo's."""
    receiver = _receiver(request, services, viewer)
    posts = [{**asdict(post), "at": _time(post.at)} for post in receiver.posts(viewer.subject)]
    return json_response({"url": receiver.url(viewer.subject), "answer": receiver.answer(viewer.subject), "posts": posts})


async def put_receiver(request: Request, services: Services, viewer: Viewer) -> Response:
    """Set the status that the viewer's receiver answers with."""
    receiver = _receiver(request, services, viewer)
    receiver.set_answer(viewer.subject, (await json_object(request)).get("answer"))
    return await get_receiver(request, services, viewer)


async def post_to_receiver(request: Request) -> Response:
    """Receive a webhook, as a shop's server would. It proves itself by its signature, so there is no token."""
    services: Services = request.app.state.services
    receiver, subject = _tools(request).receiver, request.path_params["subject"]
    if not services.settings.uses_demo_secret or not receiver.has(subject):
        raise NotFound
    status = await receiver.receive(services.engine, subject, request.headers, await request.body())
    return json_response({"accepted": status == 200}, status)


def _receiver(request: Request, services: Services, viewer: Viewer) -> Receiver:
    policy.require_view(viewer)
    receiver = _tools(request).receiver
    if not services.settings.uses_demo_secret or not receiver.has(viewer.subject):
        raise NotFound
    return receiver


def _tools(request: Request) -> DemoTools:
    tools: DemoTools = request.app.state.demo
    return tools


def _whole_number(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadUserInput(f"`{name}` must be a whole number.")
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
