"""Receipts, checkpoints and consistency proofs for those who ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.access import policy
from app.access.viewer import Viewer
from app.db import log_sql, sequence_sql
from app.db.log_sql import CanonicalRow, StoredCheckpoint
from app.db.statements import Reader
from app.errors import BadUserInput
from app.records import Entry, Transaction, TransactionStatus
from app.services import reading
from app.services.receipts import leaves, merkle, proofs
from app.services.receipts.leaves import Opening, wallet_of_entry
from app.services.receipts.merkle import TileId
from app.services.receipts.sealing import canonical_of, read_tiles


@dataclass(frozen=True, slots=True)
class Receipt:
    """The leaf of a transaction. `proof` is the text of a receipt; None until a checkpoint covers the leaf."""

    index: int
    leaf: bytes
    proof: str | None


@dataclass(frozen=True, slots=True)
class _Log:
    secret: bytes
    size: int
    checkpoint: StoredCheckpoint | None
    tiles: dict[TileId, bytes] = field(default_factory=dict)


async def load_receipts(database: Reader, viewer: Viewer, transaction_ids: Collection[UUID]) -> dict[UUID, Receipt]:
    """Receipts by transaction id: of transactions that the viewer may see and that are in the log already.

    Each opens what the viewer may see of the transaction.
    """
    seen = await reading.load_transactions(database, viewer, transaction_ids)
    settled = {id_: found for id_, found in seen.items() if found.status is TransactionStatus.COMPLETED}
    if not settled:
        return {}
    places = await sequence_sql.places_of(database, list(settled))
    log = _Log(await log_sql.secret(database), await log_sql.size(database), await log_sql.last_checkpoint(database))
    indexes = {id_: place.settled_index for id_, place in places.items() if place.settled_index < log.size}
    rows = await log_sql.canonical(database, list(indexes))
    salts = await log_sql.salts(database, list(indexes))
    entries = await reading.load_entries(database, viewer, list(indexes))
    archived = await _archived_legs(database, viewer, [row for row in rows if row.id not in entries])
    log.tiles.update(await _tiles_of(database, indexes.values(), log.checkpoint))
    return {
        row.id: _receipt(
            row, indexes[row.id], log, salts.get(row.id), _Shown.to(viewer, settled[row.id], entries.get(row.id, ()), archived)
        )
        for row in rows
    }


Legs = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a viewer may see of a transaction beside what all parties see."""

    request: bool
    legs: tuple[int, ...]

    @staticmethod
    def to(viewer: Viewer, transaction: Transaction, entries: Collection[Entry], archived: Mapping[UUID, Legs]) -> _Shown:
        legs = archived.get(transaction.id, tuple(entry.leg for entry in entries))
        return _Shown(policy.may_know_key(viewer, transaction), legs)


async def _archived_legs(database: Reader, viewer: Viewer, rows: Sequence[CanonicalRow]) -> dict[UUID, Legs]:
    """The legs in wallets that the viewer may load, of transactions whose entries are archived: from their kept bytes."""
    wallets = {row.id: [wallet_of_entry(entry) for entry in row.entries] for row in rows}
    asked = {wallet_id for found in wallets.values() for wallet_id in found}
    own = await reading.load_wallets(database, viewer, asked) if asked else {}
    return {id_: tuple(leg for leg, wallet_id in enumerate(found) if wallet_id in own) for id_, found in wallets.items()}


async def _tiles_of(database: Reader, indexes: Collection[int], checkpoint: StoredCheckpoint | None) -> dict[TileId, bytes]:
    """The tiles for the proofs of leaves under a checkpoint."""
    if checkpoint is None:
        return {}
    under = [index for index in indexes if index < checkpoint.size]
    needed = [merkle.needed(merkle.inclusion(index, checkpoint.size)) for index in under]
    return await read_tiles(database, set[TileId]().union(*needed))


def _receipt(row: CanonicalRow, index: int, log: _Log, salt: bytes | None, shown: _Shown) -> Receipt:
    transaction, checkpoint = canonical_of(row), log.checkpoint
    leaf = leaves.leaf(transaction, log.secret, salt)
    if checkpoint is None or index >= checkpoint.size:
        return Receipt(index, leaf, None)
    openings: list[Opening] = leaves.opened_words(transaction, salt)
    if shown.request:
        openings.append(leaves.opened_request(transaction, log.secret))
    openings += [leaves.opened_entry(transaction, log.secret, leg) for leg in shown.legs]
    path = [merkle.hash_of(range_, log.tiles) for range_ in merkle.inclusion(index, checkpoint.size)]
    return Receipt(index, leaf, proofs.receipt(index, leaf, openings, path, checkpoint.text))


async def newest_checkpoint(database: Reader, viewer: Viewer) -> StoredCheckpoint | None:
    """The newest signed checkpoint, with its cosignatures. Raises Forbidden unless the viewer may view anything."""
    policy.require_view(viewer)
    return await log_sql.last_checkpoint(database)


async def consistency_proof(database: Reader, viewer: Viewer, size: int) -> list[bytes] | None:
    """The hashes that prove that the newest checkpoint extends the log of this size. None: nothing is signed yet.

    Raises BadUserInput if that size is not one to the newest's.
    """
    checkpoint = await newest_checkpoint(database, viewer)
    if checkpoint is None:
        return None
    if not 1 <= size <= checkpoint.size:
        raise BadUserInput(f"The size must be from 1 to {checkpoint.size}, the size of the newest checkpoint.")
    ranges = merkle.consistency(size, checkpoint.size)
    tiles = await read_tiles(database, merkle.needed(ranges))
    return [merkle.hash_of(range_, tiles) for range_ in ranges]
