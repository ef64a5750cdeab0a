"""Every answer with an error is counted by its code, over every transport; requests are timed from their headers on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from app.db.pool import Database
from app.errors import CODES
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_faults import without_names
from tests.api.test_metrics import samples
from tests.api.test_operation_names import over_socket

ERROR = 'paycore_request_errors_total{code="'


@asynccontextmanager
async def counted(api: Api) -> AsyncIterator[Counter[str]]:
    """A counter that holds, after the block, how much each code rose within it."""
    rises: Counter[str] = Counter()
    before = await samples(api)
    yield rises
    after = await samples(api)
    for name in after:
        if name.startswith(ERROR) and after[name] > before.get(name, 0):
            rises[name.removeprefix(ERROR).removesuffix('"}')] = int(after[name] - before.get(name, 0))


async def graphql(api: Api, body: object, subject: str | None = "alice", **headers: str) -> httpx.Response:
    return await api.http.post("/graphql", json=body, headers={**api.headers(subject), **headers})


Ask = Callable[[Api], Awaitable[object]]
REQUESTS: dict[str, tuple[Ask, str]] = {
    "no token": (lambda api: graphql(api, {"query": "{ viewer { id } }"}, None), "UNAUTHENTICATED"),
    "a document that is none": (lambda api: graphql(api, {"query": "{"}), "GRAPHQL_VALIDATION_FAILED"),
    "a field that is none": (lambda api: graphql(api, {"query": "{ nope nor { this } }"}), "GRAPHQL_VALIDATION_FAILED"),
    "an operation that is none": (
        lambda api: graphql(api, {"query": "query A { __typename }", "operationName": "B"}),
        "BAD_USER_INPUT",
    ),
    "a body that is none": (lambda api: api.http.post("/graphql", content=b"{"), "BAD_USER_INPUT"),
    "a name given twice": (
        lambda api: api.http.post(
            "/graphql", content=b'{"query": "{ __typename }", "query": "{ viewer { id } }"}', headers=api.headers("alice")
        ),
        "BAD_USER_INPUT",
    ),
    "a large body without a token": (
        lambda api: graphql(api, {"query": "{ __typename }", "variables": {"a": "x" * 20_000}}, None),
        "UNAUTHENTICATED",
    ),
    "a method that is none": (lambda api: api.http.put("/graphql"), "METHOD_NOT_ALLOWED"),
    "a body past the limit": (lambda api: graphql(api, {"query": "#" * 4_000_000}), "BODY_TOO_LARGE"),
    "too much at once": (lambda api: graphql(api, {"query": "{" + "a{" * 40 + "b" + "}" * 41}), "QUERY_TOO_COMPLEX"),
    "a hash without a list": (lambda api: graphql(api, {"documentId": "0" * 64}), "PERSISTED_QUERY_NOT_SUPPORTED"),
    "a right of others": (lambda api: graphql(api, {"query": "{ ledgerStatus { outboxPending } }"}), "FORBIDDEN"),
    "the same field twice": (
        lambda api: graphql(api, {"query": "{ a: viewer { id } b: viewer { id } }"}, None),
        "UNAUTHENTICATED",
    ),
    "an event stream": (
        lambda api: graphql(
            api,
            {"query": 'subscription { walletUpdated(walletId: "wal_01jgfjjz00e008000000000000") { kind } }'},
            accept="text/event-stream",
        ),
        "NOT_FOUND",
    ),
    "REST without a token": (lambda api: api.http.get("/wallets/wal_x"), "UNAUTHENTICATED"),
    "REST for what is not there": (lambda api: api.http.get("/wallets/wal_x", headers=api.headers("alice")), "NOT_FOUND"),
    "REST with a body that is none": (
        lambda api: api.http.post("/transfer", content=b"[]", headers=api.headers("alice")),
        "BAD_USER_INPUT",
    ),
    "a page that is none": (lambda api: api.http.get("/nowhere"), "NOT_FOUND"),
}


async def test_each_answer_with_an_error_is_counted_once_by_its_code(api: Api) -> None:
    for name, (ask, code) in REQUESTS.items():
        async with counted(api) as rises:
            await ask(api)
        assert rises == {code: 1}, name


async def test_errors_of_operations_over_a_websocket_are_counted_and_those_of_the_protocol_are_not(api: Api) -> None:
    async with counted(api) as rises, api.socket() as socket:
        await over_socket(socket, "1", "{ viewer { id } }")
        await over_socket(socket, "2", "{ nope }")
        await over_socket(socket, "3", "query A { __typename }", "B")
        await over_socket(socket, "4", "subscription { transactionSettled { missed } }")
        await socket.send({"id": "5", "type": "subscribe", "payload": {"documentId": "0" * 64}})
        assert (await socket.message("5"))["type"] == "error"
        await socket.send({"id": "6", "type": "subscribe", "payload": 7})
        assert await socket.close_code() == 4400
    assert rises == {
        "UNAUTHENTICATED": 2, "GRAPHQL_VALIDATION_FAILED": 1, "BAD_USER_INPUT": 1, "PERSISTED_QUERY_NOT_SUPPORTED": 1,
    }  # fmt: skip


async def test_a_success_and_a_refusal_are_not_counted_as_errors(api: Api) -> None:
    a = await api.wallet("alice", balance="1.00")
    body = {"sender_wallet_id": a, "receiver_wallet_id": a, "amount": "1.00", "currency": "USD", "idempotency_key": "self"}
    async with counted(api) as rises:
        await api.data("alice", "{ viewer { id } }")
        assert (await api.http.post("/transfer", json=body, headers=api.headers("alice"))).status_code == 400
    assert rises == {}


async def test_internal_faults_and_exceeded_rate_limits_are_counted(settings: Settings, engine: Database) -> None:
    a = ""
    async with serving(settings, engine) as api:
        a = await api.wallet("alice")
        await api.data("alice", "{ viewer { id } }")
        async with counted(api) as rises, without_names(settings):
            await graphql(api, {"query": f'{{ wallet(id: "{a}") {{ owner {{ displayName }} }} }}'})
        assert rises == {"INTERNAL": 1}
    limited = settings.model_copy(update={"requests_per_address_per_second": 1})
    async with serving(limited, engine) as api:
        async with counted(api) as rises:
            statuses = [
                (await api.http.get(path)).status_code for path in ("/wallets/x", "/graphql", "/wallets/x", "/graphql") * 10
            ]
        assert rises["RATE_LIMITED"] == statuses.count(429) > 0


async def test_every_code_has_a_series_before_its_first_error(api: Api) -> None:
    assert {f'{ERROR}{code}"}}' for code in CODES} <= set(await samples(api))


@pytest.mark.parametrize(
    ("path", "body", "labels"),
    [
        ("/graphql", {"query": "query Dawdler { __typename }"}, 'operation="Dawdler",transport="http"'),
        ("/transfer", {"amount": 7}, 'operation="POST /transfer",transport="rest"'),
    ],
)
async def test_the_time_of_a_request_starts_with_its_headers(api: Api, path: str, body: object, labels: str) -> None:
    content = json.dumps(body).encode()

    async def slow_body() -> AsyncIterator[bytes]:
        yield content[:5]
        await asyncio.sleep(0.4)
        yield content[5:]

    before = await samples(api)
    headers = {**api.headers("alice"), "content-type": "application/json"}
    await api.http.post(path, content=slow_body(), headers=headers)
    after = await samples(api)
    count, total = f"paycore_request_seconds_count{{{labels}}}", f"paycore_request_seconds_sum{{{labels}}}"
    assert after[count] - before.get(count, 0) == 1
    assert after[total] - before.get(total, 0) >= 0.35


async def test_rest_requests_are_timed_by_route_whatever_the_answer(api: Api) -> None:
    a = await api.wallet("alice")
    before = await samples(api)
    for path in (f"/wallets/{a}", "/wallets/wal_x", f"/wallets/{a}/transactions", "/transactions/txn_x"):
        await api.http.get(path, headers=api.headers("alice"))
    await api.http.get("/healthz")
    await api.http.get("/openapi.json")
    after = await samples(api)
    timed = {
        name: after[name] - before.get(name, 0)
        for name in after
        if name.startswith("paycore_request_seconds_count") and after[name] != before.get(name, 0)
    }
    assert timed == {
        'paycore_request_seconds_count{operation="GET /wallets/{id}",transport="rest"}': 2,
        'paycore_request_seconds_count{operation="GET /wallets/{id}/transactions",transport="rest"}': 1,
        'paycore_request_seconds_count{operation="GET /transactions/{id}",transport="rest"}': 1,
    }


@pytest.mark.parametrize("body", [[], [{"query": "{ __typename }"}], [{"query": "{ __typename }"}] * 2, [5]])
async def test_an_array_of_operations_is_refused(api: Api, body: object) -> None:
    response = await api.http.post("/graphql", json=body, headers=api.headers("alice"))
    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]) == (400, {"code": "BAD_USER_INPUT"})
    assert "transferBatch" in error["message"]
