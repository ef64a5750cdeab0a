"""Parsing a document costs its sender points unless it is cached, and the cache of documents is bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graphql import DocumentNode, GraphQLError, get_introspection_query

from app.db.pool import Database
from app.schema.engine import documents as documents_module
from app.schema.engine.build import PaycoreSchema, build_schema
from app.schema.engine.documents import DocumentCache, KnownDocument
from app.schema.engine.error_handling import present_all
from app.settings import Settings
from tests.api.conftest import serving
from tests.api.test_query_limits import PRODUCTION

LONG = "{ viewer { " + " ".join(f"... on User {{ a{n}: id }}" for n in range(95)) + " } }"


def budget_left(answer: dict[str, Any]) -> int:
    cost: dict[str, int] = answer["extensions"]["cost"]
    return cost["remaining"] + cost["requested"]


async def test_a_viewer_pays_for_a_new_document_by_its_length(
    settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(settings, engine, relay=False) as api:
        # One window for all of the test.
        monkeypatch.setattr(api.services.query_budget, "_now", lambda: 1_000_000_000.0)
        whole = api.settings.query_budget_per_minute
        assert budget_left(await api.graphql("alice", LONG)) == whole - 1 - len(LONG) // 10
        assert budget_left(await api.graphql("bob", LONG)) == whole


async def test_past_the_budget_new_documents_are_refused_unparsed_and_cached_ones_run(
    settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = settings.model_copy(update={"max_query_cost": 300, "query_budget_per_minute": 300})
    async with serving(small, engine, relay=False) as api:
        # One window for all of the test.
        monkeypatch.setattr(api.services.query_budget, "_now", lambda: 1_000_000_000.0)
        read: list[str] = []
        documents: DocumentCache = api.app.state.graphql.schema.documents
        parse = documents.parse

        def noted(text: str) -> DocumentNode:
            read.append(text)
            return parse(text)

        monkeypatch.setattr(documents, "parse", noted)
        known = "query Known { __typename }"
        await api.data("bob", known)
        assert await api.codes("alice", LONG) == []
        read.clear()
        for number in range(3):
            # Valid and invalid ones, over each transport.
            for text in (LONG.replace("{", f"query q{number} {{", 1), LONG.replace("id", f"nope{number}", 1)):
                assert await api.codes("alice", text) == ["RATE_LIMITED"]
                response = await api.http.get("/graphql", params={"query": text}, headers=api.headers("alice"))
                assert response.json()["errors"][0]["extensions"]["retryAfterSeconds"] >= 1
                async with api.socket("alice") as socket:
                    await socket.subscribe("1", text)
                    message = await socket.message("1")
                    assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert read == []
        assert await api.codes("alice", known) == []


async def test_without_a_token_only_short_documents_are_parsed(settings: Settings, engine: Database) -> None:
    introspection = get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True)
    production = Settings(**{**settings.model_dump(exclude=set(PRODUCTION)), **PRODUCTION})
    middle = "{ " + " ".join(f"... on Query {{ a{n}: __typename }}" for n in range(45)) + " }"
    for chosen, reads_middle in ((settings, True), (production, False)):
        async with serving(chosen, engine, relay=False) as api:
            for text in (LONG, LONG.replace("id", "nope"), "#".ljust(12_000, "#") + "\n{ __typename }"):
                assert await api.codes(None, text) == ["UNAUTHENTICATED"], text[:50]
                async with api.socket() as socket:
                    await socket.subscribe("1", text)
                    assert (await socket.message("1"))["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
            assert await api.codes(None, middle) == ([] if reads_middle else ["UNAUTHENTICATED"])
            assert await api.codes(None, "{ __typename }") == []
            assert await api.codes(None, "{ nope }") == ["GRAPHQL_VALIDATION_FAILED"]
            # A document that another client had parsed is cached.
            assert await api.codes("alice", middle) == []
            assert await api.codes(None, middle) == []
            refused = await api.http.post(
                "/graphql", json={"query": LONG}, headers={"Accept": "application/graphql-response+json"}
            )
            assert refused.status_code == 401
            if reads_middle:
                assert "__schema" in await api.data(None, introspection)


async def test_a_refused_document_is_refused_again_without_parsing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = build_schema(settings)
    bad = ("{ viewer { nope } }", "{", "{ viewer { " + "a { " * 300 + "}" * 302, "{ " + "n" * 3000 + " }")
    first = [refusal(schema, text) for text in bad]
    assert all(first)
    monkeypatch.setattr(documents_module, "parse", None)
    monkeypatch.setattr(documents_module, "validate", None)
    again = [refusal(schema, text) for text in bad]
    assert again == first
    assert json.loads(again[0])[0]["locations"] == [{"line": 1, "column": 12}]


def refusal(schema: PaycoreSchema, text: str) -> str:
    found = schema.documents.prepare(text)
    assert isinstance(found, list)
    assert not any(error.nodes or error.original_error for error in found), "an error that is kept keeps no document"
    shown = present_all(found, len(found), is_validated=False, outcomes={})
    return json.dumps([error.formatted for error in shown])


def test_the_cache_of_documents_is_bounded_by_size(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "_MAX_CACHED_TOKENS", 2000)
    monkeypatch.setattr(documents_module, "_MAX_REFUSED_CHARACTERS", 5000)
    documents = build_schema(settings).documents
    for number in range(50):
        many = " ".join(f"query q{number}x{one} {{ viewer {{ id }} }}" for one in range(40))
        assert isinstance(documents.prepare(many), KnownDocument)
        long = f'query s{number} {{ wallet(id: "{"x" * 20_000}") {{ id }} }}'
        assert isinstance(documents.prepare(long), KnownDocument)
        assert isinstance(documents.prepare(f"{{ nope{number} {'x' * 400} }}"), list)
        assert isinstance(documents.prepare("{ viewer { id } }"), KnownDocument)
    kept, refused = documents._documents, documents._refused
    assert 2 <= len(kept) < 10
    assert sum(known.size for known in kept.values()) == kept._size <= 2000
    assert 2 <= len(refused) < 15
    assert sum(one.size for one in refused.values()) == refused._size <= 5000
    assert documents.get("{ viewer { id } }") is not None, "what is used is kept"


def test_a_document_past_the_validators_budget_is_too_complex(settings: Settings) -> None:
    fields = "wallets(first: 1) { edges { node { id name } } } " * 40
    (error,) = build_schema(settings).documents.prepare(f"{{ viewer {{ {fields} }} }}")  # type: ignore[misc]
    assert isinstance(error, GraphQLError)
    assert (error.extensions or {})["code"] == "QUERY_TOO_COMPLEX"
    spread = " ".join(f"...f{n}" for n in range(30))
    fragments = " ".join(f"fragment f{n} on Wallet {{ id name balance {{ amount currency }} }}" for n in range(30))
    valid = f"{{ viewer {{ wallets {{ edges {{ node {{ {spread} }} }} }} }} }} {fragments}"
    assert isinstance(build_schema(settings).documents.prepare(valid), KnownDocument), "fragments of one type are no attack"
