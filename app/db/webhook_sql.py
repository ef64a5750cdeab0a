"""Webhook endpoints and the lists of their deliveries. What delivers is in `webhook_queue_sql.py`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import locks, sequence_sql
from app.db.lists import Window, between, id_range, in_range, paged
from app.db.statements import Reader, Statement, among, id_parameter, parameter
from app.db.webhook_models import WebhookAttempt as AttemptRow
from app.db.webhook_models import WebhookDelivery as DeliveryRow
from app.db.webhook_models import WebhookEndpoint as EndpointRow
from app.records import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookSource, WebhookStatus

_ENDPOINT_COLUMNS = tuple(getattr(EndpointRow, name) for name in WebhookEndpoint._fields)
DELIVERY_COLUMNS = tuple(getattr(DeliveryRow, name) for name in WebhookDelivery._fields)
_ATTEMPT_COLUMNS = tuple(getattr(AttemptRow, name) for name in WebhookAttempt._fields)
_LOCK = 0x50435748
"""The first half of the advisory lock under which a user's endpoints are counted."""


def endpoint_of(row: Any) -> WebhookEndpoint:
    values = dict(zip(WebhookEndpoint._fields, row, strict=True))
    # Enums are texts here, and so is JSON, unless SQLAlchemy made the connection.
    if isinstance(values["variables"], str):
        values["variables"] = orjson.loads(values["variables"])
    return WebhookEndpoint(**{**values, "source": WebhookSource(values["source"]), "status": WebhookStatus(values["status"])})


async def try_to_lock_user(connection: AsyncConnection, user_id: UUID) -> bool:
    """Returns False if another transaction creates an endpoint of this user. The lock is for this transaction."""
    query = select(func.pg_try_advisory_xact_lock(_LOCK, locks.half_of(user_id)))
    return bool(await connection.scalar(query))


async def last_position(connection: AsyncConnection) -> int:
    """Returns the last position of an event, in a transaction that has begun."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    return await sequence_sql.last_position(raw)


async def count_of(connection: AsyncConnection, user_id: UUID) -> int:
    query = select(func.count()).select_from(EndpointRow).where(EndpointRow.owner_id == user_id, EndpointRow.deleted_at.is_(None))
    found: int = (await connection.execute(query)).scalar_one()
    return found


async def insert_endpoint(connection: AsyncConnection, endpoint: WebhookEndpoint, key: str, start_number: int) -> bool:
    """Insert an endpoint. Returns False if the key was used before."""
    statement = insert_or_skip(EndpointRow).values(**endpoint._asdict(), idempotency_key=key, start_number=start_number)
    statement = statement.on_conflict_do_nothing(constraint="webhook_endpoints_idempotency_key")
    return await connection.scalar(statement.returning(EndpointRow.id)) is not None


_BY_KEY = Statement(
    select(*_ENDPOINT_COLUMNS).where(
        EndpointRow.owner_id == id_parameter("owner"),
        EndpointRow.idempotency_key == parameter("key", EndpointRow.idempotency_key),
    )
)
_BY_ID = Statement(select(*_ENDPOINT_COLUMNS).where(among(EndpointRow.id, "ids")))
_SEES_ALL = Statement(
    select(EndpointRow.id, EndpointRow.rights_until).where(
        EndpointRow.owner_id == id_parameter("owner"), EndpointRow.sees_all, EndpointRow.deleted_at.is_(None)
    )
)


async def endpoint_by_key(reader: Reader, owner_id: UUID, key: str) -> WebhookEndpoint | None:
    """Returns the endpoint that was created with a key, also if it is deleted."""
    rows = await _BY_KEY.rows(reader, owner=owner_id, key=key)
    return endpoint_of(rows[0]) if rows else None


async def endpoints_by_id(reader: Reader, endpoint_ids: Collection[UUID]) -> dict[UUID, WebhookEndpoint]:
    """Returns endpoints, also deleted ones."""
    return {row["id"]: endpoint_of(row) for row in await _BY_ID.rows(reader, ids=endpoint_ids)}


@cache
def _endpoints(*, is_backward: bool) -> Statement:
    query = select(*_ENDPOINT_COLUMNS).where(
        between(EndpointRow.id), EndpointRow.owner_id == id_parameter("owner"), EndpointRow.deleted_at.is_(None)
    )
    return Statement(paged(query, [EndpointRow.id], is_backward=is_backward))


async def list_endpoints(reader: Reader, owner_id: UUID, window: Window) -> Sequence[WebhookEndpoint]:
    """Returns a page of a user's endpoints."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    low, high = ids_between
    statement = _endpoints(is_backward=window.is_backward)
    return [endpoint_of(row) for row in await statement.rows(reader, owner=owner_id, low=low, high=high, most=window.limit)]


async def set_keys(
    connection: AsyncConnection, endpoint_id: UUID, keys: bytes, public_key: bytes, old_keys_until: datetime | None
) -> None:
    """Replace an endpoint's keys. Those before still sign until `old_keys_until`; None: not any more."""
    old_keys = None if old_keys_until is None else EndpointRow.keys
    values = {"keys": keys, "public_key": public_key, "old_keys": old_keys, "old_keys_until": old_keys_until}
    await connection.execute(update(EndpointRow).where(EndpointRow.id == endpoint_id).values(**values))


async def set_status(
    connection: AsyncConnection, endpoint_id: UUID, status: WebhookStatus, now: datetime, rights_until: datetime
) -> bool:
    """Pause an endpoint, or enable it: then a worker looks at it at once, and its earlier failures count no more.

    Returns False if it is deleted.
    """
    values: dict[str, Any] = {"status": status}
    if status is WebhookStatus.ENABLED:
        look_at = case((EndpointRow.behind_after.is_not(None), now))
        values |= {"failures": 0, "failing_since": None, "due_at": now, "look_at": look_at, "rights_until": rights_until}
    statement = update(EndpointRow).where(EndpointRow.id == endpoint_id, EndpointRow.deleted_at.is_(None)).values(**values)
    return (await connection.execute(statement)).rowcount == 1


async def delete_endpoint(connection: AsyncConnection, endpoint_id: UUID, now: datetime) -> None:
    """Mark an endpoint as deleted and forget its keys. It gets nothing more; `remove_deleted` removes its rows later."""
    values = {
        "deleted_at": now,
        "status": WebhookStatus.PAUSED,
        "due_at": None,
        "behind_after": 0,
        "look_at": now,
        "keys": b"",
        "old_keys": None,
        "old_keys_until": None,
    }
    statement = update(EndpointRow).where(EndpointRow.id == endpoint_id, EndpointRow.deleted_at.is_(None))
    await connection.execute(statement.values(**values))


async def rights_end(reader: Reader, owner_id: UUID) -> dict[UUID, datetime]:
    """Returns when the right ends with which a user's endpoints see everything, by endpoint."""
    return {row["id"]: row["rights_until"] for row in await _SEES_ALL.rows(reader, owner=owner_id)}


async def confirm_rights(connection: AsyncConnection, endpoint_ids: Collection[UUID], until: datetime) -> None:
    """Write that the owner of the endpoints has the right to see everything."""
    chosen = EndpointRow.id.in_(endpoint_ids)
    await connection.execute(update(EndpointRow).where(chosen, EndpointRow.rights_until < until).values(rights_until=until))


async def end_rights(connection: AsyncConnection, endpoint_ids: Collection[UUID], now: datetime) -> int:
    """Write that the owner of the endpoints has lost the right to see everything, and pause them. Returns how many it changed."""
    is_running = or_(EndpointRow.rights_until > now, EndpointRow.status == WebhookStatus.ENABLED)
    statement = update(EndpointRow).where(EndpointRow.id.in_(endpoint_ids), is_running)
    return (await connection.execute(statement.values(rights_until=now, status=WebhookStatus.PAUSED))).rowcount


_FAILED = (DeliveryRow.delivered_at.is_(None), DeliveryRow.failures > 0)


@cache
def _deliveries(*, failed: bool, is_backward: bool) -> Statement:
    place = [DeliveryRow.endpoint_id, DeliveryRow.id]
    query = select(*DELIVERY_COLUMNS).where(*in_range(place), *(_FAILED if failed else ()))
    return Statement(paged(query, place, is_backward=is_backward))


async def list_deliveries(reader: Reader, endpoint_id: UUID, window: Window, *, failed: bool) -> Sequence[WebhookDelivery]:
    """Returns a page of an endpoint's deliveries; with `failed`, only those that have failed and are not delivered."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    low, high = ids_between
    statement = _deliveries(failed=failed, is_backward=window.is_backward)
    rows = await statement.rows(reader, place=endpoint_id, low=low, high=high, most=window.limit)
    return [WebhookDelivery(*row) for row in rows]


_DELIVERIES_BY_ID = Statement(select(*DELIVERY_COLUMNS).where(among(DeliveryRow.id, "ids")))


async def deliveries_by_id(reader: Reader, delivery_ids: Collection[UUID]) -> dict[UUID, WebhookDelivery]:
    return {row["id"]: WebhookDelivery(*row) for row in await _DELIVERIES_BY_ID.rows(reader, ids=delivery_ids)}


_OLDEST = """
SELECT DISTINCT ON (endpoint_id) {columns} FROM webhook_deliveries
WHERE endpoint_id = ANY($1::uuid[]) AND subject_id <> endpoint_id AND delivered_at IS NULL ORDER BY endpoint_id, position, number
""".format(columns=", ".join(WebhookDelivery._fields))


async def oldest_undelivered(reader: Reader, endpoint_ids: Collection[UUID]) -> dict[UUID, WebhookDelivery]:
    """Returns the first delivery of each endpoint that is not delivered, by the endpoint."""
    return {row["endpoint_id"]: WebhookDelivery(*row) for row in await reader.fetch(_OLDEST, endpoint_ids)}


_ATTEMPTS = Statement(
    select(*_ATTEMPT_COLUMNS).where(among(AttemptRow.delivery_id, "ids")).order_by(AttemptRow.delivery_id, AttemptRow.number)
)


async def attempts_of(reader: Reader, delivery_ids: Collection[UUID]) -> dict[UUID, tuple[WebhookAttempt, ...]]:
    """Returns the attempts of each delivery, in order. A delivery has at most those of its schedule and of its replays."""
    found: dict[UUID, list[WebhookAttempt]] = {}
    for row in await _ATTEMPTS.rows(reader, ids=delivery_ids):
        found.setdefault(row["delivery_id"], []).append(WebhookAttempt(*row))
    return {delivery_id: tuple(attempts) for delivery_id, attempts in found.items()}
