"""The REST routes of balances in time and of activity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app import ids, texts
from app.access import policy
from app.access.viewer import Viewer
from app.clock import rfc3339
from app.db.activity_sql import Movement
from app.errors import BadUserInput
from app.money import MAX_DIGITS, format_minor, is_plain_decimal
from app.records import EntryDirection, Wallet
from app.rest.answers import json_response, load
from app.rest.query import known_only, moment, page_of_params, parameter
from app.rest.views import page_view
from app.services import activity, balances, reading
from app.services.activity import ActivityFilter, ActivityRequest
from app.services.balances import BalancePeriod, BalancePoint
from app.services.calendars import BalanceStep, Periods
from app.services.container import Services

_ACTIVITY = frozenset(
    {
        "first",
        "after",
        "query",
        "wallet_id",
        "direction",
        "amount_from",
        "amount_to",
        "created_from",
        "created_to",
        "not_before",
    }
)
_METADATA = "metadata."
"""A parameter such as `metadata.order=17` asks for a pair of metadata."""


async def get_balance(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with the wallet's balance at a moment. 404 unless the viewer may see the wallet."""
    wallet = await load("wal", reading.load_wallets, request, services, viewer)
    params = known_only(request.query_params, {"at"})
    point = await balances.balance_at(services.engine, viewer, wallet, _required(params, "at"), services.clock)
    assert point is not None, "the viewer may load the wallet"
    return json_response(_point_view(services, wallet, point))


async def get_balances(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with the wallet's balances over periods. 404 unless the viewer may see the wallet."""
    wallet = await load("wal", reading.load_wallets, request, services, viewer)
    params = known_only(request.query_params, {"from", "to", "step", "time_zone"})
    step = parameter(params, "step", BalanceStep) or BalanceStep.DAY
    asked = Periods(_required(params, "from"), _required(params, "to"), step, params.get("time_zone", "UTC"))
    found = await balances.balances(services.engine, viewer, wallet, asked, services.clock)
    return json_response({"currency": wallet.currency, "items": [_period_view(services, wallet, one) for one in found]})


async def get_activity(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with a page of the entries of the viewer's wallets, newest first."""
    policy.require_view(viewer)
    params = known_only(request.query_params, _ACTIVITY, _METADATA)
    asked = ActivityRequest(page_of_params(params), params.get("query"), _filter(params), params.get("not_before"))
    found = await activity.activity_of(services.engine, viewer, viewer.user_id, asked, services.clock)
    position = found.position
    shown = {
        "position": str(position.position),
        "at": rfc3339(position.at),
        "lag_seconds": position.lag_seconds,
    }
    return json_response({**page_view(found.page, lambda one: _movement_view(services, one)), "read_position": shown})


def _required(params: QueryParams, name: str) -> datetime:
    given = parameter(params, name, moment)
    if given is None:
        raise BadUserInput(f"`{name}` is needed: a time with an offset, such as 2026-01-31T12:00:00Z.")
    return given


def _filter(params: QueryParams) -> ActivityFilter:
    return ActivityFilter(
        wallet_id=params.get("wallet_id"),
        direction=parameter(params, "direction", EntryDirection),
        amount_from=parameter(params, "amount_from", _amount),
        amount_to=parameter(params, "amount_to", _amount),
        metadata=tuple(
            (name.removeprefix(_METADATA), texts.normal(value)) for name, value in params.items() if name.startswith(_METADATA)
        ),
        created_from=parameter(params, "created_from", moment),
        created_to=parameter(params, "created_to", moment),
    )


def _amount(text: str) -> str:
    if len(text) > MAX_DIGITS or not is_plain_decimal(text):
        raise ValueError(text)
    return text


def _point_view(services: Services, wallet: Wallet, point: BalancePoint) -> dict[str, Any]:
    exponent = services.currencies[wallet.currency].exponent
    return {
        "at": rfc3339(point.at),
        "sequence": str(point.sequence),
        "currency": wallet.currency,
        "balance": format_minor(point.balance, exponent),
        "held": format_minor(point.held, exponent),
        "available": format_minor(point.available, exponent),
    }


def _period_view(services: Services, wallet: Wallet, period: BalancePeriod) -> dict[str, Any]:
    exponent = services.currencies[wallet.currency].exponent
    return {
        "from": rfc3339(period.start),
        "to": rfc3339(period.end),
        "opening": format_minor(period.opening, exponent),
        "debits": format_minor(period.debits, exponent),
        "credits": format_minor(period.credits, exponent),
        "closing": format_minor(period.closing, exponent),
        "entry_count": str(period.entry_count),
        "closing_sequence": str(period.closing_sequence),
    }


def _movement_view(services: Services, movement: Movement) -> dict[str, Any]:
    transaction_id, _ = ids.split_entry_id(movement.entry_id)
    other = movement.counterparty_wallet_id
    return {
        "id": ids.encode("ent", movement.entry_id),
        "at": rfc3339(movement.at),
        "wallet_id": ids.encode("wal", movement.wallet_id),
        "transaction_id": ids.encode("txn", transaction_id),
        "direction": (EntryDirection.DEBIT if movement.amount < 0 else EntryDirection.CREDIT).value,
        "amount": format_minor(abs(movement.amount), services.currencies[movement.currency].exponent),
        "currency": movement.currency,
        "purpose": movement.purpose.value,
        "counterparty_wallet_id": None if other is None else ids.encode("wal", other),
    }


TIME_ROUTES: tuple[tuple[str, str, Callable[[Request, Services, Viewer], Awaitable[Response]]], ...] = (
    ("GET", "/wallets/{id}/balance", get_balance),
    ("GET", "/wallets/{id}/balances", get_balances),
    ("GET", "/activity", get_activity),
)
