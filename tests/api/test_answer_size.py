"""An answer's size: what a query finds is withheld where it is too large; what a mutation did never is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_event_stream import events
from tests.bank import new_key

NAMES = " ".join(f"a{n}: displayName" for n in range(99))
OPEN = f"""mutation($key: String!) {{
  openWallet(input: {{idempotencyKey: $key, currency: "USD", name: "x"}}) {{
    wallet {{ {" ".join(f"a{n}: updatesCursor" for n in range(99))} }}
  }}
}}"""


@pytest.fixture
async def terse(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Api]:
    """An API that answers queries in a kilobyte."""
    async with serving(settings.model_copy(update={"max_answer_bytes": 1024}), engine) as running:
        yield running


async def test_a_query_that_finds_too_much_is_too_complex_whichever_way_it_comes(terse: Api) -> None:
    query = f"{{ viewer {{ {NAMES} }} }}"
    headers = {**terse.headers("alice"), "Accept": "application/graphql-response+json"}
    refused = await terse.http.post("/graphql", json={"query": query}, headers=headers)
    assert (refused.status_code, set(refused.json())) == (400, {"errors"})
    assert await terse.codes("alice", query) == ["QUERY_TOO_COMPLEX"]
    async with terse.socket("alice") as socket, events(terse, "alice", query) as stream:
        await socket.subscribe("1", query)
        assert (await socket.message("1"))["payload"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
        _, answer = await stream.event()
        assert answer["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
        assert not answer.get("data")
    await terse.data("alice", "{ viewer { displayName } }")


async def test_a_mutation_always_has_its_answer(terse: Api) -> None:
    response = await terse.http.post(
        "/graphql", json={"query": OPEN, "variables": {"key": new_key()}}, headers=terse.headers("alice")
    )
    assert len(response.content) > 1024
    assert len(response.json()["data"]["openWallet"]["wallet"]) == 99
    async with terse.socket("alice") as socket:
        await socket.subscribe("1", OPEN, key=new_key())
        assert len((await socket.data("1"))["openWallet"]["wallet"]) == 99
    assert await terse.bank.count("wallet_openings") == 2
