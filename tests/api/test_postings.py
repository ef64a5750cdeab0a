"""Postings, conditions, references and metadata over GraphQL, REST and subscriptions."""

from __future__ import annotations

from typing import Any

import pytest

from app import ids
from app.access.tokens import mint_token
from app.clock import system_clock
from tests.api.conftest import Api
from tests.bank import new_key

POST = """
mutation Post($input: PostTransactionInput!) {
  postTransaction(input: $input) {
    transaction {
      id type status amount { amount currency } reference metadata { key value }
      sender { walletId } receiver { walletId }
      entries { direction purpose amount { amount currency } balanceAfter { currency } }
    }
    replayed
    userErrors { code path ... on ConditionFailed { wallet { sequence } } ... on InsufficientFunds { required { amount } } }
  }
}
"""
WATCH = "subscription ($id: ID!) { walletUpdated(walletId: $id) { kind entry { purpose amount { amount currency } } } }"
PAY = """
mutation Pay($input: TransferInput!) {
  transfer(input: $input) { transaction { id } userErrors { code path ... on ConditionFailed { wallet { sequence } } } }
}
"""


class Wallets:
    """Alice's dollars and euros, Bob's dollars and euros."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def build(self) -> Wallets:
        """Open them, with money in them."""
        bank = self.api.bank
        alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
        self.mine, self.theirs = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob)
        self.my_euros, self.their_euros = await bank.wallet(alice, "EUR"), await bank.wallet(bob, "EUR", balance="50.00")
        return self

    def leg(self, wallet: str, direction: str, amount: str, currency: str = "USD", **more: str) -> dict[str, Any]:
        return {"walletId": wallet, "direction": direction, "amount": {"amount": amount, "currency": currency}, **more}

    def exchange(self) -> list[dict[str, Any]]:
        """Alice's dollars for Bob's euros."""
        return [
            self.leg(self.mine, "DEBIT", "10.00"),
            self.leg(self.theirs, "CREDIT", "10.00"),
            self.leg(self.their_euros, "DEBIT", "9.00", "EUR", purpose="FX"),
            self.leg(self.my_euros, "CREDIT", "9.00", "EUR", purpose="FX"),
        ]

    async def as_service(self, document: str, **variables: Any) -> dict[str, Any]:
        """One operation by a service account that may only post."""
        token = mint_token("billing", self.api.settings, scope="postings:write wallets:read")
        response = await self.api.http.post(
            "/graphql", json={"query": document, "variables": variables}, headers={"Authorization": f"Bearer {token}"}
        )
        answer: dict[str, Any] = response.json()
        return answer


@pytest.fixture
async def wallets(api: Api) -> Wallets:
    return await Wallets(api).build()


async def test_a_service_account_posts_in_two_currencies_and_each_entry_shows_its_own(wallets: Wallets) -> None:
    given = {
        "idempotencyKey": "k",
        "legs": wallets.exchange(),
        "reference": "x-1",
        "metadata": [{"key": "rate", "value": "0.9"}, {"key": "desk", "value": "7"}],
    }
    posted = (await wallets.as_service(POST, input=given))["data"]["postTransaction"]
    assert posted["userErrors"] == []
    transaction = posted["transaction"]
    assert (transaction["type"], transaction["amount"]) == ("POSTING", {"amount": "10.00", "currency": "USD"})
    assert (transaction["sender"], transaction["receiver"]) == (None, None)
    assert transaction["metadata"] == [{"key": "desk", "value": "7"}, {"key": "rate", "value": "0.9"}]
    assert transaction["entries"] == [], "the service may not load these wallets"
    again = (await wallets.as_service(POST, input=given))["data"]["postTransaction"]
    assert (again["replayed"], again["transaction"]["id"]) == (True, transaction["id"])
    document = "query ($id: ID!) { transaction(id: $id) { entries { purpose direction amount { amount currency } } } }"
    seen = (await wallets.api.data("alice", document, id=transaction["id"]))["transaction"]["entries"]
    assert seen == [
        {"purpose": "PRINCIPAL", "direction": "DEBIT", "amount": {"amount": "10.00", "currency": "USD"}},
        {"purpose": "FX", "direction": "CREDIT", "amount": {"amount": "9.00", "currency": "EUR"}},
    ]


async def test_a_posting_of_one_payer_and_one_payee_shows_them(wallets: Wallets) -> None:
    legs = [wallets.leg(wallets.theirs, "CREDIT", "1.00"), wallets.leg(wallets.mine, "DEBIT", "1.00")]
    posted = (await wallets.as_service(POST, input={"idempotencyKey": "k", "legs": legs}))["data"]["postTransaction"]
    sides = posted["transaction"]["sender"], posted["transaction"]["receiver"]
    assert sides == ({"walletId": wallets.mine}, {"walletId": wallets.theirs})
    found = await wallets.api.http.get(
        f"/wallets/{wallets.mine}/transactions", params={"type": "POSTING"}, headers=wallets.api.headers("alice")
    )
    (item,) = found.json()["items"]
    assert (item["sender_wallet_id"], item["receiver_wallet_id"]) == (wallets.mine, wallets.theirs)


async def test_a_subscriber_sees_the_purpose_of_each_entry_of_their_wallet(wallets: Wallets) -> None:
    await wallets.api.relayed()
    async with wallets.api.socket("alice") as socket:
        await socket.subscribe("1", WATCH, id=wallets.my_euros)
        assert (await socket.data("1"))["walletUpdated"]["kind"] == "SNAPSHOT"
        await wallets.as_service(POST, input={"idempotencyKey": "k", "legs": wallets.exchange()})
        update = (await socket.data("1"))["walletUpdated"]
    assert update == {"kind": "ENTRY", "entry": {"purpose": "FX", "amount": {"amount": "9.00", "currency": "EUR"}}}


async def test_conditions_are_taken_from_variables_and_from_the_document_alike(wallets: Wallets) -> None:
    def given(**condition: Any) -> dict[str, Any]:
        return {
            "idempotencyKey": new_key(),
            "senderWalletId": wallets.mine,
            "receiverWalletId": wallets.theirs,
            "amount": {"amount": "1.00", "currency": "USD"},
            "conditions": [condition],
        }

    failed = await wallets.api.data("alice", PAY, input=given(sequenceIs={"walletId": wallets.mine, "sequence": "9"}))
    (error,) = failed["transfer"]["userErrors"]
    assert error == {
        "code": "CONDITION_FAILED",
        "path": ["input", "conditions", "0", "sequenceIs"],
        "wallet": {"sequence": "1"},
    }
    for name, amount in (("availableAtLeast", "50.00"), ("balanceAtMost", "100.00")):
        held = given(**{name: {"walletId": wallets.mine, "amount": {"amount": amount, "currency": "USD"}}})
        assert (await wallets.api.data("alice", PAY, input=held))["transfer"]["userErrors"] == []
    inline = f"""mutation {{ transfer(input: {{idempotencyKey: "{new_key()}", senderWalletId: "{wallets.mine}",
        receiverWalletId: "{wallets.theirs}", amount: {{amount: "1.00", currency: "USD"}}, metadata: [{{key: "a", value: "b"}}],
        conditions: [{{balanceAtMost: {{walletId: "{wallets.mine}", amount: {{amount: "-1.00", currency: "USD"}}}}}}]}})
        {{ userErrors {{ code path }} }} }}"""
    (error,) = (await wallets.api.data("alice", inline))["transfer"]["userErrors"]
    assert error["path"] == ["input", "conditions", "0", "balanceAtMost"]
    both = given(
        sequenceIs={"walletId": wallets.mine, "sequence": "1"},
        balanceAtMost={"walletId": wallets.mine, "amount": {"amount": "1.00", "currency": "USD"}},
    )
    for input_ in (both, {**both, "conditions": [{}]}, {**both, "conditions": [{"sequenceIs": None}]}):
        assert await wallets.api.codes("alice", PAY, input=input_) == ["BAD_USER_INPUT"]


async def test_rest_takes_and_shows_reference_and_metadata(wallets: Wallets) -> None:
    body = {
        "sender_wallet_id": wallets.mine,
        "receiver_wallet_id": wallets.theirs,
        "amount": "1.00",
        "currency": "USD",
        "idempotency_key": "k",
        "reference": "order-7",
        "metadata": {"shop": "7"},
    }
    headers = wallets.api.headers("alice")
    first = await wallets.api.http.post("/transfer", json=body, headers=headers)
    assert first.status_code == 201
    shown = first.json()["transaction"]
    assert (shown["reference"], shown["metadata"]) == ("order-7", {"shop": "7"})
    other = await wallets.api.http.post("/transfer", json={**body, "metadata": {"shop": "8"}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    for wrong in ({"shop": 7}, ["a"], "a"):
        refused = await wallets.api.http.post("/transfer", json={**body, "metadata": wrong}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "BAD_USER_INPUT")
    path = f"/wallets/{wallets.mine}/transactions"
    found = await wallets.api.http.get(path, params={"reference": "order-7"}, headers=headers)
    assert [item["id"] for item in found.json()["items"]] == [shown["id"]]
    assert (await wallets.api.http.get(path, params={"reference": "order-8"}, headers=headers)).json()["items"] == []


async def test_a_posting_over_the_limit_of_legs_or_of_unknown_wallets_changes_nothing(wallets: Wallets) -> None:
    unknown = ids.encode("wal", ids.new_id(system_clock()))
    many = [wallets.leg(wallets.mine, "DEBIT", "1.00"), wallets.leg(wallets.theirs, "CREDIT", "1.00")] * 51
    for legs, code in (
        (many, "TOO_MANY_ENTRIES"),
        ([wallets.leg(wallets.mine, "DEBIT", "1.00"), wallets.leg(unknown, "CREDIT", "1.00")], "WALLET_NOT_FOUND"),
    ):
        answer = await wallets.as_service(POST, input={"idempotencyKey": "k", "legs": legs})
        (error,) = answer["data"]["postTransaction"]["userErrors"]
        assert error["code"] == code
    whole = await wallets.as_service(POST, input={"idempotencyKey": "k", "legs": many[:100]})
    assert whole["data"]["postTransaction"]["userErrors"] == []
    assert await wallets.api.bank.balance(wallets.mine) == 5_000
