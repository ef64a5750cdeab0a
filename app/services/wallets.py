"""Opening wallets and changing their status."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock
from app.db import models
from app.db.failures import is_unavailable
from app.db.rows import WALLET_COLUMNS, wallet_of
from app.errors import Refusal, RefusalCode
from app.messages import events
from app.money import Currency
from app.records import Wallet, WalletKind, WalletStatus
from app.services.input_rules import idempotency_key_refusal, people_text, was_taken
from app.services.refusals import key_reused, wallet_not_found

MAX_NAME = 100
MAX_REASON = 280
_STATUS_TRIES = 2
"""Of a change of status. Each waits as long as a statement may; a request is over before both have."""
_OPENING_LOCK = 0x50434F57
"""The first half of the advisory locks under which a user's wallets are counted."""


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
        earlier = await _opened(connection, viewer.user_id, asked.idempotency_key)
    if earlier is None:
        wallet = await _open(engine, viewer.user_id, kept, _hash(kept), clock(), most=most)
        if wallet is not None:
            return WalletResult(wallet)
        # Another request with this key may have been faster: then its answer is ours.
        async with engine.connect() as connection:
            earlier = await _opened(connection, viewer.user_id, asked.idempotency_key)
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
            await _take_turn(connection, viewer.user_id)
            earlier = await _opened(connection, viewer.user_id, asked.idempotency_key)
            await connection.rollback()
    if earlier is None or earlier[0] != _hash(asked):
        return WalletResult(None, (refusal,))
    return WalletResult(earlier[1], replayed=True)


def _hash(asked: OpenWalletInput) -> bytes:
    return hashlib.sha256(orjson.dumps(["OPEN_WALLET", asked.currency, asked.name])).digest()


def _too_many(most: int) -> Refusal:
    message = f"A user may have {most} wallets, closed ones among them, and you have as many."
    return Refusal(RefusalCode.QUOTA_EXCEEDED, message, ("input",), left_no_trace=True)


async def _opened(connection: AsyncConnection, owner_id: UUID, key: str) -> tuple[bytes, Wallet] | None:
    """The hash of the input that a key was first used with, and the wallet that it opened."""
    opening = models.WalletOpening
    row = (
        await connection.execute(
            select(*WALLET_COLUMNS, opening.request_hash)
            .join(models.Wallet, models.Wallet.id == opening.wallet_id)
            .where(opening.owner_id == owner_id, opening.idempotency_key == key)
        )
    ).one_or_none()
    return None if row is None else (row.request_hash, wallet_of(row[:-1]))


async def _open(
    engine: AsyncEngine, owner_id: UUID, asked: OpenWalletInput, asked_hash: bytes, now: datetime, *, most: int
) -> Wallet | None:
    """The new wallet; None where its key was taken meanwhile or the owner has as many as allowed: then nothing is written."""
    wallet_id = ids.new_id(now)
    async with engine.connect() as connection:
        if not await _may_have_more(connection, owner_id, most):
            await connection.rollback()
            return None
        row = (
            await connection.execute(
                insert(models.Wallet)
                .values(
                    id=wallet_id,
                    kind=WalletKind.USER,
                    owner_id=owner_id,
                    name=asked.name,
                    currency=asked.currency,
                    posted_at=now,
                    created_at=now,
                )
                .returning(*WALLET_COLUMNS)
            )
        ).one()
        claimed = await connection.scalar(
            insert_or_skip(models.WalletOpening)
            .values(owner_id=owner_id, idempotency_key=asked.idempotency_key, request_hash=asked_hash, wallet_id=wallet_id)
            .on_conflict_do_nothing(constraint="wallet_openings_pkey")
            .returning(models.WalletOpening.wallet_id)
        )
        if claimed is None:
            await connection.rollback()
            return None
        await connection.commit()
    return wallet_of(row)


async def _may_have_more(connection: AsyncConnection, owner_id: UUID, most: int) -> bool:
    """Whether the owner has fewer wallets than that, until this transaction ends."""
    await _take_turn(connection, owner_id)
    owned = select(models.Wallet.id).where(models.Wallet.owner_id == owner_id).limit(most).subquery()
    # A statement of its own, after the lock: it sees what those who held it before have written.
    count: int = (await connection.execute(select(func.count()).select_from(owned))).scalar_one()
    return count < most


async def _take_turn(connection: AsyncConnection, owner_id: UUID) -> None:
    """Let no other opening of this owner's go on until this transaction ends.

    An advisory lock, because the service may not lock users' rows. Two users who share one only wait for each other.
    """
    half = int.from_bytes(owner_id.bytes[-4:], signed=True)
    await connection.execute(select(func.pg_advisory_xact_lock(_OPENING_LOCK, half)))


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
    # The statement's own limit ends the wait. Transfers look again and again meanwhile, so this may not give up its place.
    await connection.execute(text("SET LOCAL lock_timeout = 0"))
    query = select(*WALLET_COLUMNS).where(models.Wallet.id == change.wallet_id, models.Wallet.kind == WalletKind.USER)
    row = (await connection.execute(query.with_for_update(key_share=True))).one_or_none()
    if row is None:
        return WalletResult(None, (wallet_not_found(("input", "walletId")),))
    before = wallet_of(row)
    if before.status is change.status:
        return WalletResult(before)
    if change.status is WalletStatus.CLOSED and (before.balance or before.held):
        return WalletResult(None, (_not_empty(),))
    after = await _change_status(connection, before, change.status)
    await _audit(connection, change, before, after)
    await _announce(connection, after, change.clock())
    return WalletResult(after)


def _not_empty() -> Refusal:
    return Refusal(RefusalCode.INVALID_INPUT, "Only an empty wallet can be closed: move its money first.", ("input", "status"))


async def _change_status(connection: AsyncConnection, wallet: Wallet, status: WalletStatus) -> Wallet:
    row = (
        await connection.execute(
            update(models.Wallet).where(models.Wallet.id == wallet.id).values(status=status).returning(*WALLET_COLUMNS)
        )
    ).one()
    return wallet_of(row)


async def _audit(connection: AsyncConnection, change: _StatusChange, before: Wallet, after: Wallet) -> None:
    await connection.execute(
        insert(models.AuditRecord).values(
            id=ids.new_id(change.clock()),
            actor_id=change.viewer.user_id,
            action="SET_WALLET_STATUS",
            subject_id=after.id,
            before={"status": before.status.value},
            after={"status": after.status.value},
            reason=change.reason,
            request_id=change.request_id,
        )
    )


async def _announce(connection: AsyncConnection, wallet: Wallet, now: datetime) -> None:
    payload: dict[str, Any] = orjson.loads(events.wallet_state_payload(wallet.id, wallet.version))
    await connection.execute(insert(models.OutboxEvent).values(created_at=now, payload=payload))
