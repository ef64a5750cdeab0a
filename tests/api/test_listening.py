"""`paycore listen`: entries of a wallet arrive at a URL on this machine, in order, signed, also across a lost connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from standardwebhooks.webhooks import Webhook

from app.errors import ConfigurationError
from app.processes.listening import Listening, listen
from tests.api.conftest import Api
from tests.unit.test_webhook_signing import verify_v1a
from tests.waiting import soon
from tests.webhook_receiver import Endpoint, Message, receiving


@asynccontextmanager
async def listening(api: Api, wallet: str, endpoint: Endpoint) -> AsyncIterator[list[str]]:
    """The command, in this process. Yields the lines that it prints."""
    said: list[str] = []
    task = asyncio.create_task(listen(Listening(api.url, api.token("bob"), wallet, endpoint.url), said.append))
    try:
        await soon(lambda: any(line.startswith("Listening") for line in said))
        yield said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def sequences(endpoint: Endpoint) -> list[int]:
    return [int(message.data["walletUpdated"]["entry"]["sequence"]) for message in endpoint.accepted]


async def test_entries_are_forwarded_in_order_and_signed_with_what_it_prints(api: Api) -> None:
    alice, bob = await api.bank.viewer("alice"), await api.bank.viewer("bob")
    paying, wallet = await api.bank.wallet(alice, balance="10.00"), await api.bank.wallet(bob)
    refused: list[str] = []

    def status(message: Message) -> int:
        """Refuses each message once."""
        if message.id in refused:
            return 200
        refused.append(message.id)
        return 500

    async with receiving() as endpoint, listening(api, wallet, endpoint) as said:
        endpoint.status = status
        for _ in range(3):
            assert (await api.bank.pay(alice, paying, wallet)).transaction is not None
        await soon(lambda: len(endpoint.accepted) == 3)
    assert sequences(endpoint) == [1, 2, 3]
    assert len(endpoint.messages) == 6
    secret, public = (line.split(": ")[1] for line in said[:2])
    for message in endpoint.accepted:
        assert Webhook(secret).verify(message.body, message.headers) == message.content
        verify_v1a(public, message.headers, message.body)


async def test_after_a_lost_connection_it_goes_on_where_it_was(api: Api) -> None:
    alice, bob = await api.bank.viewer("alice"), await api.bank.viewer("bob")
    paying, wallet = await api.bank.wallet(alice, balance="10.00"), await api.bank.wallet(bob)
    async with receiving() as endpoint, listening(api, wallet, endpoint):
        assert (await api.bank.pay(alice, paying, wallet)).transaction is not None
        await soon(lambda: len(endpoint.accepted) == 1)
        # As at the stop of a process: streams end without `complete`.
        api.app.state.graphql.event_streams.stop()
        for _ in range(2):
            assert (await api.bank.pay(alice, paying, wallet)).transaction is not None
        api.app.state.graphql.event_streams._stopping.clear()
        await soon(lambda: len(endpoint.accepted) == 3)
    assert sequences(endpoint) == [1, 2, 3]


@pytest.mark.parametrize(("token", "code"), [("nonsense", "UNAUTHENTICATED"), (None, "NOT_FOUND")])
async def test_what_the_service_refuses_for_good_ends_it_with_one_line(api: Api, token: str | None, code: str) -> None:
    wallet = await api.bank.wallet(await api.bank.viewer("bob"))
    wanted = Listening(api.url, token or api.token("carol"), wallet, "http://127.0.0.1:9/")
    with pytest.raises(ConfigurationError, match=code):
        async with asyncio.timeout(20):
            await listen(wanted, lambda _: None)
