"""Creating webhook endpoints, replacing their keys, pausing and deleting them, and reading them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from app import ids
from app.access import policy
from app.access.viewer import Viewer
from app.clock import Clock, monotonic
from app.db import webhook_sql
from app.db.pool import Database
from app.db.statements import Reader
from app.errors import Forbidden, RateLimited, Refusal, RefusalCode, Unavailable
from app.paging.pages import Page, PageRequest
from app.records import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookSource, WebhookStatus
from app.services.input_rules import idempotency_key_refusal
from app.services.reading import empty_page, page_of, page_window
from app.services.refusals import key_reused
from app.services.webhooks.destinations import BadDestination, destination_of
from app.services.webhooks.rights import rights_until
from app.services.webhooks.sealing import Seal
from app.services.webhooks.signing import SigningKeys
from app.settings import Settings

MAX_DOCUMENT = 10_000
MAX_VARIABLES_BYTES = 16_384
MAX_OVERLAP_SECONDS = 7 * 86_400
_PATH = ("input",)
_TURN_SECONDS = (0.005, 0.03)

logger = logging.getLogger(__name__)


class Subject(NamedTuple):
    """What a document subscribes to."""

    source: WebhookSource
    subject_id: UUID | None
    start_number: int
    """The wallet's newest sequence, or the hold's newest event: what follows is delivered. For SETTLED the position decides."""


class BadDocument(ValueError):
    """The document cannot be an endpoint's. The message says why, for the owner of the endpoint."""


SubjectOf = Callable[[str, dict[str, Any] | None], Awaitable[Subject]]
"""Checks a document and its variables for the viewer. Raises BadDocument."""


@dataclass(frozen=True, slots=True)
class EndpointInput:
    """The client's input of createWebhookEndpoint. `variables` is a JSON object as text."""

    idempotency_key: str
    url: str
    document: str
    variables: str | None
    ordered: bool


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """The endpoint, or the refusals. `secret` is set only where it was made just now."""

    endpoint: WebhookEndpoint | None
    refusals: tuple[Refusal, ...] = ()
    secret: str | None = None
    replayed: bool = False


async def create(
    engine: Database, settings: Settings, viewer: Viewer, details: EndpointInput, subject_of: SubjectOf, *, clock: Clock
) -> EndpointResult:
    """Create an endpoint. The same key again returns the same endpoint, without its secret. Raises Forbidden, Unavailable."""
    policy.require_webhooks(viewer)
    seal = seal_of(settings)
    request_hash = _hash(details)
    earlier = await webhook_sql.endpoint_by_key(engine, viewer.user_id, details.idempotency_key)
    if earlier is not None:
        return _again(earlier, request_hash)
    checked = await _checked(settings, details, subject_of)
    if isinstance(checked, Refusal):
        return EndpointResult(None, (checked,))
    subject, variables = checked
    now = clock()
    endpoint_id, keys = ids.new_id(now), SigningKeys.generate()
    endpoint = WebhookEndpoint(
        id=endpoint_id,
        owner_id=viewer.user_id,
        source=subject.source,
        subject_id=subject.subject_id,
        sees_all=policy.sees_all(viewer),
        ordered=details.ordered,
        status=WebhookStatus.ENABLED,
        url=details.url,
        document=details.document,
        variables=variables,
        public_key=keys.public,
        keys=seal.seal(keys.pack(), endpoint_id),
        old_keys=None,
        old_keys_until=None,
        request_hash=request_hash,
        failures=0,
        created_at=now,
        rights_until=rights_until(settings, now),
        deleted_at=None,
    )
    if await _insert_in_turn(engine, settings, endpoint, details.idempotency_key, subject):
        return EndpointResult(endpoint, secret=keys.shared)
    # The same request has just created one, or there is no room for another.
    winner = await webhook_sql.endpoint_by_key(engine, viewer.user_id, details.idempotency_key)
    if winner is not None:
        return _again(winner, request_hash)
    message = f"A user has at most {settings.webhooks_per_user} webhook endpoints."
    return EndpointResult(None, (Refusal(RefusalCode.QUOTA_EXCEEDED, message, _PATH, not_recorded=True),))


async def _insert_in_turn(engine: Database, settings: Settings, endpoint: WebhookEndpoint, key: str, subject: Subject) -> bool:
    """Insert the endpoint, after others that this user is creating. Returns False if it is not inserted. Raises RateLimited.

    It waits without a connection: many that wait for each other in the database would take all of them.
    """
    deadline = monotonic() + settings.request_timeout_seconds / 2
    while True:
        inserted = await _insert(engine, settings, endpoint, key, subject)
        if inserted is not None:
            return inserted
        if monotonic() >= deadline:
            raise RateLimited(1, "You are creating many webhook endpoints at once. Try again in a second.")
        await asyncio.sleep(random.uniform(*_TURN_SECONDS))  # noqa: S311 - spreads those that wait


async def _insert(engine: Database, settings: Settings, endpoint: WebhookEndpoint, key: str, subject: Subject) -> bool | None:
    """Returns None if it is the turn of another."""
    async with engine.begin() as connection:
        if not await webhook_sql.try_to_lock_user(connection, endpoint.owner_id):
            return None
        if await webhook_sql.count_of(connection, endpoint.owner_id) >= settings.webhooks_per_user:
            return False
        # What is committed later gets a later position.
        is_settled = subject.source is WebhookSource.SETTLED
        start = await webhook_sql.last_position(connection) if is_settled else subject.start_number
        return await webhook_sql.insert_endpoint(connection, endpoint, key, start)


async def _checked(
    settings: Settings, details: EndpointInput, subject_of: SubjectOf
) -> tuple[Subject, dict[str, Any] | None] | Refusal:
    refusal = idempotency_key_refusal(details.idempotency_key, _PATH)
    if refusal is not None:
        return refusal
    variables = _variables(details.variables)
    if isinstance(variables, Refusal):
        return variables
    try:
        destination_of(details.url, allow_private=settings.webhook_private_targets)
        return await subject_of(details.document, variables), variables
    except BadDestination as problem:
        return _invalid(str(problem), "url")
    except BadDocument as problem:
        return _invalid(str(problem), "document")


async def rotate(
    engine: Database, settings: Settings, viewer: Viewer, endpoint_id: str, *, overlap_seconds: int, clock: Clock
) -> EndpointResult:
    """Replace an endpoint's secret and its Ed25519 key. Raises Forbidden, Unavailable."""
    policy.require_webhooks(viewer)
    seal = seal_of(settings)
    if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
        return _refused(f"An overlap is 0 to {MAX_OVERLAP_SECONDS} seconds.", "overlap")
    found = await own(engine, viewer, endpoint_id)
    if found is None:
        return EndpointResult(None, (not_found("endpointId"),))
    keys = SigningKeys.generate()
    until = clock() + timedelta(seconds=overlap_seconds) if overlap_seconds else None
    async with engine.begin() as connection:
        await webhook_sql.set_keys(connection, found.id, seal.seal(keys.pack(), found.id), keys.public, until)
    return EndpointResult(await _present(engine, found), secret=keys.shared)


async def set_status(
    engine: Database, settings: Settings, viewer: Viewer, endpoint_id: str, status: WebhookStatus, *, clock: Clock
) -> EndpointResult:
    """Pause an endpoint or enable it. Raises Forbidden."""
    policy.require_webhooks(viewer)
    if status is WebhookStatus.DISABLED_FAILING:
        return _refused("An endpoint is disabled by its answers only. Pause it instead.", "status")
    found = await own(engine, viewer, endpoint_id)
    if found is None:
        return EndpointResult(None, (not_found("endpointId"),))
    if status is WebhookStatus.ENABLED and not policy.may_use_endpoint(viewer, sees_all=found.sees_all):
        raise Forbidden("This endpoint sees everything, and you do not any more.")
    now = clock()
    async with engine.begin() as connection:
        if not await webhook_sql.set_status(connection, found.id, status, now, rights_until(settings, now)):
            return EndpointResult(None, (not_found("endpointId"),))
    return EndpointResult(await _present(engine, found))


async def delete(engine: Database, viewer: Viewer, endpoint_id: str, *, clock: Clock) -> EndpointResult:
    """Delete an endpoint with its deliveries. An attempt that is in flight still ends. Raises Forbidden.

    Deleting it once more returns the same, so that it can be tried again after an answer was lost.
    """
    policy.require_webhooks(viewer)
    decoded = ids.decode("whe", endpoint_id)
    found = {} if decoded is None else await webhook_sql.endpoints_by_id(engine, [decoded])
    endpoint = None if decoded is None else found.get(decoded)
    if endpoint is None or endpoint.owner_id != viewer.user_id:
        return EndpointResult(None, (not_found("endpointId"),))
    async with engine.begin() as connection:
        await webhook_sql.delete_endpoint(connection, endpoint.id, clock())
    logger.info("deleted the webhook endpoint %s", endpoint.id)
    return EndpointResult(endpoint)


async def _present(engine: Database, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return (await webhook_sql.endpoints_by_id(engine, [endpoint.id]))[endpoint.id]


async def own(database: Reader, viewer: Viewer, endpoint_id: str) -> WebhookEndpoint | None:
    """The viewer's endpoint with this public id, or None. Other users' endpoints do not exist for the viewer."""
    decoded = ids.decode("whe", endpoint_id)
    return None if decoded is None else (await load_endpoints(database, viewer, [decoded])).get(decoded)


async def load_endpoints(database: Reader, viewer: Viewer, endpoint_ids: Collection[UUID]) -> dict[UUID, WebhookEndpoint]:
    """The viewer's own endpoints by id. Nobody sees those of others, whose documents say what they read."""
    if not policy.may_view(viewer):
        return {}
    found = await webhook_sql.endpoints_by_id(database, endpoint_ids)
    return {one.id: one for one in found.values() if one.owner_id == viewer.user_id and one.deleted_at is None}


async def load_deliveries(database: Reader, viewer: Viewer, delivery_ids: Collection[UUID]) -> dict[UUID, WebhookDelivery]:
    """Deliveries of the viewer's own endpoints, by id."""
    found = await webhook_sql.deliveries_by_id(database, delivery_ids)
    endpoints = await load_endpoints(database, viewer, {one.endpoint_id for one in found.values()})
    shown = {one.id for one in endpoints.values() if policy.may_use_endpoint(viewer, sees_all=one.sees_all)}
    return {one.id: one for one in found.values() if one.endpoint_id in shown}


async def load_oldest(database: Reader, endpoint_ids: Collection[UUID]) -> dict[UUID, WebhookDelivery]:
    """The oldest delivery that waits, by endpoint. Does not check the viewer: pass only endpoints that the viewer may see."""
    return await webhook_sql.oldest_undelivered(database, endpoint_ids)


async def load_attempts(database: Reader, delivery_ids: Collection[UUID]) -> Mapping[UUID, tuple[WebhookAttempt, ...]]:
    """The attempts of deliveries. Does not check the viewer: pass only deliveries that the viewer may see."""
    return await webhook_sql.attempts_of(database, delivery_ids)


async def endpoints_of(database: Reader, viewer: Viewer, page: PageRequest) -> Page[WebhookEndpoint]:
    """The viewer's endpoints, newest first. Raises Forbidden."""
    policy.require_view(viewer)
    scope = f"webhook endpoints of {viewer.user_id}"
    found = await webhook_sql.list_endpoints(database, viewer.user_id, page_window(page, scope))
    return page_of(found, page, scope, lambda endpoint: endpoint.id.int)


async def deliveries_of(
    database: Reader, viewer: Viewer, endpoint: WebhookEndpoint, page: PageRequest, *, failed: bool
) -> Page[WebhookDelivery]:
    """An endpoint's deliveries, newest first. Empty if it is not the viewer's, or they may not see any more what it was sent."""
    may_see = policy.may_view(viewer) and policy.may_use_endpoint(viewer, sees_all=endpoint.sees_all)
    if endpoint.owner_id != viewer.user_id or not may_see:
        return empty_page()
    scope = f"deliveries of {endpoint.id}{' failed' if failed else ''}"
    found = await webhook_sql.list_deliveries(database, endpoint.id, page_window(page, scope), failed=failed)
    return page_of(found, page, scope, lambda delivery: delivery.id.int)


def seal_of(settings: Settings) -> Seal:
    """What seals the secrets. Raises Unavailable if the service has no key for it."""
    if not settings.sealing_keys:
        raise Unavailable("This service has no webhooks.")
    return Seal(settings.sealing_keys)


def not_found(field_name: str) -> Refusal:
    """The refusal of an endpoint that is unknown, malformed or another user's. One for all three, so that none is revealed."""
    return _invalid("You have no webhook endpoint with this id.", field_name)


def _again(earlier: WebhookEndpoint, request_hash: bytes) -> EndpointResult:
    if earlier.request_hash != request_hash or earlier.deleted_at is not None:
        return EndpointResult(None, (key_reused(_PATH, None),))
    return EndpointResult(earlier, replayed=True)


def _hash(details: EndpointInput) -> bytes:
    members = [details.url, details.document, details.variables, details.ordered]
    return hashlib.sha256(orjson.dumps(members)).digest()


def _variables(text: str | None) -> dict[str, Any] | Refusal | None:
    if text is None:
        return None
    try:
        found = orjson.loads(text) if len(text) <= MAX_VARIABLES_BYTES else None
    except orjson.JSONDecodeError:
        found = None
    # PostgreSQL stores no NUL.
    if not isinstance(found, dict) or b"\\u0000" in orjson.dumps(found):
        message = f"Variables are a JSON object, as text, of at most {MAX_VARIABLES_BYTES} characters and without NUL."
        return _invalid(message, "variables")
    return found


def _refused(message: str, field_name: str) -> EndpointResult:
    return EndpointResult(None, (_invalid(message, field_name),))


def _invalid(message: str, field_name: str) -> Refusal:
    return Refusal(RefusalCode.INVALID_INPUT, message, (*_PATH, field_name))
