"""Opening wallets and changing their status, one statement each. The caller owns the transaction, unless documented otherwise."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import locks, models
from app.db.fx_sql import POSITION, RESIDUE, SPREAD
from app.db.rows import WALLET_COLUMNS, wallet_of
from app.records import AccountType, Wallet, WalletKind, WalletStatus

DEPOSITS = "DEPOSITS"
"""The purpose of the system wallet that deposits come from."""
_OPENED_ON_DEMAND = {
    DEPOSITS: (AccountType.ASSET, "Deposits"),
    POSITION: (AccountType.LIABILITY, "FX position"),
    SPREAD: (AccountType.INCOME, "FX spread"),
    RESIDUE: (AccountType.INCOME, "FX residue"),
}
"""Account type and name of the system wallets that the service opens itself, by purpose."""
_OPENING_LOCK = 0x50434F57
"""The first half of the advisory locks under which a user's wallets are counted."""


async def lock_openings(connection: AsyncConnection, owner_id: UUID) -> None:
    """Block other openings of this owner until the transaction ends."""
    await locks.lock_user(connection, _OPENING_LOCK, owner_id)


async def count_wallets(connection: AsyncConnection, owner_id: UUID, most: int) -> int:
    """Returns the number of wallets of the owner, at most `most`."""
    owned = select(models.Wallet.id).where(models.Wallet.owner_id == owner_id).limit(most).subquery()
    count: int = (await connection.execute(select(func.count()).select_from(owned))).scalar_one()
    return count


async def opened_by(connection: AsyncConnection, owner_id: UUID, key: str) -> tuple[bytes, Wallet] | None:
    """Returns the hash of the input that the key was first used with, and the wallet that it opened, or None."""
    opening = models.WalletOpening
    query = (
        select(*WALLET_COLUMNS, opening.request_hash)
        .join(models.Wallet, models.Wallet.id == opening.wallet_id)
        .where(opening.owner_id == owner_id, opening.idempotency_key == key)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else (row.request_hash, wallet_of(row))


async def insert_wallet(
    connection: AsyncConnection, wallet_id: UUID, owner_id: UUID, *, name: str, currency: str, now: datetime
) -> Wallet:
    """Insert and return a new, empty wallet of a user."""
    statement = insert(models.Wallet).values(
        id=wallet_id,
        kind=WalletKind.USER,
        owner_id=owner_id,
        name=name,
        currency=currency,
        account_type=AccountType.LIABILITY,
        posted_at=now,
        created_at=now,
    )
    return wallet_of((await connection.execute(statement.returning(*WALLET_COLUMNS))).one())


async def claim_opening(connection: AsyncConnection, owner_id: UUID, key: str, request_hash: bytes, wallet_id: UUID) -> bool:
    """Record which wallet a key opened. Returns False if the key was used meanwhile."""
    statement = (
        insert_or_skip(models.WalletOpening)
        .values(owner_id=owner_id, idempotency_key=key, request_hash=request_hash, wallet_id=wallet_id)
        .on_conflict_do_nothing(constraint="wallet_openings_pkey")
        .returning(models.WalletOpening.wallet_id)
    )
    return await connection.scalar(statement) is not None


async def lock_wallet(connection: AsyncConnection, wallet_id: UUID) -> Wallet | None:
    """Lock and return a user's wallet, or None. Takes the lock of transfers, and waits for it up to the statement timeout."""
    await locks.wait_in_turn(connection)
    query = select(*WALLET_COLUMNS).where(models.Wallet.id == wallet_id, models.Wallet.kind == WalletKind.USER)
    row = (await connection.execute(query.with_for_update(key_share=True))).one_or_none()
    return None if row is None else wallet_of(row)


async def update_status(connection: AsyncConnection, wallet_id: UUID, status: WalletStatus) -> Wallet:
    """Set the status. Returns the wallet with its new status and version."""
    statement = update(models.Wallet).where(models.Wallet.id == wallet_id).values(status=status)
    return wallet_of((await connection.execute(statement.returning(*WALLET_COLUMNS))).one())


async def audit(
    connection: AsyncConnection,
    record_id: UUID,
    action: str,
    subject_id: UUID,
    *,
    before: dict[str, str],
    after: dict[str, str],
    actor_id: UUID,
    reason: str | None,
    request_id: str | None,
) -> None:
    """Record an administrator's action for the audit log. The subject is what it changed: a wallet or a fee schedule."""
    await connection.execute(
        insert(models.AuditRecord).values(
            id=record_id,
            actor_id=actor_id,
            action=action,
            subject_id=subject_id,
            before=before,
            after=after,
            reason=reason,
            request_id=request_id,
        )
    )


async def insert_event(connection: AsyncConnection, payload: str, now: datetime) -> None:
    """Put an event into the outbox."""
    content: dict[str, Any] = orjson.loads(payload)
    await connection.execute(insert(models.OutboxEvent).values(created_at=now, payload=content))


async def system_wallet_id(engine: AsyncEngine, currency: str, purpose: str) -> UUID | None:
    """Returns the id of a system wallet, or None. Its own transaction sees all that is committed."""
    async with engine.connect() as connection:
        wallet = await system_wallet(connection, currency, purpose)
    return None if wallet is None else wallet.id


async def open_on_demand(engine: AsyncEngine, wallet_id: UUID, currency: str, purpose: str, now: datetime) -> None:
    """Insert a system wallet that the service opens itself, in a transaction of its own, unless it exists."""
    account_type, name = _OPENED_ON_DEMAND[purpose]
    async with engine.begin() as connection:
        await insert_system_wallet(
            connection, wallet_id, currency, now, purpose=purpose, account_type=account_type, name=f"{name} {currency}"
        )


async def insert_system_wallet(
    connection: AsyncConnection,
    wallet_id: UUID,
    currency: str,
    now: datetime,
    *,
    purpose: str,
    account_type: AccountType,
    name: str,
) -> Wallet | None:
    """Insert and return the system wallet of a currency and purpose. Returns None if it exists."""
    statement = insert_or_skip(models.Wallet).values(
        id=wallet_id,
        kind=WalletKind.SYSTEM,
        name=name,
        currency=currency,
        system_purpose=purpose,
        account_type=account_type,
        posted_at=now,
        created_at=now,
    )
    row = (await connection.execute(statement.on_conflict_do_nothing().returning(*WALLET_COLUMNS))).one_or_none()
    return None if row is None else wallet_of(row)


async def system_wallet(connection: AsyncConnection, currency: str, purpose: str) -> Wallet | None:
    """Returns the system wallet of a currency and purpose, or None."""
    query = select(*WALLET_COLUMNS).where(models.Wallet.currency == currency, models.Wallet.system_purpose == purpose)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else wallet_of(row)
