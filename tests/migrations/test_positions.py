"""Transactions from before positions get theirs, whichever release relayed them, and the relay of that release stops."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from app.db import migrate, sequence_sql
from app.db.engine import connect
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.invariants.conftest import bank, other_bank, owner
from tests.live_world import outbox_empty, running_relay

__all__ = ["bank", "other_bank", "owner"]

BEFORE = "0027"
RELAY_FIVE = """
DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT 5) RETURNING payload->>'transaction_id' AS id
"""
A_LONG_HISTORY = """
INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id, receiver_wallet_id, amount,
    currency, created_at, completed_at)
SELECT gen_random_uuid(), gen_random_uuid(), n::text, 'TRANSFER', 'COMPLETED', gen_random_uuid(), gen_random_uuid(), 1,
       'USD', now(), now()
FROM generate_series(1, 1203) n
"""


async def _pay(bank: Bank, times: int) -> None:
    alice = await bank.viewer("alice")
    wallet = await bank.wallet(alice, balance="100.00")
    other = await bank.wallet(alice)
    for _ in range(times):
        assert not (await bank.pay(alice, wallet, other, "0.01", key=new_key())).refusals


async def test_an_upgrade_gives_old_transactions_positions_in_the_order_of_their_ids(
    bank: Bank, owner: asyncpg.Connection, settings: Settings
) -> None:
    await migrate.downgrade(settings, BEFORE)
    await _pay(bank, 7)
    relayed = (
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT 5) RETURNING payload->>'transaction_id' AS id"
    )
    before = [UUID(row["id"]) for row in await owner.fetch(relayed)]
    # Neither what is parked nor what nobody can read stops the upgrade.
    await owner.execute(
        "WITH rows AS (DELETE FROM outbox WHERE id IN (SELECT max(id) FROM outbox) RETURNING *) "
        "INSERT INTO outbox_parked SELECT id, created_at, payload, now(), 'a reason' FROM rows"
    )
    await owner.execute("INSERT INTO outbox (created_at, payload) VALUES (now(), $1)", '{"v":1,"kind":"\\u0000"}')

    await migrate.upgrade(settings)

    connection = await connect(settings)
    try:
        found = await sequence_sql.events_after(connection, 0, 100)
        assert [(event.position, event.subject_id) for event in found] == list(enumerate(sorted(before), 1))
        assert await verify(settings) == []
        async with running_relay(settings):
            await outbox_empty(bank.engine)
        found = await sequence_sql.events_after(connection, 0, 100)
        assert [event.position for event in found] == [1, 2, 3, 4, 5, 6, 7]
        assert [event.subject_id for event in found[:5]] == sorted(before)
        for index, event in enumerate(found):
            assert await sequence_sql.place_of(connection, event.subject_id) == (event.position, index)
        assert await verify(settings) == []
        await connection.execute("SELECT retry_parked(gen_random_uuid())")
        async with running_relay(settings):
            await outbox_empty(bank.engine)
        assert await sequence_sql.last_position(connection) == 8
        assert await verify(settings) == []
    finally:
        await connection.close()


async def test_a_large_history_is_cut_into_chunks(owner: asyncpg.Connection, settings: Settings) -> None:
    await migrate.downgrade(settings, BEFORE)
    await owner.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
    await owner.execute(A_LONG_HISTORY)
    await owner.execute("ALTER TABLE transactions ENABLE TRIGGER USER")
    await migrate.upgrade(settings)
    ends = await owner.fetch("SELECT first_position, last_position, settled FROM event_chunks ORDER BY first_position")
    assert [tuple(row) for row in ends] == [(1, 500, 500), (501, 1000, 1000), (1001, 1203, 1203)]
    found = [event.subject_id for event in await sequence_sql.events_after(owner, 0, 2000)]
    assert found == [row["id"] for row in await owner.fetch("SELECT id FROM transactions ORDER BY id")]


async def test_a_relay_of_the_release_before_cannot_delete_an_event_that_has_no_position(settings: Settings) -> None:
    connection = await connect(settings)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("WITH published AS (DELETE FROM outbox WHERE id = ANY('{1}')) SELECT pg_current_xact_id()")
    finally:
        await connection.close()
