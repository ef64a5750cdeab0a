"""The read models follow from the entries: however the projector is stopped, and rebuilt as well as grown."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import asyncpg
import pytest

from app.access.viewer import Viewer
from app.db import migrate
from app.db.engine import connect
from app.db.projection_sql import Progress
from app.services import projection, rebuilding
from app.services.transfers import TransferInput, transfer
from app.services.verification import verify
from app.settings import Settings
from tests.bank import new_key
from tests.invariants.conftest import owner
from tests.time_world import TimeWorld, stride, times

__all__ = ["owner", "times"]

COLUMNS = {
    "wallet_days": "wallet_id, day, opening, closing, entry_count, first_sequence, last_sequence, debits, credits, debits_so_far",
    "wallet_marks": "wallet_id, at, sequence, amount, balance, debits_so_far",
    "activity": "owner_id, entry_id, wallet_id, at, amount, currency, exponent, purpose, counterparty_wallet_id, words",
    "activity_parties": "owner_id, party_id",
}


async def model_rows(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """All rows of the live generation, as text, sorted."""
    return {
        table: [
            row[0]
            for row in await connection.fetch(
                f"SELECT ({columns})::text AS row FROM {table}"
                " WHERE generation = (SELECT generation FROM read_models WHERE is_live) ORDER BY 1"
            )
        ]
        for table, columns in COLUMNS.items()
    }


async def shop(times: TimeWorld, seed: int, payments: int) -> None:
    """Random payments between three users with texts, in two currencies, over days."""
    chance = random.Random(seed)
    users = [await times.bank.viewer(name) for name in ("alice", "bob", "carol")]
    wallets = {
        (user.subject, currency): await times.bank.wallet(user, currency, balance="10000.00")
        for user in users
        for currency in ("USD", "EUR")
    }
    for _ in range(payments):
        times.clock.move(stride(chance))
        currency = chance.choice(["USD", "EUR"])
        await pay(times, chance, chance.sample(users, 2), wallets, currency)


async def pay(
    times: TimeWorld, chance: random.Random, users: Sequence[Viewer], wallets: dict[tuple[str, str], str], currency: str
) -> None:
    payer, payee = users
    given = TransferInput(
        new_key(),
        wallets[payer.subject, currency],
        wallets[payee.subject, currency],
        f"{chance.randint(1, 900) / 100:.2f}",
        currency,
        description=chance.choice([None, "Coffee and cake", "Żurek", "東京 レジ"]),
        metadata=chance.choice([(), (("order", str(chance.randint(1, 9))),)]),
    )
    assert not (await transfer(times.bank.ledger, payer, given)).refusals


class Mortal:
    """A connection that is lost before a statement, in the middle of it, or at any time, as that of a killed process."""

    def __init__(self, connection: asyncpg.Connection, chance: random.Random) -> None:
        self._connection = connection
        self._chance = chance
        self._left = chance.randint(1, 9)
        if chance.random() < 0.5:
            asyncio.get_running_loop().call_later(chance.random() * 0.03, connection.terminate)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        return self._counted(found) if name in {"fetch", "fetchrow", "fetchval", "execute"} else found

    def _counted(self, send: Any) -> Any:
        async def sent(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                asyncio.get_running_loop().call_later(self._chance.choice([0, 0.0005, 0.002]), self._connection.terminate)
                await asyncio.sleep(self._chance.choice([0, 0.001]))
            return await send(*arguments, **options)

        return sent


async def test_killed_200_times_it_has_what_the_ledger_has(times: TimeWorld, settings: Settings) -> None:
    chance, kills = random.Random(5), 0
    await shop(times, 1, 250)
    await times.sequence()
    more = asyncio.create_task(shop_on(times))
    while kills < 200:
        victim = await connect(settings)
        try:
            await projection.project_live(cast("asyncpg.Connection", Mortal(victim, chance)), chance.randint(1, 7))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            kills += 1
        finally:
            victim.terminate()
        if not await times.connection.fetchval(
            "SELECT 1 FROM read_models WHERE position < (SELECT max(last_position) FROM event_chunks)"
        ):
            await shop(times, kills, 5)
            await times.sequence()
    await more
    await times.catch_up()
    assert await verify(settings) == []
    assert (await model_rows(times.connection))["activity"]


async def shop_on(times: TimeWorld) -> None:
    """Payments while the projector works and dies."""
    for seed in range(5):
        await shop(times, 100 + seed, 10)


async def test_a_rebuilt_model_equals_the_one_that_grew_byte_for_byte(times: TimeWorld, settings: Settings) -> None:
    for seed in range(6):
        await shop(times, seed, 40)
        await times.sequence()
        await times.project(random.Random(seed).randint(1, 50))
    grown = await model_rows(times.connection)
    assert all(grown.values())
    before = await progress_of(times)
    said: list[str] = []
    await rebuilding.rebuild(settings, said.append)
    after = await progress_of(times)
    assert await model_rows(times.connection) == grown
    assert (after.generation != before.generation, after.position) == (True, before.position)
    assert said[-1] == "Done."
    for table in COLUMNS:
        assert await times.connection.fetchval(f"SELECT count(DISTINCT generation) FROM {table}") == 1


async def progress_of(times: TimeWorld) -> Progress:
    """The only generation."""
    (row,) = await times.connection.fetch("SELECT generation, position FROM read_models")
    return Progress(*row)


async def test_while_it_rebuilds_transfers_and_projection_go_on(
    times: TimeWorld, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop(times, 1, 100)
    await times.catch_up()
    monkeypatch.setattr(rebuilding, "STEP", 3)
    rebuild = asyncio.create_task(rebuilding.rebuild(settings, lambda _: None))
    for seed in range(10):
        await shop(times, seed, 5)
        await times.catch_up()
    await rebuild
    await times.catch_up()
    assert await verify(settings) == []
    assert await times.connection.fetchval("SELECT count(*) FROM read_models") == 1


async def test_what_comes_between_the_last_step_and_the_swap_is_in_it(
    times: TimeWorld, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop(times, 1, 30)
    await times.catch_up()
    fill = rebuilding._fill

    async def fill_and_go_on(*arguments: Any) -> None:
        await fill(*arguments)
        await shop(times, 2, 30)
        await times.catch_up()

    monkeypatch.setattr(rebuilding, "_fill", fill_and_go_on)
    await rebuilding.rebuild(settings, lambda _: None)
    progress = await progress_of(times)
    assert progress.position == await times.connection.fetchval("SELECT max(last_position) FROM event_chunks")
    assert await verify(settings) == []


async def test_a_rebuild_that_was_killed_leaves_the_live_model_and_the_next_removes_its_rows(
    times: TimeWorld, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop(times, 1, 60)
    await times.catch_up()
    grown = await model_rows(times.connection)
    with monkeypatch.context() as patch:
        patch.setattr(rebuilding, "_swap", killed)
        with pytest.raises(KeyboardInterrupt):
            await rebuilding.rebuild(settings, lambda _: None)
    assert await model_rows(times.connection) == grown
    assert await times.connection.fetchval("SELECT count(*) FROM read_models") == 2
    await rebuilding.rebuild(settings, lambda _: None)
    assert await model_rows(times.connection) == grown
    assert await times.connection.fetchval("SELECT count(*) FROM read_models") == 1
    assert await verify(settings) == []


async def killed(*_: Any) -> int:
    raise KeyboardInterrupt


async def test_one_projects_at_a_time(times: TimeWorld, settings: Settings) -> None:
    await shop(times, 1, 30)
    await times.sequence()
    other = await connect(settings, idle_in_transaction_session_timeout="0", transaction_timeout="0")
    async with other.transaction():
        await other.execute("SELECT FROM read_models WHERE is_live FOR UPDATE")
        assert await projection.project_live(times.connection) == 0
    await other.close()
    assert await projection.project_live(times.connection) > 0


async def test_entries_behind_an_event_that_the_relay_could_not_read_are_not_missed(times: TimeWorld, settings: Settings) -> None:
    """Its transaction gets a later position than what the same wallets did afterwards."""
    alice, bob = await times.bank.viewer("alice"), await times.bank.viewer("bob")
    one, other = await times.bank.wallet(alice, balance="100.00"), await times.bank.wallet(bob)
    await times.catch_up()
    await times.bank.pay(alice, one, other)
    held_back = [row[0] for row in await times.connection.fetch("SELECT id FROM outbox ORDER BY id DESC LIMIT 1")]
    assert held_back
    for _ in range(20):
        times.clock.move(3600)
        await times.bank.pay(alice, one, other)
    await times.sequence_without(held_back)
    await times.project(7)
    # What is in the days is whole, although the event is missing.
    assert await verify(settings) == []
    await times.catch_up()
    assert await verify(settings) == []


async def test_a_migration_of_the_marks_lets_the_models_begin_anew(times: TimeWorld, settings: Settings) -> None:
    await shop(times, 1, 60)
    await times.catch_up()
    grown = await model_rows(times.connection)
    for go in (partial(migrate.downgrade, settings, "0035"), partial(migrate.upgrade, settings)):
        await go()
        assert (await progress_of(times)).position == 0
        assert [await times.connection.fetchval(f"SELECT count(*) FROM {table}") for table in COLUMNS] == [0, 0, 0, 0]
    await times.project()
    assert await model_rows(times.connection) == grown
    assert await verify(settings) == []


CORRUPTIONS = {
    "a day": ("UPDATE wallet_days SET debits = debits + 1, credits = credits + 1, debits_so_far = debits_so_far + 1", "Day "),
    "a day that is gone": ("DELETE FROM wallet_days WHERE first_sequence = 1", "Day "),
    "a mark": ("UPDATE wallet_marks SET balance = balance + 1", "The mark of wallet "),
    "the amount of a mark": ("UPDATE wallet_marks SET amount = -amount", "The mark of wallet "),
    "a mark that is not due": (
        "INSERT INTO wallet_marks SELECT generation, wallet_id, at, 5, amount, balance, 0 FROM wallet_marks WHERE sequence = 4",
        "The mark of wallet ",
    ),
    "the first mark of a quarter of an hour that is gone": ("DELETE FROM wallet_marks WHERE sequence % 4 <> 0", "The mark of "),
    "a mark that is gone": ("DELETE FROM wallet_marks", "The mark of wallet "),
    "all days of a wallet": ("DELETE FROM wallet_days", "is missing in the read models"),
    "an amount": ("UPDATE activity SET amount = amount + 1 WHERE amount > 0", "The activity of user "),
    "a row that is gone": ("DELETE FROM activity WHERE amount < 0", "The activity of user "),
    "a word that is gone": (
        "UPDATE activity SET words = ts_delete(words, (tsvector_to_array(words))[1]) WHERE length(words) > 1",
        "by other words than its own",
    ),
    "a word of another entry": (
        "UPDATE activity SET words = array_to_tsvector(array_append(tsvector_to_array(words), 'zeppelin')) WHERE amount > 0",
        "by other words than its own",
    ),
    "another counterparty": (
        "UPDATE activity SET counterparty_wallet_id = gen_random_uuid() WHERE amount > 0",
        "by other words than its own",
    ),
    "someone whom a user met": ("DELETE FROM activity_parties", "does not know user usr_"),
    "a position": ("UPDATE read_models SET position = position + 1", "The read models are at position "),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
async def test_verify_finds_each_corruption(times: TimeWorld, settings: Settings, owner: asyncpg.Connection, kind: str) -> None:
    statement, sentence = CORRUPTIONS[kind]
    await shop(times, 1, 120)
    await times.catch_up()
    assert await verify(settings) == []
    await owner.execute(statement)
    assert any(sentence in finding for finding in await verify(settings))
