"""Webhook endpoints and the lists of their deliveries. What delivers is in `webhook_queue_sql.py`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import sequence_sql
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


async def lock_user(connection: AsyncConnection, user_id: UUID) -> None:
    """Wait until no other transaction creates an endpoint of this user. The lock is for this transaction."""
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(str(user_id)))))


async def last_position(connection: AsyncConnection) -> int:
    """Returns the last position of an event, in a transaction that has begun."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    return await sequence_sql.last_position(raw)


async def count_of(connection: AsyncConnection, user_id: UUID) -> int:
    query = select(func.count()).select_from(EndpointRow).where(EndpointRow.owner_id == user_id)
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


async def endpoint_by_key(reader: Reader, owner_id: UUID, key: str) -> WebhookEndpoint | None:
    rows = await _BY_KEY.rows(reader, owner=owner_id, key=key)
    return endpoint_of(rows[0]) if rows else None


async def endpoints_by_id(reader: Reader, endpoint_ids: Collection[UUID]) -> dict[UUID, WebhookEndpoint]:
    return {row["id"]: endpoint_of(row) for row in await _BY_ID.rows(reader, ids=endpoint_ids)}


@cache
def _endpoints(*, is_backward: bool) -> Statement:
    query = select(*_ENDPOINT_COLUMNS).where(between(EndpointRow.id), EndpointRow.owner_id == id_parameter("owner"))
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


async def set_status(connection: AsyncConnection, endpoint_id: UUID, status: WebhookStatus, now: datetime) -> None:
    """Pause an endpoint, or enable it: then a worker looks at it at once, and its earlier failures count no more."""
    values: dict[str, Any] = {"status": status}
    if status is WebhookStatus.ENABLED:
        values |= {"failures": 0, "failing_since": None, "due_at": now}
    await connection.execute(update(EndpointRow).where(EndpointRow.id == endpoint_id).values(**values))


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
