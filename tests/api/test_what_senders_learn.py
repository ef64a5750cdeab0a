"""What a refused transfer tells: no balance to whoever may only send, and whose a wallet is only as often as one may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.access.tokens import mint_token
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key

REFUSED = "userErrors { __typename code message path ... on InsufficientFunds { available { amount } required { amount } } }"
PAID = "transaction { id status receiver { walletId displayName } }"
PAY = f"mutation($i: TransferInput!) {{ transfer(input: $i) {{ {PAID} {REFUSED} }} }}"
PAY_MANY = f"mutation($i: [TransferInput!]!) {{ transferBatch(input: {{transfers: $i}}) {{ results {{ {PAID} {REFUSED} }} }} }}"
READ = "query($t: ID!) { transaction(id: $t) { receiver { displayName } } }"
PARTY = "query($w: ID!) { walletParty(walletId: $w) { displayName } }"
ASKED = 5


def asked_for(sender: str, receiver: str, amount: str, key: str | None = None) -> dict[str, Any]:
    money = {"amount": amount, "currency": "USD"}
    return {"idempotencyKey": key or new_key(), "senderWalletId": sender, "receiverWalletId": receiver, "amount": money}


async def test_whoever_may_only_send_does_not_learn_from_a_refusal_what_there_is(api: Api) -> None:
    a, b = await api.wallet("alice", balance="77.31"), await api.wallet("bob")
    asked = asked_for(a, b, "100.00")
    rest = {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "100.00", "currency": "USD", "idempotency_key": new_key()}

    async def told(scope: str | None) -> tuple[list[Any], list[str]]:
        headers = {"Authorization": f"Bearer {mint_token('alice', api.settings, scope=scope)}"}
        answers = [
            await api.http.post("/graphql", json={"query": PAY, "variables": {"i": asked}}, headers=headers),
            await api.http.post("/graphql", json={"query": PAY_MANY, "variables": {"i": [asked]}}, headers=headers),
            await api.http.post("/transfer", json=rest, headers=headers),
        ]
        one, many = answers[0].json()["data"]["transfer"], answers[1].json()["data"]["transferBatch"]["results"][0]
        return [one["userErrors"], many["userErrors"], answers[2].json()], [answer.text for answer in answers]

    plain = {
        "code": "INSUFFICIENT_FUNDS",
        "message": "The available balance of the wallet is too low.",
        "path": ["input", "amount"],
    }
    in_batch = {**plain, "path": ["input", "transfers", "0", "amount"]}
    # Twice: the first outcome, and its replay.
    for _ in range(2):
        (one, many, problem), texts = await told("transfers:write")
        assert one == [{"__typename": "TransferRefused", **plain}]
        assert many == [{"__typename": "TransferRefused", **in_batch}]
        assert problem["code"] == "INSUFFICIENT_FUNDS"
        assert not {"available", "required"} & problem.keys()
        assert not [text for text in texts if "77.31" in text]
    for scope in (None, "transfers:write wallets:read"):
        (one, many, problem), _ = await told(scope)
        facts = {"available": {"amount": "77.31"}, "required": {"amount": "100.00"}}
        assert one == [{"__typename": "InsufficientFunds", **plain, **facts}]
        assert many == [{"__typename": "InsufficientFunds", **in_batch, **facts}]
        assert problem["available"]["amount"] == "77.31"


@pytest.fixture
async def curious(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Api]:
    """Everyone may ask five times a minute whom a wallet belongs to."""
    async with serving(settings.model_copy(update={"wallet_party_per_minute": ASKED}), engine, relay=False) as api:
        yield api


async def test_failed_transfers_tell_of_no_more_receivers_than_one_may_ask_for(curious: Api) -> None:
    poor = await curious.wallet("carol")
    theirs = [await curious.wallet(f"user-{number}") for number in range(ASKED * 2 + 2)]
    answer = await curious.graphql("carol", PAY_MANY, i=[asked_for(poor, wallet, "1.00") for wallet in theirs])
    results = answer["data"]["transferBatch"]["results"]
    assert {result["transaction"]["status"] for result in results} == {"FAILED"}
    # A minute may end in between, and another five begin.
    named = [result for result in results if result["transaction"]["receiver"] is not None]
    assert ASKED <= len(named) <= ASKED * 2
    refused = [error for error in answer["errors"] if error["path"][-1] == "receiver"]
    assert {(error["extensions"]["code"], error["extensions"]["reason"]) for error in refused} == {
        ("ANSWER_INCOMPLETE", "RATE_LIMITED")
    }
    assert all(1 <= error["extensions"]["retryAfterSeconds"] <= 60 for error in refused)
    unnamed = [result["transaction"]["id"] for result in results if result["transaction"]["receiver"] is None]
    read = [await curious.codes("carol", READ, t=transaction) for transaction in unnamed]
    assert ["RATE_LIMITED"] in read, "nor do they tell when they are read"
    # Whoever may see everything, and whoever was not refused, is told as ever.
    assert await curious.codes("admin", READ, t=unnamed[0]) == []
    rich = await curious.wallet("carol", balance="1.00")
    (paid,) = (await curious.data("carol", PAY_MANY, i=[asked_for(rich, theirs[-1], "0.01")]))["transferBatch"]["results"]
    assert paid["transaction"]["receiver"]["walletId"] == theirs[-1]


async def test_own_wallets_those_already_paid_and_a_receiver_already_told_do_not_count(curious: Api) -> None:
    purse, stranger = await curious.wallet("carol", balance="1.00"), await curious.wallet("dave")
    # More than two minutes' worth of each.
    mine = [await curious.wallet("carol") for _ in range(ASKED * 2 + 1)]
    paid = [await curious.wallet("bob") for _ in range(ASKED * 2 + 1)]
    await curious.data("carol", PAY_MANY, i=[asked_for(purse, wallet, "0.01") for wallet in paid])
    for known in (mine, paid):
        answer = await curious.data("carol", PAY_MANY, i=[asked_for(purse, wallet, "9.00") for wallet in known])
        assert all(result["transaction"]["receiver"] for result in answer["transferBatch"]["results"])
    key = new_key()
    answers = [await curious.data("carol", PAY, i=asked_for(purse, stranger, "9.00", key)) for _ in range(ASKED * 2 + 1)]
    assert all(answer["transfer"]["transaction"]["receiver"] for answer in answers)
    await curious.data("carol", PARTY, w=stranger)


async def test_a_key_that_another_user_used_is_a_key_of_ones_own(api: Api) -> None:
    a, b, key = await api.wallet("alice", balance="9.00"), await api.wallet("bob", balance="9.00"), new_key()
    first = (await api.data("alice", PAY, i=asked_for(a, b, "1.25", key)))["transfer"]["transaction"]
    # With alice's very words: her wallet is not his to pay from, whatever she did with it.
    (copied,) = (await api.data("bob", PAY_MANY, i=[asked_for(a, b, "1.25", key)]))["transferBatch"]["results"]
    assert copied["transaction"] is None
    assert [error["code"] for error in copied["userErrors"]] == ["WALLET_NOT_FOUND"]
    rest = {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "1.25", "currency": "USD", "idempotency_key": key}
    problem = await api.http.post("/transfer", json=rest, headers=api.headers("bob"))
    assert (problem.status_code, problem.json()["code"]) == (404, "WALLET_NOT_FOUND")
    assert first["id"] not in problem.text
    # With a transfer of his own it is new, and then his.
    own = {**rest, "sender_wallet_id": b, "receiver_wallet_id": a}
    done, again = [await api.http.post("/transfer", json=own, headers=api.headers("bob")) for _ in range(2)]
    assert (done.status_code, again.status_code, again.json()["replayed"]) == (201, 200, True)
    assert done.json()["transaction"]["id"] == again.json()["transaction"]["id"] != first["id"]
    assert (await api.data("alice", PAY, i=asked_for(a, b, "1.25", key)))["transfer"]["transaction"]["id"] == first["id"]
    assert await api.bank.balance(a) == await api.bank.balance(b) == 900
