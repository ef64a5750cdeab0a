"""Internal faults: the answer has no details, committed transfers keep their outcome, and the log has the cause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from app import ids
from app.access import policy
from app.access.tokens import mint_token
from app.db.pool import Database
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key

TRANSFER = """mutation($i: TransferInput!) { transfer(input: $i) { replayed userErrors { code }
  transaction { status sender { displayName }
    entries { sequence balanceAfter { amount } wallet { id balance { amount } } } } } }"""
WATCH = """subscription($w: ID!) { walletUpdated(walletId: $w) {
  kind wallet { balance { amount } } entry { sequence transaction { sender { displayName } } } } }"""


@asynccontextmanager
async def owner_of(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner of the database, with rights that the service lacks."""
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def without_names(settings: Settings) -> AsyncIterator[None]:
    """Within the block, every read of a user's name fails with an unexpected error."""
    async with owner_of(settings) as connection:
        await connection.execute("ALTER TABLE users RENAME display_name TO away")
        yield
        await connection.execute("ALTER TABLE users RENAME away TO display_name")


def transfer_input(sender: str, receiver: str, amount: str = "1.00") -> dict[str, object]:
    money = {"amount": amount, "currency": "USD"}
    return {"idempotencyKey": new_key(), "senderWalletId": sender, "receiverWalletId": receiver, "amount": money}


def errors_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_fault_is_internal_without_details_and_logged_once(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    a = await api.wallet("alice", balance="5.00")
    await api.data("alice", "{ viewer { id } }")
    query = "query($w: ID!) { wallet(id: $w) { id owner { displayName } } }"
    async with without_names(api.settings):
        answer = await api.graphql("alice", query, w=a)
    assert answer["data"] == {"wallet": {"id": a, "owner": None}}
    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "retryable": False}
    assert error["message"] == "Something went wrong on our side."
    assert error["path"] == ["wallet", "owner"]
    (logged,) = errors_of(caplog)
    assert logged.exc_info is not None
    assert "display_name" in str(logged.exc_info[1])
    assert (await api.data("alice", query, w=a))["wallet"]["owner"]["displayName"], "and it passes"


async def test_a_fault_in_a_subscription_is_masked_and_does_not_end_it(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    alice = await api.bank.viewer("alice")
    async with api.socket("bob") as socket:
        await socket.subscribe("1", WATCH, w=b)
        await socket.data("1")
        async with without_names(api.settings):
            await api.bank.pay(alice, a, b, "1.00")
            message = await socket.message("1")
        assert message["type"] == "next"
        assert message["payload"]["data"]["walletUpdated"]["entry"]["sequence"] == "1"
        (error,) = message["payload"]["errors"]
        assert (error["message"], error["extensions"]["code"]) == ("Something went wrong on our side.", "INTERNAL")
        await api.bank.pay(alice, a, b, "1.00")
        assert (await socket.data("1"))["walletUpdated"]["entry"]["transaction"]["sender"]["displayName"]
    assert len(errors_of(caplog)) == 1


async def test_an_invalid_document_or_a_refusal_is_not_logged_as_a_fault(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    for document in (
        "{",
        "{ nope }",
        "{ ledgerStatus { outboxPending } }",
        "{ viewer { wallets(first: 0) { edges { cursor } } } }",
    ):
        assert await api.codes("alice", document) != []
    assert await api.codes(None, "{ viewer { id } }") == ["UNAUTHENTICATED"]
    assert errors_of(caplog) == []


async def test_a_failed_read_after_the_commit_leaves_the_outcome_in_the_answer(api: Api) -> None:
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    await api.data("alice", "{ viewer { id } }")
    async with without_names(api.settings):
        answer = await api.graphql("alice", TRANSFER, i=transfer_input(a, b))
    assert answer["data"]["transfer"] == {
        "replayed": False,
        "userErrors": [],
        "transaction": {
            "status": "COMPLETED",
            "sender": None,
            "entries": [
                {"sequence": "2", "balanceAfter": {"amount": "4.00"}, "wallet": {"id": a, "balance": {"amount": "4.00"}}}
            ],
        },
    }
    assert [error["path"] for error in answer["errors"]] == [["transfer", "transaction", "sender"]]


async def test_a_token_that_expires_while_the_transfer_waits_does_not_remove_its_answer(
    settings: Settings, engine: Database
) -> None:
    async with serving(settings.model_copy(update={"jwt_clock_skew_seconds": 0}), engine) as api:
        a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
        await api.data("alice", "{ viewer { id } }")
        async with owner_of(settings) as connection, connection.transaction():
            await connection.execute("SELECT FROM wallets WHERE id = $1 FOR UPDATE", ids.decode("wal", a))
            api.tokens["alice"] = mint_token("alice", api.settings, lifetime=timedelta(seconds=3))
            waiting = asyncio.create_task(api.graphql("alice", TRANSFER, i=transfer_input(a, b)))
            async with asyncio.timeout(30):
                while await api.codes("alice", "{ viewer { id } }") != ["UNAUTHENTICATED"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert not waiting.done()
        answer = await waiting
        assert "errors" not in answer, answer
        assert answer["data"]["transfer"]["transaction"]["status"] == "COMPLETED"


async def test_an_expired_token_is_accepted_within_the_leeway_for_clocks(api: Api) -> None:
    api.tokens["alice"] = mint_token("alice", api.settings, lifetime=timedelta(seconds=-5))
    assert await api.codes("alice", "{ viewer { id } }") == []
    api.tokens["alice"] = mint_token("alice", api.settings, lifetime=timedelta(seconds=-40))
    assert await api.codes("alice", "{ viewer { id } }") == ["UNAUTHENTICATED"]


async def test_each_mutation_of_a_document_sees_the_effect_of_the_one_before(api: Api) -> None:
    a, b = await api.wallet("alice", balance="5.00"), await api.wallet("bob")
    admin = await api.bank.viewer("admin", admin=True)
    await api.bank.pay(await api.bank.viewer("alice"), a, b, "1.00")
    key = new_key()
    deposit = f"""deposit(input: {{idempotencyKey: "{key}", walletId: "{b}", amount: {{amount: "2.00", currency: "USD"}}}}) {{
      replayed transaction {{ entries {{ wallet {{ id status balance {{ amount }} }} }} }} }}"""
    document = f"""mutation {{
      first: {deposit}
      setWalletStatus(input: {{walletId: "{b}", status: FROZEN, reason: "test"}}) {{ wallet {{ status }} }}
      again: {deposit} }}"""
    assert policy.sees_all(admin)
    data = await api.data("admin", document)

    def bobs(payload: dict[str, dict[str, list[dict[str, dict[str, object]]]]]) -> dict[str, object]:
        (wallet,) = [entry["wallet"] for entry in payload["transaction"]["entries"] if entry["wallet"]["id"] == b]
        return wallet

    assert bobs(data["first"]) == {"id": b, "status": "ACTIVE", "balance": {"amount": "3.00"}}
    assert bobs(data["again"]) == {"id": b, "status": "FROZEN", "balance": {"amount": "3.00"}}
    assert (data["first"]["replayed"], data["again"]["replayed"]) == (False, True)
