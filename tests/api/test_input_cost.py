"""What an input costs by its size: nothing without a valid token, and points of the query budget with one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.db.pool import Database
from app.schema.engine.requests import FREE_BYTES, LONGEST_LIST, MAX_ANONYMOUS_BYTES
from app.settings import MAX_BATCH, Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key

BATCH = "mutation($i: [TransferInput!]!) { transferBatch(input: {transfers: $i}) { userErrors { code } } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
OPEN = 'mutation($key: String!) { openWallet(input: {idempotencyKey: $key, currency: "USD", name: "x"}) { replayed } }'
LARGE = 200_000


def operation(query: str, **variables: object) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


REJECTED: dict[str, tuple[bytes, str]] = {
    "variables that cannot be coerced": (operation(BATCH, i=[{"x": "x" * LARGE}]), "BAD_USER_INPUT"),
    "a list that is too long": (operation(NODES, ids=["x" * 200] * (LONGEST_LIST + 1)), "QUERY_TOO_COMPLEX"),
    "a document that is too long": (operation("{" + "a" * LARGE + "}"), "QUERY_TOO_COMPLEX"),
    "a name given twice": (b'{"query": "", "query": "' + b"x" * LARGE + b'"}', "BAD_USER_INPUT"),
    "a body that is not JSON": (b"{" + b" " * LARGE, "BAD_USER_INPUT"),
    "an array of operations": (b"[" + operation("{ __typename }", x="x" * LARGE) + b"]", "BAD_USER_INPUT"),
}


async def codes(api: Api, subject: str | None, body: bytes) -> list[str]:
    headers = {**api.headers(subject), "Content-Type": "application/json"}
    answer = (await api.http.post("/graphql", content=body, headers=headers)).json()
    return [error["extensions"]["code"] for error in answer.get("errors", [])][:1]


@pytest.fixture
async def small_budget(settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """An API whose users have 1,000 points, in one window for all of the test. A large input draws 500."""
    changed = {"max_query_cost": 500, "query_budget_per_minute": 1000}
    async with serving(settings.model_copy(update=changed), engine) as api:
        monkeypatch.setattr(api.services.query_budget, "_now", lambda: 1_000_000_000.0)
        # The first sender of a document is charged for parsing it.
        for document in (BATCH, NODES, OPEN, "{ viewer { id } }"):
            await api.graphql("bob", document)
        yield api


@pytest.mark.parametrize("name", REJECTED)
async def test_a_large_input_draws_on_the_budget_although_it_is_rejected(small_budget: Api, name: str) -> None:
    body, code = REJECTED[name]
    assert await codes(small_budget, "alice", body) == [code]
    assert await codes(small_budget, "alice", body) == [code]
    assert await codes(small_budget, "alice", body) == ["RATE_LIMITED"]
    assert await codes(small_budget, "carol", body) == [code], "others have a budget of their own"


async def test_an_ordinary_mutation_needs_no_budget(small_budget: Api) -> None:
    body, _code = REJECTED["variables that cannot be coerced"]
    for _ in range(2):
        await codes(small_budget, "alice", body)
    assert await codes(small_budget, "alice", operation("{ viewer { id } }")) == ["RATE_LIMITED"]
    assert await codes(small_budget, "alice", operation(OPEN, key=new_key())) == []


async def test_a_large_message_on_a_websocket_draws_on_the_budget(small_budget: Api) -> None:
    variables: Any = {"i": [{"x": "x" * LARGE}]}
    async with small_budget.socket("alice") as socket:
        for number in ("1", "2"):
            await socket.subscribe(number, BATCH, **variables)
            assert "BAD_USER_INPUT" in json.dumps(await socket.message(number))
        await socket.subscribe("3", BATCH, **variables)
        assert (await socket.message("3"))["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        # A ping has no error to answer with.
        await socket.send(json.dumps({"type": "ping", "payload": {"x": "x" * LARGE}}))
        assert await socket.close_code() == 1013


async def test_a_small_message_on_a_websocket_needs_no_budget(small_budget: Api) -> None:
    body, _code = REJECTED["variables that cannot be coerced"]
    for _ in range(2):
        await codes(small_budget, "alice", body)
    async with small_budget.socket("alice") as socket:
        await socket.send(json.dumps({"type": "ping", "payload": {"x": "x" * (FREE_BYTES - 100)}}))
        # The socket stays open.
        await socket.subscribe("1", OPEN, key=new_key())
        assert (await socket.data("1"))["openWallet"] == {"replayed": False}


async def test_the_largest_batch_fits_the_default_budget(api: Api) -> None:
    description = "\N{GRINNING FACE}" * 280
    given = {"idempotencyKey": "k" * 255, "senderWalletId": "x", "receiverWalletId": "y", "description": description}
    given["amount"] = {"amount": "1", "currency": "USD"}  # type: ignore[assignment]
    body = operation(BATCH, i=[given] * MAX_BATCH)
    assert await codes(api, "alice", body) == []


@pytest.mark.parametrize(("query", "variables"), [(BATCH, {"i": [{}]}), (NODES, {"ids": [["x"]]})])
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "text/event-stream"])
async def test_a_caller_without_a_token_is_rejected_before_variables_are_coerced(
    api: Api, query: str, variables: dict[str, object], accept: str
) -> None:
    headers = {"Content-Type": "application/json", "Accept": accept}
    response = await api.http.post("/graphql", content=operation(query, **variables), headers=headers)
    assert "UNAUTHENTICATED" in response.text
    assert "BAD_USER_INPUT" not in response.text
    async with api.socket() as socket:
        await socket.subscribe("1", query, **variables)
        assert "UNAUTHENTICATED" in json.dumps(await socket.message("1"))


async def test_a_caller_without_a_token_may_still_give_introspection_a_name(api: Api) -> None:
    body = operation("query($n: String!) { __type(name: $n) { name } }", n="Wallet")
    assert await codes(api, None, body) == []


async def test_a_large_url_without_a_token_is_refused_before_it_is_parsed(api: Api) -> None:
    params = {"query": NODES, "variables": "[" + " " * MAX_ANONYMOUS_BYTES}
    response = await api.http.get("/graphql", params=params)
    assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["UNAUTHENTICATED"]


async def test_a_parameter_given_twice_in_a_url_is_refused(api: Api) -> None:
    params = {"query": ["{ __typename }", "{ viewer { id } }"]}
    response = await api.http.get("/graphql", params=params, headers=api.headers("alice"))
    assert response.status_code == 400
    assert "twice" in response.json()["errors"][0]["message"]
