"""`paycore verify` finds each corruption of the positions by name."""

from __future__ import annotations

import asyncpg
import pytest

from app import ids
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank
from tests.invariants.conftest import bank, other_bank, owner
from tests.live_world import outbox_empty, running_relay
from tests.services.hold_shop import Shop

__all__ = ["bank", "other_bank", "owner"]

ADD = """
INSERT INTO event_chunks (first_position, last_position, published_position, settled, sequenced_at, lowest_transaction_id,
    highest_transaction_id, kinds, subject_ids, numbers)
"""
LAST = "(SELECT last_position, settled FROM event_chunks ORDER BY first_position DESC LIMIT 1) AS last"
NEXT = "last_position + 1, last_position + 1, 0"
AGAIN = f"{ADD} SELECT {NEXT}, settled + 1, now(), {{paid}}, {{paid}}, 'S', ARRAY[{{paid}}]::uuid[], '{{{{0}}}}' FROM {LAST}"

CORRUPTIONS = {
    "a chunk that is gone": (
        "DELETE FROM event_chunks WHERE first_position = {first}",
        "Position {next} follows position {before}.",
    ),
    "a transaction that is numbered twice": (
        AGAIN,
        "Transaction {paid} has 2 positions instead of one, the first of them {first}.",
    ),
    "another transaction in its place": (
        """
        UPDATE event_chunks SET subject_ids = ARRAY[{other}], lowest_transaction_id = {other}, highest_transaction_id = {other}
        WHERE first_position = {first}
        """,
        "Transaction {paid} is COMPLETED, but it has no position, and no event of it waits for one.",
    ),
    "a position of nothing": (
        """
        UPDATE event_chunks SET subject_ids = ARRAY[{other}], lowest_transaction_id = {other}, highest_transaction_id = {other}
        WHERE first_position = {first}
        """,
        "Position {first} is of transaction {other}, which is not a completed one.",
    ),
    "another count": (
        "UPDATE event_chunks SET settled = settled + 1 WHERE first_position = {first}",
        "The counts and ids of transactions that are stored for positions {first} to {first} are not theirs.",
    ),
    "another bound": (
        "UPDATE event_chunks SET highest_transaction_id = {other} WHERE first_position = {first}",
        "The counts and ids of transactions that are stored for positions {first} to {first} are not theirs.",
    ),
    "a hold's event that is numbered twice": (
        f"""
        {ADD} SELECT {NEXT}, settled, now(), NULL, NULL, 'H', ARRAY[{{hold}}]::uuid[], '{{{{1}}}}'
        FROM {LAST}
        """,
        "Event 1 of hold {hold} has 2 positions instead of one",
    ),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
async def test_each_corruption_of_the_positions_is_reported(
    bank: Bank, owner: asyncpg.Connection, settings: Settings, kind: str
) -> None:
    shop = await Shop(bank).build()
    async with running_relay(settings):
        await outbox_empty(bank.engine)
        hold_id = await shop.placed("60.00")
        await outbox_empty(bank.engine)
        # In a chunk of its own, with others before and after it.
        paid = (await bank.pay(shop.alice, shop.mine, shop.theirs)).transaction
        await outbox_empty(bank.engine)
        await bank.pay(shop.alice, shop.mine, shop.theirs)
        await outbox_empty(bank.engine)
    assert paid is not None
    assert await verify(settings) == []
    first = await owner.fetchval("SELECT first_position FROM event_chunks WHERE $1 = ANY (subject_ids)", paid.id)
    await owner.execute("ALTER TABLE event_chunks DISABLE TRIGGER USER")
    other = ids.new_id(bank.clock())
    corruption, expected = CORRUPTIONS[kind]
    rows = {"hold": ids.decode("hld", hold_id), "paid": paid.id, "other": other}
    await owner.execute(corruption.format(first=first, **{name: f"'{id_}'::uuid" for name, id_ in rows.items()}))
    names = {"hold": hold_id, "paid": ids.encode("txn", paid.id), "other": ids.encode("txn", other)}
    findings = await verify(settings)
    expected = expected.format(first=first, before=first - 1, next=first + 1, **names)
    assert [one for one in findings if one.startswith(expected)], findings


async def test_events_that_wait_or_are_parked_need_no_position_yet(
    bank: Bank, owner: asyncpg.Connection, settings: Settings
) -> None:
    alice = await bank.viewer("alice")
    await bank.wallet(alice, balance="5.00")
    await owner.execute("INSERT INTO outbox (created_at, payload) VALUES (now(), $1)", '{"v":1,"kind":"\\u0000"}')
    assert await verify(settings) == []
    await owner.execute("SELECT park_unreadable(array_agg(id), array_agg('a reason'::text)) FROM outbox")
    assert await verify(settings) == []
    await owner.execute("DELETE FROM outbox_parked")
    (finding,) = await verify(settings)
    assert "is COMPLETED, but it has no position" in finding
