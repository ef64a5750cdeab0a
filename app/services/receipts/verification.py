"""Recomputes the Merkle log from the tables, and names each row that is not as it was when its leaf was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from app import ids
from app.db import log_sql
from app.db.log_sql import Settled, StoredCheckpoint
from app.services.receipts import leaves, merkle
from app.services.receipts.merkle import HASH_BYTES, TILE_WIDTH, TileId
from app.services.receipts.sealing import canonical_of, read_tiles

LOG_SINCE = 29
"""The revision with the log."""
_AT_ONCE = 5000


@dataclass
class _Differences:
    """Leaves that are not what the tables say: transaction, hash by the tables (None: it is gone), hash in the log."""

    rows: dict[int, tuple[UUID, bytes | None, bytes]] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """One for each row."""
        moved = {computed: index for index, (_, computed, _) in self.rows.items() if computed is not None}
        return [self._sentence(index, *row, moved) for index, row in sorted(self.rows.items())]

    def _sentence(self, index: int, transaction_id: UUID, computed: bytes | None, stored: bytes, moved: dict[bytes, int]) -> str:
        name = ids.encode("txn", transaction_id)
        if computed is None:
            return f"Transaction {name}, leaf {index} of the log, was removed."
        if stored in moved:
            other = ids.encode("txn", self.rows[moved[stored]][0])
            return f"Transaction {name} has the position of leaf {index} of the log, which is of transaction {other}: reordered."
        return f"Transaction {name} is not what it was when it became leaf {index} of the log: it was changed."


async def findings(connection: asyncpg.Connection, *, has_archives: bool = True) -> list[str]:
    """Return a sentence for each difference between the tables and the log. The caller has opened a snapshot."""
    secret, size = await log_sql.secret(connection), await log_sql.size(connection)
    differences, found = _Differences(), []
    last: dict[TileId, bytes] = {}
    index = 0
    while index < size:
        settled = await log_sql.settled_from(connection, index, _AT_ONCE)
        rows, hashes = await _hashes(connection, settled, secret, size - index, has_archives=has_archives)
        if not hashes:
            found.append(f"The log has {size} leaves, but only {index} settled transactions have positions: the end was removed.")
            break
        stored = await _stored_leaves(connection, index, len(hashes))
        for place, (id_, computed) in enumerate(zip(rows, hashes, strict=True)):
            if computed != stored[place]:
                differences.rows[index + place] = (id_, computed, stored[place])
        # The tree above is computed from the leaves of the log: a changed row is named once, not with all that follows.
        for end, checkpoint in await _steps(connection, index, index + len(hashes)):
            grown = merkle.extend(last, index, stored[: end - index])
            found += await _tree_differences(connection, grown)
            stored, index = stored[end - index :], end
            last = {place: tile for place, tile in {**last, **grown}.items() if place in merkle.last_tiles(index)}
            if checkpoint is not None and merkle.root_of(index, last) != checkpoint.root:
                found.append(f"The checkpoint of {index} leaves has another root than the log had then.")
    newest = await log_sql.last_checkpoint(connection)
    if newest is not None and newest.size > size:
        found.append(f"The log has {size} leaves, but a checkpoint of {newest.size} was signed: its end was removed.")
    return differences.sentences() + found + await _removed_leaves(connection, size)


async def _removed_leaves(connection: asyncpg.Connection, size: int) -> list[str]:
    """The next transactions after the log's end that were leaves before: the salts of their words are there."""
    after = [id_ for settled in await log_sql.settled_from(connection, size, _AT_ONCE) for id_ in settled.ids]
    salted = await log_sql.salts(connection, after)
    return [
        f"Transaction {ids.encode('txn', id_)} has the salt of a leaf, but the log ends before it: the log's end was removed."
        for id_ in after
        if id_ in salted
    ]


async def _hashes(
    connection: asyncpg.Connection, settled: Sequence[Settled], secret: bytes, most: int, *, has_archives: bool
) -> tuple[list[UUID], list[bytes | None]]:
    """Transactions and the hashes of their leaves as the tables have them now. None: the transaction is gone."""
    asked = [id_ for chunk in settled for id_ in chunk.ids][:most]
    rows = {row.id: row for row in await log_sql.canonical(connection, asked, has_archives=has_archives)}
    salts = await log_sql.salts(connection, asked)
    hashes = [
        merkle.leaf_hash(leaves.leaf(canonical_of(rows[id_]), secret, salts.get(id_))) if id_ in rows else None for id_ in asked
    ]
    return asked, hashes


async def _stored_leaves(connection: asyncpg.Connection, index: int, count: int) -> list[bytes]:
    """The hashes of leaves in the log. One that is missing is empty."""
    first, last = index // TILE_WIDTH, (index + count - 1) // TILE_WIDTH
    tiles = await read_tiles(connection, [TileId(0, number) for number in range(first, last + 1)])
    whole = b"".join(tiles.get(TileId(0, number), b"").ljust(TILE_WIDTH * HASH_BYTES) for number in range(first, last + 1))
    start = index % TILE_WIDTH
    return [whole[place * HASH_BYTES :][:HASH_BYTES] for place in range(start, start + count)]


async def _steps(connection: asyncpg.Connection, after: int, up_to: int) -> list[tuple[int, StoredCheckpoint | None]]:
    """The sizes between which a log is recomputed: those of its checkpoints, and the last one."""
    checkpoints = await log_sql.checkpoints_between(connection, after, up_to)
    steps: list[tuple[int, StoredCheckpoint | None]] = [(checkpoint.size, checkpoint) for checkpoint in checkpoints]
    return steps if steps and steps[-1][0] == up_to else [*steps, (up_to, None)]


async def _tree_differences(connection: asyncpg.Connection, grown: dict[TileId, bytes]) -> list[str]:
    """Tiles above the leaves that do not begin with what follows from the leaves."""
    above = {place: tile for place, tile in grown.items() if place.level}
    stored = await read_tiles(connection, list(above))
    return [
        f"Tile {place.number} of level {place.level} of the log does not follow from its leaves."
        for place, tile in above.items()
        if not stored.get(place, b"").startswith(tile)
    ]
