"""Routes of the demo: tokens, the timeline of a transaction, traffic and fault requests. Production has none of them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.db.pool import Database
from app.demo import seed
from app.demo.ambient import PAUSE_SECONDS
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.rate_feed import rates_in_force
from tests.waiting import soon

PATHS = (("GET", "/demo/session"), ("GET", "/demo/transactions/txn_01jgfjjz00e008000000000011/life"), ("POST", "/demo/break"),
         ("POST", "/demo/ambient"),
         ("GET", "/demo/traffic"), ("POST", "/demo/traffic"), ("DELETE", "/demo/traffic"),
         ("GET", "/demo/receiver"), ("PUT", "/demo/receiver"), ("POST", "/demo/receiver/alice"),
         ("GET", "/demo/tampering"), ("POST", "/demo/tampering"), ("DELETE", "/demo/tampering"),
         ("POST", "/demo/tampering/verification"))  # fmt: skip


@pytest.fixture
async def demo_api(api: Api) -> Api:
    await seed.create_demo_data(api.settings)
    return api


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_every_user_of_the_demo_has_a_token_that_works(demo_api: Api) -> None:
    session = (await demo_api.http.get("/demo/session")).json()
    assert session["can_break"] is False
    assert [user["subject"] for user in session["users"]] == [user.subject for user in seed.USERS]
    for user in session["users"]:
        query = "{ viewer { displayName wallets { edges { node { id } } } } }"
        answer = (await demo_api.http.post("/graphql", json={"query": query}, headers=bearer(user["token"]))).json()
        assert answer["data"]["viewer"]["displayName"] == user["display_name"]
        shown = {edge["node"]["id"] for edge in answer["data"]["viewer"]["wallets"]["edges"]}
        assert shown == {wallet["id"] for wallet in user["wallets"]}


async def test_the_demo_issues_no_tokens_with_another_secret(settings: Settings, engine: Database) -> None:
    own = settings.model_copy(update={"jwt_secret": SecretStr("a-secret-of-ones-own-with-32-bytes!!")})
    async with serving(own, engine, relay=False) as api:
        for method, path in (
            ("GET", "/demo/session"),
            ("POST", "/demo/ambient"),
            ("GET", "/demo/receiver"),
            ("POST", "/demo/receiver/alice"),
        ):
            response = await api.http.request(method, path, headers=api.headers("alice"))
            assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND"), path


async def test_production_has_no_demo_routes(settings: Settings, engine: Database) -> None:
    real = {"environment": "production", "jwt_secret": "a-secret-of-production-with-32-bytes!"}
    production = Settings(**{**settings.model_dump(exclude={"environment", "jwt_secret"}), **real})
    async with serving(production, engine) as api:
        assert api.app.state.demo is None
        for method, path in PATHS:
            response = await api.http.request(method, path, headers=api.headers("admin"), json={})
            assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND"), path
            assert response.headers["strict-transport-security"].startswith("max-age=")


async def test_a_transactions_timeline_is_in_order_and_hidden_from_strangers(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    pay = """mutation($a: ID!, $b: ID!, $k: String!) {
      transfer(input: {idempotencyKey: $k, senderWalletId: $a, receiverWalletId: $b, amount: {amount: "1", currency: "USD"}}) {
        transaction { id }
      }
    }"""
    answers = await asyncio.gather(*(api.data("alice", pay, a=a, b=b, k=f"key-{number}") for number in range(5)))
    transactions = [answer["transfer"]["transaction"]["id"] for answer in answers]
    path = f"/demo/transactions/{transactions[0]}/life"

    async def life(of: str = path, subject: str = "alice") -> Any:
        return (await api.http.get(of, headers=api.headers(subject))).json()

    async with asyncio.timeout(10):
        while (await life())["published_at"] is None:  # noqa: ASYNC110 - it happens in the relay
            await asyncio.sleep(0.02)
    for transaction in transactions:
        timeline = await life(f"/demo/transactions/{transaction}/life", "bob")
        moments = [timeline[name] for name in ("accepted_at", "batched_at", "committed_at")]
        assert moments == sorted(moments)
        assert 1 <= timeline["batch_size"] <= 5
    for subject, status in (("bob", 200), ("carol", 404), (None, 401)):
        assert (await api.http.get(path, headers=api.headers(subject))).status_code == status
    unknown = "/demo/transactions/txn_01jgfjjz00e008000000000011/life"
    stranger, nobody = [await life(of, "carol") for of in (path, unknown)]
    assert stranger == nobody


async def test_a_fault_request_needs_a_supervisor_and_creates_a_file_in_its_home(
    settings: Settings, engine: Database, tmp_path: Path
) -> None:
    async with serving(settings, engine) as api:
        response = await api.http.post("/demo/break", json={"what": "redis"}, headers=api.headers("alice"))
        assert (response.status_code, response.json()["code"]) == (409, "NOT_SUPERVISED")
    async with serving(settings.model_copy(update={"supervisor_home": tmp_path}), engine) as api:
        assert (await api.http.get("/demo/session")).json()["can_break"] is True
        for what, status in (
            ("redis", 202),
            ("relay", 202),
            ("api", 202),
            ("postgres", 400),
            ("../../x", 400),
            (None, 400),
            (5, 400),
        ):
            response = await api.http.post("/demo/break", json={"what": what}, headers=api.headers("alice"))
            assert response.status_code == status, what
        assert (await api.http.post("/demo/break", json={"what": "redis"})).status_code == 401
        assert sorted(os.listdir(tmp_path)) == ["break-api", "break-redis", "break-relay"]  # noqa: PTH208 - one look


async def test_traffic_makes_real_transfers_within_bounds_and_can_be_stopped(demo_api: Api) -> None:
    http, admin = demo_api.http, demo_api.headers("admin")
    for body in ({}, {"per_second": 0, "seconds": 5}, {"per_second": 51, "seconds": 5},
                 {"per_second": 5, "seconds": 121},
                 {"per_second": 5.5, "seconds": 5},
                 {"per_second": True, "seconds": 5}, {"per_second": "5", "seconds": 5}):  # fmt: skip
        assert (await http.post("/demo/traffic", json=body, headers=admin)).status_code == 400, body
    assert (
        await http.post("/demo/traffic", json={"per_second": 5, "seconds": 5}, headers=demo_api.headers("alice"))
    ).status_code == 403
    before = await demo_api.bank.count("transactions")
    started = await http.post("/demo/traffic", json={"per_second": 20, "seconds": 1}, headers=admin)
    assert (started.status_code, started.json()["running"]) == (202, True)
    state: dict[str, Any] = {}
    async with asyncio.timeout(20):
        while not state or state["running"]:
            await asyncio.sleep(0.1)
            state = (await http.get("/demo/traffic", headers=admin)).json()
    assert state["sent"] == state["completed"] + state["refused"] == 20
    assert state["completed"] > 0
    assert await demo_api.bank.count("transactions") - before == 20
    await http.post("/demo/traffic", json={"per_second": 50, "seconds": 120}, headers=admin)
    stopped = (await http.delete("/demo/traffic", headers=admin)).json()
    assert (stopped["running"], stopped["ends_at"]) == (False, None)
    sent = stopped["sent"]
    await asyncio.sleep(0.5)
    assert (await http.get("/demo/traffic", headers=admin)).json()["sent"] == sent


async def test_traffic_ends_when_the_service_stops(settings: Settings, engine: Database) -> None:
    await seed.create_demo_data(settings)
    async with serving(settings, engine) as api:
        await api.http.post("/demo/traffic", json={"per_second": 50, "seconds": 120}, headers=api.headers("admin"))
        await soon(lambda: api.app.state.demo is not None and api.app.state.demo.traffic.state.completed > 5)
    assert api.app.state.demo is not None
    assert not api.app.state.demo.traffic.state.running


async def test_ambient_payments_settle_with_the_public_api_one_at_a_time_for_all_pages(demo_api: Api) -> None:
    session = (await demo_api.http.get("/demo/session")).json()
    tokens = {user["subject"]: user["token"] for user in session["users"]}
    turns = [(await demo_api.http.post("/demo/ambient", headers=bearer(tokens["bob"]))).json() for _ in range(5)]
    (payment,) = [turn["payment"] for turn in turns if turn["payment"] is not None]
    assert all(0 < turn["wait_seconds"] <= PAUSE_SECONDS for turn in turns)
    pay = (
        """mutation($input: TransferInput!) { transfer(input: $input) { replayed transaction { status } userErrors { code } } }"""
    )
    given = {
        "idempotencyKey": payment["idempotency_key"],
        "senderWalletId": payment["sender_wallet_id"],
        "receiverWalletId": payment["receiver_wallet_id"],
        "amount": {"amount": payment["amount"], "currency": payment["currency"]},
        "description": payment["description"],
    }
    body = {"query": pay, "variables": {"input": given}}
    answers = [
        (await demo_api.http.post("/graphql", json=body, headers=bearer(tokens[payment["payer"]]))).json() for _ in range(2)
    ]
    assert [answer["data"]["transfer"] for answer in answers] == [
        {"replayed": replayed, "transaction": {"status": "COMPLETED"}, "userErrors": []} for replayed in (False, True)
    ]


async def test_only_under_the_supervisor_there_are_rates_from_the_start(
    settings: Settings, engine: Database, tmp_path: Path
) -> None:
    async with serving(settings, engine):
        assert await rates_in_force(engine) == {}
    async with serving(settings.model_copy(update={"supervisor_home": tmp_path}), engine):
        assert {rate.source for rate in (await rates_in_force(engine)).values()} == {"Demo rates"}
