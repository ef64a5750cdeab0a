"""GraphQL and transfers by POST take a short way. It answers, counts and logs what the general way does."""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from app.db.pool import Database
from app.main import create_app
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_compression import LARGE, TRANSFER
from tests.api.test_metrics import samples
from tests.bank import new_key

VOLATILE = re.compile(
    r'"(?:id|createdAt|completedAt|created_at|completed_at|idempotency_key|transaction_id|remaining|retryAfterSeconds)": ?'
    r'"?[^",}]*"?|(?<=r=)\d+|(?<=t=)\d+'
)
REQUEST_ID = "the-same-request-id"


@pytest.fixture
async def api(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    """An API with rate limits and a small limit on bodies."""
    limits = {"requests_per_user_per_second": 500, "requests_per_address_per_second": 1000, "max_body_bytes": 100_000}
    async with serving(settings.model_copy(update=limits), engine) as running:
        yield running


Send = Callable[[Api, dict[str, str]], dict[str, Any]]
"""The arguments of httpx for a request, by the wallets' ids."""


def transfer(wallets: dict[str, str], amount: str = "0.01", **changes: object) -> dict[str, Any]:
    sides = {"senderWalletId": wallets["alice"], "receiverWalletId": wallets["bob"]}
    given = {"idempotencyKey": new_key(), "amount": {"amount": amount, "currency": "USD"}, **sides, **changes}
    return {"json": {"query": TRANSFER, "variables": {"input": given}}}


def query(text: str, **members: object) -> dict[str, Any]:
    return {"json": {"query": text, **members}}


def with_headers(request: dict[str, Any], **headers: str) -> dict[str, Any]:
    return {**request, "headers": {name.replace("_", "-"): value for name, value in headers.items()}}


async def _chunks() -> AsyncIterator[bytes]:
    for part in (b'{"query":', b' "{ viewer { id } }"}'):
        yield part


def rest(wallets: dict[str, str], amount: object = "0.01", key: str | None = None, **changes: object) -> dict[str, Any]:
    sides = {"sender_wallet_id": wallets["alice"], "receiver_wallet_id": wallets["bob"]}
    given = {"amount": amount, "currency": "USD", **sides, **changes}
    return {"path": "/transfer", "json": given, "headers": {"idempotency-key": key or new_key()}}


def rest_body(content: Any, **headers: str) -> dict[str, Any]:
    given = {"idempotency-key": new_key(), "content-type": "application/json"}
    return {"path": "/transfer", "content": content, "headers": given | {n.replace("_", "-"): v for n, v in headers.items()}}


CASES: dict[str, Send] = {
    "a transfer": lambda _, wallets: transfer(wallets),
    "a transfer that is refused": lambda _, wallets: transfer(wallets, "99999.00"),
    "a transfer of too much": lambda _, wallets: transfer(wallets, "1e9"),
    "a replay": lambda _, wallets: transfer(wallets, idempotencyKey="the-same-key"),
    "a query": lambda _, __: query("{ viewer { id displayName } }"),
    "a large answer": lambda _, __: with_headers(query(LARGE), accept_encoding="gzip"),
    "a body in chunks": lambda _, __: {"content": _chunks(), "headers": {"content-type": "application/json"}},
    "no body": lambda _, __: {"headers": {"content-type": "application/json"}},
    "a body that is no JSON": lambda _, __: {"content": b"{", "headers": {"content-type": "application/json"}},
    "a body of another type": lambda _, __: {"content": b"{}", "headers": {"content-type": "text/plain"}},
    "a compressed body": lambda _, __: with_headers(query("{ __typename }"), content_encoding="gzip"),
    "a body that is too large": lambda _, __: query("{ __typename }", variables={"a": "x" * 100_001}),
    "an array": lambda _, __: {"json": [{"query": "{ __typename }"}]},
    "a document that is none": lambda _, __: query("{ nope }"),
    "an unknown operation": lambda _, __: query("query A { __typename }", operationName="B"),
    "a query that costs too much": lambda _, wallets: query(
        f'{{ wallet(id: "{wallets["alice"]}") {{ transactions(first: 1000000) {{ edges {{ cursor }} }} }} }}'
    ),
    "a type that nothing has": lambda _, __: with_headers(query("{ __typename }"), accept="image/png"),
    "the newer media type": lambda _, __: with_headers(query("{ nope }"), accept="application/graphql-response+json"),
    "a stream of one answer": lambda _, __: with_headers(query("{ __typename }"), accept="text/event-stream"),
    "no token": lambda _, __: with_headers(query("{ viewer { id } }"), authorization=""),
    "a token that is none": lambda _, __: with_headers(query("{ viewer { id } }"), authorization="Bearer nope"),
    "a large body without a token": lambda _, __: with_headers(
        query("{ __typename }", variables={"a": "x" * 20_000}), authorization=""
    ),
    "from a page": lambda api, __: with_headers(query("{ __typename }"), origin=api.url),
    "REST": lambda _, wallets: rest(wallets),
    "REST that is refused": lambda _, wallets: rest(wallets, "99999.00"),
    "REST, a replay": lambda _, wallets: rest(wallets, key="the-same-key"),
    "REST, another amount for a used key": lambda _, wallets: rest(wallets, f"0.{random.randrange(10, 90)}", "the-same-key"),
    "REST without a key": lambda _, wallets: {**rest(wallets), "headers": {}},
    "REST, an amount that is no text": lambda _, wallets: rest(wallets, 1),
    "REST, an unknown field": lambda _, wallets: rest(wallets, more=1),
    "REST, a wallet of another": lambda _, wallets: rest(wallets, sender_wallet_id=wallets["bob"]),
    "REST, a body in chunks": lambda _, __: rest_body(_chunks()),
    "REST, no body": lambda _, __: rest_body(b""),
    "REST, a body that is no JSON": lambda _, __: rest_body(b"{"),
    "REST, a body of another type": lambda _, __: rest_body(b"{}", content_type="text/plain"),
    "REST, a compressed body": lambda _, __: rest_body(b"{}", content_encoding="gzip"),
    "REST, a body that is too large": lambda _, __: rest_body(b'"' + b"x" * 100_001 + b'"'),
    "REST without a token": lambda _, __: rest_body(b"{}", authorization=""),
    "REST, a token that is none": lambda _, __: rest_body(b"{}", authorization="Bearer nope"),
    "REST from a page": lambda api, __: rest_body(b"{}", origin=api.url),
}


async def answered(api: Api, request: dict[str, Any]) -> tuple[object, ...]:
    """What a request is answered, without what differs between any two: status, headers, body, and what it counted."""
    given = {**api.headers("alice"), "x-request-id": REQUEST_ID, **request.get("headers", {})}
    headers = {name: value for name, value in given.items() if value}
    before = await samples(api)
    response = await api.http.post(request.get("path", "/graphql"), **{**_arguments(request), "headers": headers})
    after = await samples(api)
    risen = {
        name: after[name] - before.get(name, 0)
        for name in after
        if name.startswith("paycore_request")
        and not re.search("_(sum|bucket|created)", name)
        and after[name] != before.get(name, 0)
    }
    shown = {name: value for name, value in response.headers.items() if name not in ("date", "content-length")}
    return response.status_code, _stable(json.dumps(shown)), _stable(response.text), risen


def _arguments(request: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name != "path"}


def _stable(text: str) -> str:
    return VOLATILE.sub("…", text)


@pytest.mark.parametrize("name", CASES)
async def test_both_ways_answer_count_and_log_the_same(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    wallets = {"alice": await api.wallet("alice", balance="100.00"), "bob": await api.wallet("bob")}
    if "replay" in name or "used key" in name:
        await answered(api, CASES[name](api, wallets))
    # Both find everything cached, and no wallet is new.
    await answered(api, transfer(wallets))
    await answered(api, query("{ viewer { id displayName } }"))
    seen = []
    for is_short in (True, False):
        if not is_short:
            monkeypatch.setattr(api.app, "_short", None)
        await answered(api, CASES[name](api, wallets))
        caplog.clear()
        with caplog.at_level(logging.INFO):
            answer = await answered(api, CASES[name](api, wallets))
        lines = [(record.name, record.levelname) for record in caplog.records if record.name.startswith("app")]
        seen.append((answer, lines))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("is_rest", [False, True])
async def test_a_bug_is_answered_and_logged_the_same(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_rest: bool
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(api.app.state.graphql, "_read", fail)
    monkeypatch.setattr("app.rest.routes.transfer", fail)
    wallets = {"alice": await api.wallet("alice"), "bob": await api.wallet("bob")}
    seen = []
    for is_short in (True, False):
        if not is_short:
            monkeypatch.setattr(api.app, "_short", None)
        caplog.clear()
        answer = await answered(api, rest(wallets) if is_rest else query("{ __typename }"))
        seen.append((answer, [(record.name, record.levelname) for record in caplog.records if record.name != "httpx"]))
    assert seen[0] == seen[1]
    assert seen[0][0][0] == 500


async def test_a_caller_above_the_rate_is_refused_the_same(settings: Settings, engine: Database) -> None:
    refused: list[httpx.Response] = []
    for is_short in (True, False):
        limits = {"requests_per_user_per_second": 1}
        async with serving(settings.model_copy(update=limits), engine, relay=False) as api:
            if not is_short:
                api.app._short = None  # type: ignore[attr-defined]
            answers = [
                await api.http.post("/graphql", **query("{ __typename }"), headers=api.headers("alice")) for _ in range(30)
            ]
            refused.append(next(answer for answer in answers if answer.status_code == 429))
    first, second = refused
    assert _stable(first.text) == _stable(second.text)
    assert first.headers.keys() == second.headers.keys()


def test_other_requests_take_the_general_way(settings: Settings) -> None:
    page = [(b"origin", b"https://pages.example")]
    ways = {
        ("POST", "/graphql", "origin"): True, ("GET", "/graphql", ""): False, ("POST", "/transfer", ""): True,
        ("POST", "/holds", ""): False, ("GET", "/transfer", ""): False,
        ("POST", "/graphql/", ""): False, ("POST", "/graphql", ""): True,
    }  # fmt: skip
    app = create_app(settings)
    for (method, path, origin), is_short in ways.items():
        scope = {"type": "http", "method": method, "path": path, "headers": page if origin else []}
        assert app._is_short(scope) == is_short
    strict = create_app(settings.model_copy(update={"cors_origins": ["https://pages.example"]}))
    scope = {"type": "http", "method": "POST", "path": "/graphql"}
    assert strict._is_short({**scope, "headers": []})
    assert not strict._is_short({**scope, "headers": page})
    assert create_app(settings.model_copy(update={"otlp_endpoint": "http://127.0.0.1:4318"}))._short is None
