"""The outcome of a mutation is final even if part of its answer cannot be read: no error says that nothing moved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.db.pool import Database
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.api.test_event_stream import events
from tests.api.test_faults import owner_of, transfer_input, without_names
from tests.bank import new_key

PAY = """mutation($i: TransferInput!) { transfer(input: $i) { replayed userErrors { code message }
  transaction { id status sender { displayName } } } }"""
PAY_AND_READ = """mutation($i: TransferInput!) { paid: transfer(input: $i) { replayed userErrors { code message }
  is: transaction { id status entries { sequence } } } }"""
BATCH = """mutation($i: [TransferInput!]!) { transferBatch(input: {transfers: $i}) { userErrors { code }
  results { userErrors { code } transaction { id status sender { displayName } } } } }"""
BATCH_AND_READ = BATCH.replace("sender { displayName }", "entries { sequence }")
DEPOSIT = """mutation($i: DepositInput!) { deposit(input: $i) { replayed userErrors { code }
  transaction { id status entries { sequence } } } }"""
OPEN = """mutation($k: String!) { openWallet(input: {idempotencyKey: $k, currency: "USD", name: "Mine"}) { replayed
  userErrors { code } wallet { id transactions(first: 1) { edges { cursor } } } } }"""
FREEZE = """mutation($w: ID!) { setWalletStatus(input: {walletId: $w, status: FROZEN, reason: "test"}) {
  userErrors { code } wallet { id status transactions(first: 1) { edges { cursor } } } } }"""


@asynccontextmanager
async def unreadable(settings: Settings, table: str = "ledger_entries") -> AsyncIterator[None]:
    """Within the block, every read of a table's times fails."""
    async with owner_of(settings) as connection:
        await connection.execute(f"ALTER TABLE {table} RENAME created_at TO away")
        yield
        await connection.execute(f"ALTER TABLE {table} RENAME away TO created_at")


def incomplete(answer: dict[str, Any]) -> dict[str, Any]:
    """The only error of an answer; it must say that the outcome is final."""
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "ANSWER_INCOMPLETE", error
    assert "Only this part of the answer is missing." in error["message"]
    assert "nothing moved" not in error["message"]
    return dict(error)


def money(wallet: str) -> dict[str, Any]:
    """The input of a deposit."""
    return {"idempotencyKey": new_key(), "walletId": wallet, "amount": {"amount": "1.00", "currency": "USD"}}


async def test_an_error_below_a_completed_transfer_says_that_the_outcome_is_final(api: Api) -> None:
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    await api.data("alice", "{ viewer { id } }")
    async with without_names(api.settings):
        answer = await api.graphql("alice", PAY, i=transfer_input(a, b))
    transaction = answer["data"]["transfer"]["transaction"]
    assert (transaction["status"], transaction["sender"]) == ("COMPLETED", None)
    error = incomplete(answer)
    assert error["path"] == ["transfer", "transaction", "sender"]
    assert error["extensions"] == {
        "code": "ANSWER_INCOMPLETE",
        "reason": "INTERNAL",
        "retryable": False,
        "transactionId": transaction["id"],
        "transactionStatus": "COMPLETED",
    }


async def test_a_replay_that_is_read_too_late_never_says_that_nothing_moved(settings: Settings, engine: Database) -> None:
    async with serving(settings, engine) as api:
        a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
        transfer = transfer_input(a, b)
        paid = (await api.data("alice", PAY_AND_READ, i=transfer))["paid"]
        object.__setattr__(api.services.settings, "request_timeout_seconds", 2.0)
        async with owner_of(settings) as connection, connection.transaction():
            await connection.execute("LOCK TABLE ledger_entries IN ACCESS EXCLUSIVE MODE")
            answer = await api.graphql("alice", PAY_AND_READ, i=transfer)
        error = incomplete(answer)
        assert answer["data"] == {"paid": None}, "a payload with neither an outcome nor a refusal would look like a refusal"
        assert (error["extensions"]["reason"], error["extensions"]["retryable"]) == ("UNAVAILABLE", True)
        assert error["extensions"]["transactionId"] == paid["is"]["id"]
        again = (await api.data("alice", PAY_AND_READ, i=transfer))["paid"]
        assert again == {**paid, "replayed": True}


async def test_an_error_below_a_mutation_over_websocket_and_stream_says_that_the_outcome_is_final(api: Api) -> None:
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    transfer = transfer_input(a, b)
    await api.data("alice", PAY_AND_READ, i=transfer)
    async with unreadable(api.settings), api.socket("alice") as socket:
        await socket.subscribe("1", PAY_AND_READ, i=transfer)
        payload = (await socket.message("1"))["payload"]
        async with events(api, "alice", PAY_AND_READ, i=transfer) as stream:
            _, streamed = await stream.event()
    for answer in (payload, streamed):
        assert answer["data"] == {"paid": None}
        assert incomplete(answer)["extensions"]["transactionStatus"] == "COMPLETED"


async def test_each_error_of_a_batch_names_its_transaction(api: Api) -> None:
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    transfers = [transfer_input(a, b), transfer_input(a, b, "99.00")]
    await api.data("alice", "{ viewer { id } }")
    async with without_names(api.settings):
        answer = await api.graphql("alice", BATCH, i=transfers)
    results = answer["data"]["transferBatch"]["results"]
    said = {error["extensions"]["transactionId"]: error["extensions"]["transactionStatus"] for error in answer["errors"]}
    assert said == {result["transaction"]["id"]: result["transaction"]["status"] for result in results}
    assert set(said.values()) == {"COMPLETED", "FAILED"}
    async with unreadable(api.settings):
        replay = await api.graphql("alice", BATCH_AND_READ, i=transfers)
    assert replay["data"] == {"transferBatch": None}
    assert incomplete(replay)["extensions"]["transactionStatus"] == "COMPLETED"


async def test_every_payload_of_a_mutation_has_an_outcome_or_a_refusal(api: Api) -> None:
    wallet = await api.wallet("alice")
    deposit, key = money(wallet), new_key()
    await api.data("admin", DEPOSIT, i=deposit)
    async with unreadable(api.settings):
        replay = await api.graphql("admin", DEPOSIT, i=deposit)
    assert replay["data"] == {"deposit": None}
    assert incomplete(replay)["extensions"]["transactionStatus"] == "COMPLETED"
    await api.data("alice", "{ viewer { id } }")
    async with unreadable(api.settings, "transactions"):
        answers = {
            "openWallet": [await api.graphql("alice", OPEN, k=key) for _ in range(2)],
            "setWalletStatus": [await api.graphql("admin", FREEZE, w=wallet)],
        }
    for name, given in answers.items():
        for answer in given:
            assert answer["data"] == {name: None}
            assert incomplete(answer)["extensions"]["walletId"].startswith("wal_")
    assert (await api.data("alice", OPEN, k=key))["openWallet"]["replayed"]


async def test_an_error_beside_a_refusal_says_that_the_refusal_is_final(api: Api) -> None:
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    first = transfer_input(a, b)
    await api.data("alice", PAY, i=first)
    reused = """mutation($i: TransferInput!) { transfer(input: $i) { transaction { id }
      userErrors { code ... on IdempotencyKeyReused { transaction { id sender { displayName } } } } } }"""
    async with without_names(api.settings):
        answer = await api.graphql("alice", reused, i={**first, "description": "another"})
    assert [refusal["code"] for refusal in answer["data"]["transfer"]["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert "the refusal is final" in incomplete(answer)["message"]


async def test_a_rest_replay_has_its_outcome_although_nothing_else_can_be_read(api: Api) -> None:
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    body = {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "1.00", "currency": "USD", "idempotency_key": new_key()}
    await api.data("alice", "{ viewer { id } }")
    first = await api.http.post("/transfer", json=body, headers=api.headers("alice"))
    async with without_names(api.settings), unreadable(api.settings):
        again = await api.http.post("/transfer", json=body, headers=api.headers("alice"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["transaction"] == again.json()["transaction"]
