"""Rate limits over HTTP and WebSocket, over two processes, and without Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.access.tokens import mint_token
from app.db.pool import Database
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key
from tests.servers import Servers
from tests.transport_ws import Socket
from tests.waiting import early_in_a_window

ASK = {"query": "{ currencies { code } }"}
LIMIT = 30
"""Requests in a window of ten seconds."""
SLACK = LIMIT // 8 + 1
"""Requests that a process may allow before it reports them to the other one."""


@pytest.fixture
async def limited(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    chosen = settings.model_copy(update={"requests_per_user_per_second": LIMIT // 10})
    async with serving(chosen, engine, relay=False) as api:
        yield api


async def test_a_user_past_the_limit_is_refused_with_the_time_to_wait_and_others_are_not(limited: Api) -> None:
    await limited.data("alice", ASK["query"])
    await early_in_a_window()
    answers = [await limited.http.post("/graphql", json=ASK, headers=limited.headers("alice")) for _ in range(LIMIT + 5)]
    allowed = [answer for answer in answers if answer.status_code == 200]
    assert len(allowed) in (LIMIT - 1, LIMIT)
    assert f'"user";q={LIMIT};w=10' in allowed[0].headers.get_list("ratelimit-policy")
    assert allowed[-1].headers["ratelimit"].startswith('"user";r=0;t=')
    refused = answers[-1]
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["extensions"]["code"]) == (429, "RATE_LIMITED")
    assert 1 <= error["extensions"]["retryAfterSeconds"] == int(refused.headers["retry-after"]) <= 10
    assert refused.headers["x-request-id"]
    assert f'"user";q={LIMIT};w=10' in refused.headers.get_list("ratelimit-policy")
    assert refused.headers["ratelimit"] == f'"user";r=0;t={error["extensions"]["retryAfterSeconds"]}'
    # With any token, on any route.
    other = {"Authorization": f"Bearer {mint_token('alice', limited.settings, role='support')}"}
    problem = await limited.http.get("/wallets/wal_x", headers=other)
    assert (problem.status_code, problem.json()["code"]) == (429, "RATE_LIMITED")
    assert problem.headers["content-type"] == "application/problem+json"
    assert (await limited.http.get("/readyz", headers=other)).status_code == 200
    await limited.data("bob", ASK["query"])


async def test_websocket_operations_count_and_past_the_limit_no_document_is_parsed(limited: Api) -> None:
    await early_in_a_window()
    async with limited.socket("alice") as socket:
        await limit_is_reached(socket)
        await socket.subscribe("1", ASK["query"])
        assert (await socket.message("1"))["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    async with limited.socket("bob") as socket:
        await socket.subscribe("1", ASK["query"])
        assert await socket.data("1")


async def test_operations_of_a_websocket_without_a_token_count_for_its_address(settings: Settings, engine: Database) -> None:
    chosen = settings.model_copy(update={"requests_per_address_per_second": LIMIT // 10})
    async with serving(chosen, engine, relay=False) as api:
        await early_in_a_window()
        async with api.socket("alice") as known, api.socket() as socket:
            await limit_is_reached(socket, already=2)
            assert (await api.http.post("/graphql", json=ASK)).status_code == 429
            # A client with a token is counted as its user, not by address.
            await known.subscribe("1", ASK["query"])
            assert await known.data("1")


async def limit_is_reached(socket: Socket, already: int = 0) -> None:
    """Send invalid GraphQL until it is refused without being parsed."""
    refusals = []
    for number in range(LIMIT - already + 1):
        await socket.subscribe(f"x{number}", "{ nope")
        message = await socket.message(f"x{number}")
        assert message["type"] == "error"
        refusals.append(message["payload"][0]["extensions"])
    codes = [refusal["code"] for refusal in refusals]
    assert codes == ["GRAPHQL_VALIDATION_FAILED"] * (LIMIT - already) + ["RATE_LIMITED"]
    assert 1 <= refusals[-1]["retryAfterSeconds"] <= 10


async def test_an_address_past_the_limit_is_refused_with_or_without_a_token(settings: Settings, engine: Database) -> None:
    chosen = settings.model_copy(update={"requests_per_address_per_second": LIMIT // 10})
    async with serving(chosen, engine, relay=False) as api:
        await early_in_a_window()
        statuses = [(await api.http.post("/graphql", json=ASK)).status_code for _ in range(LIMIT + 3)]
        assert statuses[-1] == 429
        assert (await api.http.post("/graphql", json=ASK, headers=api.headers("alice"))).status_code == 429
        with pytest.raises(Exception, match="429"):
            async with api.socket("alice"):
                pass


PAY = "mutation($i: TransferInput!) { transfer(input: $i) { transaction { id } } }"
PAY_MANY = (
    "mutation($i: [TransferInput!]!) { transferBatch(input: {transfers: $i}) { userErrors { code } results { replayed } } }"
)
OPEN = 'mutation($k: String!) { openWallet(input: {idempotencyKey: $k, currency: "USD", name: "x"}) { wallet { id } } }'
DEPOSIT = "mutation($i: DepositInput!) { deposit(input: $i) { userErrors { code } } }"


@pytest.fixture
async def paying(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    """An API that allows each user twenty transfers in ten seconds."""
    async with serving(settings.model_copy(update={"transfers_per_user_per_second": 2}), engine, relay=False) as api:
        yield api


def transfer_input(sender: str, receiver: str, amount: str = "0.01") -> dict[str, Any]:
    money = {"amount": amount, "currency": "USD"}
    return {"idempotencyKey": new_key(), "senderWalletId": sender, "receiverWalletId": receiver, "amount": money}


async def test_each_transfer_of_a_batch_counts_and_past_the_limit_nothing_is_recorded(paying: Api) -> None:
    a, b = await paying.wallet("alice", balance="9.00"), await paying.wallet("bob", balance="9.00")
    await early_in_a_window()
    batch = [
        transfer_input(a, b),
        transfer_input(a, b, "100.00"),
        transfer_input(b, a),
        *(transfer_input("x", "y") for _ in range(15)),
    ]
    assert len((await paying.data("alice", PAY_MANY, i=batch))["transferBatch"]["results"]) == 18
    rest = {"sender_wallet_id": a, "receiver_wallet_id": b, "amount": "0.01", "currency": "USD", "idempotency_key": new_key()}
    assert (await paying.http.post("/transfer", json=rest, headers=paying.headers("alice"))).status_code == 201
    recorded = await paying.bank.count("transactions")

    # One transfer is left: a batch of two does not fit and is refused unread.
    refused = await paying.graphql("alice", PAY_MANY, i=batch[:2])
    (error,) = refused["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 1 <= error["extensions"]["retryAfterSeconds"] <= 10
    await paying.data("alice", OPEN, k=new_key())
    assert await paying.codes("alice", OPEN, k=new_key()) == ["RATE_LIMITED"]
    assert await paying.codes("alice", PAY, i=transfer_input(a, b)) == ["RATE_LIMITED"]
    problem = await paying.http.post("/transfer", json={**rest, "idempotency_key": new_key()}, headers=paying.headers("alice"))
    assert (problem.status_code, problem.json()["code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(problem.headers["retry-after"]) == problem.json()["retry_after_seconds"]
    assert await paying.bank.count("transactions") == recorded
    assert await paying.bank.count("wallets WHERE name = 'x'") == 1
    await paying.data("bob", PAY, i=transfer_input(b, a))


async def test_deposits_count_too(paying: Api) -> None:
    wallet = await paying.wallet("alice")
    await early_in_a_window()
    deposit = {"idempotencyKey": new_key(), "walletId": wallet, "amount": {"amount": "1.00", "currency": "USD"}}
    answers = [await paying.codes("admin", DEPOSIT, i={**deposit, "idempotencyKey": new_key()}) for _ in range(21)]
    assert answers == [[]] * 20 + [["RATE_LIMITED"]]
    assert await paying.bank.balance(wallet) == 2000


async def test_a_wallet_past_the_limit_is_refused_as_data_and_not_recorded(settings: Settings, engine: Database) -> None:
    async with serving(settings.model_copy(update={"max_wallets_per_user": 1}), engine, relay=False) as api:
        open_one = OPEN.replace("wallet { id }", "wallet { id } replayed userErrors { __typename code path }")
        first = (await api.data("alice", open_one, k="first"))["openWallet"]
        refused = (await api.data("alice", open_one, k="second"))["openWallet"]
        error = {"__typename": "InvalidInput", "code": "QUOTA_EXCEEDED", "path": ["input"]}
        assert refused == {"wallet": None, "replayed": False, "userErrors": [error]}
        again = (await api.data("alice", open_one, k="first"))["openWallet"]
        assert again == {**first, "replayed": True}
        assert (await api.data("bob", open_one, k="first"))["openWallet"]["wallet"] is not None


async def test_two_processes_share_one_limit(limited: Api, settings: Settings, engine: Database) -> None:
    chosen = settings.model_copy(update={"requests_per_user_per_second": LIMIT // 10})
    async with serving(chosen, engine, relay=False) as other:
        await limited.data("alice", ASK["query"])
        await early_in_a_window()
        allowed = 0
        for _ in range(LIMIT):
            for api in (limited, other):
                answer = await api.http.post("/graphql", json=ASK, headers=api.headers("alice"))
                allowed += answer.status_code == 200
            # Slow enough for the processes to exchange counts: a round or two may pass in between.
            await asyncio.sleep(0.05)
        assert LIMIT - 1 <= allowed <= LIMIT + SLACK * 2 + 2 * 8


async def test_without_redis_each_process_applies_the_limit_and_sharing_resumes(
    limited: Api, clean_servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    clean_servers.stop_redis()
    await limited.data("alice", ASK["query"])
    await early_in_a_window()
    answers = [await limited.http.post("/graphql", json=ASK, headers=limited.headers("alice")) for _ in range(LIMIT + 3)]
    assert answers[-1].status_code == 429
    async with asyncio.timeout(20):
        while "rate limits are not shared between processes" not in caplog.text:  # noqa: ASYNC110 - another task logs it
            await asyncio.sleep(0.05)
    clean_servers.start_redis()
    sharing = limited.services.rates.user
    assert sharing is not None
    async with asyncio.timeout(30):
        while True:
            await limited.http.post("/graphql", json=ASK, headers=limited.headers("bob"))
            if not sharing.unshared()[1] and sharing._shared:
                break
            await asyncio.sleep(0.1)
