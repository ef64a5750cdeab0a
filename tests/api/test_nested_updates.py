"""Fields of an update that its event lacks are read once for all subscribers, within limits and access rules."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from app.access.viewer import Viewer
from app.db.pool import Database
from app.schema.engine.build import build_schema
from app.schema.engine.documents import KnownDocument
from app.settings import Settings
from tests.api.conftest import Api, Socket, serving
from tests.api.test_operation_timeout import locked
from tests.live_world import running_relay
from tests.statements import on_each_statement, recorded_statements
from tests.waiting import soon

IDS = """subscription($wallet: ID!) { walletUpdated(walletId: $wallet) {
  kind wallet { owner { id } } entry { sequence wallet { name } transaction { ...known ... on Node { __typename } } }
} } fragment known on Transaction { id }"""
NESTED = """subscription($wallet: ID!) { walletUpdated(walletId: $wallet) {
  kind entry { sequence transaction { id description sender { walletId displayName } } }
} }"""
LISTED = """subscription($wallet: ID!) { walletUpdated(walletId: $wallet) {
  kind entry { sequence } wallet { owner { displayName } entries(first: 3) { edges { node { sequence } } } }
} }"""
SIDES = """subscription($wallet: ID!) { walletUpdated(walletId: $wallet) {
  kind entry { sequence transaction { id entries { sequence wallet { name } } sender { wallet { name } } } }
} }"""
STATUS = "subscription($wallet: ID!) { walletUpdated(walletId: $wallet) { kind wallet { status } } }"
FRAGMENT = "fragment u on WalletUpdate { wallet { owner { displayName } } }"
SETTLED = "subscription { transactionSettled { transaction { id description sender { displayName } } } }"
FREEZE = 'mutation($w: ID!) { setWalletStatus(input: {walletId: $w, status: FROZEN, reason: "x"}) { wallet { status } } }'
MANY = 30


async def watching(socket: Socket, query: str, wallet: str, count: int = MANY) -> list[str]:
    """Open `count` subscriptions, wait until they are live and return their ids."""
    names = [str(uuid4()) for _ in range(count)]
    for name in names:
        await socket.subscribe(name, query, wallet=wallet)
    for name in names:
        assert (await socket.data(name))["walletUpdated"]["kind"] == "SNAPSHOT"
    return names


async def updates(socket: Socket, names: list[str]) -> list[dict[str, Any]]:
    """The next update of each subscription."""
    return [(await socket.data(name))["walletUpdated"] for name in names]


async def pay(api: Api, sender: str, receiver: str) -> None:
    assert not (await api.bank.pay(await alice(api), sender, receiver, "0.01")).refusals


async def alice(api: Api) -> Viewer:
    return await api.bank.viewer("alice")


def reads_in(statements: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The reads of events: without the regular comparison with the database, which may come at any time."""
    return [one for one in statements if "wallets.sequence, wallets.version" not in one[0]]


async def test_fields_that_the_event_contains_need_no_read(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    async with api.socket("bob") as socket:
        names = await watching(socket, IDS, b)
        with recorded_statements(api.services.engine) as statements:
            await pay(api, a, b)
            got = await updates(socket, names)
            assert reads_in(statements) == []
    answer = await api.data(
        "bob", "query($w: ID!) { viewer { id } wallet(id: $w) { transactions { edges { node { id } } } } }", w=b
    )
    (edge,) = answer["wallet"]["transactions"]["edges"]
    transaction = {"id": edge["node"]["id"], "__typename": "Transaction"}
    expected = {"sequence": "1", "wallet": got[0]["entry"]["wallet"], "transaction": transaction}
    assert got == [{"kind": "ENTRY", "wallet": {"owner": {"id": answer["viewer"]["id"]}}, "entry": expected}] * MANY


async def test_other_fields_are_read_once_for_all_subscribers_of_an_event(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    async with api.socket("bob") as socket:
        nested, listed = await watching(socket, NESTED, b), await watching(socket, LISTED, b)
        with recorded_statements(api.services.engine) as statements:
            await pay(api, a, b)
            first, *others = await updates(socket, nested)
            assert first["entry"]["transaction"]["sender"]["walletId"] == a
            assert others == [first] * (MANY - 1)
            for update in await updates(socket, listed):
                assert update["wallet"]["entries"]["edges"] == [{"node": {"sequence": "1"}}]
            # The transaction, its sender, the wallet's owner, the wallet's entries.
            assert len(reads_in(statements)) == 4
            await pay(api, a, b)
            await updates(socket, nested)
            for update in await updates(socket, listed):
                assert [edge["node"]["sequence"] for edge in update["wallet"]["entries"]["edges"]] == ["2", "1"]
            assert len(reads_in(statements)) == 8


async def test_a_changed_wallet_is_read_once_for_all_its_subscribers(api: Api) -> None:
    b = await api.wallet("bob")
    async with api.socket("bob") as socket:
        names = await watching(socket, STATUS, b)
        await api.data("admin", "{ viewer { id } }")
        with recorded_statements(api.services.engine) as statements:
            await api.data("admin", FREEZE, w=b)
            assert await updates(socket, names) == [{"kind": "STATE", "wallet": {"status": "FROZEN"}}] * MANY
            read = [one for one, _ in reads_in(statements) if one.startswith("SELECT wallets.id") and "FOR UPDATE" not in one]
            assert len(read) <= 2


async def test_a_settled_transaction_is_read_once_for_all_subscribers_with_the_same_rights(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    await api.relayed()
    async with api.socket("bob") as bob, api.socket("admin") as admin:
        for socket in (bob, admin):
            for number in range(MANY):
                await socket.subscribe(str(number), SETTLED)
        await soon(lambda: sum(api.services.live._by_user.values()) == 2 * MANY)
        # Redis has confirmed all subscriptions.
        await soon(lambda: not api.services.live._pubsub._redis._unconfirmed)
        with recorded_statements(api.services.engine) as statements:
            await pay(api, a, b)
            got = [(await socket.data(str(number)))["transactionSettled"] for socket in (bob, admin) for number in range(MANY)]
            assert got == [got[0]] * 2 * MANY
            # Two reads, as the two viewers have different rights, and one shared read of the sender's name.
            assert len(reads_in(statements)) == 3


async def test_shared_reads_show_each_subscriber_only_what_they_may_see(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    async with api.socket("bob") as bob, api.socket("admin") as admin:
        seen = {}
        bobs, admins = await watching(bob, SIDES, b), await watching(admin, SIDES, b)
        for _ in range(3):
            await pay(api, a, b)
            for who, socket, names in (("admin", admin, admins), ("bob", bob, bobs)):
                got = await updates(socket, names)
                assert got == [got[0]] * MANY
                seen[who] = got[0]["entry"]["transaction"]
        assert (len(seen["admin"]["entries"]), len(seen["bob"]["entries"])) == (2, 1)
        assert (seen["admin"]["sender"]["wallet"] is None, seen["bob"]["sender"]["wallet"]) == (False, None)


async def test_live_reads_leave_most_of_the_pool_to_requests(settings: Settings, engine: Database) -> None:
    async with serving(settings.model_copy(update={"database_pool_size": 3}), engine) as api:
        a = await api.wallet("alice", balance="10.00")
        wallets = [await api.wallet("bob") for _ in range(20)]
        async with api.socket("bob") as socket:
            names = [name for wallet in wallets for name in await watching(socket, NESTED, wallet, 3)]
            pool: Any = api.services.engine.pool
            # No request holds a connection, so from here on only live reads do.
            await soon(lambda: pool.checkedout() == 0)
            busiest = 0

            def note(*_: object) -> None:
                nonlocal busiest
                busiest = max(busiest, pool.checkedout())

            with on_each_statement(api.services.engine, note):
                for wallet in wallets:
                    await pay(api, a, wallet)
                for update in await updates(socket, names):
                    assert update["entry"]["transaction"]["sender"]["walletId"] == a
            assert busiest == 1


async def test_a_subscription_survives_an_update_that_cannot_be_read_and_misses_nothing(
    settings: Settings, engine: Database
) -> None:
    changed = settings.model_copy(update={"lock_timeout_ms": 500, "statement_timeout_ms": 500})
    async with serving(changed, engine, relay=False) as api:
        a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
        async with api.socket("bob") as socket, AsyncExitStack() as stack:
            names = await watching(socket, NESTED, b)
            await pay(api, a, b)
            async with locked(settings, "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"):
                await stack.enter_async_context(running_relay(settings))
                await soon(lambda: api.services.live.state == "waiting for the database")
            await pay(api, a, b)
            for sequence in ("1", "2"):
                for update in await updates(socket, names):
                    assert update["entry"]["sequence"] == sequence
                    assert update["entry"]["transaction"]["sender"]["walletId"] == a
            await soon(lambda: api.services.live.state == "ok")


async def test_only_updates_that_are_read_draw_on_the_budget(
    settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(settings, engine) as api:
        monkeypatch.setattr(api.services.query_budget, "_now", lambda: 1_000_000_000.0)
        a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
        bob = (await api.bank.viewer("bob")).user_id.hex
        async with api.socket("bob") as socket:
            drawn = []
            for query in (IDS, NESTED):
                names = await watching(socket, query, b, 5)
                before = api.services.query_budget.check(bob, 0).remaining
                await pay(api, a, b)
                await updates(socket, names)
                drawn.append(before - api.services.query_budget.check(bob, 0).remaining)
                for name in names:
                    await socket.send({"id": name, "type": "complete"})
                await soon(lambda: not api.services.live._by_user)
        assert drawn == [0, 5 * 3]


@pytest.mark.parametrize(
    ("query", "is_read"),
    [
        (IDS, False),
        (STATUS, False),
        (NESTED, True),
        (LISTED, True),
        (SETTLED, True),
        ("subscription { transactionSettled { missed } }", True),
        (f'subscription {{ walletUpdated(walletId: "x") {{ ...u }} }} {FRAGMENT}', True),
        ('subscription { walletUpdated(walletId: "x") { entry { ... on LedgerEntry { transaction { id status } } } } }', True),
        ('subscription { walletUpdated(walletId: "x") { entry { wallet { owner { id } } } } }', False),
    ],
)
def test_whether_updates_need_reads_is_known_from_the_document(settings: Settings, query: str, is_read: bool) -> None:
    known = build_schema(settings).documents.prepare(query)
    assert isinstance(known, KnownDocument), known
    assert known.operation(None).reads_events is is_read
