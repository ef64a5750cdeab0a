"""Several operations in one request: off unless switched on; then an answer to each, in order, as if it had come alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key
from tests.waiting import early_in_a_window

NAME = {"query": "{ viewer { displayName } }"}
OPEN = """mutation($key: String!) {
  openWallet(input: {idempotencyKey: $key, currency: "USD", name: "x"}) { wallet { id } replayed }
}"""
WALLETS = "{ viewer { wallets { edges { node { id } } } } }"


@pytest.fixture
async def batching(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Api]:
    """An API that takes five operations at once."""
    async with serving(settings.model_copy(update={"max_request_batch": 5}), engine, relay=False) as running:
        yield running


async def ask(api: Api, *operations: Any, subject: str | None = "alice") -> list[dict[str, Any]]:
    response = await api.http.post("/graphql", json=list(operations), headers=api.headers(subject))
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json"), response.text
    assert response.headers["cache-control"] == "no-store"
    answers: list[dict[str, Any]] = response.json()
    assert len(answers) == len(operations)
    return answers


def codes(answers: list[dict[str, Any]]) -> list[list[str]]:
    return [[error["extensions"]["code"] for error in answer.get("errors", [])] for answer in answers]


@pytest.mark.parametrize("body", [[], [NAME], [NAME, NAME], [5]])
async def test_unless_switched_on_no_array_is_taken(api: Api, body: Any) -> None:
    response = await api.http.post("/graphql", json=body, headers=api.headers("alice"))
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error == {
        "message": "Request batching is not enabled: send one operation at a time.",
        "extensions": {"code": "BAD_USER_INPUT"},
    }


async def test_each_operation_has_an_answer_in_order_with_errors_and_cost_of_its_own(batching: Api) -> None:
    named = {"query": "query A { viewer { id } } query B { __typename }", "operationName": "B"}
    watch = {"query": "subscription { transactionSettled { missed } }"}
    answers = await ask(batching, NAME, {"query": "{ nope }"}, named, 7, watch)
    assert codes(answers) == [[], ["GRAPHQL_VALIDATION_FAILED"], [], ["BAD_USER_INPUT"], ["BAD_USER_INPUT"]]
    assert answers[0]["data"]["viewer"]["displayName"].startswith("Member ")
    assert answers[2]["data"] == {"__typename": "Query"}
    assert [answer["extensions"]["cost"]["requested"] for answer in answers if "data" in answer] == [1, 0]
    alone = await batching.graphql("alice", NAME["query"])
    assert (await ask(batching, NAME))[0]["data"] == alone["data"]


async def test_an_operation_sees_what_those_before_it_did(batching: Api) -> None:
    key = new_key()
    opening = {"query": OPEN, "variables": {"key": key}}
    before, opened, between, again, after = await ask(
        batching, {"query": WALLETS}, opening, {"query": WALLETS}, opening, {"query": WALLETS}
    )
    assert before["data"]["viewer"]["wallets"]["edges"] == []
    wallet = opened["data"]["openWallet"]["wallet"]
    assert between["data"]["viewer"]["wallets"]["edges"] == after["data"]["viewer"]["wallets"]["edges"] == [{"node": wallet}]
    assert [one["data"]["openWallet"]["replayed"] for one in (opened, again)] == [False, True]


async def test_a_batch_has_a_size_and_is_an_array_of_a_post(batching: Api) -> None:
    for body in ([], [NAME] * 6):
        response = await batching.http.post("/graphql", json=body, headers=batching.headers("alice"))
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    streamed = {**batching.headers("alice"), "Accept": "text/event-stream"}
    assert (await batching.http.post("/graphql", json=[NAME], headers=streamed)).status_code == 406
    assert codes(await ask(batching, *[NAME] * 5, subject=None)) == [["UNAUTHENTICATED"]] * 5


async def test_each_operation_counts_as_a_request(settings: Settings, engine: AsyncEngine) -> None:
    for number, limit in enumerate(("requests_per_user_per_second", "requests_per_address_per_second"), start=1):
        async with serving(settings.model_copy(update={"max_request_batch": 50, limit: 1}), engine, relay=False) as api:
            await early_in_a_window()
            answers = await ask(api, *[{"query": OPEN, "variables": {"key": new_key()}} for _ in range(15)])
            assert codes(answers) == [[]] * 10 + [["RATE_LIMITED"]] * 5
            assert 1 <= answers[-1]["errors"][0]["extensions"]["retryAfterSeconds"] <= 10
            assert (await api.http.post("/graphql", json=NAME, headers=api.headers("alice"))).status_code == 429
            assert await api.bank.count("wallet_openings") == 10 * number


async def test_each_operation_draws_on_the_budget_and_all_share_the_room_for_answers(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {"max_request_batch": 10, "max_query_cost": 60, "query_budget_per_minute": 60}
    async with serving(settings.model_copy(update=changed), engine, relay=False) as api:
        monkeypatch.setattr(api.services.query_budget, "_now", lambda: 1_000_000_000.0)
        await api.data("bob", WALLETS)
        # 21 points each; a mutation draws on nothing.
        opening = {"query": OPEN, "variables": {"key": new_key()}}
        await ask(api, opening, subject="carol")
        answers = await ask(api, *[{"query": WALLETS}] * 3, opening)
        assert codes(answers) == [[], [], ["RATE_LIMITED"], []]
    room = {"max_request_batch": 10, "max_answer_bytes": 3500}
    async with serving(settings.model_copy(update=room), engine, relay=False) as api:
        wide = {"query": "{ viewer { " + " ".join(f"a{n}: displayName" for n in range(60)) + " } }"}
        answers = await ask(api, wide, wide, wide, {"query": OPEN, "variables": {"key": new_key()}})
        assert codes(answers) == [[], [], ["QUERY_TOO_COMPLEX"], []]
