"""The names under which operations are counted: clients cannot create metric series at will."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.db.pool import Database
from app.schema.engine.persisted import sha256
from app.settings import Settings
from tests.api.conftest import Api, Socket, serving
from tests.api.test_metrics import samples

HUGE = "H" * 500_000


def count(name: str, transport: str) -> str:
    return f'paycore_request_seconds_count{{operation="{name}",transport="{transport}"}}'


async def ask_all(api: Api, subject: str | None, names: Iterable[str]) -> None:
    for name in names:
        answer = await api.http.post("/graphql", json={"query": f"query {name} {{ __typename }}"}, headers=api.headers(subject))
        assert answer.json()["data"] == {"__typename": "Query"}


async def over_socket(socket: Socket, id_: str, query: str, operation_name: Any = None) -> dict[str, Any]:
    """Run one operation over a WebSocket and return its only answer."""
    payload = {"query": query, "operationName": operation_name}
    await socket.send({"id": id_, "type": "subscribe", "payload": payload})
    answer = await socket.message(id_)
    if answer["type"] == "next":
        assert (await socket.message(id_))["type"] == "complete"
    return answer


async def ask_wrongly(api: Api, subject: str | None, mark: str) -> int:
    """Send operation names that their documents lack, over HTTP and a WebSocket; return how many over the WebSocket."""
    # A message without a token may not be larger.
    huge = HUGE[:10_000] if subject is None else HUGE
    wrong = [mark, f"{mark}\n", huge, "", *(f"{mark}{number}" for number in range(20))]
    for name in wrong:
        body = {"query": "query Right { __typename }", "operationName": name}
        assert (await api.http.post("/graphql", json=body, headers=api.headers(subject))).status_code == 400
    async with api.socket(subject) as socket:
        for number, name in enumerate(wrong):
            assert (await over_socket(socket, str(number), "query Right { __typename }", name))["type"] == "error"
        several = "query One { __typename } query Two { __typename }"
        assert (await over_socket(socket, "several", several))["type"] == "error"
        assert (await over_socket(socket, "invalid", f"query {mark} {{ nope }}", mark))["type"] == "error"
    return len(wrong) + 2


async def test_a_name_that_the_document_lacks_is_counted_as_unknown_over_every_transport(api: Api) -> None:
    before = await samples(api)
    sent = await ask_wrongly(api, "alice", "WrongByAlice")
    after = await samples(api)
    assert after[count("unknown", "websocket")] - before.get(count("unknown", "websocket"), 0) == sent
    assert not [name for name in after if "WrongByAlice" in name or HUGE[:65] in name]


async def test_a_long_operation_name_is_truncated(api: Api) -> None:
    await ask_all(api, "alice", ["L" * 9000])
    async with api.socket("alice") as socket:
        await over_socket(socket, "1", f"query {'L' * 9000} {{ __typename }}")
    after = await samples(api)
    assert after[count("L" * 64, "http")] == after[count("L" * 64, "websocket")] == 1
    assert not [name for name in after if "L" * 65 in name]


async def test_operations_without_a_token_are_counted_under_one_name(api: Api) -> None:
    before = await samples(api)
    await ask_all(api, None, (f"Stranger{number}" for number in range(130)))
    wrong = await ask_wrongly(api, None, "StrangerWrong")
    async with api.socket() as socket:
        for number in range(130):
            await over_socket(socket, str(number), f"query StrangerSocket{number} {{ __typename }}")
    await ask_all(api, "alice", (f"Guest{number}" for number in range(100)))
    after = await samples(api)
    for transport, sent in (("http", 130), ("websocket", 130 + wrong)):
        strangers = count("unauthenticated", transport)
        assert after[strangers] - before.get(strangers, 0) == sent
    assert not [name for name in after if "Stranger" in name]
    assert len([name for name in after if name.startswith('paycore_request_seconds_count{operation="Guest')]) == 100


async def test_the_number_of_names_is_bounded_and_listed_names_are_always_counted(
    settings: Settings, engine: Database, tmp_path: Path
) -> None:
    text = "query ListedOne { __typename }"
    path = tmp_path / "operations.json"
    path.write_text(json.dumps({sha256(text): text}))
    listing = settings.model_copy(update={"persisted_operations": "allow", "persisted_operations_file": path})
    async with serving(listing, engine, relay=False) as api:
        before = await samples(api)
        await ask_all(api, "alice", (f"Bounded{number}" for number in range(130)))
        await ask_all(api, "alice", ["ListedOne"])
        await api.http.post("/graphql", json={"query": "{"}, headers=api.headers("alice"))
        after = await samples(api)
    own = [name for name in after if name.startswith('paycore_request_seconds_count{operation="Bounded')]
    assert len(own) == 100
    assert after[count("other", "http")] - before.get(count("other", "http"), 0) == 30
    assert after[count("ListedOne", "http")] == 1
    assert after[count("unknown", "http")] - before.get(count("unknown", "http"), 0) == 1
