"""A network between a process and a server that swallows packets, cuts connections or is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.db.pool import Database
from app.messages.publisher import RedisPublisher, redis_url
from app.processes.outbox_relay import OutboxRelay
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key
from tests.network import Network, network
from tests.waiting import soon

WATCH = "subscription($wallet: ID!) { walletUpdated(walletId: $wallet) { kind entry { sequence } } }"
TRANSFER = "mutation($i: TransferInput!) { transfer(input: $i) { transaction { status } userErrors { code } } }"
PATIENCE = 60.0
"""Far above what is measured, for busy machines. The longest wait of the service is for a relay's lost lock: 30 s."""


@dataclass
class Site:
    """An API and a relay, each with its own network to each server."""

    api: Api
    relay: OutboxRelay
    api_database: Network
    api_redis: Network
    relay_database: Network
    relay_redis: Network
    alice: str
    bob: str

    async def pay(self) -> None:
        """alice pays bob once: the same key is sent until the outcome is known."""
        values = {
            "idempotencyKey": new_key(), "senderWalletId": self.alice, "receiverWalletId": self.bob,
            "amount": {"amount": "0.01", "currency": "USD"},
        }  # fmt: skip
        answer = await self.answered("alice", TRANSFER, i=values)
        assert answer["transfer"] == {"transaction": {"status": "COMPLETED"}, "userErrors": []}

    async def answered(self, subject: str, query: str, **variables: Any) -> dict[str, Any]:
        """Send an operation until it has no retryable error; return its data."""
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self.api.graphql(subject, query, **variables)
                if "errors" not in answer:
                    data: dict[str, Any] = answer["data"]
                    return data
                assert all(error["extensions"].get("retryable") for error in answer["errors"]), answer
                await asyncio.sleep(0.1)

    async def readiness(self) -> httpx.Response:
        return await self.api.http.get("/readyz")

    async def until_ready(self) -> None:
        """Wait until the API and the relay are ready."""
        async with asyncio.timeout(PATIENCE):
            while (response := await self.readiness()).status_code != 200 or response.json()["degraded"]:  # noqa: ASYNC110 - it waits for another process
                await asyncio.sleep(0.1)
        await soon(lambda: self.relay.state().ready and self.relay.leading, PATIENCE)


@pytest.fixture
async def site(settings: Settings, engine: Database) -> AsyncIterator[Site]:
    assert settings.database_url is not None
    async with AsyncExitStack() as stack:
        database, redis = settings.database_url.get_secret_value(), redis_url(settings)
        networks = [await stack.enter_async_context(network(url)) for url in (database, redis, database, redis)]
        urls = [SecretStr(network.url) for network in networks]
        quick = {"request_timeout_seconds": 3.0, "statement_timeout_ms": 1500}
        near = settings.model_copy(update={"database_url": urls[0], "redis_url": urls[1], **quick})
        far = settings.model_copy(update={"database_url": urls[2], "redis_url": urls[3]})
        publisher = RedisPublisher(redis_url(far))
        stack.push_async_callback(publisher.close)
        relay, stop = OutboxRelay(far, publisher), asyncio.Event()
        relaying = asyncio.create_task(relay.run(stop))
        try:
            async with serving(near, engine, relay=False) as api:
                alice, bob = await api.wallet("alice", balance="9.00"), await api.wallet("bob")
                site = Site(api, relay, *(networks[0], networks[1], networks[2], networks[3]), alice, bob)
                await site.until_ready()
                yield site
        finally:
            stop.set()
            await relaying


LINKS: dict[str, Callable[[Site], Network]] = {
    "API to PostgreSQL": lambda site: site.api_database,
    "API to Redis": lambda site: site.api_redis,
    "relay to PostgreSQL": lambda site: site.relay_database,
    "relay to Redis": lambda site: site.relay_redis,
}


def swallow(link: Network) -> None:
    assert link.swallow() > 0


def slow_down(link: Network) -> None:
    link.delay = 0.05


@pytest.mark.parametrize("fault", [swallow, Network.cut, slow_down], ids=["silent", "cut", "slow"])
@pytest.mark.parametrize("link", list(LINKS))
async def test_a_failed_network_costs_only_seconds(site: Site, link: str, fault: Callable[[Network], None]) -> None:
    async with site.api.socket("bob") as socket:
        watches = [str(number) for number in range(8)]
        for watch in watches:
            await socket.subscribe(watch, WATCH, wallet=site.bob)
            assert (await socket.data(watch))["walletUpdated"]["kind"] == "SNAPSHOT"
        fault(LINKS[link](site))
        await asyncio.gather(*(site.pay() for _ in range(5)))
        # A user whom the API has not seen before.
        assert await site.answered("carol", "{ viewer { id } }")
        for watch in watches:
            updates = [(await socket.data(watch, within=PATIENCE))["walletUpdated"] for _ in range(5)]
            assert [update["entry"]["sequence"] for update in updates] == ["1", "2", "3", "4", "5"]
        await site.until_ready()
        await socket.subscribe("new", WATCH, wallet=site.bob)
        assert (await socket.data("new"))["walletUpdated"]["kind"] == "SNAPSHOT"


@pytest.mark.slow
async def test_readiness_reports_that_every_connection_to_the_database_is_silent(site: Site) -> None:
    site.api_database.swallows_new = True
    swallow(site.api_database)
    async with asyncio.timeout(PATIENCE):
        response = await site.readiness()
    assert (response.status_code, response.json()["database"]) == (503, "unavailable")
    async with asyncio.timeout(PATIENCE):
        for query in ("{ viewer { id } }", "{ currencies { code } }"):
            for subject in ("alice", "carol"):
                assert set(await site.api.codes(subject, query)) <= {"UNAVAILABLE", "TIMEOUT"}
    site.api_database.swallows_new = False
    await site.until_ready()
    await site.pay()


@pytest.mark.slow
async def test_readiness_reports_that_live_updates_are_late_while_redis_is_silent(site: Site) -> None:
    site.api_redis.swallows_new = True
    swallow(site.api_redis)
    async with asyncio.timeout(PATIENCE):
        while "redis" not in (response := await site.readiness()).json()["degraded"]:
            assert response.status_code == 200
            await asyncio.sleep(0.1)
    site.api_redis.swallows_new = False
    await site.until_ready()


@pytest.mark.slow
async def test_a_relay_whose_database_is_silent_is_not_ready_until_it_leads_again(site: Site) -> None:
    swallow(site.relay_database)
    await soon(lambda: not site.relay.state().ready, PATIENCE)
    await site.until_ready()
