"""Locks outside transfers are waited for in turn, longer than transfers wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import fx_sql, statement_sql, wallet_sql
from app.settings import Settings
from tests.bank import Bank

USER = uuid4()

Lock = Callable[[AsyncConnection], Awaitable[object]]


@pytest.mark.parametrize(
    "lock",
    [
        lambda connection: wallet_sql.lock_openings(connection, USER),
        lambda connection: statement_sql.lock_user(connection, USER),
        fx_sql.lock_rates,
    ],
    ids=["openings", "statements", "rates"],
)
async def test_a_lock_is_waited_for_longer_than_the_lock_timeout(bank: Bank, settings: Settings, lock: Lock) -> None:
    async def second() -> None:
        async with bank.engine.begin() as connection:
            await lock(connection)

    async with bank.engine.begin() as first:
        await lock(first)
        waiting = asyncio.create_task(second())
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 2 * settings.lock_timeout_ms / 1000)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 10)
