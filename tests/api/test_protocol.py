"""GraphQL over HTTP and graphql-transport-ws, valid and invalid: every error has a code."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import websockets
from pydantic import SecretStr
from websockets.asyncio.client import connect

from app.access.tokens import mint_token, verify_token
from app.clock import system_clock
from app.db.pool import Database
from app.schema.engine.requests import MAX_ANONYMOUS_BYTES
from app.schema.transport import websocket
from app.settings import Settings
from app.telemetry import metrics
from tests.api.conftest import Api, serving, shares_api
from tests.api.test_faults import owner_of
from tests.bank import uuid_of
from tests.proxy import postgres_proxy
from tests.transport_ws import open_socket
from tests.waiting import soon

OPEN_WALLET = 'mutation { openWallet(input: {idempotencyKey: "k", currency: "USD", name: "Main"}) { replayed } }'
WATCH = "subscription($w: ID!) { walletUpdated(walletId: $w) { kind } }"
PAY = """mutation($a: ID!, $b: ID!) {
  transfer(input: {idempotencyKey: "late", senderWalletId: $a, receiverWalletId: $b, amount: {amount: "1", currency: "USD"}}) {
    transaction { status }
  }
}"""
SETTLED = "subscription { transactionSettled { missed } }"
TWO = "query one { viewer { id } } mutation two " + OPEN_WALLET.removeprefix("mutation")
NONE = "fragment f on Query { viewer { id } }"


async def test_get_runs_a_query_and_refuses_a_mutation(api: Api) -> None:
    async def get(query: str, **more: str) -> tuple[int, Any]:
        response = await api.http.get("/graphql", params={"query": query, **more}, headers=api.headers("alice"))
        answer = response.json()
        answer.pop("extensions", None)
        return response.status_code, answer

    status, answer = await get(
        "query($k: String!) { transactionByIdempotencyKey(idempotencyKey: $k) { id } }", variables='{"k": "none"}'
    )
    assert (status, answer) == (200, {"data": {"transactionByIdempotencyKey": None}})
    for document in (OPEN_WALLET, SETTLED):
        status, answer = await get(document)
        assert (status, answer["errors"][0]["extensions"]["code"]) == (405, "BAD_USER_INPUT")
    assert await api.bank.count("wallets") == 0


@shares_api
async def test_an_empty_operation_name_in_a_url_is_ignored(shared: Api) -> None:
    response = await shared.http.get("/graphql", params={"query": "query One { __typename }", "operationName": ""})
    assert response.json()["data"] == {"__typename": "Query"}


@pytest.mark.parametrize("accept", ['multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json', "*/*"])
@shares_api
async def test_a_subscription_over_http_needs_an_event_stream(shared: Api, accept: str) -> None:
    response = await shared.http.post("/graphql", json={"query": SETTLED}, headers={**shared.headers("alice"), "Accept": accept})
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
)
async def test_a_body_of_another_content_type_is_refused(api: Api, content_type: str | None) -> None:
    headers = api.headers("alice") | ({} if content_type is None else {"Content-Type": content_type})
    response = await api.http.post("/graphql", content=json.dumps({"query": OPEN_WALLET}).encode(), headers=headers)
    assert response.status_code == 415
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await api.bank.count("wallets") == 0


@pytest.mark.parametrize(
    ("document", "name"), [(TWO, None), (TWO, "three"), (NONE, None), ("", None), ("{ viewer { id } }", "nobody")]
)
async def test_an_ambiguous_or_unknown_operation_name_runs_nothing_over_http_and_websocket(
    api: Api, document: str, name: str | None
) -> None:
    body = {"query": document, "operationName": name}
    answer = (await api.http.post("/graphql", json=body, headers=api.headers("alice"))).json()
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
    assert answer.get("data") is None
    async with api.socket("alice") as socket:
        await socket.send({"id": "1", "type": "subscribe", "payload": body})
        message = await socket.message("1")
        assert message["type"] == "error"
        assert [error["extensions"]["code"] for error in message["payload"]] == ["BAD_USER_INPUT"]
    assert await api.bank.count("wallets") == 0


async def test_the_named_operation_of_several_runs_each_time(api: Api) -> None:
    for expected in ({"openWallet": {"replayed": False}}, {"openWallet": {"replayed": True}}):
        body = {"query": TWO, "operationName": "two"}
        answer = (await api.http.post("/graphql", json=body, headers=api.headers("alice"))).json()
        assert (answer["data"], "errors" in answer) == (expected, False)
    assert await api.codes("alice", TWO) == ["BAD_USER_INPUT"], "known by now, and still ambiguous"


@pytest.mark.parametrize("protocol", ["graphql-ws", "mqtt", None])
@shares_api
async def test_another_websocket_subprotocol_is_refused(shared: Api, protocol: str | None) -> None:
    offered = None if protocol is None else [websockets.Subprotocol(protocol)]
    async with connect(shared.url.replace("http", "ws", 1) + "/graphql", subprotocols=offered) as connection:
        await connection.wait_closed()
        assert connection.close_code == 4406


@pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"Authorization": ""}}])
@shares_api
async def test_a_socket_without_a_token_is_accepted_and_its_fields_are_unauthenticated(
    shared: Api, payload: dict[str, Any]
) -> None:
    async with open_socket(shared.url.replace("http", "ws", 1) + "/graphql", None) as socket:
        await socket.send({"type": "connection_init", **payload})
        await socket.subscribe("1", "{ __typename }")
        assert await socket.data("1") == {"__typename": "Query"}
        await socket.subscribe("2", "{ currencies { code } }")
        message = await socket.message("2")
        assert message["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("payload", "code"),
    [([], 4400), (5, 4400), ({"Authorization": 5}, 4403), ({"Authorization": "Basic YTpi"}, 4403),
     ({"Authorization": "Bearer x.y.z"}, 4403)],
)  # fmt: skip
@shares_api
async def test_a_socket_with_an_invalid_token_is_closed(shared: Api, payload: Any, code: int) -> None:
    async with open_socket(shared.url.replace("http", "ws", 1) + "/graphql", None) as socket:
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.close_code() == code


@pytest.mark.parametrize("text", ["x" * 300, "ü" * 100, "𝄞" * 40], ids=["ASCII", "two bytes each", "four bytes each"])
@shares_api
async def test_a_close_reason_that_quotes_the_client_is_truncated_to_fit_a_frame(shared: Api, text: str) -> None:
    async with shared.socket("alice") as socket:
        await socket.send({"type": text})
        assert await socket.close_code() == 4400
    async with shared.socket("alice") as socket:
        id_ = text[:250]
        for _ in range(2):
            await socket.subscribe(id_, SETTLED)
        assert await socket.close_code() == 4409


async def test_a_socket_closes_when_its_token_expires_after_running_operations_are_answered(
    settings: Settings, engine: Database
) -> None:
    async with serving(settings.model_copy(update={"jwt_clock_skew_seconds": 0}), engine) as api:
        a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob", balance="5.00")
        watched = await api.wallet("alice")
        token = mint_token("alice", api.settings, lifetime=timedelta(seconds=6))
        expires_at = verify_token(token, api.settings).expires_at
        async with api.socket(None, Authorization=f"Bearer {token}") as socket:
            await socket.subscribe("watch", WATCH, w=watched)
            assert (await socket.data("watch"))["walletUpdated"]["kind"] == "SNAPSHOT"
            await asyncio.sleep((expires_at - system_clock()).total_seconds() - 2)
            async with owner_of(settings) as connection, connection.transaction():
                # The transfer waits for this lock, so it is answered only after the token has expired.
                await connection.execute("SELECT FROM wallets WHERE id = $1 FOR UPDATE", uuid_of(a))
                await socket.subscribe("pay", PAY, a=a, b=b)
                await asyncio.sleep((expires_at - system_clock()).total_seconds() + 0.2)
                await api.bank.pay(await api.bank.viewer("bob"), b, watched, "1.00")
                await asyncio.sleep(0.7)
            answer = await socket.data("pay")
            assert answer["transfer"]["transaction"]["status"] == "COMPLETED"
            assert await socket.close_code() == 4403
            assert not [message for message in socket._pending if message.get("id") == "watch"], "it is resumed, not ended"
        await soon(lambda: not api.services.live._watches)


async def test_an_expired_token_opens_no_socket(settings: Settings, engine: Database) -> None:
    async with serving(settings.model_copy(update={"jwt_clock_skew_seconds": 0}), engine) as api:
        token = mint_token("alice", api.settings, lifetime=timedelta(seconds=-1))
        async with open_socket(api.url.replace("http", "ws", 1) + "/graphql", None) as socket:
            await socket.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
            assert await socket.close_code() == 4403


async def test_a_token_that_cannot_be_checked_now_may_be_sent_again(settings: Settings, engine: Database) -> None:
    assert settings.database_url is not None
    async with postgres_proxy(settings.database_url.get_secret_value()) as proxy:
        through = settings.model_copy(update={"database_url": SecretStr(proxy.url)})
        async with serving(through, engine) as api:
            proxy.refuse = True
            proxy.drop_connections()
            async with open_socket(api.url.replace("http", "ws", 1) + "/graphql", None) as socket:
                await socket.send({"type": "connection_init", "payload": api.headers("nobody-yet")})
                assert await socket.close_code() == 1013
            proxy.refuse = False
            async with api.socket("nobody-yet") as socket:
                await socket.subscribe("1", "{ viewer { id } }")
                assert (await socket.data("1"))["viewer"]["id"]


async def test_each_closed_socket_is_counted_once_by_its_close_code(api: Api) -> None:
    def count(code: str) -> float:
        value: float = metrics.WEBSOCKET_CLOSES.labels(code)._value.get()
        return value

    before = {code: count(code) for code in ("4400", "4408", "1000", "other")}
    async with api.socket("alice") as socket:
        assert metrics.WEBSOCKETS._value.get() >= 1
        await socket.send("[]")
        assert await socket.close_code() == 4400
    async with api.socket("alice"):
        pass
    async with api.socket("alice") as socket:
        await socket.connection.close(4999)
    api.app.state.graphql.connection_init_wait_timeout = timedelta(seconds=0.2)
    async with open_socket(api.url.replace("http", "ws", 1) + "/graphql", None) as socket:
        # Closed by the server while the socket waits for a message.
        assert await socket.close_code() == 4408
    await soon(lambda: metrics.WEBSOCKETS._value.get() == 0)
    assert {code: count(code) - before[code] for code in before} == {"4400": 1, "4408": 1, "1000": 1, "other": 1}


async def test_a_socket_without_connection_init_is_closed(api: Api) -> None:
    # Five seconds by default.
    assert api.app.state.graphql.connection_init_wait_timeout == timedelta(seconds=5)
    api.app.state.graphql.connection_init_wait_timeout = timedelta(seconds=0.2)
    async with open_socket(api.url.replace("http", "ws", 1) + "/graphql", None) as socket:
        assert await socket.close_code() == 4408


async def test_a_socket_without_a_token_is_closed_after_its_time_limit(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_ANONYMOUS_SECONDS", 0.5)
    async with api.socket("alice") as known, api.socket() as socket:
        await socket.subscribe("1", "{ __typename }")
        assert await socket.data("1")
        assert await socket.close_code() == 4401
        assert "without a token" in str(socket.connection.close_reason)
        await known.subscribe("1", "{ __typename }")
        assert await known.data("1")


@shares_api
async def test_messages_are_limited_to_a_small_size_until_a_token_is_accepted(shared: Api) -> None:
    limit = MAX_ANONYMOUS_BYTES
    fits = json.dumps({"type": "connection_init", "payload": {"x": ""}})

    def init(padding: str) -> str:
        return json.dumps({"type": "connection_init", "payload": {"x": padding}}, ensure_ascii=False)

    for padding, is_fine in (
        ("x" * (limit - len(fits)), True),
        ("x" * (limit - len(fits) + 1), False),
        ("ü" * (limit // 2), False),
    ):
        async with open_socket(shared.url.replace("http", "ws", 1) + "/graphql", None) as socket:
            await socket.send(init(padding))
            if is_fine:
                assert json.loads(await socket.connection.recv()) == {"type": "connection_ack"}
                await socket.subscribe("1", "{ __typename }", x="x" * limit)
            assert await socket.close_code() == 1009
    async with shared.socket("alice") as socket:
        await socket.subscribe("1", "{ __typename }", x="x" * 2 * limit)
        assert await socket.data("1")


async def test_an_operation_past_the_limit_of_a_socket_is_refused_and_the_others_go_on(
    settings: Settings, engine: Database
) -> None:
    async with serving(settings.model_copy(update={"max_subscriptions_per_connection": 2}), engine) as api:
        a, b = await api.wallet("alice", balance="1.00"), await api.wallet("bob")
        async with api.socket("bob") as socket:
            for id_ in ("1", "2", "3"):
                await socket.subscribe(id_, WATCH, w=b)
            refused = await socket.message("3")
            assert refused["type"] == "error"
            assert refused["payload"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 1}
            await socket.send({"type": "complete", "id": "1"})
            await socket.subscribe("3", WATCH, w=b)
            assert (await socket.data("3"))["walletUpdated"]["kind"] == "SNAPSHOT"
            assert (await socket.data("2"))["walletUpdated"]["kind"] == "SNAPSHOT"
            await api.bank.pay(await api.bank.viewer("alice"), a, b, "1.00")
            assert (await socket.data("2"))["walletUpdated"]["kind"] == "ENTRY"


@shares_api
async def test_every_field_is_unauthenticated_without_a_token_whatever_its_arguments(shared: Api) -> None:
    for field in ("nodes(ids: []) { id }", "wallets(first: 500) { edges { cursor } }",
                  'transactions(after: "") { edges { cursor } }',
                  'transaction(id: "x") { id }', 'transactionByIdempotencyKey(idempotencyKey: "") { id }'):  # fmt: skip
        assert await shared.codes(None, f"{{ {field} }}") == ["UNAUTHENTICATED"], field


@pytest.mark.parametrize(
    ("query", "variables", "status", "has_data"),
    [
        ("{ __typename }", None, 200, True),
        ("{", None, 400, False),
        ("{ nope }", None, 400, False),
        ("query($k: String!) { transactionByIdempotencyKey(idempotencyKey: $k) { id } }", {}, 400, False),
        ("query($i: ID!) { viewer { id } wallet(id: $i) { id } }", {"i": "x"}, 200, True),
    ],
)
async def test_the_status_of_the_graphql_media_type_shows_whether_the_operation_ran(
    api: Api, query: str, variables: dict[str, Any] | None, status: int, has_data: bool
) -> None:
    body = {"query": query, "variables": variables}
    for media_type in ("application/graphql-response+json", "application/json"):
        for _ in range(2):  # the second time, the document is cached
            response = await api.http.post("/graphql", json=body, headers={**api.headers("alice"), "Accept": media_type})
            assert response.headers["content-type"] == media_type
            assert response.status_code == (status if "graphql" in media_type else 200)
            assert ("data" in response.json()) is has_data
            assert response.headers["cache-control"] == "no-store"


async def test_a_request_that_accepts_no_supported_media_type_is_406(api: Api) -> None:
    response = await api.http.post("/graphql", json={"query": "{ __typename }"}, headers={"Accept": "image/png"})
    assert (response.status_code, response.headers["content-type"]) == (406, "application/json")


async def test_other_methods_are_405_with_an_allow_header(api: Api) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        response = await api.http.request(method, "/graphql", json={"query": "{ __typename }"})
        assert response.status_code == 405
        assert response.headers["allow"]
