"""Queries of live updates: a wallet, its entries after a position, and the positions of many wallets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select

from app.db import models
from app.db.entry_sql import entries_of_wallet
from app.db.reads import wallets_by_id
from app.db.statements import Reader, Statement, among
from app.records import Entry, Wallet


async def wallet_by_id(reader: Reader, wallet_id: UUID) -> Wallet | None:
    """Returns the wallet, or None if it does not exist."""
    found = await wallets_by_id(reader, [wallet_id], None)
    return found[0] if found else None


async def entries_after(reader: Reader, wallet: Wallet, after_sequence: int, limit: int) -> Sequence[Entry]:
    """Returns the first `limit` entries after `after_sequence`, up to where the wallet is, by sequence."""
    return await entries_of_wallet(reader, wallet, above=after_sequence, below=wallet.sequence + 1, limit=limit, is_backward=True)


_POSITIONS = Statement(
    select(models.Wallet.id, models.Wallet.sequence, models.Wallet.version).where(among(models.Wallet.id, "ids"))
)


async def positions(reader: Reader, wallet_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Returns the (sequence, version) of each wallet that exists, with one statement."""
    rows = await _POSITIONS.rows(reader, ids=wallet_ids)
    return {wallet_id: (sequence, version) for wallet_id, sequence, version in rows}
