"""Listed operations run by their hash; if the list is locked, nothing else runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.db.pool import Database
from app.errors import ConfigurationError
from app.main import create_app
from app.schema.engine.build import build_schema
from app.schema.engine.persisted import sha256
from app.settings import Settings
from tests.api.conftest import Api, serving

ROOT = Path(__file__).parents[2]
LISTED = "query Me {\n  viewer {\n    displayName\n  }\n}"
OTHER = "query Me { viewer { id } }"
WATCH = "subscription W($id: ID!) {\n  walletUpdated(walletId: $id) {\n    kind\n  }\n}"


@pytest.fixture
def listed(settings: Settings, tmp_path: Path) -> Settings:
    path = tmp_path / "operations.json"
    path.write_text(json.dumps({sha256(text): text for text in (LISTED, WATCH)}))
    return settings.model_copy(update={"persisted_operations": "only", "persisted_operations_file": path})


@pytest.fixture
async def locked(listed: Settings, engine: Database) -> AsyncIterator[Api]:
    async with serving(listed, engine) as running:
        yield running


def by_hash(text: str) -> list[dict[str, Any]]:
    return [
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}},
        {"documentId": f"sha256:{sha256(text)}"},
    ]


async def ask(api: Api, **body: Any) -> Any:
    return (await api.http.post("/graphql", json=body, headers=api.headers("alice"))).json()


def code_of(answer: Any) -> str:
    code: str = answer["errors"][0]["extensions"]["code"]
    return code


async def test_a_listed_operation_runs_by_hash_by_text_and_by_text_with_typenames(locked: Api) -> None:
    for body in (*by_hash(LISTED), {"query": LISTED}, {"query": "query Me{viewer{displayName __typename}}"}):
        answer = await ask(locked, **body)
        assert answer["data"]["viewer"]["displayName"], answer
    params = {"extensions": json.dumps(by_hash(LISTED)[0]["extensions"])}
    got = (await locked.http.get("/graphql", params=params, headers=locked.headers("alice"))).json()
    assert got["data"]["viewer"]["displayName"], got


async def test_a_locked_list_runs_nothing_else(locked: Api) -> None:
    assert code_of(await ask(locked, query=OTHER)) == "OPERATION_NOT_ALLOWED"
    assert code_of(await ask(locked, query=f"{LISTED} {OTHER.replace('Me', 'You')}")) == "OPERATION_NOT_ALLOWED"
    assert (
        code_of(await ask(locked, query=LISTED.replace("displayName", "displayName @skip(if: false)"))) == "OPERATION_NOT_ALLOWED"
    )
    assert code_of(await ask(locked, query="{ __schema { queryType { name } } }")) == "OPERATION_NOT_ALLOWED"
    for body in by_hash(OTHER):
        assert code_of(await ask(locked, **body)) == "PERSISTED_QUERY_NOT_FOUND"
        assert code_of(await ask(locked, query=LISTED, **body)) == "BAD_USER_INPUT", "the hash is of another text"
    strange: tuple[object, ...] = ("", "x", "A" * 64, 5, 0, {})
    for name in strange:
        assert code_of(await ask(locked, documentId=name)) == "BAD_USER_INPUT"


async def test_a_websocket_runs_only_listed_operations(locked: Api) -> None:
    wallet = await locked.wallet("alice")
    async with locked.socket("alice") as socket:
        await socket.send({"id": "1", "type": "subscribe", "payload": {**by_hash(WATCH)[0], "variables": {"id": wallet}}})
        assert (await socket.data("1"))["walletUpdated"]["kind"] == "SNAPSHOT"
        await socket.subscribe("2", WATCH.replace("kind", "cursor"), id=wallet)
        assert (await socket.message("2"))["payload"][0]["extensions"]["code"] == "OPERATION_NOT_ALLOWED"
        await socket.send({"id": "3", "type": "subscribe", "payload": by_hash(OTHER)[0]})
        assert (await socket.message("3"))["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


async def test_an_open_list_runs_hashes_and_texts_and_hashes_need_a_list(
    listed: Settings, settings: Settings, engine: Database
) -> None:
    async with serving(listed.model_copy(update={"persisted_operations": "allow"}), engine) as api:
        assert "errors" not in await ask(api, **by_hash(LISTED)[0])
        assert "errors" not in await ask(api, query=OTHER)
    async with serving(settings, engine) as api:
        assert code_of(await ask(api, **by_hash(LISTED)[0])) == "PERSISTED_QUERY_NOT_SUPPORTED"


@pytest.mark.parametrize("prefix", ["", "sha256:"])
async def test_the_hashes_of_a_list_may_have_a_prefix(listed: Settings, engine: Database, prefix: str) -> None:
    # GraphQL Code Generator writes `sha256:`, the Relay compiler writes none.
    assert listed.persisted_operations_file is not None
    listed.persisted_operations_file.write_text(json.dumps({prefix + sha256(LISTED): LISTED}))
    async with serving(listed, engine) as api:
        for body in by_hash(LISTED):
            assert "errors" not in await ask(api, **body)


def test_every_operation_on_the_dashboards_list_is_valid(settings: Settings) -> None:
    operations = json.loads((ROOT / "frontend-demo" / "operations.json").read_text(encoding="utf-8")).values()
    documents = build_schema(settings).documents
    for text in operations:
        assert not isinstance(documents.prepare(text), list), text
    assert any("walletUpdated" in text for text in operations)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{", "not JSON"), ("[]", "must be an object"), ('{"a": 1}', "must be an object"),
        ('{"abc": "{ viewer { id } }"}', "is not the SHA-256"), (json.dumps({sha256("{"): "{"}), "not a GraphQL document"),
    ],
)  # fmt: skip
def test_an_invalid_list_stops_the_service_from_starting(listed: Settings, written: str, words: str) -> None:
    assert listed.persisted_operations_file is not None
    listed.persisted_operations_file.write_text(written)
    with pytest.raises(ConfigurationError, match=words):
        build_schema(listed)


def test_a_mode_without_a_list_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="PAYCORE_PERSISTED_OPERATIONS_FILE"):
        create_app(Settings(**{**settings.model_dump(), "persisted_operations": "only"}))
