"""Subscriptions over a WebSocket: snapshot, live updates, resume, and protocol errors."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api, shares_api
from tests.transport_ws import open_socket
from tests.waiting import soon

WATCH = """
subscription($wallet: ID!, $after: String) {
  walletUpdated(walletId: $wallet, after: $after) {
    kind cursor
    wallet { id balance { amount } sequence status }
    entry { sequence direction amount { amount } balanceAfter { amount } transaction { id sender { displayName } } }
  }
}
"""


async def test_bob_sees_his_balance_change_when_alice_pays(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    alice = await api.bank.viewer("alice")
    async with api.socket("bob") as socket:
        await socket.subscribe("1", WATCH, wallet=b)
        first = (await socket.data("1"))["walletUpdated"]
        assert (first["kind"], first["entry"], first["wallet"]["sequence"]) == ("SNAPSHOT", None, "0")
        await api.bank.pay(alice, a, b, "2.50")
        update = (await socket.data("1"))["walletUpdated"]
        assert update["kind"] == "ENTRY"
        assert update["entry"]["direction"] == "CREDIT"
        assert update["entry"]["balanceAfter"]["amount"] == update["wallet"]["balance"]["amount"] == "2.50"
        assert update["entry"]["transaction"]["sender"]["displayName"].startswith("Member ")


async def test_a_subscription_with_a_cursor_gets_every_later_entry_and_then_a_snapshot(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    alice = await api.bank.viewer("alice")
    wallet = (await api.data("bob", "query($id: ID!) { wallet(id: $id) { updatesCursor } }", id=b))["wallet"]
    for _ in range(5):
        await api.bank.pay(alice, a, b, "1.00")
    async with api.socket("bob") as socket:
        await socket.subscribe("1", WATCH, wallet=b, after=wallet["updatesCursor"])
        updates = [(await socket.data("1"))["walletUpdated"] for _ in range(6)]
    assert [update["kind"] for update in updates] == ["ENTRY"] * 5 + ["SNAPSHOT"]
    assert [update["entry"]["sequence"] for update in updates[:5]] == ["1", "2", "3", "4", "5"]
    async with api.socket("bob") as socket:
        await socket.subscribe("1", WATCH, wallet=b, after=updates[2]["cursor"])
        resumed = [(await socket.data("1"))["walletUpdated"]["entry"] for _ in range(2)]
    assert [entry["sequence"] for entry in resumed] == ["4", "5"]


async def test_a_freeze_sends_an_update(api: Api) -> None:
    b = await api.wallet("bob")
    freeze = """mutation($w: ID!) {
      setWalletStatus(input: {walletId: $w, status: FROZEN, reason: "court order"}) { wallet { status } }
    }"""
    async with api.socket("bob") as socket:
        await socket.subscribe("1", WATCH, wallet=b)
        await socket.data("1")
        await api.data("admin", freeze, w=b)
        update = (await socket.data("1"))["walletUpdated"]
    assert (update["kind"], update["wallet"]["status"]) == ("STATE", "FROZEN")


async def test_a_settled_transaction_is_sent_only_to_its_parties_and_administrators(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    alice = await api.bank.viewer("alice")
    await api.relayed()
    settled = "subscription { transactionSettled { missed transaction { id idempotencyKey } } }"
    async with api.socket("alice") as hers, api.socket("bob") as his, api.socket("admin") as admins, api.socket("carol") as none:
        for socket in (hers, his, admins, none):
            await socket.subscribe("1", settled)
        await soon(lambda: sum(api.services.live._by_user.values()) == 4)
        await soon(lambda: not api.services.live._pubsub._redis._unconfirmed)
        await api.bank.pay(alice, a, b, "1.00", "the-key")
        seen = [(await socket.data("1"))["transactionSettled"]["transaction"] for socket in (hers, his, admins)]
        with pytest.raises(TimeoutError):
            await none.message("1", within=0.5)
    assert len({transaction["id"] for transaction in seen}) == 1
    assert [transaction["idempotencyKey"] for transaction in seen] == ["the-key", None, None]


@pytest.mark.parametrize("subject", ["carol", None])
@shares_api
async def test_a_stranger_cannot_subscribe_to_a_wallet(shared: Api, subject: str | None) -> None:
    b = await shared.wallet("bob")
    async with shared.socket(subject) as socket:
        answers = []
        for number, wallet in enumerate([b, "wal_01jgfjjz00e00800000000000h", "nonsense", "\u0000"]):
            await socket.subscribe(str(number), WATCH, wallet=wallet)
            message = await socket.message(str(number))
            errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
            answers.append([(error["message"], error["extensions"]["code"]) for error in errors])
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert answers[0][0][1] == ("UNAUTHENTICATED" if subject is None else "NOT_FOUND")


@pytest.mark.parametrize("cursor", ["", "nonsense", "AAAA", "ü", "a" * 10_000, None])
@shares_api
async def test_a_cursor_of_another_wallet_or_of_none_is_refused(shared: Api, cursor: str | None) -> None:
    a, b = await shared.wallet("bob"), await shared.wallet("bob")
    if cursor is None:
        wallet = (await shared.data("bob", "query($id: ID!) { wallet(id: $id) { updatesCursor } }", id=a))["wallet"]
        cursor = wallet["updatesCursor"]
    async with shared.socket("bob") as socket:
        await socket.subscribe("1", WATCH, wallet=b, after=cursor)
        message = await socket.message("1")
    errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    assert errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


@shares_api
async def test_queries_and_mutations_run_over_a_websocket_and_complete(shared: Api) -> None:
    async with shared.socket("alice") as socket:
        await socket.subscribe("q", "{ viewer { displayName } }")
        assert (await socket.data("q"))["viewer"]["displayName"]
        assert (await socket.message("q"))["type"] == "complete"


@shares_api
async def test_an_invalid_document_fails_only_its_own_operation(shared: Api) -> None:
    b = await shared.wallet("bob")
    async with shared.socket("bob") as socket:
        await socket.subscribe("watch", WATCH, wallet=b)
        await socket.data("watch")
        for number, document in enumerate(["{", "{ nope }", "subscription { walletUpdated }"]):
            await socket.subscribe(f"bad{number}", document)
            message = await socket.message(f"bad{number}")
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        await socket.send({"type": "ping"})
        await shared.bank.pay(await shared.bank.viewer("alice"), await shared.wallet("alice", balance="1.00"), b, "1.00")
        assert (await socket.data("watch"))["walletUpdated"]["kind"] == "ENTRY"


@pytest.mark.parametrize(
    "message",
    ["[]", "5", "null", '"text"', "{}", "{", '{"type": 5}', '{"type": "nope"}', '{"type": "subscribe"}',
     '{"type": "subscribe", "id": 5, "payload": {"query": "{ __typename }"}}', '{"type": "subscribe", "id": "1"}',
     '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
     '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
     '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}}',
     '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "operationName": 1}}',
     '{"type": "subscribe", "id": "1", "payload": {"query": "\\ud800"}}',
     '{"type": "complete"}', b"\x00"],
)  # fmt: skip
@shares_api
async def test_a_malformed_message_closes_the_socket_with_4400(shared: Api, message: str | bytes) -> None:
    async with shared.socket("alice") as socket:
        await socket.send(message)
        assert await socket.close_code() == 4400


@shares_api
async def test_the_protocols_other_close_codes(shared: Api) -> None:
    url = shared.url.replace("http", "ws", 1) + "/graphql"
    async with open_socket(url, None) as socket:
        await socket.subscribe("1", "{ __typename }")
        assert await socket.close_code() == 4401
    async with open_socket(url, None) as socket:
        await socket.send({"type": "connection_init", "payload": {"Authorization": "Bearer nonsense"}})
        assert await socket.close_code() == 4403
    async with shared.socket("alice") as socket:
        await socket.send({"type": "connection_init"})
        assert await socket.close_code() == 4429
    async with shared.socket("alice") as socket:
        await socket.subscribe("1", WATCH, wallet=await shared.wallet("alice"))
        await socket.data("1")
        await socket.subscribe("1", "{ __typename }")
        assert await socket.close_code() == 4409
