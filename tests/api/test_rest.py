"""REST: the same services, plain HTTP, problems that programs can read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from sqlalchemy import text

from app import ids
from app.db.pool import Database
from app.rest.openapi import DESCRIPTION
from app.settings import Settings
from tests.api.conftest import Api, serving, shares_api
from tests.bank import new_key, uuid_of
from tests.proxy import postgres_proxy
from tests.tls_proxy import TlsProxy, make_certificate


def closed(described: Any) -> Any:
    """The description without leave for more: an answer's field that it does not name is an error, too."""
    if isinstance(described, list):
        return [closed(one) for one in described]
    if not isinstance(described, dict):
        return described
    rest = {"additionalProperties": False} if described.get("type") == "object" and "properties" in described else {}
    return {**{name: closed(value) for name, value in described.items()}, **rest}


CLOSED = closed(DESCRIPTION)


def assert_described(response: httpx.Response, path: str, method: str = "get") -> None:
    """The answer is one that the OpenAPI description promises."""
    described = CLOSED["paths"][path][method]["responses"][str(response.status_code)]
    media_type = response.headers["content-type"].split(";")[0]
    schema = {**described["content"][media_type]["schema"], "components": CLOSED["components"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(response.json())


async def post(api: Api, body: Any, subject: str | None = "alice", **headers: str) -> httpx.Response:
    """One POST /transfer, held against the description."""
    response = await api.http.post("/transfer", json=body, headers={**api.headers(subject), **headers})
    assert_described(response, "/transfer", "post")
    return response


async def good(api: Api) -> dict[str, str]:
    """A transfer that settles."""
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    return {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "1.00", "currency": "USD", "idempotency_key": new_key()}


@shares_api
async def test_a_new_transfer_is_201_and_its_replay_200_with_the_same_transaction(shared: Api) -> None:
    body = await good(shared)
    first, again = await post(shared, body), await post(shared, {**body, "amount": "1.0"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["transaction"] == again.json()["transaction"]
    assert (first.json()["replayed"], again.json()["replayed"]) == (False, True)
    assert await shared.bank.balance(body["sender_wallet_id"]) == 900


@shares_api
async def test_the_key_comes_in_the_header_or_the_body_and_two_that_differ_are_refused(shared: Api) -> None:
    body = await good(shared)
    key = body.pop("idempotency_key")
    assert (await post(shared, body, **{"Idempotency-Key": key})).status_code == 201
    assert (await post(shared, {**body, "idempotency_key": key}, **{"Idempotency-Key": key})).status_code == 200
    assert (await post(shared, {**body, "idempotency_key": "other"}, **{"Idempotency-Key": key})).json()[
        "code"
    ] == "BAD_USER_INPUT"
    assert (await post(shared, body)).json()["code"] == "BAD_USER_INPUT"


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
    ids=str,
)
@shares_api
async def test_a_refusal_is_a_problem_with_its_status_and_code(
    shared: Api, changes: dict[str, Any], status: int, code: str
) -> None:
    response = await post(shared, {**await good(shared), **changes})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    if code == "INSUFFICIENT_FUNDS":
        problem = response.json()
        assert (problem["available"]["amount"], problem["required"]["amount"]) == ("10.00", "10.01")
        assert problem["transaction"]["status"] == "FAILED"


@shares_api
async def test_a_key_with_other_input_is_409_and_names_the_transaction(shared: Api) -> None:
    body = await good(shared)
    first = await post(shared, body)
    other = await post(shared, {**body, "amount": "2.00"})
    assert other.status_code == 409
    assert other.json()["transaction_id"] == first.json()["transaction"]["id"]


BODIES = {
    "nothing": b"",
    "a part": b"{",
    "null": b"null",
    "a number": b"5",
    "a number of too many digits": b"1" * 5000,
    "a list": b"[]",
    "no UTF-8": b"\xff",
    "UTF-16": '{"amount": "1.00"}'.encode("utf-16"),
    "a lone surrogate": b'{"amount": "\\ud800"}',
    "a lone surrogate as a name": b'{"\\ud800": 1}',
    "NaN": b'{"amount": NaN}',
    "lists without end": b"[" * 100_000,
    "objects without end": b'{"a":' * 900 + b"1" + b"}" * 900,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@shares_api
async def test_a_body_that_is_not_a_json_object_is_400(shared: Api, body: bytes) -> None:
    response = await shared.http.post("/transfer", content=body, headers=shared.headers("alice"))
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")
    assert_described(response, "/transfer", "post")


@shares_api
async def test_a_field_given_twice_is_refused_and_moves_nothing(shared: Api) -> None:
    body = await good(shared)
    twice = json.dumps(body).replace('"amount": "1.00"', '"amount": "1.00", "amount": "9.00"')
    response = await shared.http.post("/transfer", content=twice, headers=shared.headers("alice"))
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")
    assert await shared.bank.balance(body["sender_wallet_id"]) == 1000
    assert (await post(shared, body)).status_code == 201, "the key was not used"


@shares_api
async def test_a_body_past_the_limit_is_413_with_or_without_content_length(shared: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * (shared.settings.max_body_bytes // 2)

    for content in (b" " * (shared.settings.max_body_bytes + 1), chunks()):
        response = await shared.http.post("/transfer", content=content, headers=shared.headers("alice"))
        assert (response.status_code, response.json()["code"]) == (413, "BODY_TOO_LARGE")
        assert_described(response, "/transfer", "post")


@shares_api
async def test_a_transfer_to_the_same_wallet_is_400(shared: Api) -> None:
    body = await good(shared)
    problem = (await post(shared, {**body, "receiver_wallet_id": body["sender_wallet_id"]})).json()
    assert (problem["status"], problem["code"], problem["field"]) == (400, "SAME_WALLET", "receiver_wallet_id")


@shares_api
async def test_a_frozen_wallet_is_422_and_its_transaction_is_replayed(shared: Api) -> None:
    body = await good(shared)
    freeze = 'mutation($id: ID!) { setWalletStatus(input: {walletId: $id, status: FROZEN, reason: "test"}) { wallet { id } } }'
    await shared.data("admin", freeze, id=body["receiver_wallet_id"])
    first, again = (await post(shared, body)).json(), (await post(shared, body)).json()
    assert (first["status"], first["code"], first["transaction"]["failure_code"]) == (422, *["WALLET_NOT_ACTIVE"] * 2)
    assert again == {**first, "replayed": True}


async def test_an_unknown_outcome_is_504_and_the_same_key_settles_it_once(settings: Settings, engine: Database) -> None:
    hasty = settings.model_copy(update={"request_timeout_seconds": 0.6, "statement_timeout_ms": 500})
    async with serving(hasty, engine) as api:
        body = await good(api)
        async with engine.begin() as connection:
            await connection.execute(
                text("SELECT FROM wallets WHERE id = :id FOR UPDATE"), {"id": uuid_of(body["sender_wallet_id"])}
            )
            late = await post(api, body)
        assert (late.status_code, late.json()["code"], late.json()["retryable"]) == (504, "TIMEOUT", True)
        assert (await post(api, body)).status_code in (200, 201)
        assert await api.bank.balance(body["sender_wallet_id"]) == 900


async def test_without_its_database_it_answers_503_with_a_request_id_and_is_not_ready(
    settings: Settings, engine: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert settings.database_url is not None
    async with postgres_proxy(settings.database_url.get_secret_value()) as proxy:
        through = settings.model_copy(update={"database_url": SecretStr(proxy.url)})
        async with serving(through, engine) as api:
            body = await good(api)
            proxy.refuse = True
            proxy.drop_connections()
            read = await api.http.get(f"/wallets/{body['sender_wallet_id']}", headers=api.headers("alice"))
            assert_described(read, "/wallets/{id}")
            for response in (read, await post(api, body)):
                assert (response.status_code, response.json()["code"]) == (503, "UNAVAILABLE")
                assert response.json()["retryable"] is True
                assert response.headers["x-request-id"]
            ready = await api.http.get("/readyz")
            assert (ready.status_code, ready.json()["database"], ready.json()["redis"]) == (503, "unavailable", "ok")
            assert (await api.http.get("/healthz")).status_code == 200
            proxy.refuse = False
            assert (await post(api, body)).status_code == 201
    assert not [record for record in caplog.records if record.exc_info], "an outage is no fault of ours"


async def test_requests_are_503_while_the_databases_certificate_is_not_accepted(
    settings: Settings, engine: Database, tmp_path: Path
) -> None:
    assert settings.database_url is not None
    proxy = TlsProxy(settings.database_url.get_secret_value())
    good_one = proxy.certificate = make_certificate(tmp_path / "good.pem")
    await proxy.start()
    try:
        through = settings.model_copy(update={"database_url": SecretStr(proxy.verified(good_one))})
        async with serving(through, engine) as api:
            body = await good(api)
            proxy.certificate = make_certificate(tmp_path / "other.pem")
            proxy.drop_connections()
            read = await api.http.get(f"/wallets/{body['sender_wallet_id']}", headers=api.headers("alice"))
            for response in (read, await post(api, body)):
                assert (response.status_code, response.json()["code"]) == (503, "UNAVAILABLE")
                assert response.json()["retryable"] is True
            proxy.certificate = good_one
            assert (await post(api, body)).status_code == 201
    finally:
        await proxy.stop()


async def test_it_is_not_ready_while_migrations_are_missing(api: Api, engine: Database) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("RESET ROLE"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()["migrations"]) == (503, "run paycore migrate")


async def test_readiness_names_missing_durability_and_fails_only_in_production(
    api: Api, engine: Database, settings: Settings
) -> None:
    async with engine.connect() as connection:
        off = [
            f"{name} = off"
            for name in ("fsync", "full_page_writes")
            if (await connection.execute(text(f"SHOW {name}"))).scalar() == "off"
        ]
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()["durability"]) == (200, " and ".join(off) or "ok")
    async with serving(settings.model_copy(update={"environment": "production"}), engine) as produced:
        ready = await produced.http.get("/readyz")
        assert ready.status_code == (503 if off else 200)


async def test_it_is_not_ready_if_the_database_is_read_only(settings: Settings, engine: Database) -> None:
    async with engine.begin() as connection:
        name = (await connection.execute(text("SELECT current_database()"))).scalar()
        await connection.execute(text("RESET ROLE"))
        await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    async with serving(settings, engine) as api:
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "read-only")
        # A first request makes its user, which is a write.
        first = await api.http.get(f"/wallets/{ids.encode('wal', uuid4())}", headers=api.headers("stranger"))
        assert (first.status_code, first.json()["code"], first.json()["retryable"]) == (503, "UNAVAILABLE", True)


async def test_an_interrupted_upload_is_not_logged_as_an_error(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    address = urlsplit(api.url)
    for path in ("/transfer", "/graphql"):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        request = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token('alice')}\r\n"
        writer.write(f"{request}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.transport.abort()
        await asyncio.sleep(0.2)
    assert (await api.http.get("/healthz")).status_code == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@shares_api
async def test_only_owners_can_read_wallets_and_transactions(shared: Api) -> None:
    body = await good(shared)
    transaction = (await post(shared, body)).json()["transaction"]
    paths = {
        f"/wallets/{body['sender_wallet_id']}": "/wallets/{id}",
        f"/wallets/{body['sender_wallet_id']}/transactions?first=1": "/wallets/{id}/transactions",
        f"/transactions/{transaction['id']}": "/transactions/{id}",
    }
    for path, described in paths.items():
        for subject, status in (("alice", 200), ("carol", 404), (None, 401)):
            response = await shared.http.get(path, headers=shared.headers(subject))
            assert response.status_code == status
            assert_described(response, described)
    page = (await shared.http.get(next(path for path in paths if "first" in path), headers=shared.headers("alice"))).json()
    assert page["items"] == [transaction]
    assert page["has_next_page"] is True


@pytest.mark.parametrize("query", ["first=0", "first=x", "first=101", "first=1&last=1", "after=nonsense", "status=NOPE", "nope=1",
                                   "created_from=yesterday", "created_to=2026-01-01", "first=1&first=2"])  # fmt: skip
@shares_api
async def test_an_invalid_query_parameter_is_400(shared: Api, query: str) -> None:
    wallet = await shared.wallet("alice")
    response = await shared.http.get(f"/wallets/{wallet}/transactions?{query}", headers=shared.headers("alice"))
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")


@shares_api
async def test_health_unknown_paths_and_wrong_methods_have_plain_answers(shared: Api) -> None:
    assert (await shared.http.get("/healthz")).json() == {"status": "alive"}
    ready = await shared.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    for path, method, status in (("/nope", "GET", 404), ("/transfer", "GET", 405)):
        response = await shared.http.request(method, path)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
    assert (await shared.http.get("/openapi.json")).json() == DESCRIPTION


@shares_api
async def test_every_answer_has_a_request_id_and_a_valid_one_is_kept(shared: Api) -> None:
    kept = await shared.http.get("/healthz", headers={"X-Request-Id": "abc-123"})
    replaced = await shared.http.get("/healthz", headers={"X-Request-Id": "a b<script>"})
    assert kept.headers["x-request-id"] == "abc-123"
    assert len(replaced.headers["x-request-id"]) == 32


@shares_api
async def test_a_content_type_that_browsers_send_without_preflight_is_refused(shared: Api) -> None:
    a, b = await shared.wallet("alice", balance="10.00"), await shared.wallet("bob")
    body = {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "1.00", "currency": "USD", "idempotency_key": "typed"}
    for type_ in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"):
        response = await shared.http.post(
            "/transfer", content=json.dumps(body), headers={**shared.headers("alice"), "Content-Type": type_}
        )
        assert (response.status_code, response.json()["code"]) == (415, "BAD_USER_INPUT"), type_
    accepted = {**shared.headers("alice"), "Content-Type": "Application/JSON; charset=utf-8"}
    response = await shared.http.post("/transfer", content=json.dumps(body), headers=accepted)
    assert response.status_code == 201, "nothing had moved"
    assert response.headers["cache-control"] == "no-store"


async def test_a_path_allows_all_of_its_methods(api: Api) -> None:
    answer = await api.http.options("/wallets/wal_x/statements", headers=api.headers("alice"))
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
