"""An idempotency key in quotation marks is refused in the REST header, as clients mean the key without them."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api, shares_api
from tests.api.test_rest import good, post
from tests.bank import new_key

QUOTED = {
    "a string": '"{}"',
    "a string with a parameter": '"{}";v=1',
    "a string with an escape": '"{}\\"x"',
    "a string without its end": '"{}',
    "two strings": '"{}","x"',
    "two strings with a space": '"{}", "x"',
}


@pytest.mark.parametrize("form", QUOTED)
@shares_api
async def test_a_quoted_key_in_the_header_is_refused_before_and_after_the_same_key_without_quotes(shared: Api, form: str) -> None:
    body = await good(shared)
    key = body.pop("idempotency_key")
    quoted = {"Idempotency-Key": QUOTED[form].format(key)}
    before = await post(shared, body, **quoted)
    assert (await post(shared, body, **{"Idempotency-Key": key})).status_code == 201
    after = await post(shared, body, **quoted)
    for refused in (before, after):
        assert (refused.status_code, refused.json()["code"]) == (400, "IDEMPOTENCY_KEY_INVALID")
        assert refused.json()["field"] == "idempotency_key"
        assert ("without quotation marks" in refused.json()["detail"]) == (" " not in QUOTED[form])
    assert await shared.bank.balance(body["sender_wallet_id"]) == 900


@shares_api
async def test_an_empty_quoted_key_in_the_header_is_refused(shared: Api) -> None:
    body = await good(shared)
    del body["idempotency_key"]
    assert (await post(shared, body, **{"Idempotency-Key": '""'})).json()["code"] == "IDEMPOTENCY_KEY_INVALID"


@shares_api
async def test_a_quoted_key_in_the_header_with_the_key_in_the_body_is_refused_with_an_explanation(shared: Api) -> None:
    body = await good(shared)
    response = await post(shared, body, **{"Idempotency-Key": f'"{body["idempotency_key"]}"'})
    assert response.json()["code"] == "BAD_USER_INPUT"
    assert "Quotation marks" in response.json()["detail"]


@shares_api
async def test_a_quoted_key_in_the_header_replays_a_transfer_recorded_with_the_quotation_marks(shared: Api) -> None:
    body = await good(shared)
    # Recorded by a release that did not refuse such a header.
    first = await post(shared, {**body, "idempotency_key": f'"{body["idempotency_key"]}"'})
    quoted = {"Idempotency-Key": f'"{body.pop("idempotency_key")}"'}
    again = await post(shared, body, **quoted)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["transaction"] == first.json()["transaction"]
    other = await post(shared, {**body, "amount": "2.00"}, **quoted)
    assert (other.status_code, other.json()["code"]) == (400, "IDEMPOTENCY_KEY_INVALID")
    assert await shared.bank.balance(body["sender_wallet_id"]) == 900


@shares_api
async def test_a_quotation_mark_is_part_of_the_key_in_graphql(shared: Api) -> None:
    body = await good(shared)
    given = {"senderWalletId": body["sender_wallet_id"], "receiverWalletId": body["receiver_wallet_id"]}
    given |= {"idempotencyKey": f'"{new_key()}"', "amount": {"amount": "1.00", "currency": "USD"}}  # type: ignore[dict-item]
    pay = "mutation($i: TransferInput!) { transfer(input: $i) { replayed userErrors { code } } }"
    answers = [(await shared.data("alice", pay, i=given))["transfer"] for _ in range(2)]
    assert answers == [{"replayed": False, "userErrors": []}, {"replayed": True, "userErrors": []}]
