"""The REST route of the event feed: CloudEvents 1.0, one JSON object per line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app import ids
from app.access.viewer import Viewer
from app.clock import rfc3339
from app.db.sequence_sql import Sequenced
from app.errors import BadUserInput
from app.money import format_minor
from app.records import EventKind
from app.rest.views import hold_view, transaction_view, wallet_view
from app.services import event_feed
from app.services.container import Services
from app.services.event_feed import MAX_EVENTS, MAX_WAIT_SECONDS, FeedPage

POSITION_HEADER = "Paycore-Position"
_DEFAULT_LIMIT = 100
_HIGHEST = 2**63 - 1
_TYPES = {
    EventKind.SETTLED: "paycore.transaction.settled",
    EventKind.HOLD: "paycore.hold.changed",
    EventKind.WALLET: "paycore.wallet.changed",
}


async def get_events(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with the events after a position; with `wait`, as soon as there is one."""
    after, limit, wait = _parameters(request)
    services.query_budget.check(viewer.user_id.hex, 1 + limit)
    page = await event_feed.read_or_wait(
        services.engine, viewer, after, limit, wait_seconds=wait, is_over=lambda: request.app.state.draining
    )
    lines = [orjson.dumps(_cloud_event(services, viewer, page, event)) for event in page.events]
    last = page.events[-1].position if page.events else after
    body = b"".join(line + b"\n" for line in lines)
    headers = {POSITION_HEADER: str(last), "Cache-Control": "no-store"}
    return Response(body, media_type="application/x-ndjson", headers=headers)


def _parameters(request: Request) -> tuple[int, int, int]:
    """The position, the number of events and the seconds to wait. Raises BadUserInput."""
    params = request.query_params
    unknown = params.keys() - {"after", "limit", "wait"}
    if unknown:
        raise BadUserInput(f"Unknown parameter: {min(unknown)[:40]}.")
    if len(params.multi_items()) != len(params):
        raise BadUserInput("A parameter appears twice.")
    return (
        _number(params.get("after", "0"), "after", 0, _HIGHEST),
        _number(params.get("limit", str(_DEFAULT_LIMIT)), "limit", 1, MAX_EVENTS),
        _number(params.get("wait", "0"), "wait", 0, MAX_WAIT_SECONDS),
    )


def _number(text: str, name: str, least: int, most: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= len(str(_HIGHEST)) and least <= int(text) <= most:
        return int(text)
    raise BadUserInput(f"`{name}` must be a whole number, {least} to {most}.")


def _cloud_event(services: Services, viewer: Viewer, page: FeedPage, event: Sequenced) -> dict[str, Any]:
    prefix: ids.Prefix = "txn" if event.kind is EventKind.SETTLED else "hld" if event.kind is EventKind.HOLD else "wal"
    data, time = _data(services, viewer, page, event)
    return {
        "specversion": "1.0",
        "id": str(event.position),
        "source": "/paycore",
        "type": _TYPES[event.kind],
        "subject": ids.encode(prefix, event.subject_id),
        **({} if time is None else {"time": time}),
        # The extension `sequence`: as text, later ones are greater.
        "sequence": f"{event.position:019}",
        "datacontenttype": "application/json",
        "data": data,
    }


def _data(services: Services, viewer: Viewer, page: FeedPage, event: Sequenced) -> tuple[dict[str, Any], str | None]:
    match event.kind:
        case EventKind.SETTLED:
            transaction = page.transactions[event.subject_id]
            shown = transaction_view(services, viewer, transaction)
            shown["entries"] = [
                {
                    "id": ids.encode("ent", entry.id),
                    "wallet_id": ids.encode("wal", entry.wallet_id),
                    "sequence": str(entry.sequence),
                    "purpose": entry.purpose.value,
                    "amount": format_minor(entry.amount, services.currencies[wallet.currency].exponent),
                    "balance_after": format_minor(entry.balance_after, services.currencies[wallet.currency].exponent),
                    "currency": wallet.currency,
                }
                for entry in page.entries[event.subject_id]
                for wallet in (page.wallets[entry.wallet_id],)
            ]
            return shown, None if transaction.completed_at is None else rfc3339(transaction.completed_at)
        case EventKind.HOLD:
            return {"number": event.number, "hold": hold_view(services, page.holds[event.subject_id])}, None
        case EventKind.WALLET:
            return {"version": event.number, "wallet": wallet_view(services, page.wallets[event.subject_id])}, None


FEED_ROUTES: tuple[tuple[str, str, Callable[[Request, Services, Viewer], Awaitable[Response]]], ...] = (
    ("GET", "/events", get_events),
)
