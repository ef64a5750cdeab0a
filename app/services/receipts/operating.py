"""The log for operators: print its checkpoint, compare it with one that was kept elsewhere, store cosignatures of witnesses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app.clock import system_clock
from app.db import log_sql
from app.db.engine import connect
from app.errors import ConfigurationError
from app.services.receipts import notes
from app.services.receipts.notes import InvalidNote, SignerKey, VerifierKey
from app.services.receipts.sealing import LogStopped, contradiction
from app.settings import Settings


def signer_of(settings: Settings) -> SignerKey | None:
    """The key that signs checkpoints. Raises ConfigurationError if it is damaged."""
    if settings.log_key is None:
        return None
    try:
        return notes.parse_signer(settings.log_key.get_secret_value())
    except InvalidNote as error:
        raise ConfigurationError(f"PAYCORE_LOG_KEY: {error}. `paycore log key NAME` makes one.") from None


def public_key_of(settings: Settings) -> str | None:
    """The log's public key that the API tells: the one that is set. Raises ConfigurationError if it is damaged or a witness's."""
    if settings.log_public_key is None:
        return None
    try:
        key = notes.parse_verifier(settings.log_public_key)
    except InvalidNote as error:
        raise ConfigurationError(f"PAYCORE_LOG_PUBLIC_KEY: {error}.") from None
    if key.is_witness:
        raise ConfigurationError("PAYCORE_LOG_PUBLIC_KEY: it is a witness's key, not the log's.")
    return settings.log_public_key


async def newest_checkpoint(settings: Settings) -> str | None:
    """Return the newest checkpoint with its cosignatures."""
    async with _connected(settings) as connection:
        checkpoint = await log_sql.last_checkpoint(connection)
    return None if checkpoint is None else checkpoint.text


async def compare(settings: Settings, text: str) -> str | None:
    """Return why the log does not extend a checkpoint. None: it does. Raises ConfigurationError if the text is not one."""
    try:
        checkpoint, _ = notes.parse(text)
    except InvalidNote as error:
        raise ConfigurationError(f"This is not a checkpoint: {error}.") from None
    async with _connected(settings) as connection:
        newest = await log_sql.last_checkpoint(connection)
        if newest is not None and newest.origin != checkpoint.origin:
            return f"it is of {checkpoint.origin}, and the log is {newest.origin}"
        try:
            return await contradiction(connection, checkpoint)
        except LogStopped as error:
            return str(error)


async def add_cosignatures(settings: Settings, text: str) -> list[str]:
    """Store the cosignatures of known witnesses under a checkpoint that the log has signed. Returns the names of the new ones.

    Raises ConfigurationError if the checkpoint is not the log's, or a known witness's signature is wrong.
    """
    try:
        witnesses = _witnesses(settings)
        checkpoint, signatures = notes.parse(text)
        found = [(key.name, one.line) for one in signatures for key in witnesses if notes.is_signed_by(checkpoint, one, key)]
    except InvalidNote as error:
        raise ConfigurationError(f"The cosignatures are not accepted: {error}.") from None
    async with _connected(settings) as connection:
        stored = await log_sql.checkpoint_of(connection, checkpoint.size)
        if stored is None or (stored.origin, stored.root) != (checkpoint.origin, checkpoint.root):
            raise ConfigurationError("The log has not signed this checkpoint.")
        now = system_clock()
        return [name for name, line in found if await log_sql.put_cosignature(connection, checkpoint.size, name, line, now)]


def _witnesses(settings: Settings) -> list[VerifierKey]:
    keys = [notes.parse_verifier(key) for key in settings.log_witnesses]
    if any(not key.is_witness for key in keys):
        raise InvalidNote("a key in PAYCORE_LOG_WITNESSES is not a witness's")
    return keys


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings)
    try:
        yield connection
    finally:
        await connection.close()
