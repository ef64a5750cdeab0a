"""A hidden object takes the same statements as a missing one, so that time does not tell them apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from app import ids
from app.clock import system_clock
from app.db.pool import Database
from app.services.group_commit import GroupCommit
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key
from tests.statements import on_each_statement

EVERYTHING = """{ __typename id
  ... on Wallet { balance { amount } owner { id } entries { edges { cursor } } transactions { edges { cursor } } }
  ... on Transaction { sender { wallet { id } } receiver { displayName } legs: entries { id } }
  ... on LedgerEntry { wallet { id } transaction { id } }
  ... on User { displayName wallets { edges { cursor } } } }"""
NODE = f"query($id: ID!) {{ node(id: $id) {EVERYTHING} }}"
NODES = f"query($id: ID!) {{ nodes(ids: [$id]) {EVERYTHING} }}"
WALLET = "query($id: ID!) { wallet(id: $id) { balance { amount } entries { edges { cursor } } } }"
TRANSACTION = "query($id: ID!) { transaction(id: $id) { amount { amount } entries { id } } }"
PARTY = "query($id: ID!) { walletParty(walletId: $id) { displayName wallet { id } } }"
BY_KEY = "query($id: String!) { transactionByIdempotencyKey(idempotencyKey: $id) { id entries { id } } }"
WATCH = "subscription($id: ID!) { walletUpdated(walletId: $id) { kind } }"
PAY = """mutation($from: ID!, $to: ID!, $key: String!) { transfer(input: {idempotencyKey: $key, senderWalletId: $from,
  receiverWalletId: $to, amount: {amount: "1.00", currency: "USD"}}) { transaction { id } userErrors { code path message } } }"""


@pytest.fixture
async def api(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    """An API without a relay, whose statements would be recorded too."""
    async with serving(settings, engine, relay=False) as running:
        yield running


class World:
    """carol with a wallet, alice's objects that carol may not see, and unused ids of the same kinds."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def build(self) -> World:
        """Create the objects and run one query as carol, so that one-time work is done."""
        bank = self.api.bank
        alice, self.key = await bank.viewer("alice"), new_key()
        self.theirs = await self.api.wallet("alice", balance="9.00")
        self.mine = await self.api.wallet("carol", balance="9.00")
        paid = await bank.pay(alice, self.theirs, await self.api.wallet("bob"), key=self.key)
        assert paid.transaction is not None
        async with bank.engine.connect() as connection:
            system = await connection.scalar(text("SELECT id FROM wallets WHERE kind = 'SYSTEM'"))
        self.system = ids.encode("wal", system)
        self.foreign = {
            "wal": self.theirs,
            "txn": ids.encode("txn", paid.transaction.id),
            "ent": ids.encode("ent", paid.entries[0].id),
            "usr": ids.encode("usr", alice.user_id),
        }
        now = system_clock()
        transaction = ids.new_transaction_id(now)
        unknown = {"txn": transaction, "ent": ids.entry_id(transaction, 0), "wal": ids.new_id(now), "usr": ids.new_id(now)}
        self.unknown = {prefix: ids.encode(prefix, value) for prefix, value in unknown.items()}
        await self.pay(self.mine, self.theirs)
        return self

    async def pay(self, sender: str, receiver: str) -> Any:
        """Pay as carol and return the answer."""
        return await self.api.graphql("carol", PAY, **{"from": sender, "to": receiver, "key": new_key()})


@pytest.fixture
async def world(api: Api) -> World:
    return await World(api).build()


@contextmanager
def statements(api: Api) -> Iterator[list[str]]:
    """The statements that the service runs within the block, through SQLAlchemy and asyncpg."""
    seen: list[str] = []

    def by_driver(record: asyncpg.connection.LoggedQuery) -> None:
        seen.append(record.query)

    settler = worker_connection(api.services.ledger.group_commit)
    settler.add_query_logger(by_driver)
    try:
        with on_each_statement(api.services.engine, lambda statement, _: seen.append(statement)):
            yield seen
    finally:
        settler.remove_query_logger(by_driver)


def worker_connection(group_commit: GroupCommit) -> asyncpg.Connection:
    """The connection on which transfers settle."""
    connection = group_commit._worker_settler._connection
    assert connection is not None
    return connection


async def ask(world: World, document: str, id_: str) -> tuple[Any, list[str]]:
    """Run one operation as carol; return the answer and its statements."""
    with statements(world.api) as seen:
        answer = await world.api.graphql("carol", document, id=id_)
    assert "errors" not in answer, answer
    return without_remaining(answer), seen


def without_remaining(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what is left of the budget, which each operation lowers."""
    del answer["extensions"]["cost"]["remaining"]
    return answer


@pytest.mark.parametrize("prefix", ["wal", "txn", "ent", "usr"])
async def test_a_hidden_node_takes_the_statements_of_a_missing_one(world: World, prefix: str) -> None:
    by_name = {"wal": [WALLET], "txn": [TRANSACTION]}.get(prefix, [])
    for document in (NODE, NODES, *by_name):
        foreign = await ask(world, document, world.foreign[prefix])
        unknown = await ask(world, document, world.unknown[prefix])
        assert foreign == unknown
        assert bool(foreign[1]) == (prefix != "usr"), "a user's own id is recognised without the database"


async def test_the_key_of_another_user_takes_the_statements_of_an_unused_one(world: World) -> None:
    assert await ask(world, BY_KEY, world.key) == await ask(world, BY_KEY, new_key())


async def test_the_party_of_a_system_wallet_takes_the_statements_of_a_missing_wallet(world: World) -> None:
    assert await ask(world, PARTY, world.system) == await ask(world, PARTY, world.unknown["wal"])


@pytest.mark.parametrize("path", ["/wallets/{wal}", "/wallets/{wal}/transactions", "/transactions/{txn}"])
async def test_a_rest_route_to_a_hidden_object_takes_the_statements_of_a_missing_one(world: World, path: str) -> None:
    async def get(things: dict[str, str]) -> tuple[httpx.Response, list[str]]:
        with statements(world.api) as seen:
            response = await world.api.http.get(path.format(**things), headers=world.api.headers("carol"))
        return response, seen

    (foreign, one), (unknown, other) = await get(world.foreign), await get(world.unknown)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() == unknown.json()
    assert one == other != []


async def test_a_subscription_to_a_hidden_wallet_takes_the_statements_of_a_missing_one(world: World) -> None:
    async def watch(id_: str) -> tuple[Any, list[str]]:
        async with world.api.socket("carol") as socket:
            with statements(world.api) as seen:
                await socket.subscribe("1", WATCH, id=id_)
                answer = await socket.message("1")
        return answer, seen

    foreign, unknown = await watch(world.foreign["wal"]), await watch(world.unknown["wal"])
    assert foreign == unknown
    assert foreign[1]


async def test_paying_from_or_to_a_hidden_wallet_takes_the_statements_of_a_missing_one(world: World) -> None:
    """Also once the service has cached the owner of the hidden wallet: a missing wallet is never cached."""

    async def pay(sender: str, receiver: str) -> tuple[Any, list[str]]:
        with statements(world.api) as seen:
            answer = await world.pay(sender, receiver)
        await asyncio.sleep(0)
        return answer, seen

    nothing = world.unknown["wal"]
    for _ in range(3):
        from_foreign, from_nothing = await pay(world.theirs, world.mine), await pay(nothing, world.mine)
        assert from_foreign[0]["data"]["transfer"]["userErrors"][0]["code"] == "WALLET_NOT_FOUND"
        assert from_foreign == from_nothing
        assert len(from_foreign[1]) >= 4, "its statements are seen"
        assert await pay(world.mine, world.system) == await pay(world.mine, nothing)
