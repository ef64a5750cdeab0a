"""Server-Sent Events, for clients that cannot open a WebSocket: POST with a bearer token, resume with `after`."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from strawberry.http.streaming import SSETransport

from app.access.tokens import mint_token
from app.db.pool import Database
from app.schema.transport.event_stream import EventTransport
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_subscriptions import WATCH
from tests.waiting import soon

SETTLED = "subscription { transactionSettled { transaction { id } } }"


class Stream:
    """The events of one answer."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def event(self, *, within: float = 30) -> tuple[str, Any]:
        """The name and the data of the next event; ("end", None) if the stream ends instead."""
        name = ""
        async with asyncio.timeout(within):
            async for line in self._lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field in ("data", "data:") and name:
                    return name, json.loads(value) if value else None
        return "end", None

    async def update(self) -> dict[str, Any]:
        """The wallet update in the next event."""
        name, answer = await self.event()
        assert name == "next", answer
        assert "errors" not in answer, answer
        update: dict[str, Any] = answer["data"]["walletUpdated"]
        return update


@asynccontextmanager
async def events(api: Api, subject: str | None, query: str, token: str | None = None, **variables: Any) -> AsyncIterator[Stream]:
    headers = {**api.headers(subject), "Accept": "text/event-stream"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = {"query": query, "variables": variables}
    async with api.http.stream("POST", "/graphql", json=body, headers=headers) as response:
        yield Stream(response)


async def test_a_stream_of_a_wallet_resumes_from_its_cursor(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    alice = await api.bank.viewer("alice")
    async with events(api, "bob", WATCH, wallet=b) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert stream.response.headers["cache-control"] == "no-cache, no-transform"
        assert (await stream.update())["kind"] == "SNAPSHOT"
        await api.bank.pay(alice, a, b, "1.00")
        first = await stream.update()
        assert (first["kind"], first["entry"]["sequence"]) == ("ENTRY", "1")
    for _ in range(3):
        await api.bank.pay(alice, a, b, "1.00")
    async with events(api, "bob", WATCH, wallet=b, after=first["cursor"]) as stream:
        missed = [await stream.update() for _ in range(4)]
        assert [update["entry"] and update["entry"]["sequence"] for update in missed] == ["2", "3", "4", None]
        assert missed[-1]["kind"] == "SNAPSHOT"
        await api.bank.pay(alice, a, b, "1.00")
        assert (await stream.update())["entry"]["sequence"] == "5"


async def test_a_query_mutation_or_error_is_one_event_and_the_end(api: Api) -> None:
    for query, codes in (("{ viewer { id } }", []),
                         ("{", ["GRAPHQL_VALIDATION_FAILED"]), ("{ nope }", ["GRAPHQL_VALIDATION_FAILED"]),
                         ("subscription { walletUpdated(walletId: \"x\") { kind } }", ["NOT_FOUND"])):  # fmt: skip
        async with events(api, "alice", query) as stream:
            name, answer = await stream.event()
            assert name == "next"
            assert [error["extensions"]["code"] for error in answer.get("errors", [])] == codes
            assert await stream.event() == ("complete", None)
            assert await stream.event() == ("end", None)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"query": null}', b'{"query": 5}', b'{"query": ""}'])
async def test_a_malformed_request_is_400_and_no_stream(api: Api, body: bytes) -> None:
    headers = {**api.headers("alice"), "Accept": "text/event-stream", "Content-Type": "application/json"}
    response = await api.http.post("/graphql", content=body, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (400, "application/json")
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_every_event_heartbeat_and_end_is_framed_with_lf_only(
    settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventTransport, "__init__", lambda self: SSETransport.__init__(self, heartbeat_interval=0.2))
    async with serving(settings.model_copy(update={"jwt_clock_skew_seconds": 0}), engine) as api:
        b = await api.wallet("bob")
        token = mint_token("bob", api.settings, lifetime=timedelta(seconds=3))
        async with asyncio.timeout(20), events(api, None, WATCH, token, wallet=b) as stream:
            text = (await stream.response.aread()).decode()
    assert "\r" not in text
    *frames, rest = text.split("\n\n")
    assert rest == ""
    assert ": ping" in frames
    snapshot, farewell, complete = [frame for frame in frames if frame != ": ping"]
    for frame in (snapshot, farewell):
        name, data = frame.split("\n")
        assert (name, data[:6]) == ("event: next", "data: ")
        assert json.loads(data[6:])
    assert complete == "event: complete\ndata: "


async def test_a_stream_without_a_token_is_unauthenticated(api: Api) -> None:
    b = await api.wallet("bob")
    for subject, code in ((None, "UNAUTHENTICATED"), ("carol", "NOT_FOUND")):
        async with events(api, subject, WATCH, wallet=b) as stream:
            _, answer = await stream.event()
            assert answer["errors"][0]["extensions"]["code"] == code
            assert (await stream.event())[0] == "complete"


async def test_a_stream_ends_with_a_code_when_its_token_expires(settings: Settings, engine: Database) -> None:
    async with serving(settings.model_copy(update={"jwt_clock_skew_seconds": 0}), engine) as api:
        b = await api.wallet("bob")
        async with events(api, None, WATCH, mint_token("bob", api.settings, lifetime=timedelta(seconds=2)), wallet=b) as stream:
            assert (await stream.update())["kind"] == "SNAPSHOT"
            name, answer = await stream.event()
            assert (name, answer["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
            assert await stream.event() == ("complete", None)
        await soon(lambda: not api.services.live._by_user)


async def test_a_client_that_leaves_frees_its_subscription(api: Api) -> None:
    b = await api.wallet("bob")
    async with events(api, "bob", WATCH, wallet=b) as watching, events(api, "bob", SETTLED):
        await watching.update()
        await soon(lambda: sum(api.services.live._by_user.values()) == 2)
    await soon(lambda: not api.services.live._by_user and not api.services.live._watches)


async def test_the_limit_of_a_user_counts_streams_and_sockets_together(settings: Settings, engine: Database) -> None:
    async with serving(settings.model_copy(update={"max_subscriptions_per_user": 2}), engine) as api:
        b, c = await api.wallet("bob"), await api.wallet("carol")
        async with api.socket("bob") as socket, events(api, "bob", WATCH, wallet=b) as stream:
            await stream.update()
            await socket.subscribe("1", WATCH, wallet=b)
            await socket.data("1")
            async with events(api, "bob", SETTLED) as refused:
                _, answer = await refused.event()
                assert answer["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 5}
            await socket.subscribe("2", WATCH, wallet=b)
            message = await socket.message("2")
            errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
            assert errors[0]["extensions"]["code"] == "RATE_LIMITED"
            async with events(api, "carol", WATCH, wallet=c) as others:
                assert (await others.update())["kind"] == "SNAPSHOT"
            await socket.send({"type": "complete", "id": "1"})
            await soon(lambda: len(api.services.live._watches) == 1)
            await socket.subscribe("3", WATCH, wallet=b)
            assert (await socket.data("3"))["walletUpdated"]["kind"] == "SNAPSHOT"


async def test_a_stopping_process_ends_its_streams_without_a_complete_event(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    b = await api.wallet("bob")
    view = api.app.state.graphql
    async with events(api, "bob", WATCH, wallet=b) as stream:
        await stream.update()
        view.event_streams.stop()
        assert await stream.event(within=5) == ("end", None)


async def test_a_client_that_accepts_json_and_streams_gets_a_stream_only_for_a_subscription(api: Api) -> None:
    accept = "application/graphql-response+json, application/json, text/event-stream"
    for query, media_type in (("{ viewer { id } }", "application/graphql-response+json"), (SETTLED, "text/event-stream")):
        headers = {**api.headers("alice"), "Accept": accept}
        async with api.http.stream("POST", "/graphql", json={"query": query}, headers=headers) as response:
            assert (response.status_code, response.headers["content-type"]) == (200, media_type)
    refused = await api.http.get("/graphql", params={"query": SETTLED}, headers={"Accept": "text/event-stream"})
    assert refused.status_code == 406


@pytest.fixture
async def hasty(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    async with serving(settings.model_copy(update={"send_timeout_seconds": 1.0}), engine) as running:
        yield running


async def test_a_client_that_reads_nothing_is_disconnected(hasty: Api) -> None:
    api = hasty
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    fields = " ".join(f"w{number}: wallet {{ name id updatesCursor }}" for number in range(60))
    watch = f"subscription($w: ID!) {{ walletUpdated(walletId: $w) {{ cursor {fields} }} }}"
    body = json.dumps({"query": watch, "variables": {"w": b}}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token('bob')}\r\nContent-Type: application/json\r\n"
        f"Accept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(silent, ("127.0.0.1", int(api.url.rpartition(":")[2])))
    await loop.sock_sendall(silent, head.encode() + body)
    try:
        await soon(lambda: api.services.live._watches)
        alice = await api.bank.viewer("alice")
        # More than the buffers of both kernels hold, at about 8 kB per entry.
        for _ in range(700):
            await api.bank.pay(alice, a, b, "0.01")
        await soon(lambda: not api.services.live._watches, 20)
    finally:
        silent.close()
