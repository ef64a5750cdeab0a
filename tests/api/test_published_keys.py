"""Tokens of an identity provider are accepted over HTTP, WebSockets and event streams while their key is published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from app import main
from app.access.jwks import SigningKeys
from app.db.pool import Database
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_event_stream import Stream, events
from tests.api.test_subscriptions import WATCH
from tests.identity_provider import KeyPair, Provider, ec_key, jwks, provider, rsa_key, with_jwks
from tests.transport_ws import Socket, open_socket
from tests.waiting import soon

OLD, NEW, STRANGER = rsa_key("old"), ec_key("new"), rsa_key("old")
ASK = "{ viewer { id } }"
REFUSED = {"UNAUTHENTICATED"}


@pytest.fixture
async def idp() -> AsyncIterator[Provider]:
    async with provider(OLD) as running:
        yield running


@pytest.fixture
def published(settings: Settings, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that reload the keys every second, and at once for an unknown key."""
    monkeypatch.setattr(main, "SigningKeys", partial(SigningKeys, refresh_seconds=1, unknown_key_seconds=0))
    return with_jwks(settings, jwks_url=idp.url)


@pytest.fixture
async def api(published: Settings, engine: Database) -> AsyncIterator[Api]:
    async with serving(published, engine) as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def socket_of(api: Api, token: str | None) -> AsyncIterator[Socket]:
    async with open_socket(api.url.replace("http", "ws", 1) + "/graphql", None if token is None else bearer(token)) as socket:
        yield socket


async def codes_over_http(api: Api, token: str) -> set[str]:
    answer = (await api.http.post("/graphql", json={"query": ASK}, headers=bearer(token))).json()
    return codes_of(answer)


async def codes_of_stream(api: Api, token: str) -> set[str]:
    async with events(api, None, ASK, token) as stream:
        return codes_of((await stream.event())[1])


async def close_code(api: Api, token: str) -> int:
    async with socket_of(api, None) as socket:
        await socket.send({"type": "connection_init", "payload": bearer(token)})
        return await socket.close_code()


def codes_of(answer: dict[str, Any]) -> set[str]:
    return {error["extensions"]["code"] for error in answer.get("errors", [])}


async def test_only_tokens_of_a_published_key_are_accepted_by_all_transports(api: Api, idp: Provider) -> None:
    async def is_accepted(key: KeyPair) -> None:
        assert await codes_over_http(api, key.sign()) == await codes_of_stream(api, key.sign()) == set()
        async with socket_of(api, key.sign()) as socket:
            await socket.subscribe("1", ASK)
            assert (await socket.data("1"))["viewer"]["id"].startswith("usr_")

    await is_accepted(OLD)
    for token in (STRANGER.sign(), NEW.sign(), OLD.sign(aud="another service"), OLD.sign(iss="https://evil.example.com/")):
        assert await codes_over_http(api, token) == await codes_of_stream(api, token) == REFUSED
        assert await close_code(api, token) == 4403
    idp.body = jwks(OLD, NEW)
    await is_accepted(NEW)
    await is_accepted(OLD)


@asynccontextmanager
async def subscribed_twice(api: Api, wallet: str, token: str) -> AsyncIterator[tuple[Socket, Stream]]:
    """A WebSocket and a stream that watch a wallet and have sent their snapshots."""
    async with socket_of(api, token) as socket, events(api, None, WATCH, token, wallet=wallet) as stream:
        await socket.subscribe("1", WATCH, wallet=wallet)
        assert (await socket.data("1"))["walletUpdated"]["kind"] == "SNAPSHOT"
        assert (await stream.update())["kind"] == "SNAPSHOT"
        yield socket, stream


async def test_a_withdrawn_key_ends_only_the_sockets_and_streams_of_its_tokens(api: Api, idp: Provider) -> None:
    idp.body = jwks(OLD, NEW)
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    token = OLD.sign(sub="bob")
    async with (
        subscribed_twice(api, b, token) as (socket, stream),
        socket_of(api, token) as silent,
        subscribed_twice(api, b, NEW.sign(sub="bob")) as (other_socket, other_stream),
    ):
        idp.body = jwks(NEW)
        assert await socket.close_code() == await silent.close_code() == 4403
        assert not [message for message in socket._pending if message.get("id") == "1"], "it is resumed, not ended"
        assert "no longer in use" in str(silent.connection.close_reason)
        name, answer = await stream.event()
        assert (name, codes_of(answer)) == ("next", REFUSED)
        assert await stream.event() == ("complete", None)
        assert await stream.event() == ("end", None)
        assert await codes_over_http(api, token) == REFUSED
        assert await close_code(api, token) == 4403
        await api.bank.pay(await api.bank.viewer("alice"), a, b, "1.00")
        assert (await other_socket.data("1"))["walletUpdated"]["kind"] == "ENTRY"
        assert (await other_stream.update())["kind"] == "ENTRY"
    await soon(lambda: not api.services.live._watches)


async def test_connections_end_while_the_provider_is_unreachable_for_too_long(
    published: Settings, engine: Database, idp: Provider
) -> None:
    async with serving(published.model_copy(update={"jwks_max_age_seconds": 4.0}), engine) as api:
        token = OLD.sign()
        async with socket_of(api, token) as socket:
            await asyncio.sleep(4.5)
            await socket.subscribe("1", ASK)
            assert await socket.data("1"), "the token was checked several times"
            idp.status = 500
            assert await socket.close_code() == 4403
        assert await codes_over_http(api, token) == await codes_of_stream(api, token) == {"UNAVAILABLE"}
        assert await close_code(api, token) == 1013
        idp.status = 200
        async with socket_of(api, token) as socket:
            await socket.subscribe("1", ASK)
            assert await socket.data("1")
