"""Clients that hang up at any moment: each transfer settles or does not, its key shows which, and nothing leaks."""

from __future__ import annotations

import asyncio
import random

import httpx
from sqlalchemy.pool import QueuePool

from tests.api.conftest import Api

MUTATION = "mutation($i: TransferInput!) { transfer(input: $i) { replayed transaction { id status } userErrors { code } } }"
PAGE = "query($w: ID!) { wallet(id: $w) { owner { displayName } transactions { edges { node { sender { displayName } } } } } }"


async def test_a_thousand_clients_that_hang_up_lose_no_money_and_leak_nothing(api: Api) -> None:
    a, b = await api.wallet("alice", balance="100.00"), await api.wallet("bob")
    chance = random.Random(7)
    money = {"amount": "0.01", "currency": "USD"}

    def transfer_input(number: int) -> dict[str, object]:
        return {"idempotencyKey": f"k{number}", "senderWalletId": a, "receiverWalletId": b, "amount": money}

    async def hang_up(number: int) -> None:
        body = (
            {"query": MUTATION, "variables": {"i": transfer_input(number)}}
            if number % 2
            else {"query": PAGE, "variables": {"w": a}}
        )
        try:
            async with asyncio.timeout(chance.uniform(0, 0.05)):
                await api.http.post("/graphql", json=body, headers=api.headers("alice"))
        except (TimeoutError, httpx.HTTPError):
            return

    for start in range(0, 1000, 50):
        await asyncio.gather(*(hang_up(number) for number in range(start, start + 50)))
    answers = [await api.data("alice", MUTATION, i=transfer_input(number)) for number in range(1, 1000, 2)]
    assert all(not answer["transfer"]["userErrors"] for answer in answers)
    assert await api.bank.balance(b) == 500
    pool = api.services.engine.sync_engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedout() == 0
