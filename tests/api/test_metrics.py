"""After known traffic, /metrics has each documented name with the right value."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text

from app.db.pool import Database
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import uuid_of
from tests.servers import Servers
from tests.waiting import soon

PAY = """mutation Pay($a: ID!, $b: ID!, $k: String!, $m: Decimal!) {
  transfer(input: {idempotencyKey: $k, senderWalletId: $a, receiverWalletId: $b, amount: {amount: $m, currency: "USD"}}) {
    userErrors { code }
  }
}"""
BATCH = """mutation Batch($t: [TransferInput!]!) { transferBatch(input: {transfers: $t}) { results { userErrors { code } } } }"""


async def samples(api: Api) -> dict[str, float]:
    """The samples of /metrics, by name and labels."""
    response = await api.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in response.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


async def test_transfers_are_counted_by_outcome(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")

    async def pay(key: str, amount: str, receiver: str = b) -> dict[str, Any]:
        return await api.data("alice", PAY, a=a, b=receiver, k=key, m=amount)

    await pay("warm-up", "1.00")
    before = await samples(api)
    await pay("one", "1.00")
    await pay("one", "1.00")
    await pay("one", "2.00")
    await pay("poor", "100.00")
    await pay("poor", "100.00")
    await pay("nobody", "1.00", "wal_01jgfjjz00e008000000000000")
    one = {"senderWalletId": a, "receiverWalletId": b, "amount": {"amount": "0.01", "currency": "USD"}}
    await api.data("alice", BATCH, t=[{**one, "idempotencyKey": f"batch-{number}"} for number in range(20)])
    after = await samples(api)

    def rise(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert rise('paycore_transfers_total{outcome="completed"}') == 21
    assert rise('paycore_transfers_total{outcome="failed"}') == 1
    assert rise('paycore_transfers_total{outcome="replayed"}') == rise("paycore_replays_total") == 2
    assert rise('paycore_transfers_total{outcome="refused"}') == 2
    assert rise('paycore_refusals_total{code="INSUFFICIENT_FUNDS"}') == 1
    assert rise('paycore_refusals_total{code="WALLET_NOT_FOUND"}') == 1
    assert rise('paycore_refusals_total{code="IDEMPOTENCY_KEY_REUSED"}') == rise("paycore_key_conflicts_total") == 1
    assert (
        rise("paycore_batch_size_count") == rise("paycore_commit_seconds_count") == rise("paycore_queue_wait_seconds_count") == 7
    )
    assert rise("paycore_batch_size_sum") == 26
    assert rise('paycore_request_seconds_count{operation="Pay",transport="http"}') == 6
    assert after["paycore_pool_size"] == api.settings.database_pool_size


async def test_connections_in_use_and_failed_attempts_are_counted(api: Api, engine: Database) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    lock_not_available = 'paycore_retries_total{kind="lock_timeout",sqlstate="55P03"}'
    before = await samples(api)
    assert before["paycore_pool_in_use"] == 0
    async with api.services.engine.connect(), api.services.engine.connect() as connection:
        during = await samples(api)
        await connection.execute(text("SELECT 1"))
    # The third, which read the outbox, has been returned by then.
    assert during["paycore_pool_in_use"] == 2
    async with engine.begin() as other:
        await other.execute(text("SELECT FROM wallets WHERE id = :id FOR UPDATE"), {"id": uuid_of(a)})
        paying = asyncio.create_task(api.data("alice", PAY, a=a, b=b, k="again", m="1.00"))
        while (await samples(api)).get(lock_not_available, 0) == before.get(lock_not_available, 0):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await paying)["transfer"]["userErrors"] == []
    after = await samples(api)
    assert after["paycore_pool_in_use"] == 0
    assert after[lock_not_available] - before.get(lock_not_available, 0) == 1


async def test_failed_connects_do_not_count_as_pool_connections(api: Api, clean_servers: Servers) -> None:
    clean_servers.kill_postgres()
    for _ in range(5):
        # The pool's existing connections break first; then new ones cannot be made.
        assert (await api.graphql("alice", "{ viewer { id } }"))["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    clean_servers.start_postgres()
    await api.data("alice", "{ viewer { id } }")
    async with api.services.engine.connect():
        assert (await samples(api))["paycore_pool_in_use"] == 1
    assert (await samples(api))["paycore_pool_in_use"] == 0


async def test_operations_over_a_websocket_are_timed_except_subscriptions(settings: Settings, engine: Database) -> None:
    async with serving(settings, engine) as api, api.socket("alice") as socket:
        await socket.subscribe("1", "query OverSocket { __typename }")
        await socket.data("1")
        await socket.subscribe("2", "subscription Settled { transactionSettled { missed } }")
        await soon(lambda: api.services.live._by_user)
        await socket.send({"type": "complete", "id": "2"})
        await soon(lambda: not api.services.live._by_user)
        found = await samples(api)
        assert found['paycore_request_seconds_count{operation="OverSocket",transport="websocket"}'] >= 1
        assert not [name for name in found if 'operation="Settled"' in name]


async def test_the_metrics_contain_no_values_that_clients_sent(api: Api) -> None:
    a, b, key = await api.wallet("alice-of-the-bank", balance="9.00"), await api.wallet("bob"), "a-key-that-is-nobodys-business"
    described = PAY.replace('currency: "USD"}', 'currency: "USD"}, description: "for the surprise party"')
    for amount in ("1.00", "1.00", "2.00", "100.00", "0"):
        await api.data("alice-of-the-bank", described, a=a, b=b, k=key, m=amount)
    await api.graphql("alice-of-the-bank", "query { secretOfMine }")
    await api.http.get(f"/wallets/{a}", headers=api.headers("alice-of-the-bank"))
    await api.http.get("/wallets/wal_of_nobody", headers={"Authorization": "Bearer a.forged.token"})
    async with api.socket("alice-of-the-bank") as socket:
        await socket.subscribe("1", "subscription($w: ID!) { walletUpdated(walletId: $w) { kind } }", w=a)
        await socket.data("1")
        shown = (await api.http.get("/metrics")).text
    assert 'paycore_transfers_total{outcome="completed"}' in shown
    user = await api.bank.viewer("alice-of-the-bank")
    token = api.token("alice-of-the-bank")
    settings = api.settings
    assert settings.database_url is not None
    secrets = (
        *token.split("."), "alice-of-the-bank", key, "surprise", "secretOfMine", "forged", "wal_", "txn_", "usr_", a[4:],
        user.user_id.hex, str(user.user_id), str(uuid_of(a)), settings.jwt_secret.get_secret_value(),
        settings.database_url.get_secret_value(),
    )  # fmt: skip
    assert [secret for secret in secrets if secret in shown] == []
