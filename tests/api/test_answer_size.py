"""A query's answer is refused if it is too large; a mutation's answer never is."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api
from tests.api.test_event_stream import events
from tests.bank import new_key

NAMES = " ".join(f"a{n}: displayName" for n in range(99))
OPEN = f"""mutation($key: String!) {{
  openWallet(input: {{idempotencyKey: $key, currency: "USD", name: "x"}}) {{
    wallet {{ {" ".join(f"a{n}: updatesCursor" for n in range(99))} }}
  }}
}}"""


@pytest.fixture
def small_answers(api: Api) -> Api:
    """An API whose queries may answer with one kilobyte."""
    api.app.state.graphql.schema.max_answer_bytes = 1024
    return api


async def test_a_query_with_too_large_an_answer_is_too_complex_over_every_transport(small_answers: Api) -> None:
    query = f"{{ viewer {{ {NAMES} }} }}"
    headers = {**small_answers.headers("alice"), "Accept": "application/graphql-response+json"}
    refused = await small_answers.http.post("/graphql", json={"query": query}, headers=headers)
    assert (refused.status_code, set(refused.json())) == (400, {"errors"})
    assert await small_answers.codes("alice", query) == ["QUERY_TOO_COMPLEX"]
    async with small_answers.socket("alice") as socket, events(small_answers, "alice", query) as stream:
        await socket.subscribe("1", query)
        assert (await socket.message("1"))["payload"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
        _, answer = await stream.event()
        assert answer["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
        assert not answer.get("data")
    await small_answers.data("alice", "{ viewer { displayName } }")


async def test_a_mutation_is_answered_however_large_its_answer(small_answers: Api) -> None:
    response = await small_answers.http.post(
        "/graphql", json={"query": OPEN, "variables": {"key": new_key()}}, headers=small_answers.headers("alice")
    )
    assert len(response.content) > 1024
    assert len(response.json()["data"]["openWallet"]["wallet"]) == 99
    async with small_answers.socket("alice") as socket:
        await socket.subscribe("1", OPEN, key=new_key())
        assert len((await socket.data("1"))["openWallet"]["wallet"]) == 99
    assert await small_answers.bank.count("wallet_openings") == 2
