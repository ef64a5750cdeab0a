"""The sealer: appends the leaves of settled transactions to the Merkle log, and signs checkpoints of it.

It runs beside the leading relay, on a connection of its own, and reads in bulk. It may be killed at any instruction: leaves are
appended in transactions, and two sealers cannot append to the same place. Before it signs, it compares the log with the newest
checkpoint that it has published: in the database, and in a file outside it if one is set. A log that is behind that checkpoint,
or contradicts it, is not signed: the database was restored or changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

import asyncpg

from app.clock import Clock, monotonic, system_clock
from app.db import leaf_sql, log_sql
from app.db.connection import transaction
from app.db.log_sql import CanonicalRow, NewCheckpoint
from app.db.statements import Reader
from app.services import durable_files
from app.services.receipts import merkle, notes
from app.services.receipts.leaves import Canonical
from app.services.receipts.merkle import TileId
from app.services.receipts.notes import Checkpoint, InvalidNote, SignerKey
from app.telemetry import metrics, tracing

logger = logging.getLogger(__name__)

_LEAVES_AT_ONCE = 1000


class LogStopped(Exception):
    """The log cannot go on or cannot be signed, until an operator has looked. The message says why."""


async def seal(connection: asyncpg.Connection) -> int:
    """Append the next leaves. Returns how many: 0 if all settled transactions that have positions are in the log.

    Raises LogStopped if one of them does not exist or the log was changed, and asyncpg.IntegrityConstraintViolationError if
    another sealer has appended them meanwhile.
    """
    size = await log_sql.size(connection)
    try:
        async with transaction(connection):
            appended = await _append(connection, size)
    except asyncpg.IntegrityConstraintViolationError as error:
        # What another sealer has appended is visible by now: an insert waits for the one that it collides with.
        if await log_sql.size(connection) != size:
            raise
        if error.constraint_name == "log_salts_pkey":
            raise LogStopped(
                f"leaves after the first {size} were made before and are gone: the end of the log was removed"
            ) from None
        raise LogStopped(f"the log is damaged after its first {size} leaves: {error.constraint_name}") from None
    if appended:
        metrics.LOG_SIZE.set(size + appended)
    return appended


async def _append(connection: asyncpg.Connection, size: int) -> int:
    asked = await leaf_sql.next_settled(connection, size, _LEAVES_AT_ONCE)
    if asked is None:
        return 0
    with tracing.work_span("seal log", attributes={"paycore.leaves": asked.end - size, "paycore.log.size": asked.end}):
        hashes = await leaf_sql.make_leaves(connection, size, asked)
        missing = asked.end - size - len(hashes)
        if missing:
            raise LogStopped(f"{missing} transactions that have positions do not exist; `paycore verify` names them")
        last = await _last_tiles(connection, size)
        await log_sql.put_tiles(connection, merkle.extend(last, size, hashes).items())
    return len(hashes)


async def _last_tiles(connection: asyncpg.Connection, size: int) -> dict[TileId, bytes]:
    """The tiles that are not full, as they were at this size: another sealer may have appended since. Raises LogStopped."""
    places = merkle.last_tiles(size)
    found = await read_tiles(connection, places)
    last = {}
    for place in places:
        length = size // merkle.TILE_WIDTH**place.level % merkle.TILE_WIDTH * merkle.HASH_BYTES
        last[place] = found.get(place, b"")[:length]
        if len(last[place]) < length:
            raise LogStopped(f"the log is damaged: tile {place.number} of level {place.level} is incomplete")
    return last


def canonical_of(row: CanonicalRow) -> Canonical:
    """The canonical bytes as the leaf needs them."""
    return Canonical(row.id.bytes, row.head, row.request, row.words, row.entries)


async def read_tiles(reader: Reader, places: Collection[TileId]) -> dict[TileId, bytes]:
    """Returns those of the tiles that are there."""
    if not places:
        return {}
    return {TileId(*place): hashes for place, hashes in (await log_sql.tiles(reader, places)).items()}


async def root_of(connection: asyncpg.Connection, size: int) -> bytes:
    """Returns the root of the log as it was at a size. Raises LogStopped if a tile is missing."""
    tiles = await read_tiles(connection, merkle.needed(merkle.whole(size)))
    try:
        return merkle.root_of(size, tiles)
    except ValueError as error:
        raise LogStopped(f"the log is damaged: {error}") from None


async def contradiction(connection: asyncpg.Connection, checkpoint: Checkpoint) -> str | None:
    """Returns why the log does not extend a checkpoint. None: it does. Raises LogStopped if a tile is missing."""
    size = await log_sql.size(connection)
    if size < checkpoint.size:
        return f"the log has {size} leaves, but a checkpoint of {checkpoint.size} was published: its end is missing"
    if await root_of(connection, checkpoint.size) != checkpoint.root:
        return f"the first {checkpoint.size} leaves are not those of the checkpoint that was published: history was changed"
    return None


async def sign(
    connection: asyncpg.Connection, signer: SignerKey, published: Path | None, clock: Clock = system_clock
) -> Checkpoint | None:
    """Sign and publish the log as it is now. Returns None if nothing was added since the last checkpoint.

    Raises LogStopped if the log does not extend what was published before, or the file cannot be read or written.
    """
    size = await log_sql.size(connection)
    before = await log_sql.last_checkpoint(connection)
    earlier = [] if before is None else [Checkpoint(before.origin, before.size, before.root)]
    outside = None if published is None else await asyncio.to_thread(_read_published, published)
    if outside is not None:
        earlier.append(outside)
    for checkpoint in earlier:
        if checkpoint.origin != signer.name:
            raise LogStopped(f"checkpoints of {checkpoint.origin} were published; the key is of {signer.name}")
        reason = await contradiction(connection, checkpoint)
        if reason is not None:
            raise LogStopped(reason)
    if size == 0 or (before is not None and before.size >= size):
        return None
    with tracing.work_span("sign checkpoint", attributes={"paycore.log.size": size}):
        checkpoint = Checkpoint(signer.name, size, await root_of(connection, size))
        note = notes.sign(checkpoint, signer)
        if published is not None:
            # Before anyone can see it, so that no restored database can contradict what somebody saw.
            await asyncio.to_thread(_publish, published, note)
        await log_sql.put_checkpoint(connection, NewCheckpoint(size, checkpoint.root, signer.name, note, clock()))
    metrics.LOG_CHECKPOINT_SIZE.set(size)
    return checkpoint


def _read_published(path: Path) -> Checkpoint | None:
    try:
        return notes.parse(path.read_text(encoding="utf-8"))[0]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LogStopped(f"{path} cannot be read: {error.strerror}") from None
    except (InvalidNote, UnicodeDecodeError) as error:
        raise LogStopped(f"{path} is not a checkpoint: {error}") from None


def _publish(path: Path, note: str) -> None:
    """Replace the file. Raises LogStopped."""
    try:
        durable_files.write(path, note.encode())
    except OSError as error:
        raise LogStopped(f"{path} cannot be written: {error.strerror}") from None


class Sealer:
    """Seals and signs in regular rounds. `signer` None: nothing is signed."""

    def __init__(self, signer: SignerKey | None, published: Path | None, checkpoint_seconds: float) -> None:
        self._signer = signer
        self._published = published
        self._checkpoint_seconds = checkpoint_seconds
        self._signed_at: float | None = None
        self._stopped: str | None = None

    async def round(self, connection: asyncpg.Connection) -> None:
        """Append all leaves that there are, and sign if it is time. A log that is stopped is reported once."""
        try:
            # Fewer than a full round are all that there were.
            while await seal(connection) >= _LEAVES_AT_ONCE:
                pass
            if self._signer is not None and self._is_time():
                await sign(connection, self._signer, self._published)
                self._signed_at = monotonic()
        except LogStopped as error:
            self._report(str(error))
        else:
            self._report(None)

    def _is_time(self) -> bool:
        return self._signed_at is None or monotonic() - self._signed_at >= self._checkpoint_seconds

    def _report(self, reason: str | None) -> None:
        if reason is not None and reason != self._stopped:
            logger.error("the log of transactions stands still: %s", reason)
        elif reason is None and self._stopped is not None:
            logger.info("the log of transactions goes on")
        self._stopped = reason
        metrics.LOG_STOPPED.set(reason is not None)
