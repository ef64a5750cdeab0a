"""What a batch reads and writes of holds, and the sweep of those whose time is over. All under the lock of the holds' wallets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app import ids
from app.db import hold_sql, ledger_sql
from app.db.hold_sql import Expired
from app.db.pool import driver_of
from app.messages import events
from app.records import AuditRecord, Hold, HoldEvent, HoldEventKind, HoldStatus, Wallet
from app.services.hold_book import change_of_held
from app.services.outcomes import Step
from app.services.requests import Key, Request, Unit
from app.telemetry import metrics


class Read(NamedTuple):
    """What a batch has read of holds."""

    wallets: dict[UUID, Wallet]
    """The locked wallets, once what has expired of them is ended."""
    holds: Mapping[UUID, Hold]
    events: Mapping[Key, HoldEvent]
    """The events that own keys of the batch."""


async def read_holds(connection: asyncpg.Connection, units: Sequence[Unit], wallets: dict[UUID, Wallet], now: datetime) -> Read:
    """Read the holds that the units name, and end those of the locked wallets whose time is over. Most batches have neither."""
    requests = [request for unit in units for request in unit.requests if request.hold is not None]
    holding = [wallet.id for wallet in wallets.values() if wallet.held]
    if not requests and not holding:
        return Read(wallets, {}, {})
    keys = list({request.key for request in requests if request.records_event})
    recorded = await hold_sql.recorded_events(connection, keys) if keys else {}
    named = {request.hold_id for request in requests if request.hold_id is not None}
    named |= {event.hold_id for event in recorded.values()}
    if not named and not holding:
        return Read(wallets, {}, recorded)
    found = await hold_sql.named_or_due(connection, named, holding, now)
    if any(hold.status is HoldStatus.OPEN and hold.has_expired(now) for hold in found.values()):
        wallets, _ = await _expire(connection, wallets, now)
        found = await hold_sql.holds(connection, named) if named else {}
    return Read(wallets, found, recorded)


async def _expire(
    connection: asyncpg.Connection, wallets: dict[UUID, Wallet], now: datetime
) -> tuple[dict[UUID, Wallet], Sequence[Expired]]:
    """End the holds of locked wallets whose time is over, with their outbox events. Returns the wallets as they are then."""
    expired = await hold_sql.expire(connection, [wallet.id for wallet in wallets.values() if wallet.held], now)
    if not expired:
        return wallets, expired
    released: Counter[UUID] = Counter()
    for one in expired:
        released[one.wallet_id] += one.released
    after = dict(wallets)
    for wallet_id, amount in released.items():
        wallet = wallets[wallet_id]
        # One statement has changed what is held, so the version has risen once.
        after[wallet_id] = wallet._replace(held=wallet.held - amount, version=wallet.version + 1)
    await ledger_sql.queue(connection, [_expired_payload(one, after[one.wallet_id].version) for one in expired])
    metrics.HOLDS.labels(HoldEventKind.EXPIRED.value).inc(len(expired))
    return after, expired


async def end_expired_holds(connection: AsyncConnection, wallet_id: UUID, now: datetime) -> None:
    """End the holds of a wallet whose time is over, in the caller's transaction."""
    raw = await driver_of(connection)
    found = await ledger_sql.lock_wallets(raw, [wallet_id])
    await _expire(raw, found.wallets, now)


async def sweep(connection: asyncpg.Connection, now: datetime, limit: int) -> int:
    """End up to `limit` holds whose time is over, in wallets that no other session has locked. Returns how many.

    Runs in its own transaction. Batches do not wait for it: each ends what has expired of its wallets by itself.
    """
    async with connection.transaction():
        due = await hold_sql.wallets_with_due_holds(connection, now, limit)
        if not due:
            return 0
        found = await ledger_sql.lock_wallets(connection, due, skip_locked=True)
        _, expired = await _expire(connection, found.wallets, now)
    return len(expired)


def held_payloads(
    step: Step, holds: Mapping[UUID, Hold], wallets: Mapping[UUID, Wallet], versions: dict[UUID, int]
) -> Iterator[str]:
    """The outbox payloads of a step's events. `versions` has the wallets' versions after earlier steps, and gets the new ones."""
    changes: Counter[UUID] = Counter()
    for event in step.happened:
        changes[holds[event.hold_id].wallet_id] += change_of_held(event)
    for wallet_id, change in changes.items():
        # The trigger changes a wallet once in a step, and only if what is held differs.
        versions[wallet_id] = versions.get(wallet_id, wallets[wallet_id].version) + (change != 0)
    for event in step.happened:
        wallet_id = holds[event.hold_id].wallet_id
        version = versions[wallet_id] if changes[wallet_id] else None
        yield events.hold_payload(event.hold_id, event.number, wallet_id, version)


def hold_audit_record(request: Request, event: HoldEvent, hold: Hold, now: datetime) -> AuditRecord:
    """The record of what a service account or administrator did with a hold between others."""
    after = {
        "amount": str(hold.amount),
        "remaining": str(hold.remaining),
        "currency": hold.currency,
        "status": hold.status.value,
    }
    assert event.initiator_id is not None
    return AuditRecord(
        id=ids.new_id(now),
        actor_id=event.initiator_id,
        action=f"HOLD_{event.kind.value}",
        subject_id=hold.id,
        before="{}",
        after=orjson.dumps(after).decode(),
        reason=(event.terms or {}).get("reason") or hold.description or None,
        request_id=request.request_id,
    )


def _expired_payload(expired: Expired, version: int) -> str:
    return events.hold_payload(expired.hold_id, expired.number, expired.wallet_id, version)
