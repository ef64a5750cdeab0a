"""Waiting for locks outside transfers: in turn, up to the statement timeout.

Transfers stop waiting after the lock timeout, which is short, so that the others of a batch go on. A request of its own keeps
its place in the queue instead.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection


async def wait_in_turn(connection: AsyncConnection) -> None:
    """Let the locks of this transaction be waited for up to the statement timeout."""
    await connection.execute(text("SET LOCAL lock_timeout = 0"))


async def lock_all(connection: AsyncConnection, space: int) -> None:
    """Wait for the advisory lock of a whole space. It is held until the transaction ends."""
    await _lock(connection, space, 0)


async def lock_user(connection: AsyncConnection, space: int, user_id: UUID) -> None:
    """Wait for a user's advisory lock in a space. It is held until the transaction ends.

    Not a lock of the user's row, which the service may not lock. Two users who share one only wait for each other.
    """
    await _lock(connection, space, half_of(user_id))


def half_of(user_id: UUID) -> int:
    """Returns the second half of a user's advisory locks."""
    return int.from_bytes(user_id.bytes[-4:], signed=True)


async def _lock(connection: AsyncConnection, space: int, half: int) -> None:
    await wait_in_turn(connection)
    await connection.execute(select(func.pg_advisory_xact_lock(space, half)))
