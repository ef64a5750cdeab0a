"""Limits of documents: at a limit an operation runs, past it nothing runs, over HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from app.db.engine import create_engine
from app.db.pool import Database
from app.schema.engine.documents import MAX_LENGTH, MAX_TOKENS
from app.schema.engine.error_handling import MAX_ERRORS
from app.schema.engine.limits import MAX_ALIASES, MAX_DIRECTIVES, MAX_FIELDS, MAX_INTROSPECTION_DEPTH, MAX_ROOT_FIELDS
from app.schema.engine.requests import MAX_VARIABLES_BYTES
from app.settings import Settings
from tests.api.conftest import Api, serving, shares_api
from tests.bank import new_key

OPEN = 'mutation {{ openWallet(input: {{idempotencyKey: "{key}", currency: "USD", name: "x"}}) {{ {fields} }} }}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shallow(module_settings: Settings) -> AsyncIterator[Api]:
    """An API whose limit of levels is 6. The other limits are no settings."""
    engine = create_engine(module_settings)
    async with serving(module_settings.model_copy(update={"max_query_depth": 6}), engine) as running:
        yield running
    await engine.dispose()


def introspected(levels: int) -> str:
    """So many levels below `__schema`."""
    return "{ __schema { queryType { " + "ofType { " * (levels - 2) + "name" + " }" * levels + " }"


def aliases(count: int, field: str = "id") -> str:
    return " ".join(f"a{n}: {field}" for n in range(count))


def roots(count: int) -> str:
    """So many fields at the root. Half have aliases: comparing all under one name would take too long."""
    half = count // 2
    return f"{{ {aliases(half, 'viewer { __typename }')} {'viewer { __typename } ' * (count - half)} }}"


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
    "introspection": introspected(MAX_INTROSPECTION_DEPTH - 1),
    "fields": spread(MAX_FIELDS),
    "root fields": roots(MAX_ROOT_FIELDS),
    "aliases": "{ viewer { " + aliases(MAX_ALIASES) + " } }",
    "directives": "{ viewer { " + "id @include(if: true) " * MAX_DIRECTIVES + "} }",
    "length": "{ viewer { id } }".ljust(MAX_LENGTH),
    "tokens": "{ viewer { id } " + "}".rjust(2 * MAX_TOKENS, ","),
}
PAST_IT = {
    "depth": "{ viewer { wallets { edges { node { owner { wallets { pageInfo { endCursor } } } } } } } }",
    "introspection": introspected(MAX_INTROSPECTION_DEPTH),
    "fields": spread(MAX_FIELDS + 1),
    "root fields": roots(MAX_ROOT_FIELDS + 1),
    "operations that share fragments": " ".join(f"query q{n} {{ viewer {{ ...f }} }}" for n in range(MAX_FIELDS // 20))
    + " fragment f on User { "
    + "id " * 20
    + "}",
    "aliases": "{ viewer { " + aliases(MAX_ALIASES + 1) + " } }",
    "aliases in a fragment that is not used": "{ viewer { id } } fragment f on User { " + aliases(MAX_ALIASES + 1) + " }",
    "directives": "{ viewer { " + "id @include(if: true) " * (MAX_DIRECTIVES + 1) + "} }",
    "directives on fragments": "{ viewer { " + "... @include(if: true) { id } " * (MAX_DIRECTIVES + 1) + "} }",
    "directives on variables": "query(" + "$a: Int @nope " * (MAX_DIRECTIVES + 1) + ") { viewer { id } }",
    "length": "{ viewer { id } }".ljust(MAX_LENGTH + 1),
}


@pytest.mark.parametrize("document", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
@shares_api
async def test_a_document_at_a_limit_runs(shallow: Api, document: str) -> None:
    answer = await shallow.graphql("alice", document)
    assert "errors" not in answer, answer


@pytest.mark.parametrize("document", PAST_IT.values(), ids=PAST_IT)
@shares_api
async def test_a_document_past_a_limit_is_too_complex(shallow: Api, document: str) -> None:
    assert await shallow.codes("alice", document) == ["QUERY_TOO_COMPLEX"]


@pytest.mark.parametrize("document", PAST_IT.values(), ids=PAST_IT)
@shares_api
async def test_a_document_past_a_limit_is_too_complex_over_a_websocket(shallow: Api, document: str) -> None:
    async with shallow.socket("alice") as socket:
        await socket.subscribe("1", document)
        message = await socket.message("1")
    assert message["type"] == "error"
    assert [error["extensions"]["code"] for error in message["payload"]] == ["QUERY_TOO_COMPLEX"]


@shares_api
async def test_a_document_of_too_many_tokens_is_not_parsed(shallow: Api) -> None:
    assert await shallow.codes("alice", "{ " + "viewer { id } " * (MAX_TOKENS // 4) + "}") == ["GRAPHQL_VALIDATION_FAILED"]


@shares_api
async def test_a_mutation_in_a_document_that_is_too_large_does_nothing(shallow: Api) -> None:
    document = OPEN.format(key=new_key(), fields=aliases(MAX_ALIASES + 1, "replayed"))
    assert await shallow.codes("alice", document) == ["QUERY_TOO_COMPLEX"]
    assert await shallow.bank.count("wallet_openings") == 0


@shares_api
async def test_an_operation_with_too_large_variables_is_too_complex_over_every_transport(shallow: Api) -> None:
    document = "query($id: ID!) { wallet(id: $id) { id } }"
    for more, codes in ((0, []), (1, ["QUERY_TOO_COMPLEX"])):
        variables = {"id": "x" * 10, "more": ""}
        # A GET cannot be so large.
        variables["more"] = "x" * (MAX_VARIABLES_BYTES - len(orjson.dumps(variables)) + more)
        assert await shallow.codes("alice", document, **variables) == codes
        async with shallow.socket("alice") as socket:
            await socket.subscribe("1", document, **variables)
            message = await socket.message("1")
        assert message["type"] == ("error" if codes else "next")


@shares_api
async def test_the_number_and_length_of_errors_are_limited(shallow: Api) -> None:
    answer = await shallow.graphql("alice", "{ " + " ".join(f"nope{n}" for n in range(60)) + " }")
    codes = [error["extensions"]["code"] for error in answer["errors"]]
    assert MAX_ERRORS <= len(codes) <= MAX_ERRORS + 1
    long = await shallow.graphql("alice", "{ " + "n" * 2500 + " }")
    assert all(len(error["message"]) <= 501 for error in long["errors"])
    failing = "{ " + " ".join(f'a{n}: wallet(id: "nonsense{n}") {{ id }}' for n in range(MAX_ERRORS + 4)) + " }"
    failed = (await shallow.graphql(None, failing))["errors"]
    assert [error["extensions"]["code"] for error in failed] == ["UNAUTHENTICATED"] * MAX_ERRORS + ["MORE_ERRORS"]
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


async def test_production_hides_its_schema_and_suggests_no_names(settings: Settings, engine: Database) -> None:
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
