"""GET /events: all events by position, without a gap, for those who see everything."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from app.access.tokens import mint_token
from app.services.holds import PlaceInput, place_hold
from tests.api.conftest import Api
from tests.bank import new_key


async def read(api: Api, subject: str = "admin", **params: Any) -> tuple[list[dict[str, Any]], int]:
    """The events, and the next position."""
    response = await api.http.get("/events", params=params, headers=api.headers(subject))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()], int(response.headers["paycore-position"])


async def pay(api: Api, count: int) -> tuple[str, str]:
    alice, bob = await api.bank.viewer("alice"), await api.bank.viewer("bob")
    wallet, theirs = await api.bank.wallet(alice, balance="100.00"), await api.bank.wallet(bob)
    for _ in range(count):
        assert (await api.bank.pay(alice, wallet, theirs, "0.25")).transaction is not None
    await api.relayed()
    return wallet, theirs


async def test_each_event_is_read_once_in_order_and_without_a_gap(api: Api) -> None:
    wallet, theirs = await pay(api, 25)
    found, position = [], 0
    while True:
        events, position = await read(api, after=position, limit=7)
        if not events:
            break
        found += events
    assert [event["id"] for event in found] == [str(number) for number in range(1, len(found) + 1)]
    assert position == len(found)
    assert [event["sequence"] for event in found] == sorted(event["sequence"] for event in found)
    paid = [event for event in found if event["data"].get("type") == "TRANSFER"]
    assert len({event["subject"] for event in paid}) == 25
    event = paid[0]
    assert {name: event[name] for name in ("specversion", "source", "type", "datacontenttype")} == {
        "specversion": "1.0",
        "source": "/paycore",
        "type": "paycore.transaction.settled",
        "datacontenttype": "application/json",
    }
    assert event["time"] == event["data"]["completed_at"]
    assert event["subject"] == event["data"]["id"]
    assert [(entry["wallet_id"], entry["amount"], entry["balance_after"]) for entry in event["data"]["entries"]] == [
        (wallet, "-0.25", "99.75"),
        (theirs, "0.25", "0.25"),
    ]
    assert (await read(api, after=3, limit=5))[0] == found[3:8], "what was read is read again"


async def test_holds_and_wallets_have_events(api: Api) -> None:
    wallet, _ = await pay(api, 0)
    alice = await api.bank.viewer("alice")
    placed = await place_hold(api.bank.ledger, alice, PlaceInput(new_key(), wallet, ("1.00", "USD"), None, 3600, None, ()))
    assert placed.hold is not None or placed.result.refusals
    freeze = f'mutation {{ setWalletStatus(input: {{walletId: "{wallet}", status: FROZEN, reason: "x"}}) {{ wallet {{ id }} }} }}'
    await api.data("admin", freeze)
    await api.relayed()
    events, _ = await read(api, limit=1000)
    (changed,) = [event for event in events if event["type"] == "paycore.wallet.changed" and event["subject"] == wallet]
    assert changed["data"]["wallet"]["status"] == "FROZEN"
    if placed.hold is not None:
        (held,) = [event for event in events if event["type"] == "paycore.hold.changed"]
        assert held["data"]["number"] == 1
        assert held["data"]["hold"]["amount"] == "1.00"


async def test_a_long_poll_is_answered_when_there_is_an_event(api: Api) -> None:
    await pay(api, 1)
    _, position = await read(api, limit=1000)
    assert await read(api, after=position) == ([], position)
    waiting = asyncio.create_task(read(api, after=position, wait=20))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await pay(api, 1)
    async with asyncio.timeout(10):
        events, following = await waiting
    assert events[0]["id"] == str(position + 1)
    assert following > position


async def test_a_long_poll_ends_at_its_time_and_when_the_process_stops(api: Api) -> None:
    await pay(api, 1)
    _, position = await read(api, limit=1000)
    async with asyncio.timeout(5):
        assert await read(api, after=position, wait=1) == ([], position)
    waiting = asyncio.create_task(read(api, after=position, wait=25))
    await asyncio.sleep(0.5)
    api.app.state.draining = True
    async with asyncio.timeout(5):
        assert await waiting == ([], position)


@pytest.mark.parametrize(
    "params",
    [
        {"after": "-1"}, {"after": "x"}, {"after": ""}, {"after": "1.0"}, {"after": "9" * 30}, {"after": "9223372036854775807"},
        {"limit": "0"}, {"limit": "1001"}, {"wait": "26"}, {"wait": "-1"}, {"before": "1"}, {"after": ["1", "2"]},
        {"after": "\u0661"},
    ],
)  # fmt: skip
async def test_what_is_no_position_is_refused(api: Api, params: dict[str, Any]) -> None:
    response = await api.http.get("/events", params=params, headers=api.headers("admin"))
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")


async def test_a_service_account_that_sees_everything_reads_it_and_a_user_does_not(api: Api) -> None:
    await pay(api, 1)
    token = mint_token("warehouse", api.settings, role="support", scope="wallets:read")
    response = await api.http.get("/events", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    assert response.text
    assert (await api.http.get("/events", headers=api.headers("alice"))).status_code == 403
    assert (await api.http.get("/events")).status_code == 401
