"""The cost of an operation: computed before it runs, returned with the answer, limited per operation and per user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from strawberry.types.graphql import OperationType

from app.db.pool import Database
from app.schema.engine.build import build_schema
from app.schema.engine.cost import FREE_EVENT
from app.schema.engine.documents import KnownDocument
from app.settings import Settings
from tests.api.conftest import serving
from tests.bank import new_key

PAGE = """query($first: Int) {
  viewer { wallets(first: $first) { edges { node { id transactions(first: 10) { edges { node { id } } } } } } }
}"""
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"


def cost_of(settings: Settings, document: str, **variables: Any) -> int:
    known = build_schema(settings).documents.prepare(document)
    assert isinstance(known, KnownDocument), known
    return known.operation(None).cost.of(variables)


def test_a_list_multiplies_the_cost_of_its_fields(settings: Settings) -> None:
    one, ten = cost_of(settings, PAGE, first=1), cost_of(settings, PAGE, first=10)
    assert ten > 9 * (one - 2)
    assert cost_of(settings, PAGE, first=100) > 9 * (ten - 2)
    inline = PAGE.replace("query($first: Int) ", "").replace("$first", "10")
    assert cost_of(settings, inline) == ten


def test_a_page_without_a_size_costs_the_default_and_one_of_null_the_largest(settings: Settings) -> None:
    assert cost_of(settings, PAGE) == cost_of(settings, PAGE, first=20)
    for strange in (-1, 0, 10**30, "x", [1], {"a": 1}, True):
        assert cost_of(settings, PAGE, first=strange) <= cost_of(settings, PAGE, first=100)


def test_a_fragment_costs_at_each_spread(settings: Settings) -> None:
    plain = "{ a: viewer { wallets { edges { node { id } } } } b: viewer { wallets { edges { node { id } } } } }"
    spread = "{ a: viewer { ...f } b: viewer { ...f } } fragment f on User { wallets { edges { node { id } } } }"
    assert cost_of(settings, plain) == cost_of(settings, spread)


def test_nodes_and_batches_cost_in_proportion_to_their_length(settings: Settings) -> None:
    assert cost_of(settings, NODES, ids=["a"] * 50) > 20 * cost_of(settings, NODES, ids=["a"])
    assert cost_of(settings, NODES, ids="a") == cost_of(settings, NODES, ids=["a"])
    batch = """mutation($t: [TransferInput!]!) {
      transferBatch(input: {transfers: $t}) { results { transaction { entries { id } } } }
    }"""
    assert cost_of(settings, batch, t=[{}] * 100) > 50 * cost_of(settings, batch, t=[{}])


def test_a_search_of_users_costs_for_the_names_that_it_compares(settings: Settings) -> None:
    searches = " ".join(f'u{number}: users(search: "a", first: 1) {{ edges {{ node {{ id }} }} }}' for number in range(100))
    assert cost_of(settings, f"{{ {searches} }}") > settings.max_query_cost


def test_a_transfer_is_cheap(settings: Settings) -> None:
    document = "mutation($i: TransferInput!) { transfer(input: $i) { transaction { id status } userErrors { code } } }"
    assert cost_of(settings, document, i={}) <= 3


def wide(fields: int, name: str = "id") -> str:
    return "{ viewer { wallets(first: 100) { edges { node { " + " ".join(f"a{n}: {name}" for n in range(fields)) + " } } } } }"


def test_wide_rows_cost_more_whether_by_fields_aliases_or_fragments(settings: Settings) -> None:
    narrow = cost_of(settings, wide(9))
    assert cost_of(settings, wide(10)) == cost_of(settings, wide(19)) == narrow + 100
    assert cost_of(settings, wide(100)) == narrow + 1000
    amounts = wide(50, "balance { amount currency }")
    assert cost_of(settings, amounts) == narrow + 1000
    fragments = amounts.replace("balance { amount currency }", "balance { ...m }") + " fragment m on Money { amount currency }"
    assert cost_of(settings, fragments) == cost_of(settings, amounts)
    assert cost_of(settings, "{ viewer { " + "id " * 40 + "} }") == cost_of(settings, "{ viewer { id } }") + 4


def test_the_dashboards_operations_cost_far_less_than_the_limits(settings: Settings) -> None:
    listed = json.loads((Path(__file__).parents[2] / "frontend-demo/operations.json").read_text(encoding="utf-8"))
    documents = build_schema(settings).documents
    assert len(listed) > 10
    for text in listed.values():
        known = documents.prepare(text)
        assert isinstance(known, KnownDocument), known
        operation, most = known.operation(None), settings.max_query_cost / 4
        if operation.type is OperationType.SUBSCRIPTION:
            # Watching a wallet draws on no budget, however many events arrive.
            most = FREE_EVENT
        assert operation.cost.of({"first": 100}) <= most, text


async def test_an_operation_past_the_limit_does_not_run_and_the_answer_has_the_cost(settings: Settings, engine: Database) -> None:
    async with serving(settings.model_copy(update={"max_query_cost": 200}), engine) as api:
        cost = (await api.graphql("alice", PAGE, first=2))["extensions"]["cost"]
        assert cost["requested"] == cost_of(settings, PAGE, first=2)
        assert cost["limit"] == 200
        refused = await api.graphql("alice", PAGE, first=100)
        assert [error["extensions"]["code"] for error in refused["errors"]] == ["QUERY_TOO_COMPLEX"]
        assert refused["extensions"]["cost"]["requested"] > 200
        fields = " ".join(f"a{n}: wallet {{ transactions(first: 100) {{ edges {{ node {{ id }} }} }} }}" for n in range(3))
        opening = (
            f'mutation {{ openWallet(input: {{idempotencyKey: "{new_key()}", currency: "USD", name: "x"}}) {{ {fields} }} }}'
        )
        assert await api.codes("alice", opening) == ["QUERY_TOO_COMPLEX"]
        assert await api.bank.count("wallet_openings") == 0
        async with api.socket("alice") as socket:
            await socket.subscribe("1", PAGE, first=100)
            message = await socket.message("1")
            assert message["payload"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


async def test_each_user_has_a_budget_of_their_own_and_mutations_do_not_draw_on_it(
    settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {"max_query_cost": 500, "query_budget_per_minute": 1000}
    opening = """mutation($key: String!) {
      openWallet(input: {idempotencyKey: $key, currency: "USD", name: "x"}) { replayed }
    }"""
    async with serving(settings.model_copy(update=changed), engine) as api:
        # One window for all of the test.
        monkeypatch.setattr(api.services.query_budget, "_now", lambda: 1_000_000_000.0)
        # The first sender of a document is charged for parsing it.
        await api.data("bob", PAGE, first=1)
        await api.data("bob", opening, key=new_key())
        cost = cost_of(settings, PAGE, first=20)
        for number in range(1, 1000 // cost + 1):
            answer = await api.graphql("alice", PAGE, first=20)
            assert answer["extensions"]["cost"]["remaining"] == 1000 - number * cost
        refused = await api.graphql("alice", PAGE, first=20)
        (error,) = refused["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert 1 <= error["extensions"]["retryAfterSeconds"] <= 60
        async with api.socket("alice") as socket:
            await socket.subscribe("1", PAGE, first=20)
            assert (await socket.message("1"))["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert "errors" not in await api.graphql("bob", PAGE, first=20)
        assert "errors" not in await api.graphql("alice", opening, key=new_key())
