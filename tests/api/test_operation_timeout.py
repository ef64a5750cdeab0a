"""An operation that takes too long: a query is cancelled, a mutation reports which of its outcomes are known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from app import ids
from app.db.engine import open_connection
from app.db.pool import Database
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key

TWO = """mutation($first: String!, $second: String!, $from: ID!, $to: ID!) {
  one: transfer(input: {idempotencyKey: $first, senderWalletId: $from, receiverWalletId: $to,
    amount: {amount: "1.00", currency: "USD"}}) { transaction { status } }
  two: openWallet(input: {idempotencyKey: $second, currency: "USD", name: "x"}) { wallet { id } }
}"""


@pytest.fixture
async def hasty(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    """An API whose operations may take 1.5 seconds, less than its statements."""
    async with serving(
        settings.model_copy(update={"request_timeout_seconds": 1.5, "lock_timeout_ms": 5000, "statement_timeout_ms": 5000}),
        engine,
    ) as running:
        yield running


@asynccontextmanager
async def locked(settings: Settings, statement: str) -> AsyncIterator[None]:
    """Another session holds the lock that the statement takes."""
    owner = await open_connection(settings)
    try:
        async with owner.transaction():
            await owner.execute(statement)
            yield
    finally:
        await owner.close()


async def test_a_query_is_cancelled_after_the_timeout_and_frees_its_connection(hasty: Api) -> None:
    await hasty.data("alice", "{ viewer { displayName } }")
    async with locked(hasty.settings, "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"):
        # More than the pool's connections: each must return to the pool when its query is cancelled.
        codes = await asyncio.gather(*(hasty.codes("alice", "{ viewer { displayName } }") for _ in range(15)))
        assert codes == [["TIMEOUT"]] * 15
        async with hasty.socket("alice") as socket:
            await socket.subscribe("1", "{ viewer { displayName } }")
            payload = (await socket.message("1"))["payload"]
            errors = payload["errors"] if isinstance(payload, dict) else payload
            assert [error["extensions"]["code"] for error in errors] == ["TIMEOUT"]
    async with asyncio.timeout(20):
        while await hasty.codes("alice", "{ viewer { displayName } }"):  # noqa: ASYNC110 - the statements end by their own time-out
            await asyncio.sleep(0.1)


async def test_a_mutation_reports_for_each_field_whether_its_outcome_is_known(hasty: Api, engine: Database) -> None:
    sender, receiver = await hasty.wallet("alice", balance="10.00"), await hasty.wallet("bob")
    opened = await hasty.bank.count("wallet_openings")
    first, second = new_key(), new_key()
    wallet_id = ids.decode("wal", sender)
    async with locked(hasty.settings, f"SELECT FROM wallets WHERE id = '{wallet_id}' FOR UPDATE"):
        values = {"first": first, "second": second, "from": sender, "to": receiver}
        answer = await hasty.graphql("alice", TWO, **values)
    # The first field started and its outcome is unknown; the second did not start.
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["one"], "TIMEOUT"),
        (["two"], "TIMEOUT"),
    ]
    assert "did not start" in answer["errors"][1]["message"]
    assert await hasty.bank.count("wallet_openings") == opened
    async with engine.connect() as connection:
        recorded = await connection.scalar(text("SELECT count(*) FROM transactions WHERE idempotency_key = :key"), {"key": first})
    again = await hasty.data("alice", TWO, **values)
    assert again["one"]["transaction"]["status"] == "COMPLETED"
    assert again["two"]["wallet"] is not None
    assert recorded in (0, 1)
    assert await hasty.bank.balance(receiver) == 100, "paid once"
