"""Webhooks through real processes: workers, relay and API are killed at random, and each endpoint gets all, in order."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from app.access.tokens import mint_token
from app.db.engine import database_dsn
from app.db.pool import Database
from app.processes.worker import WORKER_ENDS_WITHIN_SECONDS
from app.settings import Settings
from tests.api.test_webhook_delivery import WATCH
from tests.api.test_webhook_endpoints import CREATE
from tests.bank import Bank, new_key
from tests.forks import start
from tests.otlp_collector import collecting
from tests.processes.test_cli import servers_of
from tests.servers import free_port
from tests.waiting import START_SECONDS, soon
from tests.webhook_receiver import Endpoint, receiving


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return {
        **servers_of(settings),
        "PAYCORE_PORT": str(free_port()),
        "PAYCORE_WORKER_PORT": str(free_port()),
        "PAYCORE_WEBHOOK_PRIVATE_TARGETS": "true",
        "PAYCORE_WEBHOOK_TIMEOUT_SECONDS": "1",
    }


async def is_ready(port: str) -> bool:
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/readyz", timeout=2)).status_code == 200
        except httpx.HTTPError:
            return False


async def until_ready(port: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not await is_ready(port):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def watch(environment: dict[str, str], settings: Settings, subject: str, wallet: str, url: str) -> None:
    given = {"idempotencyKey": new_key(), "url": url, "document": WATCH, "variables": f'{{"w":"{wallet}"}}'}
    headers = {"Authorization": f"Bearer {mint_token(subject, settings)}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['PAYCORE_PORT']}", timeout=20) as http:
        answer = (await http.post("/graphql", json={"query": CREATE, "variables": {"input": given}}, headers=headers)).json()
    assert answer["data"]["createWebhookEndpoint"]["userErrors"] == [], answer


def in_order_by_wallet(endpoint: Endpoint) -> dict[str, list[int]]:
    """By wallet, the sequences in the order of their first acceptance."""
    found: dict[str, dict[int, None]] = {}
    for message in endpoint.accepted:
        update = message.data["walletUpdated"]
        found.setdefault(update["wallet"]["id"], {})[int(update["entry"]["sequence"])] = None
    return {wallet: list(sequences) for wallet, sequences in found.items()}


def numbers(endpoint: Endpoint) -> dict[str, int]:
    return {wallet: len(found) for wallet, found in in_order_by_wallet(endpoint).items()}


async def test_a_worker_answers_probes_and_ends_on_sigterm(environment: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        worker = start("worker", environment=environment, output=log)
        try:
            port = environment["PAYCORE_WORKER_PORT"]
            await until_ready(port)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                assert (await http.get("/readyz")).json() == {
                    "status": "ready", "role": "worker", "database": "ok", "redis": "not used"}  # fmt: skip
                assert "paycore_webhook_in_flight" in (await http.get("/metrics")).text
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(WORKER_ENDS_WITHIN_SECONDS) == 0
        finally:
            worker.kill()
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_a_worker_makes_the_partitions_that_are_missing(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    owner = await asyncpg.connect(database_dsn(settings))
    names = "SELECT array_agg(name ORDER BY high) FROM ledger_partitions()"
    made: list[str] = await owner.fetchval(names)
    await owner.execute(f"DROP TABLE {', '.join(made[1:])}")
    with (tmp_path / "log").open("wb") as log:
        worker = start("worker", environment=environment, output=log)
        try:
            async with asyncio.timeout(START_SECONDS):
                while await owner.fetchval(names) != made:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        finally:
            worker.kill()
            await owner.close()


async def test_a_delivery_is_traced_without_its_address_and_contents(
    settings: Settings, environment: dict[str, str], bank: Bank, tmp_path: Path
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    paying, wallet = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob)
    with collecting() as collector, (tmp_path / "log").open("wb") as log:
        traced = {**environment, "PAYCORE_OTLP_ENDPOINT": collector.url, "PAYCORE_TRACE_SAMPLE": "1"}
        processes = [start(name, environment=environment, output=log) for name in ("serve", "relay")]
        processes.append(start("worker", environment=traced, output=log))
        try:
            async with receiving() as endpoint:
                await until_ready(environment["PAYCORE_PORT"])
                await watch(environment, settings, "bob", wallet, endpoint.url)
                assert (await bank.pay(alice, paying, wallet)).transaction is not None
                await soon(lambda: collector.named("deliver webhook") and collector.named("fan out webhooks"), 30)
                (root,) = collector.named("deliver webhook")
                names = {span.name for span in collector.of(root.trace)}
                assert {"deliver webhook", "make payload", "post"} <= names
                assert root.attributes["paycore.webhook.outcome"] == "delivered"
                assert endpoint.url not in repr(collector.of(root.trace))
        finally:
            for process in processes:
                process.kill()
                process.wait(20)


async def test_what_is_in_flight_at_sigterm_is_written_down(
    settings: Settings, environment: dict[str, str], bank: Bank, engine: Database, tmp_path: Path
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    paying, wallet = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob)
    with (tmp_path / "log").open("wb") as log:
        processes = [start(name, environment=environment, output=log) for name in ("serve", "relay", "worker")]
        try:
            async with receiving(lambda _: None) as endpoint:
                await until_ready(environment["PAYCORE_PORT"])
                await watch(environment, settings, "bob", wallet, endpoint.url)
                assert (await bank.pay(alice, paying, wallet)).transaction is not None
                await soon(lambda: endpoint.messages)
                processes[-1].send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(processes[-1].wait, 20) == 0
        finally:
            for process in processes:
                process.kill()
                process.wait(20)
    async with engine.connect() as connection:
        (row,) = await connection.execute(text("SELECT error FROM webhook_attempts"))
    assert row.error == "no answer within 1 seconds"
