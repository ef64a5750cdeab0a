"""Queries of live updates: a wallet, its entries after a position, and the positions of many wallets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select

from app.db import models
from app.db.reads import wallets_by_id
from app.db.rows import ENTRY_COLUMNS, entry_of
from app.db.statements import Reader, Statement, among, id_parameter, number_parameter, parameter
from app.records import Entry, Wallet


async def wallet_by_id(reader: Reader, wallet_id: UUID) -> Wallet | None:
    """Returns the wallet, or None if it does not exist."""
    found = await wallets_by_id(reader, [wallet_id], None)
    return found[0] if found else None


_ENTRIES_BETWEEN = Statement(
    select(*ENTRY_COLUMNS)
    .where(
        models.LedgerEntry.wallet_id == id_parameter("wallet"),
        models.LedgerEntry.sequence > parameter("after", models.LedgerEntry.sequence),
        models.LedgerEntry.sequence <= parameter("last", models.LedgerEntry.sequence),
    )
    .order_by(models.LedgerEntry.sequence)
    .limit(number_parameter("most"))
)


async def entries_between(
    reader: Reader, wallet_id: UUID, after_sequence: int, last_sequence: int, limit: int
) -> Sequence[Entry]:
    """Returns the first `limit` entries after `after_sequence`, up to and including `last_sequence`, by sequence."""
    rows = await _ENTRIES_BETWEEN.rows(reader, wallet=wallet_id, after=after_sequence, last=last_sequence, most=limit)
    return [entry_of(row) for row in rows]


_POSITIONS = Statement(
    select(models.Wallet.id, models.Wallet.sequence, models.Wallet.version).where(among(models.Wallet.id, "ids"))
)


async def positions(reader: Reader, wallet_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Returns the (sequence, version) of each wallet that exists, with one statement."""
    rows = await _POSITIONS.rows(reader, ids=wallet_ids)
    return {wallet_id: (sequence, version) for wallet_id, sequence, version in rows}
