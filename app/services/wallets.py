"""Opening wallets and changing their status."""

from __future__ import annotations

import hashlib
import re
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
from app.records import AccountType, Wallet, WalletStatus
from app.services.hold_settlement import end_expired_holds
from app.services.input_rules import idempotency_key_refusal, people_text, was_taken
from app.services.refusals import key_reused, unknown_currency, wallet_not_found

MAX_NAME = 100
MAX_REASON = 280
_PURPOSE = re.compile(r"[A-Z0-9_]{1,40}", re.ASCII)
_STATUS_TRIES = 2
"""Tries of a status change. Each may wait for the statement timeout. The request times out before both have."""


@dataclass(frozen=True, slots=True)
class OpenWalletInput:
    """The client's input of openWallet."""

    idempotency_key: str
    currency: str
    name: str


@dataclass(frozen=True, slots=True)
class WalletResult:
    """The wallet, or the refusals."""

    wallet: Wallet | None
    refusals: tuple[Refusal, ...] = ()
    replayed: bool = False


async def open_wallet(
    engine: AsyncEngine,
    viewer: Viewer,
    details: OpenWalletInput,
    currencies: Mapping[str, Currency],
    clock: Clock,
    *,
    most: int,
) -> WalletResult:
    """Open an empty wallet for the viewer, who may have `most`. The same key again returns the same wallet.

    Raises Forbidden.
    """
    policy.require(viewer, Right.OPEN_WALLET)
    kept = _checked(details, currencies)
    if isinstance(kept, Refusal):
        return await _replay_or(kept, engine, viewer, details)
    async with engine.connect() as connection:
        earlier = await wallet_sql.opened_by(connection, viewer.user_id, details.idempotency_key)
    if earlier is None:
        wallet = await _open(engine, viewer.user_id, kept, _hash(kept), clock(), most=most)
        if wallet is not None:
            return WalletResult(wallet)
        # A concurrent request with this key may have been first. Its outcome is then the answer.
        async with engine.connect() as connection:
            earlier = await wallet_sql.opened_by(connection, viewer.user_id, details.idempotency_key)
        if earlier is None:
            return WalletResult(None, (_too_many(most),))
    earlier_hash, wallet = earlier
    # Names from before the rule for texts are stored as they were sent.
    if earlier_hash not in (_hash(kept), _hash(details)):
        return WalletResult(None, (key_reused(("input",), None),))
    return WalletResult(wallet, replayed=True)


def _checked(details: OpenWalletInput, currencies: Mapping[str, Currency]) -> OpenWalletInput | Refusal:
    """Return the input with the name as it is stored, or the first refusal."""
    if details.currency not in currencies:
        return unknown_currency(("input", "currency"))
    name = people_text(details.name, ("input", "name"), least=1, most=MAX_NAME)
    if isinstance(name, Refusal):
        return name
    return idempotency_key_refusal(details.idempotency_key, ("input",)) or replace(details, name=name)


async def _replay_or(refusal: Refusal, engine: AsyncEngine, viewer: Viewer, details: OpenWalletInput) -> WalletResult:
    """Return the refusal, unless the same request succeeded before the rule for its name existed."""
    earlier = None
    is_key = idempotency_key_refusal(details.idempotency_key, ("input",)) is None
    if refusal.path[-1] == "name" and is_key and was_taken(details.name, least=1, most=MAX_NAME):
        async with engine.connect() as connection:
            # A process of the previous release may be opening it now.
            await wallet_sql.lock_openings(connection, viewer.user_id)
            earlier = await wallet_sql.opened_by(connection, viewer.user_id, details.idempotency_key)
            await connection.rollback()
    if earlier is None or earlier[0] != _hash(details):
        return WalletResult(None, (refusal,))
    return WalletResult(earlier[1], replayed=True)


def _hash(details: OpenWalletInput) -> bytes:
    return hashlib.sha256(orjson.dumps(["OPEN_WALLET", details.currency, details.name])).digest()


def _too_many(most: int) -> Refusal:
    message = f"A user may have {most} wallets, including closed ones, and you have that many."
    return Refusal(RefusalCode.QUOTA_EXCEEDED, message, ("input",), not_recorded=True)


async def _open(
    engine: AsyncEngine, owner_id: UUID, details: OpenWalletInput, request_hash: bytes, now: datetime, *, most: int
) -> Wallet | None:
    """Open the wallet. Returns None and writes nothing if the key is used by now or the owner has the most wallets allowed."""
    wallet_id = ids.new_id(now)
    async with engine.connect() as connection:
        await wallet_sql.lock_openings(connection, owner_id)
        # A separate statement after the lock, so that it sees what earlier holders of the lock have written.
        if await wallet_sql.count_wallets(connection, owner_id, most) >= most:
            await connection.rollback()
            return None
        wallet = await wallet_sql.insert_wallet(
            connection, wallet_id, owner_id, name=details.name, currency=details.currency, now=now
        )
        if not await wallet_sql.claim_opening(connection, owner_id, details.idempotency_key, request_hash, wallet_id):
            await connection.rollback()
            return None
        await connection.commit()
    return wallet


@dataclass(frozen=True, slots=True)
class SystemWalletInput:
    """The client's input of openSystemWallet."""

    currency: str
    purpose: str
    account_type: AccountType
    name: str
    reason: str


async def open_system_wallet(
    engine: AsyncEngine,
    viewer: Viewer,
    details: SystemWalletInput,
    currencies: Mapping[str, Currency],
    clock: Clock,
    *,
    request_id: str | None = None,
) -> WalletResult:
    """Open the system wallet of a currency and purpose, with a record for the audit log. The same input again returns it.

    Raises Forbidden for all but administrators.
    """
    policy.require(viewer, Right.OPEN_SYSTEM_WALLET)
    kept = _checked_system_wallet(details, currencies)
    if isinstance(kept, Refusal):
        return WalletResult(None, (kept,))
    now = clock()
    async with engine.begin() as connection:
        wallet = await wallet_sql.insert_system_wallet(
            connection,
            ids.new_id(now),
            kept.currency,
            now,
            purpose=kept.purpose,
            account_type=kept.account_type,
            name=kept.name,
        )
        if wallet is not None:
            await wallet_sql.audit(
                connection,
                ids.new_id(now),
                "OPEN_SYSTEM_WALLET",
                wallet.id,
                before={},
                after={"currency": wallet.currency, "purpose": kept.purpose, "account_type": wallet.account_type.value},
                actor_id=viewer.user_id,
                reason=kept.reason,
                request_id=request_id,
            )
            return WalletResult(wallet)
    async with engine.connect() as connection:
        # Another request has opened it. Its row is visible now.
        wallet = await wallet_sql.system_wallet(connection, kept.currency, kept.purpose)
    assert wallet is not None
    if (wallet.name, wallet.account_type) != (kept.name, kept.account_type):
        message = "This currency has a system wallet for this purpose already, with another name or account type."
        return WalletResult(None, (Refusal(RefusalCode.INVALID_INPUT, message, ("input", "purpose")),))
    return WalletResult(wallet, replayed=True)


def _checked_system_wallet(details: SystemWalletInput, currencies: Mapping[str, Currency]) -> SystemWalletInput | Refusal:
    """Return the input with its texts as they are stored, or the first refusal."""
    if details.currency not in currencies:
        return unknown_currency(("input", "currency"))
    if _PURPOSE.fullmatch(details.purpose) is None:
        message = "A purpose has 1 to 40 characters, each one of A-Z, 0-9 and _."
        return Refusal(RefusalCode.INVALID_INPUT, message, ("input", "purpose"))
    name = people_text(details.name, ("input", "name"), least=1, most=MAX_NAME)
    if isinstance(name, Refusal):
        return name
    reason = people_text(details.reason, ("input", "reason"), least=1, most=MAX_REASON)
    return reason if isinstance(reason, Refusal) else replace(details, name=name, reason=reason)


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

    Waits for the wallet's lock, as transfers do; `holding_back` keeps later transfers of this process behind it. If the wallet
    already has the status, nothing is changed or recorded. A system wallet is refused as not found, as for a payer: if it were
    frozen, every deposit in its currency would stop.
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
    if change.status is WalletStatus.CLOSED:
        if before.balance or before.held:
            return WalletResult(None, (_not_empty(),))
        await end_expired_holds(connection, before.id, change.clock())
    after, now = await wallet_sql.update_status(connection, before.id, change.status), change.clock()
    await wallet_sql.audit(
        connection,
        ids.new_id(now),
        "SET_WALLET_STATUS",
        after.id,
        before={"status": before.status.value},
        after={"status": after.status.value},
        actor_id=change.viewer.user_id,
        reason=change.reason,
        request_id=change.request_id,
    )
    await wallet_sql.insert_event(connection, events.wallet_state_payload(after.id, after.version), now)
    return WalletResult(after)


def _not_empty() -> Refusal:
    return Refusal(RefusalCode.INVALID_INPUT, "Only an empty wallet can be closed: move its money first.", ("input", "status"))
