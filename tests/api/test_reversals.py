"""Reversals over GraphQL and REST: given back, shown on both transactions, refused, and seen live."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import Api
from tests.api.test_rest import assert_described
from tests.bank import new_key

REVERSE = """mutation($input: ReverseTransactionInput!) {
  reverseTransaction(input: $input) {
    transaction { id type status amount { amount } reverses { id } entries { purpose direction amount { amount } } }
    original { id reversed { amount } reversible { amount } }
    replayed userErrors { code message path ... on InsufficientFunds { available { amount } required { amount } } }
  }
}"""
LOOK = """query($id: ID!) {
  transaction(id: $id) {
    reversed { amount } reversible { amount }
    reversals(first: 10) { edges { node { id amount { amount } sender { walletId } } } pageInfo { hasNextPage } }
  }
}"""
PAY = "mutation($input: TransferInput!) { transfer(input: $input) { transaction { id } userErrors { code } } }"


class Sale:
    """Alice has paid Bob 10 dollars."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def build(self) -> Sale:
        """Open the wallets and pay."""
        self.mine = await self.api.wallet("alice", balance="100.00")
        self.theirs = await self.api.wallet("bob")
        sent = {"senderWalletId": self.mine, "receiverWalletId": self.theirs, "amount": usd("10.00")}
        paid = (await self.api.data("alice", PAY, input={"idempotencyKey": new_key(), **sent}))["transfer"]
        self.id = paid["transaction"]["id"]
        return self

    async def reverse(self, subject: str = "bob", **more: Any) -> dict[str, Any]:
        """The payload of one reversal."""
        sent = {"idempotencyKey": new_key(), "transactionId": self.id, "reason": "REFUND", **more}
        payload: dict[str, Any] = (await self.api.data(subject, REVERSE, input=sent))["reverseTransaction"]
        return payload

    async def post(self, subject: str = "bob", **body: Any) -> httpx.Response:
        """One request of REST, held against the description."""
        sent = {"reason": "REFUND", "idempotency_key": new_key(), **body}
        path = f"/transactions/{self.id}/reverse"
        response: httpx.Response = await self.api.http.post(path, json=sent, headers=self.api.headers(subject))
        assert_described(response, "/transactions/{id}/reverse", "post")
        return response


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


@pytest.fixture
async def sale(api: Api) -> Sale:
    return await Sale(api).build()


async def test_a_part_goes_back_and_both_transactions_say_so(sale: Sale) -> None:
    payload = await sale.reverse(amount=usd("4.00"))
    assert (payload["replayed"], payload["userErrors"]) == (False, [])
    assert payload["original"] == {"id": sale.id, "reversed": {"amount": "4.00"}, "reversible": {"amount": "6.00"}}
    back = payload["transaction"]
    assert (back["type"], back["amount"], back["reverses"]) == ("REVERSAL", {"amount": "4.00"}, {"id": sale.id})
    assert back["entries"] == [{"purpose": "PRINCIPAL", "direction": "DEBIT", "amount": {"amount": "4.00"}}]
    for subject in ("alice", "bob", "admin"):
        seen = (await sale.api.data(subject, LOOK, id=sale.id))["transaction"]
        assert (seen["reversed"]["amount"], seen["reversible"]["amount"]) == ("4.00", "6.00")
        (edge,) = seen["reversals"]["edges"]
        assert edge["node"] == {"id": back["id"], "amount": {"amount": "4.00"}, "sender": {"walletId": sale.theirs}}
    seen = (await sale.api.data("bob", LOOK, id=back["id"]))["transaction"]
    assert (seen["reversed"]["amount"], seen["reversible"]["amount"]) == ("0.00", "0.00")


async def test_refusals_name_their_field_and_say_what_is_left(sale: Sale) -> None:
    await sale.reverse(amount=usd("7.00"))
    (error,) = (await sale.reverse(amount=usd("4.00")))["userErrors"]
    assert (error["code"], error["path"]) == ("REVERSAL_EXCEEDS_REMAINING", ["input", "amount"])
    assert "3.00 USD" in error["message"]
    (error,) = (await sale.reverse("alice"))["userErrors"]
    assert (error["code"], error["path"]) == ("NOT_REVERSIBLE", ["input", "transactionId"])
    move = {"senderWalletId": sale.theirs, "receiverWalletId": sale.mine, "amount": usd("2.00")}
    await sale.api.data("bob", PAY, input={"idempotencyKey": new_key(), **move})
    payload = await sale.reverse()
    (error,) = payload["userErrors"]
    assert (error["code"], error["available"], error["required"]) == (
        "INSUFFICIENT_FUNDS", {"amount": "1.00"}, {"amount": "3.00"},
    )  # fmt: skip
    assert payload["transaction"]["status"] == "FAILED"


async def test_both_wallets_see_it_live(sale: Sale) -> None:
    await sale.api.relayed()
    watch = "subscription($id: ID!) { walletUpdated(walletId: $id) { kind wallet { balance { amount } } } }"
    async with sale.api.socket("alice") as socket:
        await socket.subscribe("1", watch, id=sale.mine)
        assert (await socket.data("1"))["walletUpdated"]["kind"] == "SNAPSHOT"
        await sale.reverse()
        assert (await socket.data("1"))["walletUpdated"]["wallet"]["balance"] == {"amount": "100.00"}


async def test_rest_gives_back_all_that_is_left_and_replays(sale: Sale) -> None:
    key = new_key()
    first = await sale.post(amount="4.00", currency="USD", idempotency_key=key, description="one of two")
    again = await sale.post(amount="4.0", currency="USD", idempotency_key=key, description="one of two")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["transaction"] == again.json()["transaction"]
    assert first.json()["transaction"]["reverses_id"] == sale.id
    rest = await sale.post()
    assert rest.json()["transaction"]["amount"] == "6.00"
    refused = await sale.post()
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (
        422, "REVERSAL_EXCEEDS_REMAINING", "amount",
    )  # fmt: skip
    missing = await sale.post("carol")
    assert (missing.status_code, missing.json()["code"], missing.json()["field"]) == (404, "NOT_REVERSIBLE", "id")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"reason": "BORED"}, "`reason`"),
        ({"reason": ["REFUND"]}, "`reason`"),
        ({"fees": "HALF"}, "`fees`"),
        ({"amount": "1.00"}, "`amount` and `currency`"),
        ({"amount": 1, "currency": "USD"}, "`amount`"),
        ({"currency": 7, "amount": "1.00"}, "`currency`"),
        ({"allow_overdraft": "yes"}, "`allow_overdraft`"),
        ({"transaction_id": "txn_1"}, "transaction_id"),
    ],
)
async def test_a_malformed_body_names_its_field_and_gives_nothing_back(sale: Sale, body: dict[str, Any], named: str) -> None:
    response = await sale.post(**body)
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")
    assert named in response.json()["detail"]
    assert await sale.api.bank.balance(sale.theirs) == 1000


async def test_metrics_count_what_went_back(sale: Sale) -> None:
    await sale.reverse(amount=usd("4.00"))
    text = (await sale.api.http.get("/metrics")).text
    assert 'paycore_reversed_total{currency="USD"}' in text
