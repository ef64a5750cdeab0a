"""Large JSON answers are compressed by Accept-Encoding; small ones and event streams are not."""

from __future__ import annotations

import gzip
import json
from uuid import uuid4

import pytest

from tests.api.conftest import Api, shares_api
from tests.api.test_event_stream import events
from tests.api.test_subscriptions import WATCH

LARGE = "query { __schema { types { name description fields { name description } } } }"
TRANSFER = """mutation($input: TransferInput!) { transfer(input: $input) {
  replayed transaction { id status failureCode createdAt completedAt amount { amount currency }
    receiver { walletId displayName } }
  userErrors { __typename code message path } } }"""


async def raw(
    api: Api, method: str, path: str, accept: str | None, subject: str | None = "alice", **body: object
) -> tuple[bytes, dict[str, str]]:
    """The bytes as received, before decompression, and the headers."""
    headers = {**api.headers(subject), "Accept-Encoding": accept or "identity"}
    async with api.http.stream(method, path, headers=headers, json=body or None) as answer:
        return b"".join([part async for part in answer.aiter_raw()]), dict(answer.headers)


@pytest.mark.parametrize("accept", ["gzip", "br, GZIP;q=0.5", "deflate, gzip"])
@shares_api
async def test_a_large_graphql_answer_is_compressed(shared: Api, accept: str) -> None:
    plain, _ = await raw(shared, "POST", "/graphql", None, query=LARGE)
    packed, headers = await raw(shared, "POST", "/graphql", accept, query=LARGE)
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "Accept-Encoding"
    assert headers["content-length"] == str(len(packed))
    assert len(packed) < len(plain) / 3
    assert json.loads(gzip.decompress(packed))["data"] == json.loads(plain)["data"]


@shares_api
async def test_a_large_rest_answer_is_compressed(shared: Api) -> None:
    packed, headers = await raw(shared, "GET", "/openapi.json", "gzip", None)
    assert headers["content-encoding"] == "gzip"
    assert "paths" in json.loads(gzip.decompress(packed))


@pytest.mark.parametrize("accept", ["identity", "br", "gzip;q=0", "gzip; q=0.000"])
@shares_api
async def test_a_client_that_does_not_accept_gzip_gets_the_answer_as_it_is(shared: Api, accept: str) -> None:
    plain, headers = await raw(shared, "POST", "/graphql", accept, query=LARGE)
    assert "content-encoding" not in headers
    assert headers["vary"] == "Accept-Encoding"
    assert json.loads(plain)["data"]


@shares_api
async def test_the_answer_to_a_transfer_is_not_compressed(shared: Api) -> None:
    sender, receiver = await shared.wallet("alice", balance="10.00"), await shared.wallet("bob")
    payment = {
        "idempotencyKey": str(uuid4()),
        "senderWalletId": sender,
        "receiverWalletId": receiver,
        "amount": {"amount": "1.00", "currency": "USD"},
    }
    answer, headers = await raw(shared, "POST", "/graphql", "gzip", query=TRANSFER, variables={"input": payment})
    assert json.loads(answer)["data"]["transfer"]["transaction"]["status"] == "COMPLETED"
    assert "content-encoding" not in headers


@shares_api
async def test_an_event_stream_is_not_compressed(shared: Api) -> None:
    wallet = await shared.wallet("alice")
    async with events(shared, "alice", WATCH, wallet=wallet) as stream:
        assert "content-encoding" not in stream.response.headers
        assert (await stream.update())["kind"] == "SNAPSHOT"
