"""Limits of a subscription's events in points, time and memory; events without reads are free."""

from __future__ import annotations

from typing import Any

import pytest

from app.db.pool import Database
from app.schema.transport.websocket import TransportHandler
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_event_stream import events
from tests.api.test_operation_timeout import locked
from tests.api.test_subscriptions import WATCH
from tests.transport_ws import Socket
from tests.waiting import soon

RICH = """subscription($wallet: ID!, $after: String) {
  walletUpdated(walletId: $wallet, after: $after) {
    kind cursor entry { sequence } wallet { transactions(first: 20) { edges { node { id } } } }
  }
}"""
PLAIN = """subscription($wallet: ID!) { walletUpdated(walletId: $wallet) {
  kind cursor wallet { id balance { amount } sequence status }
  entry { sequence direction amount { amount } balanceAfter { amount } transaction { id } }
} }"""
OWNED = "subscription($wallet: ID!) { walletUpdated(walletId: $wallet) { kind wallet { owner { displayName } } } }"


async def pay(api: Api, sender: str, receiver: str, times: int) -> None:
    alice = await api.bank.viewer("alice")
    for _ in range(times):
        await api.bank.pay(alice, sender, receiver, "0.01")


async def end_of(socket: Socket, id_: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The updates until a resumed operation ends, and the error that ends it."""
    updates: list[dict[str, Any]] = []
    while True:
        message = await socket.message(id_)
        payload = message["payload"]
        if message["type"] == "error" or "errors" in payload:
            (error,) = payload if message["type"] == "error" else payload["errors"]
            if message["type"] == "next":
                assert (await socket.message(id_))["type"] == "complete"
            return updates, error["extensions"]
        updates.append(payload["data"]["walletUpdated"])
        if updates[-1]["kind"] == "SNAPSHOT":
            return updates, {}


async def test_events_with_reads_draw_on_the_budget_until_the_subscription_ends_and_resumes(
    settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000_000.0
    changed = settings.model_copy(update={"max_query_cost": 150, "query_budget_per_minute": 150})
    async with serving(changed, engine) as api:
        monkeypatch.setattr(api.services.query_budget, "_now", lambda: now)
        a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
        async with api.socket("bob") as socket:
            await socket.subscribe("rich", RICH, wallet=b)
            first = (await socket.data("rich"))["walletUpdated"]
            await pay(api, a, b, 8)
            updates, refusal = await end_of(socket, "rich")
            assert 1 <= len(updates) < 8
            assert refusal["code"] == "RATE_LIMITED"
            assert 1 <= refusal["retryAfterSeconds"] <= 60
            await socket.subscribe("again", RICH, wallet=b)
            assert (await end_of(socket, "again"))[1]["code"] == "RATE_LIMITED"
            seen = [first, *updates]
            for _ in range(8):
                now += 60
                await socket.subscribe(f"at {now}", RICH, wallet=b, after=seen[-1]["cursor"])
                seen += (await end_of(socket, f"at {now}"))[0]
                if seen[-1]["kind"] == "SNAPSHOT":
                    break
        assert [update["entry"]["sequence"] for update in seen if update["entry"]] == [str(number) for number in range(1, 9)]


async def test_events_without_reads_draw_on_no_budget(
    settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = settings.model_copy(update={"max_query_cost": 60, "query_budget_per_minute": 60})
    async with serving(changed, engine) as api:
        # One window for all of the test.
        monkeypatch.setattr(api.services.query_budget, "_now", lambda: 1_000_000_000.0)
        a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
        await api.codes("carol", PLAIN, wallet=b)
        async with api.socket("bob") as socket, events(api, "bob", PLAIN, wallet=b) as stream:
            await socket.subscribe("1", PLAIN, wallet=b)
            await socket.data("1")
            await stream.update()
            await pay(api, a, b, 70)
            for number in range(1, 71):
                assert (await socket.data("1"))["walletUpdated"]["entry"]["sequence"] == str(number)
                assert (await stream.update())["entry"]["sequence"] == str(number)


async def test_an_event_has_a_lower_limit_of_cost_than_a_query(settings: Settings, engine: Database) -> None:
    async with serving(settings.model_copy(update={"max_subscription_cost": 30}), engine, relay=False) as api:
        b = await api.wallet("bob")
        large = RICH.replace("20", "40")
        async with api.socket("bob") as socket:
            await socket.subscribe("1", large, wallet=b)
            assert (await end_of(socket, "1"))[1]["code"] == "QUERY_TOO_COMPLEX"
            await socket.subscribe("2", RICH, wallet=b)
            assert (await socket.data("2"))["walletUpdated"]["kind"] == "SNAPSHOT"
        query = "query($w: ID!) { wallet(id: $w) { transactions(first: 40) { edges { node { id } } } } }"
        assert await api.codes("bob", query, w=b) == []


async def test_an_event_that_takes_too_long_is_retried_and_the_subscription_goes_on(settings: Settings, engine: Database) -> None:
    changed = {"request_timeout_seconds": 1.5, "lock_timeout_ms": 5000, "statement_timeout_ms": 5000}
    async with serving(settings.model_copy(update=changed), engine, relay=False) as api:
        b = await api.wallet("bob")
        large = RICH.replace("edges { node { id } }", "edges { node { id sender { displayName } } }")
        async with api.socket("bob") as socket:
            async with locked(api.settings, "LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE"):
                await socket.subscribe("1", large, wallet=b)
                await soon(lambda: api.services.live.state == "waiting for the database")
            updates, error = await end_of(socket, "1")
            assert ([update["kind"] for update in updates], error) == (["SNAPSHOT"], {})


async def test_a_running_subscription_keeps_no_undeclared_or_large_variables(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[TransportHandler] = []
    handle = TransportHandler.handle

    async def noted(self: TransportHandler) -> None:
        sockets.append(self)
        await handle(self)

    monkeypatch.setattr(TransportHandler, "handle", noted)
    b = await api.wallet("bob")
    async with api.socket("bob") as socket:
        await socket.subscribe("1", OWNED, wallet=b, more="x" * 100_000)
        await socket.data("1")
        assert sockets[0].operations["1"].variables == {"wallet": b}
        await socket.subscribe("2", WATCH, wallet=b, after="x" * 20_000)
        assert (await end_of(socket, "2"))[1]["code"] == "QUERY_TOO_COMPLEX"
        await socket.subscribe("3", WATCH, wallet=b, after="x" * 10_000)
        assert (await end_of(socket, "3"))[1]["code"] == "BAD_USER_INPUT"
