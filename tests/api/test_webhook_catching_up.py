"""Endpoints that take nothing get no rows, and later all events in order. Endpoints that are deleted, or lose their right."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import ids
from app.access.policy import rights_of
from app.access.tokens import mint_token
from app.access.viewer import Role, Viewer
from app.clock import system_clock
from app.db import webhook_sql
from app.db.pool import Database
from app.records import EntryDirection, WebhookStatus
from app.services.postings import LegInput, PostingInput, post_transaction
from app.services.webhooks import delivering, fan_out, keeping, rights
from app.services.webhooks.sending import Answer
from app.settings import Settings
from tests.api import test_webhook_delivery as delivery_tests
from tests.api.conftest import Api
from tests.api.test_webhook_delivery import World, connected, sequences, working
from tests.api.test_webhook_endpoints import SET_STATUS, SETTLED, create, stored
from tests.bank import new_key
from tests.waiting import soon
from tests.webhook_receiver import receiving

world = delivery_tests.world
DELETE = "mutation ($id: ID!) { deleteWebhookEndpoint(endpointId: $id) { deletedId userErrors { code path } } }"
NODE = "query ($id: ID!) { node(id: $id) { id } }"


async def rows_of(world: World, endpoint_id: str) -> int:
    (row,) = await world.rows(
        "SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = :id", id=ids.decode("whe", endpoint_id)
    )
    return int(row[0])


async def step(world: World) -> bool:
    """One round of a worker that sends nothing."""
    async with connected(world) as connection:
        found = await fan_out.fan_out(connection, system_clock)
        return await fan_out.catch_up(connection, system_clock) or bool(found)


async def steps(world: World) -> None:
    while await step(world):
        pass


async def test_the_rows_that_wait_for_an_endpoint_are_bounded_and_it_gets_all_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "MOST_WAITING", 10)
    monkeypatch.setattr(fan_out, "_ROOM", 5)
    monkeypatch.setattr(fan_out, "STEP", 4)
    monkeypatch.setattr(fan_out, "_LOOK_AGAIN", timedelta(seconds=0.05))
    async with receiving() as endpoint:
        created = await world.watch(endpoint.url)
        await world.pay(40)
        await world.api.relayed()
        for _ in range(15):
            await step(world)
        assert await rows_of(world, created["id"]) <= 10 + 4
        async with working(world.api.settings):
            await world.wait_until_delivered()
            await world.pay(3)
            await world.wait_until_delivered()
    assert sequences(endpoint.messages) == list(range(1, 44))


async def test_one_transaction_with_more_events_than_there_is_room_for_is_not_split_forever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "MOST_WAITING", 1)
    monkeypatch.setattr(fan_out, "_ROOM", 1)
    monkeypatch.setattr(fan_out, "STEP", 1)
    monkeypatch.setattr(fan_out, "_LOOK_AGAIN", timedelta(seconds=0.01))
    billing = await world.api.bank.viewer("billing")
    service = Viewer(billing.user_id, "billing", rights_of(Role.SERVICE, None), billing.expires_at)
    legs = [LegInput(world.theirs, EntryDirection.CREDIT, "0.01", "USD") for _ in range(3)]
    legs.append(LegInput(world.wallet, EntryDirection.DEBIT, "0.03", "USD"))
    async with receiving() as endpoint:
        await world.watch(endpoint.url)
        for _ in range(2):
            posted = await post_transaction(world.api.bank.ledger, service, PostingInput(new_key(), legs))
            assert posted.transaction is not None
        await world.api.relayed()
        for _ in range(5):
            await step(world)
        assert (await stored(world.api))[0].behind_after is not None, "the second posting waits for room"
        async with working(world.api.settings):
            await world.wait_until_delivered()
    assert sequences(endpoint.messages) == list(range(1, 7))


async def test_an_endpoint_that_hangs_gets_no_further_rows_until_it_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "rest_after", lambda failures: timedelta(seconds=0.2) if failures >= 5 else None)
    async with receiving(lambda _: 500) as endpoint, working(world.api.settings):
        created = await world.watch(endpoint.url)
        await world.pay(1)
        async with asyncio.timeout(20):
            while (await stored(world.api))[0].failures < 5:  # noqa: ASYNC110 - a row
                await asyncio.sleep(0.05)
        await world.pay(20)
        await world.api.relayed()
        await asyncio.sleep(0.5)
        assert await rows_of(world, created["id"]) == 1
        assert (await stored(world.api))[0].behind_after is not None
        endpoint.status = lambda _: 200
        await world.wait_until_delivered()
        assert (await stored(world.api))[0].behind_after is None
    assert sequences(endpoint.accepted) == list(range(1, 22))


async def test_endpoints_that_rest_are_put_off_together_until_their_next_trials(world: World) -> None:
    created = [(await world.watch("http://127.0.0.1:9/", idempotencyKey=new_key()))["id"] for _ in range(4)]
    await world.pay(1)
    await world.api.relayed()
    trial = system_clock() + timedelta(minutes=2)
    async with world.api.services.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE webhook_endpoints SET failures = 5, failing_since = now(), behind_after = 0, "
                "due_at = :at, look_at = now() - interval '1 s'"
            ),
            {"at": trial},
        )
        # All that it has is tried tomorrow, so it must get something to be tried with before.
        await connection.execute(
            text("UPDATE webhook_endpoints SET due_at = now() + interval '1 day', look_at = now() WHERE id = :id"),
            {"id": ids.decode("whe", created[3])},
        )
    assert await step(world)
    assert sorted(row.look_at == trial for row in await stored(world.api)) == [False, True, True, True]
    await steps(world)
    assert [await rows_of(world, one) for one in created] == [0, 0, 0, 1]
    await world.api.data("bob", SET_STATUS, input={"endpointId": created[0], "status": "ENABLED"})
    await steps(world)
    assert await rows_of(world, created[0]) == 1, "its owner's word counts at once"


async def test_an_endpoint_that_fails_is_not_woken_by_new_events_nor_taken_where_others_hang(world: World) -> None:
    await world.watch("http://127.0.0.1:9/")
    await world.pay(1)
    await world.api.relayed()
    await steps(world)
    trial = system_clock() + timedelta(seconds=5)
    async with world.api.services.engine.begin() as connection:
        await connection.execute(
            text("UPDATE webhook_endpoints SET failures = 2, failing_since = now(), due_at = :at"), {"at": trial}
        )
    await world.pay(1)
    await world.api.relayed()
    await steps(world)
    (row,) = await stored(world.api)
    assert (row.due_at, row.behind_after) == (trial, None)
    async with connected(world) as connection:
        later = trial + timedelta(seconds=1)
        assert await delivering.take(connection, later, 1.0, also_failing=False) is None
        assert len(await delivering.take(connection, later, 1.0, also_failing=True) or ()) == 1


async def test_other_wallets_of_a_failing_endpoint_go_on_while_one_event_waits_for_a_day(world: World) -> None:
    """Its last failures were all of one event, whose next attempt is far away: what comes then is tried at once."""
    other = await world.api.bank.wallet(world.bob)
    async with receiving() as endpoint:
        await world.watch(endpoint.url, SETTLED)
        await world.pay(1)
        await world.api.relayed()
        await steps(world)
        async with world.api.services.engine.begin() as connection:
            day = system_clock() + timedelta(days=1)
            await connection.execute(
                text("UPDATE webhook_deliveries SET attempts = 9, failures = 9, next_attempt_at = :day"), {"day": day}
            )
            await connection.execute(
                text("UPDATE webhook_endpoints SET failures = 5, failing_since = now(), due_at = :day"), {"day": day}
            )
        carol = await world.api.bank.viewer("carol")
        hers = await world.api.bank.wallet(carol, balance="5.00")
        async with working(world.api.settings):
            paid = (await world.api.bank.pay(carol, hers, other, "0.01")).transaction
            assert paid is not None
            # If its first attempt fails, as on a busy machine, the endpoint rests before the next one.
            await soon(lambda: endpoint.accepted, 100)
            # As the endpoint answers again, the event that waited for a day is tried at once, too.
            await soon(lambda: len(endpoint.accepted) > 1)
    first, second = (message.data["transactionSettled"]["transaction"]["id"] for message in endpoint.accepted)
    assert first == ids.encode("txn", paid.id) != second


async def test_an_endpoint_that_is_behind_is_not_overtaken_by_events_that_come_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "CATCH_UP_STEP", 3)
    created = await world.watch("http://127.0.0.1:9/")
    # This one is never behind: all events are read for it, and must pass the other one by.
    await world.watch("http://127.0.0.1:9/beside")
    endpoint_id = ids.decode("whe", created["id"])
    for status in ("PAUSED", "ENABLED"):
        await world.api.data("bob", SET_STATUS, input={"endpointId": created["id"], "status": status})
        for _ in range(5):
            await world.pay(2)
            await world.api.relayed()
            await step(world)
    await steps(world)
    found = await world.rows(
        "SELECT number, position FROM webhook_deliveries WHERE endpoint_id = :id ORDER BY id", id=endpoint_id
    )
    assert [row.number for row in found] == list(range(1, 21))
    assert [row.position for row in found] == sorted(row.position for row in found)


async def test_a_deleted_endpoint_is_gone_with_its_secrets_and_deliveries(world: World) -> None:
    key = new_key()
    async with receiving() as endpoint, working(world.api.settings):
        created = (await world.watch(endpoint.url, idempotencyKey=key))["id"]
        await world.pay(2)
        await world.wait_until_delivered()
        for subject in ("alice", "admin"):
            refused = (await world.api.data(subject, DELETE, id=created))["deleteWebhookEndpoint"]
            assert refused["deletedId"] is None
            assert [error["code"] for error in refused["userErrors"]] == ["INVALID_INPUT"]
        assert (await world.api.data("bob", NODE, id=created))["node"] is not None
        for _ in range(2):
            answer = (await world.api.data("bob", DELETE, id=created))["deleteWebhookEndpoint"]
            assert answer == {"deletedId": created, "userErrors": []}
        await world.pay(2)
        await world.api.relayed()
        await soon(lambda: True)
    assert sequences(endpoint.messages) == [1, 2]
    (row,) = await stored(world.api)
    assert (row.keys, row.old_keys, row.status) == (b"", None, "PAUSED")
    assert (await world.api.data("bob", NODE, id=created))["node"] is None
    assert (await world.api.data("bob", "{ webhookEndpoints { edges { node { id } } } }"))["webhookEndpoints"]["edges"] == []
    enabled = (await world.api.data("bob", SET_STATUS, input={"endpointId": created, "status": "ENABLED"}))["setWebhookStatus"]
    assert [error["code"] for error in enabled["userErrors"]] == ["INVALID_INPUT"]
    given = {"document": delivery_tests.WATCH, "variables": f'{{"w": "{world.theirs}"}}'}
    again = await create(world.api, "bob", idempotencyKey=key, url=endpoint.url, **given)
    assert [error["code"] for error in again["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    await steps(world)
    engine, settings = world.api.services.engine, world.api.settings
    while await keeping.keep(engine, settings, system_clock):
        pass
    assert await world.rows("SELECT 1 FROM webhook_deliveries") == []
    assert len(await stored(world.api)) == 1
    await keeping.keep(engine, settings, lambda: system_clock() + timedelta(days=settings.webhook_retention_days, minutes=1))
    assert await stored(world.api) == []


async def test_deleted_endpoints_leave_room_for_others(api: Api) -> None:
    created = [(await create(api))["endpoint"]["id"] for _ in range(api.settings.webhooks_per_user)]
    assert [error["code"] for error in (await create(api))["userErrors"]] == ["QUOTA_EXCEEDED"]
    await api.data("alice", DELETE, id=created[0])
    assert (await create(api))["userErrors"] == []


async def test_an_endpoint_that_is_deleted_while_it_is_being_enabled_stays_deleted(world: World) -> None:
    """Its owner has enabled it with one request, and deleted it with another before the first one wrote."""
    created = await world.watch("http://127.0.0.1:9/")
    await world.api.data("bob", DELETE, id=created["id"])
    (row,), now = await stored(world.api), system_clock()
    async with world.api.services.engine.begin() as connection:
        assert not await webhook_sql.set_status(connection, row.id, WebhookStatus.ENABLED, now, now)
    (row,) = await stored(world.api)
    assert (row.status, row.due_at) == ("PAUSED", None)


async def test_an_attempt_in_flight_when_its_endpoint_is_deleted_is_written_down(world: World) -> None:
    created = await world.watch("http://127.0.0.1:9/")
    await world.pay(1)
    await world.api.relayed()
    await steps(world)
    async with connected(world) as connection:
        found = await delivering.take(connection, system_clock(), 1.0, also_failing=True)
        assert found is not None
        await world.api.data("bob", DELETE, id=created["id"])
        gone = Answer(410, None, None, 5)
        await delivering.record(connection, found[0], gone, "{}", system_clock())
        assert await delivering.take(connection, system_clock(), 1.0, also_failing=True) is None
    assert (await stored(world.api))[0].status == "PAUSED"


async def admins_endpoint(world: World, url: str) -> dict[str, Any]:
    return await world.watch(url, SETTLED, "admin")


async def admin_id(api: Api) -> Any:
    return (await api.services.identities.viewer(api.token("admin"))).user_id


async def test_an_administrators_endpoint_stops_with_the_role_and_loses_nothing(world: World) -> None:
    await world.api.relayed()
    async with receiving() as endpoint, working(world.api.settings):
        created = await admins_endpoint(world, endpoint.url)
        await world.pay(1)
        await world.wait_until_delivered()
        engine, settings, user = world.api.services.engine, world.api.settings, await admin_id(world.api)
        assert await rights.note(engine, settings, user, system_clock(), sees_all=False)
        await world.pay(3)
        await world.api.relayed()
        await asyncio.sleep(0.5)
        assert len(endpoint.messages) == 1
        (row,) = await stored(world.api)
        assert row.status == "PAUSED"
        assert row.rights_until <= system_clock()
        # An administrator again: nothing starts by itself.
        assert await rights.note(engine, settings, user, system_clock(), sees_all=True)
        await asyncio.sleep(0.5)
        assert len(endpoint.messages) == 1
        given = {"endpointId": created["id"], "status": "ENABLED"}
        await world.api.data("admin", SET_STATUS, input=given)
        await world.wait_until_delivered()
    found = [message.data["transactionSettled"]["transaction"]["id"] for message in endpoint.messages]
    assert len(set(found)) == len(found) == 4


async def test_without_the_right_its_endpoint_is_neither_sent_nor_shown_nor_enabled(world: World) -> None:
    await world.api.relayed()
    created = await admins_endpoint(world, "http://127.0.0.1:9/")
    await world.pay(2)
    await world.api.relayed()
    await steps(world)
    shown = "query ($id: ID!) { node(id: $id) { ... on WebhookEndpoint { status oldestUndelivered { payload } "
    shown += "deliveries { edges { node { id payload } } } } } }"
    seen = (await world.api.data("admin", shown, id=created["id"]))["node"]
    assert len(seen["deliveries"]["edges"]) == 2
    delivery_id = seen["deliveries"]["edges"][0]["node"]["id"]
    async with world.api.services.engine.begin() as connection:
        await connection.execute(text("UPDATE webhook_endpoints SET rights_until = now()"))
    async with connected(world) as connection:
        assert await delivering.take(connection, system_clock(), 1.0, also_failing=True) is None
    await world.pay(1)
    await world.api.relayed()
    await steps(world)
    assert await rows_of(world, created["id"]) == 2, "its owner has no right to what comes now"
    # The same person, with a token that sees only their own.
    world.api.tokens["admin as user"] = mint_token("admin", world.api.settings)
    seen = (await world.api.data("admin as user", shown, id=created["id"]))["node"]
    assert seen == {"status": "PAUSED", "oldestUndelivered": None, "deliveries": {"edges": []}}
    assert (await world.api.data("admin as user", NODE, id=delivery_id))["node"] is None
    codes = await world.api.codes("admin as user", SET_STATUS, input={"endpointId": created["id"], "status": "ENABLED"})
    assert codes == ["FORBIDDEN"]


async def test_a_right_that_is_not_seen_again_ends(world: World) -> None:
    await admins_endpoint(world, "http://127.0.0.1:9/")
    later = system_clock() + timedelta(days=world.api.settings.webhook_rights_days, minutes=1)
    await keeping.keep(world.api.services.engine, world.api.settings, lambda: later)
    assert (await stored(world.api))[0].status == "PAUSED"


async def test_a_right_that_has_ended_does_not_come_back_by_itself(api: Api, engine: Database, settings: Settings) -> None:
    await create(api, "admin")
    async with engine.begin() as connection:
        # As before a worker has paused it.
        await connection.execute(text("UPDATE webhook_endpoints SET rights_until = now() - interval '1 s'"))
    (before,) = await stored(api)
    assert before.status == "ENABLED"
    assert await rights.note(engine, settings, before.owner_id, system_clock(), sees_all=True)
    assert (await stored(api))[0].rights_until == before.rights_until


async def test_a_token_with_the_right_keeps_an_endpoint_going(api: Api, engine: Database, settings: Settings) -> None:
    await create(api, "admin")
    (before,) = await stored(api)
    moment = system_clock() + timedelta(days=3)
    assert await rights.note(engine, settings, before.owner_id, moment, sees_all=True)
    assert (await stored(api))[0].rights_until == moment + timedelta(days=settings.webhook_rights_days)
