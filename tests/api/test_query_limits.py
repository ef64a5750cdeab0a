"""Limits of documents: at a limit an operation runs, past it nothing runs, over HTTP and WebSocket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key

LIMITS: dict[str, Any] = {
    "max_query_length": 3000,
    "max_query_tokens": 400,
    "max_query_depth": 6,
    "max_introspection_depth": 5,
    "max_query_fields": 40,
    "max_query_root_fields": 8,
    "max_query_aliases": 10,
    "max_query_directives": 5,
    "max_errors": 4,
    "max_variables_bytes": 2000,
}
OPEN = 'mutation {{ openWallet(input: {{idempotencyKey: "{key}", currency: "USD", name: "x"}}) {{ {fields} }} }}'


@pytest.fixture
async def small(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Api]:
    """An API with small limits."""
    async with serving(settings.model_copy(update=LIMITS), engine) as running:
        yield running


def introspected(levels: int) -> str:
    return "{ __schema { queryType { " + "ofType { " * (levels - 2) + "name" + " }" * levels + " }"


def spread(fields: int) -> str:
    """A document of `fields` fields: a fragment of five, spread several times. Spreads and the root field count too."""
    times, more = divmod(fields - 1, 6)
    singles = " ".join(["id"] * more)
    return (
        "{ viewer { "
        + "...f " * times
        + singles
        + " } } fragment f on User { id displayName one: id two: displayName three: id }"
    )


AT_THE_LIMIT = {
    "depth": "{ viewer { wallets { edges { node { owner { id } } } } } }",
    "introspection": introspected(4),
    "fields": spread(40),
    "root fields": "{ " + "viewer { __typename } " * 8 + "}",
    "aliases": "{ viewer { " + " ".join(f"a{n}: id" for n in range(10)) + " } }",
    "directives": "{ viewer { " + "id @include(if: true) " * 5 + "} }",
    "length": "{ viewer { id } }".ljust(3000),
    "tokens": "{ viewer { id } " + "}".rjust(20, ","),
}
PAST_IT = {
    "depth": "{ viewer { wallets { edges { node { owner { wallets { pageInfo { endCursor } } } } } } } }",
    "introspection": introspected(6),
    "fields": spread(41),
    "root fields": "{ " + "viewer { __typename } " * 9 + "}",
    "operations that share fragments": " ".join(f"query q{n} {{ viewer {{ ...f }} }}" for n in range(14))
    + " fragment f on User { id }",
    "aliases": "{ viewer { " + " ".join(f"a{n}: id" for n in range(11)) + " } }",
    "aliases in a fragment that is not used": "{ viewer { id } } fragment f on User { "
    + " ".join(f"a{n}: id" for n in range(11))
    + " }",
    "directives": "{ viewer { " + "id @include(if: true) " * 6 + "} }",
    "directives on fragments": "{ viewer { " + "... @include(if: true) { id } " * 6 + "} }",
    "directives on variables": "query(" + "$a: Int @nope " * 6 + ") { viewer { id } }",
    "length": "{ viewer { id } }".ljust(3001),
}


@pytest.mark.parametrize("document", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
async def test_a_document_at_a_limit_runs(small: Api, document: str) -> None:
    answer = await small.graphql("alice", document)
    assert "errors" not in answer, answer


@pytest.mark.parametrize("document", PAST_IT.values(), ids=PAST_IT)
async def test_a_document_past_a_limit_is_too_complex(small: Api, document: str) -> None:
    assert await small.codes("alice", document) == ["QUERY_TOO_COMPLEX"]


@pytest.mark.parametrize("document", PAST_IT.values(), ids=PAST_IT)
async def test_a_document_past_a_limit_is_too_complex_over_a_websocket(small: Api, document: str) -> None:
    async with small.socket("alice") as socket:
        await socket.subscribe("1", document)
        message = await socket.message("1")
    assert message["type"] == "error"
    assert [error["extensions"]["code"] for error in message["payload"]] == ["QUERY_TOO_COMPLEX"]


async def test_a_document_of_too_many_tokens_is_not_parsed(small: Api) -> None:
    assert await small.codes("alice", "{ " + "viewer { id } " * 100 + "}") == ["GRAPHQL_VALIDATION_FAILED"]


async def test_a_mutation_in_a_document_that_is_too_large_does_nothing(small: Api) -> None:
    fields = " ".join(f"a{n}: replayed" for n in range(11))
    assert await small.codes("alice", OPEN.format(key=new_key(), fields=fields)) == ["QUERY_TOO_COMPLEX"]
    assert await small.bank.count("wallet_openings") == 0


async def test_an_operation_with_too_large_variables_is_too_complex_over_every_transport(small: Api) -> None:
    document = "query($id: ID!) { wallet(id: $id) { id } }"
    for size, codes in ((1500, []), (2500, ["QUERY_TOO_COMPLEX"])):
        variables = {"id": "x" * 10, "more": "x" * size}
        assert await small.codes("alice", document, **variables) == codes
        by_get = {"query": document, "variables": json.dumps(variables)}
        answer = (await small.http.get("/graphql", params=by_get, headers=small.headers("alice"))).json()
        assert [error["extensions"]["code"] for error in answer.get("errors", [])] == codes
        async with small.socket("alice") as socket:
            await socket.subscribe("1", document, **variables)
            message = await socket.message("1")
        assert message["type"] == ("error" if codes else "next")


async def test_the_number_and_length_of_errors_are_limited(small: Api) -> None:
    answer = await small.graphql("alice", "{ " + " ".join(f"nope{n}" for n in range(30)) + " }")
    codes = [error["extensions"]["code"] for error in answer["errors"]]
    assert len(codes) <= 5
    long = await small.graphql("alice", "{ " + "n" * 2500 + " }")
    assert all(len(error["message"]) <= 501 for error in long["errors"])
    failing = "{ " + " ".join(f'a{n}: wallet(id: "nonsense{n}") {{ id }}' for n in range(8)) + " }"
    failed = (await small.graphql(None, failing))["errors"]
    assert [error["extensions"]["code"] for error in failed] == ["UNAUTHENTICATED"] * 4 + ["MORE_ERRORS"]
    assert failed[-1]["extensions"]["omitted"] == 4


PRODUCTION = {"environment": "production", "jwt_secret": "a-secret-of-production-with-32-bytes!"}
TYPO = "{ viewer { displayNam } }"
GUESSES: tuple[tuple[str, dict[str, Any]], ...] = (
    (TYPO, {}),
    ("query($s: WalletStatuss) { viewer { id } }", {}),
    ("query($f: TransactionFilter) { viewer { wallets { edges { node { transactions(filter: $f) { edges { cursor } } } } } } }",
     {"f": {"statu": "COMPLETED"}}),
    ('mutation { setWalletStatus(input: {walletId: "x", status: FROZE, reason: "x"}) { wallet { id } } }', {}),
    ("mutation($i: SetWalletStatusInput!) { setWalletStatus(input: $i) { wallet { id } } }",
     {"i": {"walletId": "x", "status": "FROZE", "reason": "x"}}),
)  # fmt: skip


async def test_production_hides_its_schema_and_suggests_no_names(settings: Settings, engine: AsyncEngine) -> None:
    production = Settings(**{**settings.model_dump(exclude=set(PRODUCTION)), **PRODUCTION})
    async with serving(production, engine) as api, api.socket("alice") as socket:
        for number, (document, variables) in enumerate(GUESSES):
            answer = await api.graphql("alice", document, **variables)
            assert answer["errors"], document
            assert "Did you mean" not in str(answer), answer
            await socket.subscribe(str(number), document, **variables)
            message = await socket.message(str(number))
            assert "Did you mean" not in str(message), message
        for query in ("{ __schema { queryType { name } } }", '{ __type(name: "Wallet") { name } }'):
            assert set(await api.codes("alice", query)) == {"GRAPHQL_VALIDATION_FAILED"}
            await socket.subscribe("i", query)
            assert (await socket.message("i"))["type"] == "error"
        assert (await api.data("alice", "{ viewer { __typename } }"))["viewer"] == {"__typename": "User"}


async def test_development_suggests_names(api: Api) -> None:
    assert "Did you mean" in str(await api.graphql("alice", TYPO))


async def test_a_document_of_several_operations_needs_an_operation_name(api: Api) -> None:
    document = "query one { viewer { id } } query two { viewer { id } }"
    assert await api.codes("alice", document) == ["BAD_USER_INPUT"]
