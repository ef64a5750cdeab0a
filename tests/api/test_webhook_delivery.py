"""Webhooks from the transfer to the endpoint: real API, relay, worker and HTTP servers that receive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from app import ids
from app.access.viewer import Viewer
from app.clock import system_clock
from app.db.engine import connect, create_engine
from app.db.pool import Database
from app.paging.update_cursor import encode_update_cursor
from app.processes.webhook_payloads import Payloads, services_of_worker
from app.processes.worker import Worker
from app.services.webhooks import delivering, schedule
from app.services.webhooks import fan_out as fan_out_module
from app.services.webhooks.delivering import Outcome
from app.services.webhooks.fan_out import fan_out
from app.services.webhooks.sending import Answer, Sender
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_webhook_endpoints import CREATE, ROTATE, SET_STATUS, SETTLED
from tests.bank import new_key, uuid_of
from tests.servers import Servers
from tests.unit.test_webhook_signing import verify_v1a
from tests.waiting import soon
from tests.webhook_receiver import Message, receiving

WATCH = """
subscription ($w: ID!) { walletUpdated(walletId: $w) {
  kind cursor wallet { id sequence } entry { sequence amount { amount } transaction { id description } }
} }
"""
HOLD = "subscription ($h: ID!) { holdUpdated(holdId: $h) { id status captured { amount } } }"


@dataclass
class World:
    """alice pays bob."""

    api: Api
    alice: Viewer
    bob: Viewer
    wallet: str
    theirs: str
    created: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def watch(self, url: str, document: str = WATCH, subject: str = "bob", **values: Any) -> dict[str, Any]:
        """Create an endpoint for bob's wallet, or for another document."""
        given = {"idempotencyKey": new_key(), "url": url, "document": document, **values}
        if document is WATCH:
            given.setdefault("variables", f'{{"w": "{self.theirs}"}}')
        payload = (await self.api.data(subject, CREATE, input=given))["createWebhookEndpoint"]
        assert payload["userErrors"] == []
        return {**payload["endpoint"], "secret": payload["secret"]}

    async def pay(self, count: int, theirs: str | None = None) -> None:
        for _ in range(count):
            result = await self.api.bank.pay(self.alice, self.wallet, theirs or self.theirs, "0.01")
            assert result.transaction is not None

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.api.services.engine.connect() as connection:
            return list(await connection.execute(text(query), values))

    async def wait_until_delivered(self, seconds: float = 30) -> None:
        """Until all events so far have their rows, no enabled endpoint is behind, and all rows are delivered."""
        async with asyncio.timeout(seconds):
            while True:
                (row,) = await self.rows(
                    "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM webhook_deliveries WHERE delivered_at IS NULL) "
                    "+ (SELECT coalesce(max(last_position), 0) FROM event_chunks) - (SELECT position FROM webhook_progress) "
                    "+ (SELECT count(*) FROM webhook_endpoints WHERE status = 'ENABLED' AND behind_after IS NOT NULL)"
                )
                if row[0] == 0:
                    return
                await asyncio.sleep(0.05)


@pytest.fixture
async def world(settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    # Attempts follow each other in tenths of a second instead of hours.
    monkeypatch.setattr(schedule, "PAUSES", (0.1,) * len(schedule.PAUSES))
    monkeypatch.setattr(delivering, "LEASE_MARGIN", timedelta(seconds=0.5))
    chosen = settings.model_copy(update={"webhook_private_targets": True, "webhook_timeout_seconds": 1.0})
    async with serving(chosen, engine) as api:
        alice, bob = await api.bank.viewer("alice"), await api.bank.viewer("bob")
        yield World(api, alice, bob, await api.bank.wallet(alice, balance="1000.00"), await api.bank.wallet(bob))


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """A worker in this process."""
    engine, stop = create_engine(settings), asyncio.Event()
    sender = Sender(seconds=settings.webhook_timeout_seconds, allow_private=settings.webhook_private_targets)
    worker = Worker(settings, engine, Payloads(await services_of_worker(engine, settings, system_clock)), sender)
    task = asyncio.create_task(worker.run(stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await asyncio.wait({task})
        await sender.close()
        await engine.dispose()


def sequences(messages: list[Message]) -> list[int]:
    return [int(message.data["walletUpdated"]["entry"]["sequence"]) for message in messages]


async def test_each_entry_is_delivered_once_in_sequence_and_signed(world: World) -> None:
    async with receiving() as endpoint, working(world.api.settings):
        created = await world.watch(endpoint.url)
        await world.pay(30)
        await world.wait_until_delivered()
    assert sequences(endpoint.messages) == list(range(1, 31))
    assert len({message.id for message in endpoint.messages}) == 30
    for message in endpoint.messages:
        assert Webhook(created["secret"]).verify(message.body, message.headers) == message.content
        verify_v1a(created["publicKey"], message.headers, message.body)
        update = message.data["walletUpdated"]
        assert update["kind"] == "ENTRY"
        assert update["entry"]["amount"]["amount"] == "0.01"
        assert int(update["wallet"]["sequence"]) >= int(update["entry"]["sequence"])
        assert "errors" not in message.content


async def test_the_cursor_is_that_of_the_subscription(world: World) -> None:
    async with receiving() as endpoint, working(world.api.settings):
        await world.watch(endpoint.url)
        await world.pay(3)
        await world.wait_until_delivered()
    cursor = endpoint.messages[0].data["walletUpdated"]["cursor"]
    query = f'subscription {{ walletUpdated(walletId: "{world.theirs}", after: "{cursor}") {{ kind entry {{ sequence }} }} }}'
    async with world.api.socket("bob") as socket:
        await socket.subscribe("1", query)
        following = [(await socket.message("1"))["payload"]["data"]["walletUpdated"] for _ in range(2)]
    assert [update["entry"]["sequence"] for update in following] == ["2", "3"]


async def test_settled_transactions_reach_their_parties_and_administrators_only(world: World) -> None:
    await world.api.relayed()
    async with receiving() as bobs, receiving() as carols, receiving() as admins, working(world.api.settings):
        await world.watch(bobs.url, SETTLED)
        await world.watch(carols.url, SETTLED, "carol")
        await world.watch(admins.url, SETTLED, "admin")
        await world.pay(5)
        await world.wait_until_delivered()
    for endpoint in (bobs, admins):
        found = [message.data["transactionSettled"]["transaction"]["id"] for message in endpoint.messages]
        assert len(set(found)) == len(found) == 5
    assert carols.messages == []


async def test_a_failed_delivery_is_sent_again_with_the_same_id_before_the_next_of_its_wallet(world: World) -> None:
    refused: dict[str, int] = {}

    def status(message: Message) -> int:
        refused[message.id] = refused.get(message.id, 0) + 1
        return 500 if refused[message.id] < 3 else 200

    async with receiving(status) as endpoint, working(world.api.settings):
        created = await world.watch(endpoint.url)
        await world.pay(4)
        await world.wait_until_delivered()
    assert sequences(endpoint.messages) == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert sequences(endpoint.accepted) == [1, 2, 3, 4]
    assert len({message.id for message in endpoint.messages}) == 4
    query = """query ($id: ID!) { node(id: $id) { ... on WebhookEndpoint { status deliveries(last: 1) { edges { node {
        messageId payload event wallet sequence deliveredAt nextAttemptAt attempts { status error responseBody durationMs }
    } } } } } }"""
    shown = (await world.api.data("bob", query, id=created["id"]))["node"]
    (edge,) = shown["deliveries"]["edges"]
    delivery = edge["node"]
    first = endpoint.messages[0]
    assert shown["status"] == "ENABLED"
    assert (delivery["messageId"], delivery["payload"].encode()) == (first.id, first.body)
    assert (delivery["event"], delivery["wallet"], delivery["sequence"]) == (f"{world.theirs}/1", world.theirs, "1")
    assert delivery["deliveredAt"] is not None
    assert delivery["nextAttemptAt"] is None
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 500, 200]
    assert {attempt["responseBody"] for attempt in delivery["attempts"]} == {"body"}


async def test_one_poisoned_event_parks_its_wallet_and_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "MAX_ATTEMPTS", 3)
    other = await world.api.bank.wallet(world.bob)
    async with receiving() as endpoint, working(world.api.settings):
        poisoned = {"id": ""}
        endpoint.status = lambda message: 500 if message.id == poisoned["id"] else 200
        await world.watch(endpoint.url, SETTLED)
        await world.pay(1)
        await soon(lambda: endpoint.accepted)
        # The next event of the first wallet is refused from its first attempt on.
        endpoint.status = lambda message: 500 if message.id == poisoned.setdefault("id", message.id) else 200
        poisoned.clear()
        await world.pay(1)
        await soon(lambda: poisoned)
        await world.pay(3)
        # Alice's wallet is a lane too: what bob gets from carol is of another.
        carol = await world.api.bank.viewer("carol")
        hers = await world.api.bank.wallet(carol, balance="5.00")
        for _ in range(3):
            assert (await world.api.bank.pay(carol, hers, other, "0.01")).transaction is not None
        await soon(lambda: len(endpoint.accepted) == 4)
        await soon(lambda: sum(message.id == poisoned["id"] for message in endpoint.messages) == 3)
        await asyncio.sleep(0.5)
    assert len(endpoint.accepted) == 4
    (parked,) = await world.rows("SELECT * FROM webhook_deliveries WHERE delivered_at IS NULL AND next_attempt_at IS NULL")
    assert (parked.attempts, parked.failures) == (3, 3)
    (waiting,) = await world.rows(
        "SELECT count(*) FROM webhook_deliveries WHERE delivered_at IS NULL AND next_attempt_at IS NOT NULL AND attempts = 0"
    )
    assert waiting[0] == 3
    (kept,) = await world.rows("SELECT status FROM webhook_endpoints")
    assert kept.status == "ENABLED"


async def test_410_disables_an_endpoint_until_its_owner_enables_it(world: World) -> None:
    async with receiving(lambda _: 410) as endpoint, working(world.api.settings):
        created = await world.watch(endpoint.url)
        await world.pay(2)
        await soon(lambda: endpoint.messages)
        await asyncio.sleep(1)
        assert len(endpoint.messages) == 1
        query = "query ($id: ID!) { node(id: $id) { ... on WebhookEndpoint { status } } }"
        assert (await world.api.data("bob", query, id=created["id"]))["node"]["status"] == "DISABLED_FAILING"


@pytest.mark.parametrize("status", ["PAUSED", "DISABLED_FAILING"])
async def test_an_endpoint_that_was_stopped_gets_all_in_order_once_it_is_enabled(
    world: World, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(fan_out_module, "STEP", 3)
    monkeypatch.setattr(fan_out_module, "CATCH_UP_STEP", 2)
    other = await world.api.bank.wallet(world.bob)
    async with receiving() as endpoint, receiving() as beside, working(world.api.settings):
        created = await world.watch(endpoint.url)
        await world.watch(beside.url)
        await world.pay(2)
        await world.wait_until_delivered()
        async with world.api.services.engine.begin() as connection:
            await connection.execute(
                text("UPDATE webhook_endpoints SET status = CAST(:status AS webhook_status) WHERE id = :id"),
                {"status": status, "id": ids.decode("whe", created["id"])},
            )
        for _ in range(4):
            await world.pay(2)
            await world.pay(1, other)
        await world.api.relayed()
        await soon(lambda: len(beside.accepted) == 10)
        assert sequences(endpoint.messages) == [1, 2]
        (rows,) = await world.rows(
            "SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = :id", id=ids.decode("whe", created["id"])
        )
        assert rows[0] == 2, "no rows are written for it meanwhile"
        await world.api.data("bob", SET_STATUS, input={"endpointId": created["id"], "status": "ENABLED"})
        await world.pay(1)
        await world.wait_until_delivered()
        await world.pay(1)
        await world.wait_until_delivered()
    assert sequences(endpoint.messages) == list(range(1, 13))
    assert sequences(beside.messages) == list(range(1, 13))


async def test_while_keys_overlap_both_verify_and_then_only_the_new_one(world: World) -> None:
    async with receiving() as endpoint, working(world.api.settings):
        first = await world.watch(endpoint.url)
        rotated = (await world.api.data("bob", ROTATE, input={"endpointId": first["id"], "overlap": 600}))["rotateWebhookSecret"]
        await world.pay(1)
        await world.wait_until_delivered()
        (message,) = endpoint.messages
        for secret in (first["secret"], rotated["secret"]):
            Webhook(secret).verify(message.body, message.headers)
        await world.rows("SELECT 1")
        async with world.api.services.engine.begin() as connection:
            await connection.execute(text("UPDATE webhook_endpoints SET old_keys_until = now() - interval '1 s'"))
        await world.pay(1)
        await world.wait_until_delivered()
    assert len(endpoint.messages[0].headers["webhook-signature"].split()) == 4
    assert len(endpoint.messages[1].headers["webhook-signature"].split()) == 2
    Webhook(rotated["secret"]).verify(endpoint.messages[1].body, endpoint.messages[1].headers)


async def test_endpoints_that_hang_do_not_hold_up_those_that_answer(world: World) -> None:
    def never(_: Message) -> None:
        return None

    async with receiving(never) as hanging, receiving() as endpoint:
        for _ in range(15):
            await world.watch(hanging.url)
        await world.watch(endpoint.url)
        async with working(world.api.settings):
            await world.pay(20)
            await soon(lambda: len(endpoint.accepted) == 20, 15)
            await soon(lambda: hanging.open_now == 0, 15) if not hanging.messages else None
        assert hanging.most_open <= 15 * 8
    assert sequences(endpoint.accepted) == list(range(1, 21))


async def test_an_unordered_endpoint_waits_for_nothing(world: World) -> None:
    first: dict[str, str] = {}
    async with receiving() as endpoint, working(world.api.settings):
        endpoint.status = lambda message: 500 if first.setdefault("id", message.id) == message.id else 200
        await world.watch(endpoint.url, ordered=False)
        await world.pay(5)
        await soon(lambda: len(endpoint.accepted) == 4)
    (refused,) = {*range(1, 6)} - {*sequences(endpoint.accepted)}
    assert {message.id for message in endpoint.messages if sequences([message]) == [refused]} == {first["id"]}


async def test_two_workers_deliver_each_event_once_and_in_order(world: World) -> None:
    async with receiving() as endpoint, working(world.api.settings), working(world.api.settings):
        await world.watch(endpoint.url)
        await world.pay(100)
        await world.wait_until_delivered()
    assert sequences(endpoint.messages) == list(range(1, 101))


async def test_what_a_killed_worker_had_taken_is_delivered_by_the_next(world: World) -> None:
    def hang_once(message: Message) -> int | None:
        return None if len(endpoint.messages) == 1 else 200

    async with receiving() as endpoint:
        endpoint.status = hang_once
        await world.watch(endpoint.url)
        async with working(world.api.settings) as task:
            await world.pay(3)
            await soon(lambda: endpoint.messages)
            # Without a chance to write anything down.
            task.cancel()
        async with working(world.api.settings):
            await world.wait_until_delivered()
    assert sequences(endpoint.accepted) == [1, 2, 3]
    assert sequences(endpoint.messages) == [1, 1, 2, 3]
    assert endpoint.messages[0].id == endpoint.messages[1].id


async def test_events_from_before_the_endpoint_are_not_delivered(world: World) -> None:
    # For this one, no worker has passed what was before.
    await world.watch("http://127.0.0.1:9/", SETTLED, "carol")
    await world.pay(3)
    await world.api.relayed()
    async with receiving() as endpoint, receiving() as other:
        await world.watch(endpoint.url)
        await world.watch(other.url, SETTLED)
        async with working(world.api.settings):
            await world.pay(2)
            await world.wait_until_delivered()
    assert sequences(endpoint.messages) == [4, 5]
    assert len(other.messages) == 2


async def test_what_is_old_is_removed_with_its_attempts(world: World) -> None:
    async with receiving() as endpoint:
        await world.watch(endpoint.url)
        async with working(world.api.settings):
            await world.pay(2)
            await world.wait_until_delivered()
        async with world.api.services.engine.begin() as connection:
            await connection.execute(text(
                "UPDATE webhook_deliveries SET delivered_at = now() - interval '31 days' WHERE number = 1"))  # fmt: skip
            await connection.execute(text("UPDATE worker_duties SET next_at = now()"))
        async with working(world.api.settings):
            async with asyncio.timeout(20):
                while len(await world.rows("SELECT 1 FROM webhook_attempts")) != 1:  # noqa: ASYNC110 - another process's rows
                    await asyncio.sleep(0.05)
    assert [row.number for row in await world.rows("SELECT number FROM webhook_deliveries")] == [2]


REPLAY = """
mutation ($input: ReplayWebhooksInput!) { replayWebhooks(input: $input) { scheduled userErrors { code path } } }
"""
TEST = "mutation ($id: ID!) { testWebhook(endpointId: $id) { payload status error userErrors { code } } }"


async def replay(world: World, endpoint_id: str, subject: str = "bob", **start: str) -> dict[str, Any]:
    given = {"endpointId": endpoint_id, "from": start}
    found: dict[str, Any] = (await world.api.data(subject, REPLAY, input=given))["replayWebhooks"]
    return found


async def test_all_of_a_wallet_after_a_cursor_is_delivered_without_a_gap_whatever_happened_to_the_endpoint(world: World) -> None:
    await world.pay(3)
    async with receiving() as endpoint, working(world.api.settings):
        created = (await world.watch(endpoint.url))["id"]
        await world.pay(2)
        await world.wait_until_delivered()
        assert sequences(endpoint.messages) == [4, 5]
        await world.pay(3)
        await world.wait_until_delivered()
        assert sequences(endpoint.messages) == [4, 5, 6, 7, 8]
        cursor = "query ($id: ID!) { wallet(id: $id) { updatesCursor sequence } }"
        assert (await world.api.data("bob", cursor, id=world.theirs))["wallet"]["sequence"] == "8"
        first = encode_update_cursor(uuid_of(world.theirs), 1)
        before = {message.id for message in endpoint.messages}
        endpoint.messages.clear()
        assert await replay(world, created, after=first) == {"scheduled": 7, "userErrors": []}
        await world.wait_until_delivered()
    assert sequences(endpoint.messages) == [2, 3, 4, 5, 6, 7, 8]
    assert before < {message.id for message in endpoint.messages}, "each keeps its id"


async def test_one_delivery_and_all_since_a_moment_are_delivered_again_with_their_ids(world: World) -> None:
    async with receiving() as endpoint, receiving() as settled, working(world.api.settings):
        created = (await world.watch(endpoint.url))["id"]
        other = (await world.watch(settled.url, SETTLED))["id"]
        await world.pay(3)
        await world.wait_until_delivered()
        query = "query ($id: ID!) { node(id: $id) { ... on WebhookEndpoint { deliveries { edges { node { id messageId } } } } } }"
        found = (await world.api.data("bob", query, id=created))["node"]["deliveries"]["edges"]
        assert await replay(world, created, deliveryId=found[1]["node"]["id"]) == {"scheduled": 1, "userErrors": []}
        await world.wait_until_delivered()
        assert sequences(endpoint.messages) == [1, 2, 3, 2]
        assert endpoint.messages[3].id == endpoint.messages[1].id == found[1]["node"]["messageId"]
        for chosen in (created, other):
            assert (await replay(world, chosen, since="2026-01-01T00:00:00Z"))["scheduled"] == 3
            assert (await replay(world, chosen, since="2999-01-01T00:00:00Z"))["scheduled"] == 0
        await world.wait_until_delivered()
    assert sequences(endpoint.messages)[4:] == [1, 2, 3]
    ids_of = [message.id for message in settled.messages]
    assert ids_of[3:] == ids_of[:3]


async def test_a_replay_that_means_nothing_is_refused(world: World) -> None:
    created = (await world.watch("http://127.0.0.1:9/"))["id"]
    settled = (await world.watch("http://127.0.0.1:9/", SETTLED))["id"]
    cursor = encode_update_cursor(uuid_of(world.theirs), 0)
    for subject, chosen, start, path in (
        ("alice", created, {"after": cursor}, ["input", "endpointId"]),
        ("bob", "nonsense", {"after": cursor}, ["input", "endpointId"]),
        ("bob", created, {"after": "nonsense"}, ["input", "from", "after"]),
        ("bob", created, {"after": encode_update_cursor(uuid_of(world.wallet), 0)}, ["input", "from", "after"]),
        ("bob", settled, {"after": cursor}, ["input", "from", "after"]),
        ("bob", created, {"deliveryId": "whd_01jgfjjz00e008000000000000"}, ["input", "from", "deliveryId"]),
    ):
        refused = await replay(world, chosen, subject, **start)
        assert refused == {"scheduled": 0, "userErrors": [{"code": "INVALID_INPUT", "path": path}]}


async def test_a_parked_event_is_replayed_and_its_wallet_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "MAX_ATTEMPTS", 2)
    async with receiving(lambda _: 500) as endpoint, working(world.api.settings):
        created = (await world.watch(endpoint.url))["id"]
        await world.pay(3)
        query = "SELECT id FROM webhook_deliveries WHERE next_attempt_at IS NULL AND delivered_at IS NULL"
        async with asyncio.timeout(20):
            while not (parked := await world.rows(query)):  # noqa: ASYNC110 - rows of another task
                await asyncio.sleep(0.05)
        endpoint.status = lambda _: 200
        assert (await replay(world, created, deliveryId=ids.encode("whd", parked[0].id)))["scheduled"] == 1
        await world.wait_until_delivered()
    assert sequences(endpoint.accepted) == [1, 2, 3]


async def test_a_test_is_sent_once_and_its_answer_is_shown(world: World) -> None:
    async with receiving() as endpoint, working(world.api.settings):
        created = await world.watch(endpoint.url)
        for status in (200, 500):
            endpoint.status = lambda _, status=status: status  # type: ignore[misc] # of this round
            shown = (await world.api.data("bob", TEST, id=created["id"]))["testWebhook"]
            assert shown == {"payload": endpoint.messages[-1].body.decode(), "status": status, "error": None, "userErrors": []}
        endpoint.status = lambda _: 200
        await world.pay(2)
        await soon(lambda: len(endpoint.accepted) == 3)
    Webhook(created["secret"]).verify(endpoint.messages[0].body, endpoint.messages[0].headers)
    assert sequences(endpoint.messages[2:]) == [1, 2]
    oldest = "query ($id: ID!) { node(id: $id) { ... on WebhookEndpoint { oldestUndelivered { id } } } }"
    assert (await world.api.data("bob", oldest, id=created["id"]))["node"]["oldestUndelivered"] is None
    alices = (await world.api.data("alice", TEST, id=created["id"]))["testWebhook"]
    assert [error["code"] for error in alices["userErrors"]] == ["INVALID_INPUT"]
    assert len(endpoint.messages) == 4


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Any]:
    connection = await connect(world.api.settings)
    try:
        yield connection
    finally:
        await connection.close()


async def taken(world: World, now: datetime) -> delivering.Taken:
    """The delivery that is due, taken at this time by a worker that may be slow."""
    async with connected(world) as connection:
        found = await delivering.take(connection, now, 1.0, also_failing=True)
    assert found is not None
    (one,) = found
    return one


async def test_what_comes_after_the_lease_is_not_written_down(world: World) -> None:
    await world.watch("http://127.0.0.1:9/")
    await world.pay(2)
    await world.api.relayed()
    now = system_clock()
    async with connected(world) as connection:
        await fan_out(connection, system_clock)
        slow = await taken(world, now + timedelta(seconds=1))
        assert await delivering.take(connection, now + timedelta(seconds=1), 1.0, also_failing=True) in (None, [])
        later = now + timedelta(seconds=10)
        other = await taken(world, later)
        assert other.delivery.id == slow.delivery.id
        answer = Answer(200, None, None, 5)
        assert await delivering.record(connection, slow, answer, "{}", later) is Outcome.LEASE_OVER
        assert await world.rows("SELECT 1 FROM webhook_attempts") == []
        assert await delivering.record(connection, other, answer, "{}", later) is Outcome.DELIVERED
    assert len(await world.rows("SELECT 1 FROM webhook_attempts")) == 1


async def test_an_endpoint_that_accepts_nothing_for_days_is_disabled_at_the_last_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "MAX_ATTEMPTS", 2)
    await world.watch("http://127.0.0.1:9/")
    await world.pay(1)
    await world.api.relayed()
    moment, refused, outcomes = system_clock() + timedelta(seconds=1), Answer(500, None, None, 5), []
    async with connected(world) as connection:
        await fan_out(connection, system_clock)
        for _ in range(2):
            outcomes.append(await delivering.record(connection, await taken(world, moment), refused, "{}", moment))
            moment += timedelta(days=3)
    assert outcomes == [Outcome.FAILED, Outcome.DISABLED]
    (row,) = await world.rows("SELECT status, failures FROM webhook_endpoints")
    assert (row.status, row.failures) == ("DISABLED_FAILING", 2)


async def test_when_an_endpoint_answers_again_all_its_wallets_are_tried_at_once(world: World) -> None:
    wallets = [world.theirs, *[await world.api.bank.wallet(world.bob) for _ in range(6)]]
    await world.watch("http://127.0.0.1:9/", SETTLED, ordered=False)
    for wallet in wallets:
        await world.pay(1, wallet)
    await world.api.relayed()
    moment = system_clock() + timedelta(seconds=1)
    async with connected(world) as connection:
        await fan_out(connection, system_clock)
        found = await delivering.take(connection, moment, 1.0, also_failing=True)
        assert found is not None
        assert len(found) == 7
        for one in found[:6]:
            await delivering.record(connection, one, Answer(None, None, "down", 5), "{}", moment)
        waits = "SELECT count(*) FROM webhook_deliveries WHERE next_attempt_at > :now"
        assert (await world.rows(waits, now=moment))[0][0] == 6
        await delivering.record(connection, found[6], Answer(200, None, None, 5), "{}", moment)
        assert (await world.rows(waits, now=moment))[0][0] == 0


async def test_a_database_that_is_killed_and_comes_back_loses_nothing(world: World, clean_servers: Servers) -> None:
    async with receiving() as endpoint, working(world.api.settings) as worker:
        await world.watch(endpoint.url)
        await world.pay(10)
        await soon(lambda: len(endpoint.accepted) >= 3)
        clean_servers.kill_postgres()
        await asyncio.sleep(1)
        assert not worker.done()
        clean_servers.start_postgres()
        paid = 10
        async with asyncio.timeout(60):
            while paid < 20:
                try:
                    await world.pay(1)
                except Exception:  # noqa: BLE001 - the database is not there yet
                    await asyncio.sleep(0.2)
                    continue
                paid += 1
        await soon(lambda: len(set(sequences(endpoint.accepted))) == 20, 60)
    assert list(dict.fromkeys(sequences(endpoint.accepted))) == list(range(1, 21))
