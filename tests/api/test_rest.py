"""REST: the same services, plain HTTP, problems that programs can read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from app.rest.openapi import DESCRIPTION
from tests.api.conftest import Api
from tests.bank import new_key


def assert_described(response: httpx.Response, path: str, method: str = "get") -> None:
    """The answer is one that the OpenAPI description promises."""
    described = DESCRIPTION["paths"][path][method]["responses"][str(response.status_code)]
    media_type = response.headers["content-type"].split(";")[0]
    schema = {**described["content"][media_type]["schema"], "components": DESCRIPTION["components"]}
    Draft202012Validator(schema).validate(response.json())


async def post(api: Api, body: Any, subject: str | None = "alice", **headers: str) -> httpx.Response:
    """One POST /transfer, held against the description."""
    response = await api.http.post("/transfer", json=body, headers={**api.headers(subject), **headers})
    assert_described(response, "/transfer", "post")
    return response


async def good(api: Api) -> dict[str, str]:
    """A transfer that settles."""
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    return {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "1.00", "currency": "USD", "idempotency_key": new_key()}


async def test_a_new_transfer_is_201_and_its_replay_200_with_the_same_transaction(api: Api) -> None:
    body = await good(api)
    first, again = await post(api, body), await post(api, {**body, "amount": "1.0"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["transaction"] == again.json()["transaction"]
    assert (first.json()["replayed"], again.json()["replayed"]) == (False, True)
    assert await api.bank.balance(body["sender_wallet_id"]) == 900


async def test_the_key_comes_in_the_header_or_the_body_and_two_that_differ_are_refused(api: Api) -> None:
    body = await good(api)
    key = body.pop("idempotency_key")
    assert (await post(api, body, **{"Idempotency-Key": key})).status_code == 201
    assert (await post(api, {**body, "idempotency_key": key}, **{"Idempotency-Key": key})).status_code == 200
    assert (await post(api, {**body, "idempotency_key": "other"}, **{"Idempotency-Key": key})).json()["code"] == "BAD_USER_INPUT"
    assert (await post(api, body)).json()["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"amount": "0"}, 400, "INVALID_AMOUNT"),
        ({"amount": "1.001"}, 400, "INVALID_AMOUNT"),
        ({"amount": 1}, 400, "BAD_USER_INPUT"),
        ({"amount": "1e3"}, 400, "BAD_USER_INPUT"),
        ({"amount": None}, 400, "BAD_USER_INPUT"),
        ({"currency": "ZZZ"}, 400, "INVALID_INPUT"),
        ({"currency": "EUR"}, 422, "CURRENCY_MISMATCH"),
        ({"description": "x" * 281}, 400, "INVALID_INPUT"),
        ({"description": 5}, 400, "BAD_USER_INPUT"),
        ({"idempotency_key": ""}, 400, "IDEMPOTENCY_KEY_INVALID"),
        ({"idempotency_key": 5}, 400, "BAD_USER_INPUT"),
        ({"receiver_wallet_id": "nonsense"}, 404, "WALLET_NOT_FOUND"),
        ({"sender_wallet_id": "nonsense"}, 404, "WALLET_NOT_FOUND"),
        ({"amount": "10.01"}, 422, "INSUFFICIENT_FUNDS"),
        ({"surprise": "x"}, 400, "BAD_USER_INPUT"),
    ],
)
async def test_a_refusal_is_a_problem_with_its_status_and_code(api: Api, changes: dict[str, Any], status: int, code: str) -> None:
    response = await post(api, {**await good(api), **changes})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    if code == "INSUFFICIENT_FUNDS":
        problem = response.json()
        assert (problem["available"]["amount"], problem["required"]["amount"]) == ("10.00", "10.01")
        assert problem["transaction"]["status"] == "FAILED"


async def test_a_key_with_other_input_is_409_and_names_the_transaction(api: Api) -> None:
    body = await good(api)
    first = await post(api, body)
    other = await post(api, {**body, "amount": "2.00"})
    assert other.status_code == 409
    assert other.json()["transaction_id"] == first.json()["transaction"]["id"]


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"5", b"[]", b"\xff", b'{"amount": "\\ud800"}'])
async def test_a_body_that_is_no_json_object_is_400(api: Api, body: bytes) -> None:
    response = await api.http.post("/transfer", content=body, headers=api.headers("alice"))
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")


async def test_wallets_and_transactions_are_read_by_their_owners_alone(api: Api) -> None:
    body = await good(api)
    transaction = (await post(api, body)).json()["transaction"]
    paths = {
        f"/wallets/{body['sender_wallet_id']}": "/wallets/{id}",
        f"/wallets/{body['sender_wallet_id']}/transactions?first=1": "/wallets/{id}/transactions",
        f"/transactions/{transaction['id']}": "/transactions/{id}",
    }
    for path, described in paths.items():
        for subject, status in (("alice", 200), ("carol", 404), (None, 401)):
            response = await api.http.get(path, headers=api.headers(subject))
            assert response.status_code == status
            assert_described(response, described)
    page = (await api.http.get(next(path for path in paths if "first" in path), headers=api.headers("alice"))).json()
    assert page["items"] == [transaction]
    assert page["has_next_page"] is True


@pytest.mark.parametrize("query", ["first=0", "first=x", "first=101", "first=1&last=1", "after=nonsense", "status=NOPE", "nope=1",
                                   "created_from=yesterday", "created_to=2026-01-01"])  # fmt: skip
async def test_a_query_that_is_not_understood_is_400(api: Api, query: str) -> None:
    wallet = await api.wallet("alice")
    response = await api.http.get(f"/wallets/{wallet}/transactions?{query}", headers=api.headers("alice"))
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")


async def test_health_the_unknown_and_the_forbidden_method_are_answered_plainly(api: Api) -> None:
    assert (await api.http.get("/healthz")).json() == {"status": "alive"}
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    for path, method, status in (("/nope", "GET", 404), ("/transfer", "GET", 405)):
        response = await api.http.request(method, path)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
    assert (await api.http.get("/openapi.json")).json() == DESCRIPTION


async def test_every_answer_carries_a_request_id_and_a_harmless_one_is_kept(api: Api) -> None:
    kept = await api.http.get("/healthz", headers={"X-Request-Id": "abc-123"})
    replaced = await api.http.get("/healthz", headers={"X-Request-Id": "a b<script>"})
    assert kept.headers["x-request-id"] == "abc-123"
    assert len(replaced.headers["x-request-id"]) == 32
