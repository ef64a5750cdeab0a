"""Opening wallets and changing their status."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock
from app.db import wallet_sql
from app.db.failures import is_unavailable
from app.errors import Refusal, RefusalCode
from app.messages import events
from app.money import Currency
from app.records import Wallet, WalletStatus
from app.services.input_rules import idempotency_key_refusal, people_text, was_taken
from app.services.refusals import key_reused, wallet_not_found

MAX_NAME = 100
MAX_REASON = 280
_STATUS_TRIES = 2
"""Of a change of status. Each waits as long as a statement may; a request is over before both have."""


@dataclass(frozen=True, slots=True)
class OpenWalletInput:
    """A wallet as the client asked for it."""

    idempotency_key: str
    currency: str
    name: str


@dataclass(frozen=True, slots=True)
class WalletResult:
    """The wallet, or why not."""

    wallet: Wallet | None
    refusals: tuple[Refusal, ...] = ()
    replayed: bool = False


async def open_wallet(
    engine: AsyncEngine,
    viewer: Viewer,
    asked: OpenWalletInput,
    currencies: Mapping[str, Currency],
    clock: Clock,
    *,
    most: int,
) -> WalletResult:
    """Open an empty wallet for the viewer, who may have `most`; the same key again answers with the same wallet.

    Raises Forbidden.
    """
    policy.require(viewer, Right.OPEN_WALLET)
    kept = _to_open(asked, currencies)
    if isinstance(kept, Refusal):
        return await _replay_or(kept, engine, viewer, asked)
    async with engine.connect() as connection:
        earlier = await wallet_sql.opened_by(connection, viewer.user_id, asked.idempotency_key)
    if earlier is None:
        wallet = await _open(engine, viewer.user_id, kept, _hash(kept), clock(), most=most)
        if wallet is not None:
            return WalletResult(wallet)
        # Another request with this key may have been faster: then its answer is ours.
        async with engine.connect() as connection:
            earlier = await wallet_sql.opened_by(connection, viewer.user_id, asked.idempotency_key)
        if earlier is None:
            return WalletResult(None, (_too_many(most),))
    earlier_hash, wallet = earlier
    # Names that were kept before there was a rule for them are as they were sent.
    if earlier_hash not in (_hash(kept), _hash(asked)):
        return WalletResult(None, (key_reused(("input",), None),))
    return WalletResult(wallet, replayed=True)


def _to_open(asked: OpenWalletInput, currencies: Mapping[str, Currency]) -> OpenWalletInput | Refusal:
    """What was asked with its name as it is kept, or the first thing that is wrong with it."""
    if asked.currency not in currencies:
        message = "There is no such currency in ISO 4217."
        return Refusal(RefusalCode.INVALID_INPUT, message, ("input", "currency"))
    name = people_text(asked.name, ("input", "name"), least=1, most=MAX_NAME)
    if isinstance(name, Refusal):
        return name
    return idempotency_key_refusal(asked.idempotency_key, ("input",)) or replace(asked, name=name)


async def _replay_or(refusal: Refusal, engine: AsyncEngine, viewer: Viewer, asked: OpenWalletInput) -> WalletResult:
    """The refusal, unless the very request was answered before there was a rule for its name."""
    earlier = None
    is_key = idempotency_key_refusal(asked.idempotency_key, ("input",)) is None
    if refusal.path[-1] == "name" and is_key and was_taken(asked.name, least=1, most=MAX_NAME):
        async with engine.connect() as connection:
            # A process of the release before may be opening it now.
            await wallet_sql.lock_openings(connection, viewer.user_id)
            earlier = await wallet_sql.opened_by(connection, viewer.user_id, asked.idempotency_key)
            await connection.rollback()
    if earlier is None or earlier[0] != _hash(asked):
        return WalletResult(None, (refusal,))
    return WalletResult(earlier[1], replayed=True)


def _hash(asked: OpenWalletInput) -> bytes:
    return hashlib.sha256(orjson.dumps(["OPEN_WALLET", asked.currency, asked.name])).digest()


def _too_many(most: int) -> Refusal:
    message = f"A user may have {most} wallets, closed ones among them, and you have as many."
    return Refusal(RefusalCode.QUOTA_EXCEEDED, message, ("input",), not_recorded=True)


async def _open(
    engine: AsyncEngine, owner_id: UUID, asked: OpenWalletInput, asked_hash: bytes, now: datetime, *, most: int
) -> Wallet | None:
    """The new wallet; None where its key was taken meanwhile or the owner has as many as allowed: then nothing is written."""
    wallet_id = ids.new_id(now)
    async with engine.connect() as connection:
        await wallet_sql.lock_openings(connection, owner_id)
        # A statement of its own, after the lock: it sees what those who held it before have written.
        if await wallet_sql.count_wallets(connection, owner_id, most) >= most:
            await connection.rollback()
            return None
        wallet = await wallet_sql.insert_wallet(
            connection, wallet_id, owner_id, name=asked.name, currency=asked.currency, now=now
        )
        if not await wallet_sql.claim_opening(connection, owner_id, asked.idempotency_key, asked_hash, wallet_id):
            await connection.rollback()
            return None
        await connection.commit()
    return wallet


async def set_wallet_status(
    engine: AsyncEngine,
    viewer: Viewer,
    wallet_id: str,
    status: WalletStatus,
    reason: str,
    *,
    clock: Clock,
    request_id: str | None = None,
    holding_back: Callable[[UUID], AbstractContextManager[object]] = nullcontext,
) -> WalletResult:
    """Freeze, close or reactivate a wallet, with a reason for the audit log. Raises Forbidden for all but administrators.

    It waits for whoever holds the wallet, as transfers do; `holding_back` keeps later transfers of this process behind it.
    A wallet that already has the status stays untouched and leaves no record. A system wallet is no wallet here, as it is none
    to whoever pays: frozen, it would stop every deposit of its currency.
    """
    policy.require(viewer, Right.SET_WALLET_STATUS)
    kept = people_text(reason, ("input", "reason"), least=1, most=MAX_REASON)
    if isinstance(kept, Refusal):
        return WalletResult(None, (kept,))
    decoded = ids.decode("wal", wallet_id)
    if decoded is None:
        return WalletResult(None, (wallet_not_found(("input", "walletId")),))
    change = _StatusChange(viewer, decoded, status, kept, clock, request_id)
    with holding_back(decoded):
        for tries_left in reversed(range(_STATUS_TRIES)):
            try:
                async with engine.begin() as connection:
                    return await _set_status(connection, change)
            except DBAPIError as error:
                if not tries_left or not is_unavailable(error):
                    raise
    raise AssertionError("the last try returns or raises")


@dataclass(frozen=True, slots=True)
class _StatusChange:
    viewer: Viewer
    wallet_id: UUID
    status: WalletStatus
    reason: str
    clock: Clock
    request_id: str | None


async def _set_status(connection: AsyncConnection, change: _StatusChange) -> WalletResult:
    before = await wallet_sql.lock_wallet(connection, change.wallet_id)
    if before is None:
        return WalletResult(None, (wallet_not_found(("input", "walletId")),))
    if before.status is change.status:
        return WalletResult(before)
    if change.status is WalletStatus.CLOSED and (before.balance or before.held):
        return WalletResult(None, (_not_empty(),))
    after, now = await wallet_sql.update_status(connection, before.id, change.status), change.clock()
    await wallet_sql.audit_status(
        connection,
        ids.new_id(now),
        before,
        after,
        actor_id=change.viewer.user_id,
        reason=change.reason,
        request_id=change.request_id,
    )
    await wallet_sql.insert_event(connection, events.wallet_state_payload(after.id, after.version), now)
    return WalletResult(after)


def _not_empty() -> Refusal:
    return Refusal(RefusalCode.INVALID_INPUT, "Only an empty wallet can be closed: move its money first.", ("input", "status"))
