"""A wallet and a page of its transactions are one statement, with the same answer as two."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_reading import history
from tests.statements import recorded_statements

PAGE = "edges { cursor node { id status amount { amount } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
NAMED = "edges { cursor node { id sender { walletId displayName } receiver { walletId displayName } } }"
SPREAD = "fragment list on Wallet { transactions(first: $n, after: $after) { " + PAGE + " } }"


@pytest.mark.parametrize(
    ("selected", "statements"),
    [
        pytest.param("balance { amount } transactions(first: 3) { " + PAGE + " }", 1, id="first"),
        pytest.param("transactions(last: 3) { " + NAMED + " } held { amount }", 1, id="last, with parties"),
        pytest.param("transactions { " + NAMED + " }", 1, id="default"),
        pytest.param("transactions(first: 100) { " + PAGE + " }", 1, id="all"),
        pytest.param("list: transactions(first: $n, after: $after, filter: null) { " + PAGE + " }", 1, id="variables"),
        pytest.param("...list", 1, id="fragment"),
        pytest.param("transactions(first: 0) { " + PAGE + " }", 1, id="wrong size"),
        pytest.param('transactions(after: "wrong") { ' + PAGE + " }", 1, id="wrong cursor"),
        pytest.param("transactions(filter: {type: DEPOSIT}) { " + PAGE + " }", 2, id="filter"),
        pytest.param("transactions(first: 3) @include(if: $yes) { " + PAGE + " }", 2, id="included"),
        pytest.param("transactions(first: 3) @skip(if: $yes) { " + PAGE + " } id", 1, id="skipped"),
        pytest.param("...list @include(if: $yes)", 2, id="included fragment"),
        pytest.param("transactions(first: 3) { " + PAGE + " } more: transactions(first: 4) { " + PAGE + " }", 3, id="two"),
        pytest.param("id transactions(first: 2) { " + PAGE + " } transactions(first: 2) { " + NAMED + " }", 2, id="merged"),
    ],
)
async def test_a_wallet_with_a_page_is_read_at_once_with_the_same_answer(api: Api, selected: str, statements: int) -> None:
    a, _ = await history(api, 8)
    spread = SPREAD if "...list" in selected else ""
    declared = {"$w": "$w: ID!", "$n": "$n: Int = 4", "$after": "$after: String", "$yes": "$yes: Boolean = true"}
    variables = ", ".join(text for name, text in declared.items() if name == "$w" or name in selected + spread)
    for run in range(2):  # The second one by a plan.
        with recorded_statements(api.services.engine) as recorded:
            ahead = await asked(api, f"query({variables}) {{ wallet(id: $w) {{ {selected} }} }} {spread}", w=a)
        if run:
            assert len(recorded) == statements, recorded
        plain = await asked(
            api, f"query({variables}) {{ wallet: node(id: $w) {{ ...on Wallet {{ {selected} }} }} }} {spread}", w=a
        )
        assert ahead == plain
        assert ("errors" in ahead) == ("wrong" in selected or "first: 0" in selected)


async def asked(api: Api, query: str, **variables: Any) -> dict[str, Any]:
    """The data and the errors of an answer, without their places in the document."""
    answer = await api.graphql("alice", query, **variables)
    for error in answer.get("errors", []):
        del error["locations"]
    return {name: answer[name] for name in ("data", "errors") if name in answer}


async def test_a_wallet_that_the_viewer_may_not_see_is_null_and_an_empty_one_has_an_empty_page(api: Api) -> None:
    query = "query($w: ID!) { wallet(id: $w) { id transactions { " + NAMED + " pageInfo { hasNextPage hasPreviousPage } } } }"
    mine, theirs = await api.wallet("alice"), await api.wallet("bob", balance="1.00")
    empty = {"edges": [], "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}}
    assert (await api.data("alice", query, w=mine))["wallet"] == {"id": mine, "transactions": empty}
    for hidden in (theirs, "wal_01kag00000e00a000020000000", "no id"):
        assert (await api.data("alice", query, w=hidden))["wallet"] is None
    assert (await api.data("admin", query, w=theirs))["wallet"]["id"] == theirs


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        ("wallet(id: $a) { name }", 1),
        ("one: wallet(id: $a) { name } other: wallet(id: $b) { name }", 1),
        ("...both", 1),
        ("wallet(id: $a) { name owner { displayName } }", 2),
    ],
)
async def test_wallets_of_one_document_are_read_by_one_statement(api: Api, query: str, statements: int) -> None:
    a, b = await api.wallet("alice"), await api.wallet("alice")
    spread = "fragment both on Query { one: wallet(id: $a) { name } other: wallet(id: $b) { name } }" if "both" in query else ""
    variables = "$a: ID!, $b: ID!" if "$b" in query + spread else "$a: ID!"
    await api.data("alice", "{ viewer { id } }")
    with recorded_statements(api.services.engine) as recorded:
        found = await api.data("alice", f"query({variables}) {{ {query} }} {spread}", a=a, b=b)
    assert len(recorded) == statements, recorded
    assert all(wallet["name"] for wallet in found.values())
