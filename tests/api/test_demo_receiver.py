"""The demo's receiver of webhooks: it believes only what an endpoint's key has signed just now, and keeps little."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.db.pool import Database
from app.services.webhooks.signing import SigningKeys, signed_headers
from app.settings import Settings
from tests.api.conftest import Api, serving

_CREATE = """mutation($url: String!, $v: String!) {
  createWebhookEndpoint(input: {
    idempotencyKey: "a", url: $url, variables: $v
    document: "subscription ($w: ID!) { walletUpdated(walletId: $w) { entry { sequence } } }"
  }) { secret endpoint { publicKey } userErrors { message } }
}"""
BODY = b'{"data": {}}'


@pytest.fixture
async def api(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    """An API that allows endpoints on this machine, as `paycore dev` does."""
    async with serving(settings.model_copy(update={"webhook_private_targets": True}), engine) as running:
        yield running


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> SigningKeys:
    """The keys of the endpoint that is created next."""
    made = SigningKeys.generate()
    monkeypatch.setattr(SigningKeys, "generate", lambda: made)
    return made


async def _post(api: Api, keys: SigningKeys, *, body: bytes = BODY, seconds: int = 0, **changed: str) -> int:
    headers = {**signed_headers("msg_1", int(time.time()) + seconds, BODY, [keys]), **changed}
    return (await api.http.post("/demo/receiver/alice", content=body, headers=headers)).status_code


async def _received(api: Api) -> dict[str, Any]:
    state: dict[str, Any] = (await api.http.get("/demo/receiver", headers=api.headers("alice"))).json()
    return state


async def _endpoint(api: Api) -> None:
    wallet = await api.wallet("alice")
    url = (await _received(api))["url"]
    created = await api.data("alice", _CREATE, url=url, v=f'{{"w": "{wallet}"}}')
    assert created["createWebhookEndpoint"]["userErrors"] == []


async def test_what_the_endpoints_key_has_signed_just_now_is_accepted_and_nothing_else(api: Api, keys: SigningKeys) -> None:
    assert await _post(api, keys) == 401
    assert (await _received(api))["posts"][0]["problem"] == "no endpoint sends to this address"
    await _endpoint(api)
    assert await _post(api, keys) == 200
    newest = (await _received(api))["posts"][0]
    assert (newest["problem"], newest["message_id"], newest["body"], newest["answered"]) == (None, "msg_1", BODY.decode(), 200)
    for status, problem, change in (
        (401, "its signature is wrong", {"body": b"{}"}),
        (401, "its signature is wrong", {"webhook-id": "msg_2"}),
        (401, "its time is more than five minutes away", {"seconds": -301}),
        (401, "its time is more than five minutes away", {"seconds": 302}),
        (401, "it has no time", {"webhook-timestamp": "now"}),
        (401, "it has no v1a signature", {"webhook-signature": "v1,AAAA"}),
        (401, "its signature is wrong", {"webhook-signature": "v1a,%%% v1a,AAAA"}),
    ):
        assert (await _post(api, keys, **change), (await _received(api))["posts"][0]["problem"]) == (status, problem)
    assert await _post(api, SigningKeys(b"0" * 32, b"1" * 32)) == 401


async def test_its_owner_chooses_the_answer_and_sees_the_last_twenty_posts(api: Api, keys: SigningKeys) -> None:
    await _endpoint(api)
    for answer, status in ((500, 200), (410, 200), (200, 200), (201, 400), ("500", 400), (True, 400), (None, 400)):
        set_ = await api.http.put("/demo/receiver", json={"answer": answer}, headers=api.headers("alice"))
        assert set_.status_code == status, answer
        if status == 200:
            assert await _post(api, keys) == answer
    for _ in range(30):
        await _post(api, keys, body=b"x" * 10_000)
    state = await _received(api)
    assert (len(state["posts"]), len(state["posts"][0]["body"])) == (20, 4096)
    others = (await api.http.get("/demo/receiver", headers=api.headers("bob"))).json()
    assert (others["posts"], others["answer"]) == ([], 200)
    assert (await api.http.post("/demo/receiver/somebody", content=b"")).status_code == 404
    assert (await api.http.get("/demo/receiver", headers=api.headers("somebody"))).status_code == 404
