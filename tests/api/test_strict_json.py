"""Ambiguous JSON, and JSON that is expensive to read before its sender is known, are refused."""

from __future__ import annotations

import json

import pytest

from app.errors import BadUserInput
from app.http import strict_json
from app.http.strict_json import MAX_MARKS
from app.schema.engine.requests import LONGEST_LIST, MAX_ANONYMOUS_BYTES
from app.settings import MAX_BATCH
from tests.api.conftest import Api, shares_api
from tests.bank import new_key

PAY = "mutation($i: TransferInput!) { transfer(input: $i) { transaction { id } userErrors { code } } }"
BATCH = "mutation($i: [TransferInput!]!) { transferBatch(input: {transfers: $i}) { userErrors { code } } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"


async def payment(api: Api) -> tuple[str, str]:
    """A request body that pays 1.00, and the sender's wallet."""
    alice = await api.bank.viewer("alice")
    sender, receiver = await api.bank.wallet(alice, balance="100.00"), await api.bank.wallet(alice)
    given = {
        "idempotencyKey": new_key(),
        "senderWalletId": sender,
        "receiverWalletId": receiver,
        "amount": {"amount": "1.00", "currency": "USD"},
    }
    return json.dumps({"query": PAY, "variables": {"i": given}}), sender


TWICE = {
    "amount": ('"amount": "1.00"', '"amount": "1.00", "amount": "99.00"'),
    "escaped amount": ('"amount": "1.00"', '"amount": "1.00", "\\u0061mount": "99.00"'),
    "amount with other names between": ('"amount": "1.00"', '"amount": "1.00", "x": ":", "amount" : "99.00"'),
    "currency": ('"currency": "USD"', '"currency": "USD", "currency": "USD"'),
    "idempotencyKey": ('"idempotencyKey"', '"idempotencyKey": "other", "idempotencyKey"'),
    "variables": ('"variables"', '"variables": {}, "variables"'),
    "query": ('"query"', '"query": "{ __typename }", "query"'),
}


@pytest.mark.parametrize("name", TWICE)
@shares_api
async def test_a_duplicate_name_over_http_is_refused_and_moves_nothing(shared: Api, name: str) -> None:
    body, sender = await payment(shared)
    twice = body.replace(*TWICE[name])
    assert twice != body
    headers = {**shared.headers("alice"), "Content-Type": "application/json"}
    response = await shared.http.post("/graphql", content=twice, headers=headers)
    error = response.json()["errors"][0]
    assert (response.status_code, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert "twice" in error["message"]
    assert await shared.bank.balance(sender) == 100_00


@pytest.mark.parametrize("name", TWICE)
@shares_api
async def test_a_duplicate_name_over_a_websocket_closes_it_and_moves_nothing(shared: Api, name: str) -> None:
    body, sender = await payment(shared)
    twice = body.replace(*TWICE[name])
    async with shared.socket("alice") as socket:
        await socket.send(f'{{"id": "1", "type": "subscribe", "payload": {twice}}}')
        assert await socket.close_code() == 4400
        assert "twice" in str(socket.connection.close_reason)
    assert await shared.bank.balance(sender) == 100_00


@shares_api
async def test_too_deeply_nested_json_is_refused(shared: Api) -> None:
    body = '{"query": "{ __typename }", "variables": {"x": ' + "[" * 1010 + "]" * 1010 + "}}"
    headers = {**shared.headers("alice"), "Content-Type": "application/json"}
    response = await shared.http.post("/graphql", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (NODES, {"ids": ["wal_x"] * (LONGEST_LIST + 1)}),
        (BATCH, {"i": [{}] * (LONGEST_LIST + 1)}),
        (NODES, {"other": [{"deep": ["x"] * (LONGEST_LIST + 1)}]}),
    ],
)
@shares_api
async def test_a_long_list_in_the_variables_is_refused_before_it_is_coerced(
    shared: Api, query: str, variables: dict[str, object]
) -> None:
    answer = await shared.graphql("alice", query, **variables)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["QUERY_TOO_COMPLEX"]
    async with shared.socket("alice") as socket:
        await socket.subscribe("1", query, **variables)
        message = await socket.message("1")
        assert message["payload"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


@shares_api
async def test_a_batch_of_one_transfer_too_many_gets_a_refusal_of_its_own(shared: Api) -> None:
    given = {"idempotencyKey": "k", "senderWalletId": "x", "receiverWalletId": "y", "amount": {"amount": "1", "currency": "USD"}}
    answer = await shared.graphql("alice", BATCH, i=[given] * (MAX_BATCH + 1))
    assert answer["data"]["transferBatch"]["userErrors"] == [{"code": "INVALID_INPUT"}]


@pytest.mark.parametrize("token", [None, "nonsense"])
@shares_api
async def test_a_large_body_without_a_valid_token_is_refused_before_it_is_parsed(shared: Api, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    body = "{" + " " * MAX_ANONYMOUS_BYTES
    response = await shared.http.post("/graphql", content=body, headers={**headers, "Content-Type": "application/json"})
    assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["UNAUTHENTICATED"]


MANY = {
    "objects": "{}",
    "lists": "[]",
    "numbers": "0",
    "strings": '"a,b"',
    "escaped quotes": '"\\\\", "\\""',
}


@pytest.mark.parametrize("name", MANY)
def test_json_of_too_many_values_is_refused(name: str) -> None:
    text = "[" + ",".join([MANY[name]] * (MAX_MARKS + 1)) + "]"
    for given in (text, text.encode()):
        with pytest.raises(BadUserInput, match="commas and opening brackets"):
            strict_json.loads(given)


def test_punctuation_in_strings_is_not_counted_as_values() -> None:
    value = {"text": ',[{\\"' * MAX_MARKS, "other": [",[{", '"[', "\\"] * 1000}
    for given in (json.dumps(value), json.dumps(value).encode()):
        assert strict_json.loads(given) == value


@shares_api
async def test_a_websocket_message_of_too_many_values_closes_it(shared: Api) -> None:
    async with shared.socket("alice") as socket:
        await socket.send('{"type": "ping", "payload": {"x": [' + "0," * MAX_MARKS + "0]}}")
        assert await socket.close_code() == 4400


@shares_api
async def test_a_body_of_too_many_values_is_refused(shared: Api) -> None:
    body = '{"query": "{ __typename }", "variables": {"x": [' + "0," * MAX_MARKS + "0]}}"
    headers = {**shared.headers("alice"), "Content-Type": "application/json"}
    for path in ("/graphql", "/transfer"):
        response = await shared.http.post(path, content=body, headers=headers)
        assert response.status_code == 400
        assert "BAD_USER_INPUT" in response.text
