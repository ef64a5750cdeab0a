"""Two API processes share one quota and one hold, one of them is killed, and neither logs a secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.access.tokens import mint_token
from app.db.engine import open_connection
from app.services.quotas import QuotaChange, set_quota
from app.services.verification import verify
from app.settings import Settings
from app.telemetry.privacy import fingerprint
from tests.bank import new_key
from tests.forks import Command, start
from tests.processes.test_cli import servers_of
from tests.servers import free_port
from tests.waiting import START_SECONDS, wait_until

SECRET = "a-secret-that-no-log-may-ever-hold-1234"
WORDS = "words-that-somebody-wrote"


@dataclass
class Pair:
    """Two processes, with a client of each."""

    settings: Settings
    clients: list[httpx.AsyncClient]
    logs: list[Path]
    processes: list[Command]

    async def ask(self, number: int, subject: str, query: str, **variables: Any) -> dict[str, Any]:
        """Run one operation and return the whole answer."""
        headers = {"Authorization": f"Bearer {mint_token(subject, self.settings, role='admin' if subject == 'admin' else None)}"}
        body = {"query": query, "variables": variables}
        answer: dict[str, Any] = (await self.clients[number % 2].post("/graphql", json=body, headers=headers)).json()
        return answer

    async def wallet(self, subject: str, balance: str | None = None) -> str:
        """Open a wallet and return its public id."""
        opened = await self.ask(0, subject, OPEN, key=new_key())
        wallet: str = opened["data"]["openWallet"]["wallet"]["id"]
        if balance is not None:
            paid = await self.ask(0, "admin", DEPOSIT, key=new_key(), wallet=wallet, amount=balance)
            assert paid["data"]["deposit"]["userErrors"] == []
        return wallet


OPEN = 'mutation($key: String!) { openWallet(input: {idempotencyKey: $key, currency: "USD", name: "x"}) { wallet { id } } }'
DEPOSIT = """mutation($key: String!, $wallet: ID!, $amount: Decimal!) {
  deposit(input: {idempotencyKey: $key, walletId: $wallet, amount: {amount: $amount, currency: "USD"}}) { userErrors { code } }
}"""
PAY = """mutation($key: String!, $from: ID!, $to: ID!, $words: String) {
  transfer(input: {
    idempotencyKey: $key, senderWalletId: $from, receiverWalletId: $to, description: $words,
    amount: {amount: "1.00", currency: "USD"}
  }) { transaction { status } userErrors { code } }
}"""


@pytest.fixture
async def pair(settings: Settings, tmp_path: Path) -> AsyncIterator[Pair]:
    ports, logs = [free_port(), free_port()], [tmp_path / "one.log", tmp_path / "two.log"]
    processes = []
    # A new connection for each request, as the server closes one after a fault.
    limits = httpx.Limits(max_keepalive_connections=0)
    clients = [httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, limits=limits) for port in ports]
    try:
        for port, log in zip(ports, logs, strict=True):
            environment = {"PAYCORE_PORT": str(port), "PAYCORE_JWT_SECRET": SECRET, "PAYCORE_LOG_LEVEL": "debug"}
            with log.open("wb") as file:
                processes.append(start("serve", environment={**servers_of(settings), **environment}, output=file))
        assert await asyncio.to_thread(wait_until, lambda: all(map(answers, ports)), seconds=START_SECONDS)
        yield Pair(settings.model_copy(update={"jwt_secret": SecretStr(SECRET)}), clients, logs, processes)
    finally:
        for client in clients:
            await client.aclose()
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            process.wait(60)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


async def test_two_processes_apply_one_quota_to_a_user_exactly(pair: Pair) -> None:
    mine = [await pair.wallet("alice", "100.00") for _ in range(3)]
    theirs = await pair.wallet("bob")
    await set_quota(pair.settings, "alice", QuotaChange(amounts=("USD=37.50",)), "for a test")
    payments = [
        pair.ask(number, "alice", PAY, key=new_key(), **{"from": mine[number % 3], "to": theirs}) for number in range(120)
    ]
    answered = [answer["data"]["transfer"] for answer in await asyncio.gather(*payments)]
    assert sum(answer["transaction"]["status"] == "COMPLETED" for answer in answered) == 37
    assert {error["code"] for answer in answered for error in answer["userErrors"]} == {"QUOTA_EXCEEDED"}
    balance = await pair.ask(1, "bob", "query($id: ID!) { wallet(id: $id) { balance { amount } } }", id=theirs)
    assert balance["data"]["wallet"]["balance"]["amount"] == "37.00"


PLACE = """mutation($from: ID!, $to: ID!) {
  placeHold(input: {
    idempotencyKey: "hold", walletId: $from, receiverWalletId: $to, amount: {amount: "100.00", currency: "USD"}
  }) { hold { id } userErrors { code } }
}"""
CAPTURE = """mutation($key: String!, $hold: ID!) {
  captureHold(input: {
    idempotencyKey: $key, holdId: $hold, amount: {amount: "1.00", currency: "USD"}, keepRemaining: true
  }) { transaction { id status } replayed userErrors { code } }
}"""


async def test_every_answer_is_true_when_a_process_is_killed_in_the_middle_of_captures(pair: Pair) -> None:
    """120 captures of a hold of 100, over two processes. What was answered stays, and each key captures at most once."""
    mine, theirs = await pair.wallet("alice", "100.00"), await pair.wallet("bob")
    placed = (await pair.ask(0, "alice", PLACE, **{"from": mine, "to": theirs}))["data"]["placeHold"]
    hold_id, keys = placed["hold"]["id"], [new_key() for _ in range(120)]
    waves = [asyncio.Semaphore(6), asyncio.Semaphore(6)]
    answered: dict[str, dict[str, Any]] = {}

    async def capture(number: int, key: str) -> None:
        async with waves[number % 2]:
            answer = await pair.ask(number, "bob", CAPTURE, key=key, hold=hold_id)
        if answer.get("data") and answer["data"]["captureHold"]:
            answered[key] = answer["data"]["captureHold"]
            if len(answered) == 15:
                pair.processes[0].kill()

    await asyncio.gather(*(capture(number, key) for number, key in enumerate(keys)), return_exceptions=True)
    assert len(answered) < len(keys), "some were sent to the killed process"
    before = dict(answered)
    await asyncio.gather(*(capture(1, key) for key in keys))
    completed = {key: one["transaction"]["id"] for key, one in answered.items() if one["transaction"]}
    assert len(set(completed.values())) == 100
    assert {error["code"] for one in answered.values() for error in one["userErrors"]} == {"HOLD_NOT_OPEN"}
    confirmed = {key: one["transaction"]["id"] for key, one in before.items() if one["transaction"]}
    assert confirmed == {key: completed[key] for key in confirmed}
    query = "query($id: ID!) { wallet(id: $id) { balance { amount } held { amount } } }"
    seen = [(await pair.ask(1, who, query, id=wallet))["data"]["wallet"] for who, wallet in (("alice", mine), ("bob", theirs))]
    assert seen == [{"balance": {"amount": amount}, "held": {"amount": "0.00"}} for amount in ("0.00", "100.00")]
    assert await verify(pair.settings) == []


async def test_the_logs_of_every_failure_contain_no_token_key_secret_or_description(pair: Pair) -> None:
    mine, theirs = await pair.wallet("alice", "100.00"), await pair.wallet("bob")
    key, words = "key-" + new_key(), WORDS
    spoiled = {"key": key, "from": mine, "to": theirs, "words": words}
    await pair.ask(0, "alice", PAY, **{**spoiled, "key": "good-" + key})
    token = mint_token("alice", pair.settings)
    strange = {"Authorization": f"Bearer {token[:-5]}AAAAA"}
    for client in pair.clients:
        await client.post("/graphql", json={"query": PAY, "variables": spoiled}, headers=strange)
        await client.get("/wallets/x%0AERROR%20forged", headers={"Authorization": f"Bearer {token}"})
    owner = await open_connection(pair.settings)
    try:
        # A constraint that only the database has: its error quotes the whole row.
        await owner.execute(f"ALTER TABLE transactions ADD CONSTRAINT no_words CHECK (description <> '{words}') NOT VALID")
        failed = await pair.ask(0, "alice", PAY, **spoiled)
        assert failed["errors"][0]["extensions"]["code"] == "INTERNAL"
        # So do the errors of a resolver and of a route.
        await owner.execute(f"ALTER TABLE wallets ADD CONSTRAINT no_words CHECK (name <> '{words}') NOT VALID")
        await owner.execute(f"ALTER TABLE users ADD CONSTRAINT no_words CHECK (subject <> '{words}') NOT VALID")
        failed = await pair.ask(1, "alice", OPEN.replace('"x"', f'"{words}"'), key=key)
        assert failed["errors"][0]["extensions"]["code"] == "INTERNAL"
        unlucky = {"Authorization": f"Bearer {mint_token(words, pair.settings)}"}
        assert (await pair.clients[1].get("/wallets/x", headers=unlucky)).status_code == 500
        # And failed reads, with their parameters.
        await owner.execute("ALTER TABLE transactions RENAME COLUMN description TO described")
        by_key = "query($key: String!) { transactionByIdempotencyKey(idempotencyKey: $key) { id } }"
        failed = await pair.ask(1, "alice", by_key, key=key)
        assert failed["errors"][0]["extensions"]["code"] == "INTERNAL"
        await owner.execute("ALTER TABLE users RENAME COLUMN display_name TO shown")
        assert "INTERNAL" in str(await pair.ask(1, words, "{ viewer { id } }"))
        await owner.execute("ALTER TABLE transactions RENAME TO gone")
        rest = {"Authorization": f"Bearer {token}"}
        answer = await pair.clients[1].get("/transactions/txn_01jgfjjz00e008000000000011", headers=rest)
        assert answer.status_code == 500
        assert SECRET not in answer.text
    finally:
        await owner.close()

    def logged() -> str:
        return "".join(log.read_text() for log in pair.logs)

    # The failure of a route is logged after its answer is sent.
    expected = ("CheckViolationError", "UndefinedColumn", "UndefinedTable", fingerprint(key))
    assert await asyncio.to_thread(wait_until, lambda: all(line in logged() for line in expected), seconds=30), logged()
    for secret in (key, SECRET, token, token.rpartition(".")[2], words, "Bearer", "\nERROR forged"):
        assert secret not in logged(), secret
