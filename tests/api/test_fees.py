"""Fees over GraphQL and REST: published, stated in a refusal, accepted, charged and shown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import Api
from tests.api.test_rest import assert_described, good
from tests.bank import new_key

PUBLISH = """mutation($input: PublishFeeScheduleInput!) {
  publishFeeSchedule(input: $input) {
    replayed userErrors { code path }
    feeSchedule { id version percent flat { amount } minimum { amount } validFrom }
  }
}"""
PAY = """mutation($input: TransferInput!) {
  transfer(input: $input) {
    transaction {
      fees { label payer amount { amount } explanation schedule { version } }
      entries { purpose amount { amount } direction }
    }
    userErrors { code path ... on FeeExceedsLimit { fee { amount } limit { amount } } }
  }
}"""
PREVIEW = """query($input: TransferInput!) {
  previewTransfer(input: $input) {
    debited { amount } credited { amount } fees { amount { amount } explanation } entries { purpose }
    userErrors { code ... on FeeExceedsLimit { fee { amount } } }
  }
}"""
CARD_FEE = {
    "name": "Card fee",
    "currency": "USD",
    "payer": "SENDER",
    "percent": "2.90",
    "flat": {"amount": "0.30", "currency": "USD"},
    "reason": "new prices",
}


async def publish(api: Api, **changes: Any) -> dict[str, Any]:
    data = await api.data("admin", PUBLISH, input={"idempotencyKey": new_key(), **CARD_FEE, **changes})
    published: dict[str, Any] = data["publishFeeSchedule"]
    return published


@pytest.fixture
async def wallets(api: Api) -> dict[str, str]:
    return {"senderWalletId": await api.wallet("alice", balance="100.00"), "receiverWalletId": await api.wallet("bob")}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


async def test_a_fee_is_previewed_refused_without_consent_charged_with_it_and_explained(
    api: Api, wallets: dict[str, str]
) -> None:
    published = await publish(api)
    assert published["userErrors"] == []
    assert published["feeSchedule"] | {"id": "", "validFrom": ""} == {
        "id": "", "validFrom": "", "version": 1, "percent": "2.9", "flat": {"amount": "0.30"}, "minimum": None,
    }  # fmt: skip
    sent = {"idempotencyKey": new_key(), **wallets, "amount": usd("10.00")}
    refused = {"code": "FEE_EXCEEDS_LIMIT", "fee": {"amount": "0.59"}}
    preview = (await api.data("alice", PREVIEW, input=sent))["previewTransfer"]
    assert (preview["fees"], preview["userErrors"]) == ([], [refused])
    answer = (await api.data("alice", PAY, input=sent))["transfer"]
    assert answer == {
        "transaction": None,
        "userErrors": [{**refused, "path": ["input", "maxFee"], "limit": {"amount": "0.00"}}],
    }
    agreed = {**sent, "maxFee": usd("0.59")}
    preview = (await api.data("alice", PREVIEW, input=agreed))["previewTransfer"]
    explanation = "2.9 % of 10.00 + 0.30 = 0.59"
    assert preview["fees"] == [{"amount": {"amount": "0.59"}, "explanation": explanation}]
    assert (preview["debited"]["amount"], preview["credited"]["amount"]) == ("10.59", "10.00")
    paid = (await api.data("alice", PAY, input=agreed))["transfer"]
    assert paid["userErrors"] == []
    assert paid["transaction"] == {
        "fees": [{
            "label": "Card fee", "payer": "SENDER", "amount": {"amount": "0.59"}, "explanation": explanation,
            "schedule": {"version": 1},
        }],
        "entries": [
            {"purpose": "PRINCIPAL", "amount": {"amount": "10.00"}, "direction": "DEBIT"},
            {"purpose": "FEE", "amount": {"amount": "0.59"}, "direction": "DEBIT"},
        ],
    }  # fmt: skip


async def test_a_payer_sees_the_balance_after_amount_and_fee_live(api: Api, wallets: dict[str, str]) -> None:
    await publish(api)
    await api.relayed()
    watch = "subscription($id: ID!) { walletUpdated(walletId: $id) { kind wallet { balance { amount } } entry { purpose } } }"
    async with api.socket("alice") as socket:
        await socket.subscribe("1", watch, id=wallets["senderWalletId"])
        assert (await socket.data("1"))["walletUpdated"]["kind"] == "SNAPSHOT"
        sent = {"idempotencyKey": new_key(), **wallets, "amount": usd("10.00"), "maxFee": usd("1.00")}
        await api.data("alice", PAY, input=sent)
        updates = [(await socket.data("1"))["walletUpdated"] for _ in range(2)]
    assert [(one["wallet"]["balance"]["amount"], one["entry"]["purpose"]) for one in updates] == [
        ("90.00", "PRINCIPAL"),
        ("89.41", "FEE"),
    ]


async def test_the_fee_of_a_receiver_is_shown_to_the_receiver_and_to_the_sender_who_agreed(
    api: Api, wallets: dict[str, str]
) -> None:
    await publish(api, payer="RECEIVER")
    sent = {"idempotencyKey": new_key(), **wallets, "amount": usd("10.00"), "maxFee": usd("1.00")}
    document = PAY.replace("transaction {", "transaction { id")
    paid = (await api.data("alice", document, input=sent))["transfer"]["transaction"]
    query = "query($id: ID!) { transaction(id: $id) { fees { payer amount { amount } } } }"
    for subject in ("alice", "bob", "admin"):
        shown = await api.data(subject, query, id=paid["id"])
        assert shown["transaction"]["fees"] == [{"payer": "RECEIVER", "amount": {"amount": "0.59"}}]


async def test_the_receiver_is_not_told_the_senders_fee(api: Api, wallets: dict[str, str]) -> None:
    await publish(api)
    sent = {"idempotencyKey": new_key(), **wallets, "amount": usd("10.00"), "maxFee": usd("1.00")}
    document = PAY.replace("transaction {", "transaction { id")
    paid = (await api.data("alice", document, input=sent))["transfer"]["transaction"]
    query = "query($id: ID!) { transaction(id: $id) { fees { label } entries { purpose } } }"
    shown = (await api.data("bob", query, id=paid["id"]))["transaction"]
    assert shown == {"fees": [], "entries": [{"purpose": "PRINCIPAL"}]}
    view = (await api.http.get(f"/transactions/{paid['id']}", headers=api.headers("bob"))).json()
    assert view["fee"] is None


@pytest.mark.parametrize(
    ("max_fee", "code", "path"),
    [
        ({"amount": "1.00", "currency": "EUR"}, "INVALID_INPUT", ["input", "maxFee", "currency"]),
        ({"amount": "-0.01", "currency": "USD"}, "INVALID_AMOUNT", ["input", "maxFee", "amount"]),
        ({"amount": "0.001", "currency": "USD"}, "INVALID_AMOUNT", ["input", "maxFee", "amount"]),
    ],
)
async def test_a_limit_that_cannot_be_is_refused(
    api: Api, wallets: dict[str, str], max_fee: dict[str, str], code: str, path: list[str]
) -> None:
    sent = {"idempotencyKey": new_key(), **wallets, "amount": usd("1.00"), "maxFee": max_fee}
    answer = (await api.data("alice", PAY, input=sent))["transfer"]
    assert [(error["code"], error["path"]) for error in answer["userErrors"]] == [(code, path)]


async def test_rest_states_the_fee_and_charges_it_within_max_fee(api: Api) -> None:
    await publish(api)
    body = await good(api)

    async def post(**more: Any) -> httpx.Response:
        response = await api.http.post("/transfer", json={**body, **more}, headers=api.headers("alice"))
        assert_described(response, "/transfer", "post")
        return response

    refused = await post()
    assert refused.status_code == 422
    assert {name: refused.json()[name] for name in ("code", "field", "fee", "limit")} == {
        "code": "FEE_EXCEEDS_LIMIT", "field": "max_fee", "fee": usd("0.33"), "limit": usd("0.00"),
    }  # fmt: skip
    assert (await post(max_fee="-1")).json()["field"] == "max_fee"
    assert (await post(max_fee=1)).json()["code"] == "BAD_USER_INPUT"
    paid = await post(max_fee="0.33")
    assert (paid.status_code, paid.json()["transaction"]["fee"]) == (201, "0.33")
    assert (await post(max_fee="0.330")).status_code == 400
    assert (await post(max_fee="0.33")).json()["replayed"]
    metrics = (await api.http.get("/metrics")).text
    assert 'paycore_fees_total{currency="USD"}' in metrics
