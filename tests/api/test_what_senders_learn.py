"""A refused transfer shows no balance to a caller who may only send, and names receivers only within their rate limit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.access.tokens import mint_token
from app.db.pool import Database
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key

REFUSED = "userErrors { __typename code message path ... on InsufficientFunds { available { amount } required { amount } } }"
PAID = "transaction { id status receiver { walletId displayName } }"
PAY = f"mutation($i: TransferInput!) {{ transfer(input: $i) {{ {PAID} {REFUSED} }} }}"
PAY_MANY = f"mutation($i: [TransferInput!]!) {{ transferBatch(input: {{transfers: $i}}) {{ results {{ {PAID} {REFUSED} }} }} }}"
READ = "query($t: ID!) { transaction(id: $t) { receiver { displayName } } }"
PARTY = "query($w: ID!) { walletParty(walletId: $w) { displayName } }"
LIMIT = 5


def transfer_input(sender: str, receiver: str, amount: str, key: str | None = None) -> dict[str, Any]:
    money = {"amount": amount, "currency": "USD"}
    return {"idempotencyKey": key or new_key(), "senderWalletId": sender, "receiverWalletId": receiver, "amount": money}


async def test_a_refusal_hides_the_balance_from_a_caller_who_may_only_send(api: Api) -> None:
    a, b = await api.wallet("alice", balance="77.31"), await api.wallet("bob")
    values = transfer_input(a, b, "100.00")
    rest = {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "100.00", "currency": "USD", "idempotency_key": new_key()}

    async def refusals(scope: str | None) -> tuple[list[Any], list[str]]:
        headers = {"Authorization": f"Bearer {mint_token('alice', api.settings, scope=scope)}"}
        answers = [
            await api.http.post("/graphql", json={"query": PAY, "variables": {"i": values}}, headers=headers),
            await api.http.post("/graphql", json={"query": PAY_MANY, "variables": {"i": [values]}}, headers=headers),
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
        (one, many, problem), texts = await refusals("transfers:write")
        assert one == [{"__typename": "TransferRefused", **plain}]
        assert many == [{"__typename": "TransferRefused", **in_batch}]
        assert problem["code"] == "INSUFFICIENT_FUNDS"
        assert not {"available", "required"} & problem.keys()
        assert not [text for text in texts if "77.31" in text]
    for scope in (None, "transfers:write wallets:read"):
        (one, many, problem), _ = await refusals(scope)
        facts = {"available": {"amount": "77.31"}, "required": {"amount": "100.00"}}
        assert one == [{"__typename": "InsufficientFunds", **plain, **facts}]
        assert many == [{"__typename": "InsufficientFunds", **in_batch, **facts}]
        assert problem["available"]["amount"] == "77.31"


@pytest.fixture
async def limited(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    """An API where each user may look up the owner of a wallet five times a minute."""
    async with serving(settings.model_copy(update={"wallet_party_per_minute": LIMIT}), engine, relay=False) as api:
        yield api


async def test_failed_transfers_name_receivers_only_within_the_rate_limit(limited: Api) -> None:
    poor = await limited.wallet("carol")
    theirs = [await limited.wallet(f"user-{number}") for number in range(LIMIT * 2 + 2)]
    answer = await limited.graphql("carol", PAY_MANY, i=[transfer_input(poor, wallet, "1.00") for wallet in theirs])
    results = answer["data"]["transferBatch"]["results"]
    assert {result["transaction"]["status"] for result in results} == {"FAILED"}
    # A new minute, with another five, may start during the batch.
    named = [result for result in results if result["transaction"]["receiver"] is not None]
    assert LIMIT <= len(named) <= LIMIT * 2
    refused = [error for error in answer["errors"] if error["path"][-1] == "receiver"]
    assert {(error["extensions"]["code"], error["extensions"]["reason"]) for error in refused} == {
        ("ANSWER_INCOMPLETE", "RATE_LIMITED")
    }
    assert all(1 <= error["extensions"]["retryAfterSeconds"] <= 60 for error in refused)
    unnamed = [result["transaction"]["id"] for result in results if result["transaction"]["receiver"] is None]
    read = [await limited.codes("carol", READ, t=transaction) for transaction in unnamed]
    assert ["RATE_LIMITED"] in read, "reading them later does not name the receiver either"
    # The limit applies neither to administrators nor to completed transfers.
    assert await limited.codes("admin", READ, t=unnamed[0]) == []
    rich = await limited.wallet("carol", balance="1.00")
    (paid,) = (await limited.data("carol", PAY_MANY, i=[transfer_input(rich, theirs[-1], "0.01")]))["transferBatch"]["results"]
    assert paid["transaction"]["receiver"]["walletId"] == theirs[-1]


async def test_own_wallets_paid_wallets_and_receivers_already_named_do_not_count(limited: Api) -> None:
    purse, stranger = await limited.wallet("carol", balance="1.00"), await limited.wallet("dave")
    # More than two minutes' worth of each.
    mine = [await limited.wallet("carol") for _ in range(LIMIT * 2 + 1)]
    paid = [await limited.wallet("bob") for _ in range(LIMIT * 2 + 1)]
    await limited.data("carol", PAY_MANY, i=[transfer_input(purse, wallet, "0.01") for wallet in paid])
    for known in (mine, paid):
        answer = await limited.data("carol", PAY_MANY, i=[transfer_input(purse, wallet, "9.00") for wallet in known])
        assert all(result["transaction"]["receiver"] for result in answer["transferBatch"]["results"])
    key = new_key()
    answers = [await limited.data("carol", PAY, i=transfer_input(purse, stranger, "9.00", key)) for _ in range(LIMIT * 2 + 1)]
    assert all(answer["transfer"]["transaction"]["receiver"] for answer in answers)
    await limited.data("carol", PARTY, w=stranger)


async def test_the_same_key_of_two_users_is_two_keys(api: Api) -> None:
    a, b, key = await api.wallet("alice", balance="9.00"), await api.wallet("bob", balance="9.00"), new_key()
    first = (await api.data("alice", PAY, i=transfer_input(a, b, "1.25", key)))["transfer"]["transaction"]
    # bob sends alice's exact input: he may not pay from her wallet.
    (copied,) = (await api.data("bob", PAY_MANY, i=[transfer_input(a, b, "1.25", key)]))["transferBatch"]["results"]
    assert copied["transaction"] is None
    assert [error["code"] for error in copied["userErrors"]] == ["WALLET_NOT_FOUND"]
    rest = {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "1.25", "currency": "USD", "idempotency_key": key}
    problem = await api.http.post("/transfer", json=rest, headers=api.headers("bob"))
    assert (problem.status_code, problem.json()["code"]) == (404, "WALLET_NOT_FOUND")
    assert first["id"] not in problem.text
    # With a transfer of his own the key is new.
    own = {**rest, "sender_wallet_id": b, "receiver_wallet_id": a}
    done, again = [await api.http.post("/transfer", json=own, headers=api.headers("bob")) for _ in range(2)]
    assert (done.status_code, again.status_code, again.json()["replayed"]) == (201, 200, True)
    assert done.json()["transaction"]["id"] == again.json()["transaction"]["id"] != first["id"]
    assert (await api.data("alice", PAY, i=transfer_input(a, b, "1.25", key)))["transfer"]["transaction"]["id"] == first["id"]
    assert await api.bank.balance(a) == await api.bank.balance(b) == 900
