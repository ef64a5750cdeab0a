"""After traffic to two workers and a relay, /metrics, the logs and the exported spans are correct."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import text

from app.access.tokens import mint_token
from app.db.pool import Database
from app.settings import Settings
from app.telemetry.privacy import fingerprint
from tests.bank import Bank, new_key, uuid_of
from tests.otlp_collector import Collector, Span, collecting
from tests.service_processes import SECRET, Running, running_service
from tests.transport_ws import Socket, open_socket

WORDS = "words-that-somebody-wrote"
HEADER_SECRET = "a-secret-of-the-collector"
PAY = """mutation Pay($key: String!, $from: ID!, $to: ID!, $amount: Decimal!, $words: String) {
  transfer(input: {
    idempotencyKey: $key, senderWalletId: $from, receiverWalletId: $to, description: $words,
    amount: {amount: $amount, currency: "USD"}
  }) { replayed transaction { id status } userErrors { code } }
}"""
WATCH = "subscription Watch($id: ID!) { walletUpdated(walletId: $id) { kind entry { sequence transaction { id } } } }"
SETTLED = "subscription Settled { transactionSettled { transaction { id } } }"


@dataclass
class World:
    """The service under test, two wallets, and a record of the transfers sent."""

    running: Running
    collector: Collector
    sender: str
    receiver: str
    tokens: dict[str, str]
    keys: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    transfers_sent: int = 0

    async def pay(self, http: httpx.AsyncClient, key: str, amount: str = "0.10", **headers: str) -> dict[str, Any]:
        """Send one transfer by GraphQL."""
        self.keys.append(key)
        self.transfers_sent += 1
        variables = {"key": key, "from": self.sender, "to": self.receiver, "amount": amount, "words": WORDS}
        given = {"Authorization": f"Bearer {self.tokens['alice']}", **headers}
        answer = await http.post("/graphql", json={"query": PAY, "variables": variables}, headers=given)
        payload: dict[str, Any] = answer.json()["data"]["transfer"]
        self.note(payload)
        return payload

    def note(self, payload: dict[str, Any]) -> None:
        """Record the outcome of a transfer."""
        transaction = payload["transaction"]
        outcome = "refused" if transaction is None else "replayed" if payload["replayed"] else transaction["status"].lower()
        self.outcomes[outcome] += 1
        if not payload["replayed"]:
            self.refusals.update(error["code"] for error in payload["userErrors"])

    def socket(self, subject: str) -> Any:
        """A user's WebSocket whose connection_init is acknowledged."""
        url = self.running.url.replace("http", "ws", 1) + "/graphql"
        return open_socket(url, {"Authorization": f"Bearer {self.tokens[subject]}"})


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@asynccontextmanager
async def world(settings: Settings, bank: Bank, collector: Collector, log: Path, **environment: str) -> AsyncIterator[World]:
    """A service that traces every request by default, with SECRET as its secret."""
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    sender, receiver = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob)
    own = settings.model_copy(update={"jwt_secret": SecretStr(SECRET)})
    tokens = {subject: mint_token(subject, own) for subject in ("alice", "bob")}
    chosen = {
        "PAYCORE_OTLP_ENDPOINT": collector.url,
        "PAYCORE_OTLP_HEADERS": f"x-collector-key={HEADER_SECRET}",
        "PAYCORE_TRACE_SAMPLE": "1",
        "PAYCORE_LOG_FORMAT": "json",
        **environment,
    }
    service = running_service(settings, log, chosen)
    running = await asyncio.to_thread(service.__enter__)
    try:
        yield World(running, collector, sender, receiver, tokens)
    finally:
        await asyncio.to_thread(service.__exit__, None, None, None)


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition that background work fulfils."""
    for _ in range(200):
        if holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(what)


async def samples(url: str) -> dict[str, float]:
    """The samples of /metrics, by name and labels."""
    async with httpx.AsyncClient(timeout=30) as http:
        lines = (await http.get(f"{url}/metrics")).text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


async def at_rest(url: str) -> dict[str, float]:
    """The samples once no transfer is running: each worker reads its queue once a second."""
    found: dict[str, float] = {}
    for _ in range(100):
        found = await samples(url)
        if found["paycore_transfers_in_flight"] == found["paycore_queue_used_ratio"] == 0:
            break
        await asyncio.sleep(0.1)
    return found


async def until_retried(url: str) -> None:
    """Wait until a transfer that waits for a lock was tried again."""
    async with asyncio.timeout(60):
        while not any('kind="lock_timeout"' in name and value for name, value in (await samples(url)).items()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def next_entry(socket: Socket, id_: str) -> str:
    """The transaction of the next entry of a subscription."""
    while True:
        update = (await socket.data(id_))["walletUpdated"]
        if update["kind"] == "ENTRY":
            transaction: str = update["entry"]["transaction"]["id"]
            return transaction


def parent_of(spans: list[Span], child: Span) -> Span:
    return next(span for span in spans if span.id == child.parent)


async def test_one_trace_shows_a_transfer_from_request_to_delivery(
    settings: Settings, bank: Bank, collector: Collector, tmp_path: Path
) -> None:
    async with world(settings, bank, collector, tmp_path / "log") as here:
        async with here.socket("bob") as socket, httpx.AsyncClient(base_url=here.running.url, timeout=20) as http:
            await socket.subscribe("watch", WATCH, id=here.receiver)
            await socket.subscribe("settled", SETTLED)
            assert (await socket.data("watch"))["walletUpdated"]["kind"] == "SNAPSHOT"
            await asyncio.sleep(0.5)
            payload = await here.pay(http, "the-one", **{"X-Request-Id": "request-one"})
            transaction = payload["transaction"]["id"]
            assert await next_entry(socket, "watch") == transaction
            assert (await socket.data("settled"))["transactionSettled"]["transaction"]["id"] == transaction
            # The span of an update ends when its subscriber takes the next one or ends.
        await until(lambda: bool(collector.named("deliver walletUpdated")), "no delivery was exported")
        await until(lambda: bool(collector.named("deliver transactionSettled")), "no delivery of a settlement was exported")
        log = here.running.lines()
    (root,) = collector.named("POST /graphql")
    spans = collector.of(root.trace)
    by_name = {span.name: span for span in spans}
    assert (root.parent, root.kind, root.service) == ("", "SERVER", "paycore-api")
    assert root.attributes["http.response.status_code"] == 200
    assert root.attributes["paycore.request_id"] == "request-one"
    assert root.attributes["paycore.user"].startswith("usr_")
    parents = {
        "mutation Pay": root.name, "transfer": "mutation Pay", "queue": "transfer", "settle": "transfer", "batch": "transfer",
        "BEGIN": "batch", "SELECT wallets": "batch", "INSERT transactions": "batch",
        "COMMIT": "batch", "publish": "transfer", "deliver walletUpdated": "publish", "deliver transactionSettled": "publish",
    }  # fmt: skip
    for name, parent in parents.items():
        assert parent_of(spans, by_name[name]).name == parent, name
    assert not any(span.failed for span in spans)
    order = ["POST /graphql", "mutation Pay", "transfer", "batch", "BEGIN", "INSERT transactions", "COMMIT"]
    starts = [by_name[name].start for name in order]
    assert starts == sorted(starts)
    assert by_name["INSERT transactions"].start < by_name["publish"].start <= by_name["deliver walletUpdated"].start
    assert by_name["publish"].service == "paycore-relay"
    assert (by_name["publish"].kind, by_name["deliver walletUpdated"].kind) == ("PRODUCER", "CONSUMER")
    assert by_name["settle"].links == ((root.trace, by_name["batch"].id),)
    assert by_name["transfer"].attributes == {
        "paycore.members": 1, "paycore.keys": [fingerprint("the-one")], "paycore.outcomes": ["completed=1"],
        "paycore.transactions": [transaction],
    }  # fmt: skip
    (line,) = [line for line in log if line["event"] == "transfer"]
    assert (line["trace_id"], line["request_id"], line["transaction"]) == (root.trace, "request-one", transaction)


@pytest.mark.slow
async def test_each_documented_metric_log_and_span_is_correct(
    settings: Settings, bank: Bank, engine: Database, collector: Collector, tmp_path: Path
) -> None:
    async with world(settings, bank, collector, tmp_path / "log") as here:
        await send_everything(here, settings, engine)
        found = await at_rest(here.running.url)
        relayed = await samples(f"http://127.0.0.1:{here.running.relay_port}")
        log = [line for line in here.running.lines() if line["event"] == "transfer"]
        await until(lambda: len(collector.named("transfer")) == here.transfers_sent, "not every transfer has its span")
        await until(lambda: len(collector.named("publish")) == here.outcomes["completed"], "not every publishing has its span")
        await until(lambda: sealed(collector) == here.outcomes["completed"] + 1, "not every leaf of the log is in a span")
    check_metrics(here, found, relayed)
    # Logs: one line per transfer, with the exported trace.
    assert Counter(line["outcome"] for line in log) == here.outcomes
    spans = {span.trace: span for span in collector.named("transfer")}
    assert {line["trace_id"] for line in log} == set(spans)
    for line in log:
        assert spans[line["trace_id"]].attributes["paycore.keys"] == [line["key"]]
        assert spans[line["trace_id"]].attributes["paycore.outcomes"] == [f"{line['outcome']}=1"]
    # Batches: each links to all its members, and each member to its batch.
    batches = {span.id: span for span in collector.named("batch")}
    members = collector.named("settle")
    assert max(len(batch.links) for batch in batches.values()) > 1
    assert sum(batch.attributes["paycore.batch.size"] for batch in batches.values()) >= here.transfers_sent
    for member in members:
        assert any(member.parent == linked for _, linked in batches[member.links[-1][1]].links)
    assert any(batch.failed and batch.attributes["error.type"] == "55P03" for batch in batches.values())
    check_secrets(here)


async def send_everything(here: World, settings: Settings, engine: Database) -> None:
    """Cause transfers of every outcome, a wait for a lock, a lost Redis connection and closed WebSockets."""
    async with here.socket("bob") as socket:
        await socket.subscribe("watch", WATCH, id=here.receiver)
        assert (await socket.data("watch"))["walletUpdated"]["kind"] == "SNAPSHOT"
        # Each client has its own connection, so that both workers get some.
        clients = [httpx.AsyncClient(base_url=here.running.url, timeout=20) for _ in range(16)]
        for _ in range(5):
            await asyncio.gather(*(here.pay(http, new_key()) for http in clients))
        for key in here.keys[:5]:
            await here.pay(clients[0], key)
        for _ in range(3):
            await here.pay(clients[0], new_key(), amount="98765.43")
        await here.pay(clients[0], here.keys[0], amount="2.00")
        async with engine.begin() as other:
            await other.execute(text("SELECT FROM wallets WHERE id = :id FOR UPDATE"), {"id": uuid_of(here.sender)})
            waiting = asyncio.create_task(here.pay(clients[0], new_key()))
            await until_retried(here.running.url)
        await waiting
        for http in clients:
            await http.aclose()
        for _ in range(here.outcomes["completed"]):
            await next_entry(socket, "watch")
        assert settings.redis_url is not None
        with redis.Redis.from_url(settings.redis_url.get_secret_value()) as client:
            # Kill only this service's connections, not those of other tests' services.
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        for _ in range(100):
            found = await samples(here.running.url)
            if found["paycore_redis_losses_total"] == 2 and found["paycore_redis_connected"] == 1:
                break
            await asyncio.sleep(0.1)
    async with here.socket("bob") as socket:
        await socket.send({"type": "subscribe", "id": 5})
        assert await socket.close_code() == 4400


def sealed(collector: Collector) -> int:
    """How many leaves were appended, by the spans."""
    return sum(int(span.attributes["paycore.leaves"]) for span in collector.named("seal log"))


def check_metrics(here: World, found: dict[str, float], relayed: dict[str, float]) -> None:
    """Check the API's metrics, summed over both workers, and the relay's."""

    def value(name: str) -> float:
        return found[f"paycore_{name}"]

    for outcome, count in here.outcomes.items():
        assert value(f'transfers_total{{outcome="{outcome}"}}') == count, outcome
    for code, count in here.refusals.items():
        assert value(f'refusals_total{{code="{code}"}}') == count, code
    assert value("replays_total") == 5
    assert value("key_conflicts_total") == 1
    assert value("batch_size_sum") == here.transfers_sent
    assert 1 < value("batch_size_count") < here.transfers_sent
    assert value("commit_seconds_count") > value("batch_size_count"), "the slow lane looked at a held wallet"
    assert value('retries_total{kind="lock_timeout",sqlstate="55P03"}') == 1
    assert value("queue_wait_seconds_count") == value("batch_size_count")
    assert value("queue_depth") == value("transfers_in_flight") == value("queue_used_ratio") == value("queue_refusals_total") == 0
    assert value('transfers_total{outcome="unanswered"}') == value('transfers_unanswered_total{code="UNAVAILABLE"}') == 0
    assert value('request_seconds_count{operation="Pay",transport="http"}') == here.transfers_sent
    assert value('request_errors_total{code="INTERNAL"}') == value('request_errors_total{code="UNAVAILABLE"}') == 0
    assert value("pool_size") == 10
    assert value("pool_in_use") == 0
    assert value('live_updates_total{kind="ENTRY"}') == here.outcomes["completed"]
    assert value('live_updates_total{kind="SNAPSHOT"}') == 1
    assert value("live_catch_ups_total") >= 1
    assert (value("redis_losses_total"), value("redis_connected")) == (2, 1)
    assert value('subscriptions{field="walletUpdated"}') == value("websockets") == 0
    assert value('websocket_closes_total{code="4400"}') == 1
    assert value('websocket_closes_total{code="1000"}') == 1
    assert value("outbox_pending") == value("outbox_lag_seconds") == value("outbox_parked") == 0
    assert relayed["paycore_relay_published_total"] == here.outcomes["completed"] + 1, "and the deposit before them"
    assert relayed["paycore_relay_leading"] == 1


def check_secrets(here: World) -> None:
    """Check that nothing sent to the collector or logged contains a secret."""
    sent = b"".join(here.collector.bodies) + here.running.log.read_bytes()
    for secret in (SECRET, WORDS, HEADER_SECRET, "Bearer", "eyJ", "98765.43", *here.keys, *here.tokens.values()):
        assert secret.encode() not in sent, secret
    assert {headers["x-collector-key"] for headers in here.collector.headers} == {HEADER_SECRET}


async def test_a_clients_traceparent_is_used_only_if_the_setting_allows_it(
    settings: Settings, bank: Bank, collector: Collector, tmp_path: Path
) -> None:
    recorded, unrecorded = "5" * 32, "6" * 32
    parents = (f"00-{recorded}-{'7' * 16}-01", f"00-{unrecorded}-{'7' * 16}-00", "00-not-a-traceparent")
    for believed, traces in (("false", 0), ("true", 1)):
        async with (
            world(
                settings,
                bank,
                collector,
                tmp_path / believed,
                PAYCORE_TRACE_SAMPLE="0",
                PAYCORE_TRACE_PARENTS=believed,
                PAYCORE_WORKERS="1",
            ) as here,
            httpx.AsyncClient(base_url=here.running.url, timeout=20) as http,
        ):
            for parent in parents:
                await here.pay(http, new_key(), traceparent=parent)
            if traces:
                await until(lambda: bool(collector.named("publish")), "the trace did not go on behind the outbox")
        assert len({span.trace for span in collector.spans}) == traces
    assert {span.trace for span in collector.spans} == {recorded}
    (root,) = collector.named("POST /graphql")
    assert root.parent == "7" * 16


@pytest.mark.parametrize("answers", [False, True], ids=["nobody-listens", "never-answers"])
async def test_an_unreachable_collector_delays_nothing(
    settings: Settings, bank: Bank, tmp_path: Path, free_port: int, answers: bool
) -> None:
    async def stall(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", free_port) if answers else None
    try:
        workers = "2" if answers else "1"
        async with world(settings, bank, Collector(free_port), tmp_path / "log", PAYCORE_WORKERS=workers) as here:
            async with httpx.AsyncClient(base_url=here.running.url, timeout=20) as http:
                # More spans than one export holds, all of one worker.
                for _ in range(200):
                    assert (await here.pay(http, new_key()))["transaction"]["status"] == "COMPLETED"
            for process in here.running.processes.values():
                process.terminate()
            # Well before a supervisor would kill them.
            ended = [await asyncio.to_thread(process.wait, 10) for process in here.running.processes.values()]
            assert all(code in (0, -15) for code in ended)
            assert not re.search(r"Traceback|Task exception", here.running.log.read_text())
            assert HEADER_SECRET not in here.running.log.read_text()
    finally:
        if server is not None:
            server.close()
