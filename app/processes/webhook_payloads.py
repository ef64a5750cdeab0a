"""The payload of a delivery: the answer of the endpoint's document to its event, as the endpoint's owner may see it now.

The document runs as any subscription does, over a source that has this one event. So a webhook and a WebSocket send the same
for it, and the same code decides what its owner may see.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from app.access import policy
from app.access.viewer import Viewer
from app.clock import Clock
from app.db import hold_sql, live_sql
from app.db.currency_sql import load_currencies
from app.db.installation_sql import load_redis_names
from app.db.pool import Database
from app.limits.rates import RateLimit, RequestRates
from app.limits.sharing import RateLimitSharing
from app.paging.update_cursor import encode_update_cursor
from app.records import WebhookDelivery, WebhookEndpoint
from app.schema.context import Context
from app.schema.engine.build import build_schema
from app.services.container import Services
from app.services.hold_watch import HoldUpdate
from app.services.identity import Identities
from app.services.live import LiveUpdates, Settled
from app.services.live_reads import LiveReads
from app.services.transfers import Ledger
from app.services.wallet_watch import UpdateKind, WalletUpdate
from app.settings import Settings

MAX_BYTES = 262_144
"""Largest payload."""
_SECONDS = 10.0
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
_NO_LIMIT = 2**62
_OURS = frozenset({"UNAVAILABLE", "TIMEOUT", "INTERNAL"})
"""Codes of errors that are the service's: such an answer is not sent, it is made again."""


class NoPayload(Exception):
    """There is no answer to send. The message says why, for the owner of the endpoint."""


class _OneEvent(LiveUpdates):
    """The source of one event. It needs neither Redis nor a task."""

    def __init__(self, engine: Database, shared: LiveReads, delivery: WebhookDelivery) -> None:
        self._engine = engine
        self._once = shared
        self._delivery = delivery

    async def watch_wallet(
        self,
        viewer: Viewer,  # noqa: ARG002 - the resolver decides
        wallet_id: UUID,
        after: str | None = None,  # noqa: ARG002 - refused when the endpoint was created
    ) -> AsyncGenerator[WalletUpdate, None]:
        """The entry, and the wallet as it is now."""
        sequence = self._delivery.number
        wallet = await live_sql.wallet_by_id(self._engine, wallet_id)
        entries = await live_sql.entries_after(self._engine, wallet, sequence - 1, 1) if wallet is not None else []
        if not entries or wallet is None:
            return
        cursor = encode_update_cursor(wallet_id, sequence)
        yield WalletUpdate(UpdateKind.ENTRY, cursor, wallet, entries[0], reads=self._once.unshared())

    async def watch_settled(self, viewer: Viewer) -> AsyncGenerator[Settled, None]:  # noqa: ARG002 - see above
        """The transaction."""
        yield Settled(self._delivery.subject_id, 0, self._once.unshared())

    async def watch_hold(self, viewer: Viewer, hold_id: UUID) -> AsyncGenerator[HoldUpdate, None]:  # noqa: ARG002 - see above
        """The hold as it is now."""
        facts = (await hold_sql.facts(self._engine, [hold_id])).get(hold_id)
        found = await hold_sql.holds_by_id(self._engine, [hold_id], None)
        if facts is not None and found:
            yield HoldUpdate(found[0], facts, reads=self._once.unshared())


class Payloads:
    """Makes payloads. One for a process: it holds the schema and its cache of documents."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._schema = build_schema(services.settings)
        self._shared = LiveReads(services.engine, services.settings)

    async def make(self, endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> bytes:
        """The answer as JSON. Raises NoPayload."""
        rights = policy.rights_of_endpoint(sees_all=endpoint.sees_all)
        viewer = Viewer(user_id=endpoint.owner_id, subject="", rights=rights, expires_at=_FAR)
        live = _OneEvent(self._services.engine, self._shared, delivery)
        context = Context(replace(self._services, live=live), viewer)
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._answer(endpoint, context)
        except TimeoutError:
            raise NoPayload("the document was not answered in time") from None
        body = orjson.dumps(answer)
        if len(body) > MAX_BYTES:
            raise NoPayload(f"the answer is larger than {MAX_BYTES} bytes")
        return body

    async def _answer(self, endpoint: WebhookEndpoint, context: Context) -> dict[str, Any]:
        answers = await self._schema.stream(endpoint.document, dict(endpoint.variables or {}), context)
        async with aclosing(answers):
            async for result in answers:
                errors = [error.formatted for error in result.errors or ()]
                codes = {str((error.get("extensions") or {}).get("code")) for error in errors}
                if result.data is None or codes & _OURS:
                    raise NoPayload(f"the document was answered with {', '.join(sorted(codes))}")
                return {"data": result.data, **({"errors": errors} if errors else {})}
        raise NoPayload("its owner may not see this event any more")


async def services_of_worker(engine: Database, settings: Settings, clock: Clock) -> Services:
    """What documents need. Nobody calls a worker, so it has no limits per caller and shares none."""
    currencies = await load_currencies(engine)
    unlimited = RateLimit(_NO_LIMIT, 60)
    return Services(
        settings=settings,
        clock=clock,
        engine=engine,
        currencies=currencies,
        identities=Identities(engine, settings, clock),
        ledger=Ledger(engine, settings, currencies, clock),
        # Replaced for each delivery.
        live=None,  # type: ignore[arg-type]
        party_lookups=unlimited,
        query_budget=unlimited,
        rates=RequestRates(settings),
        # Never started, so it connects to nothing.
        sharing=RateLimitSharing("redis://", await load_redis_names(engine), []),
    )
