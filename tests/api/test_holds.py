"""Holds over GraphQL and REST: placed, captured, released, extended, listed, and seen live."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.api.conftest import Api
from tests.api.test_rest import assert_described
from tests.bank import new_key

HOLD = """
  id status amount { amount } captured { amount } released { amount } remaining { amount } expiresAt closedAt description
  wallet { walletId } receiver { walletId displayName } metadata { key value } idempotencyKey
"""
ANSWER = f"hold {{ {HOLD} }} transaction {{ id type status hold {{ id }} }} replayed userErrors {{ code message path }}"
LOOK = """query($id: ID!, $status: HoldStatus) {
  wallet(id: $id) {
    balance { amount } held { amount } available { amount }
    holds(status: $status) { edges { node { id status } } }
    incomingHolds { edges { node { id status } } }
  }
}"""
WATCH_WALLET = """subscription($id: ID!) {
  walletUpdated(walletId: $id) {
    kind entry { balanceAfter { amount } } wallet { balance { amount } held { amount } available { amount } }
  }
}"""
WATCH_HOLD = "subscription($id: ID!) { holdUpdated(holdId: $id) { status remaining { amount } closedAt expiresAt } }"


class Shop:
    """Alice has 100 dollars."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def build(self) -> Shop:
        self.mine = await self.api.wallet("alice", balance="100.00")
        self.theirs = await self.api.wallet("bob")
        return self

    async def act(self, action: str, subject: str, **sent: Any) -> dict[str, Any]:
        """The payload of one mutation."""
        name = f"{action[0].upper()}{action[1:]}Input"
        document = f"mutation($input: {name}!) {{ {action}(input: $input) {{ {ANSWER} }} }}"
        payload: dict[str, Any] = (await self.api.data(subject, document, input={"idempotencyKey": new_key(), **sent}))[action]
        return payload

    async def place(self, amount: str = "60.00", **more: Any) -> dict[str, Any]:
        sent = {"walletId": self.mine, "receiverWalletId": self.theirs, "amount": usd(amount), "expiresIn": 3600, **more}
        return await self.act("placeHold", "alice", **sent)

    async def look(self, subject: str, wallet_id: str, **variables: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await self.api.data(subject, LOOK, id=wallet_id, **variables))["wallet"]
        return found

    async def post(self, subject: str, path: str, described: str, **body: Any) -> httpx.Response:
        """One request of REST, compared with the description."""
        sent = {"idempotency_key": new_key(), **body}
        response: httpx.Response = await self.api.http.post(path, json=sent, headers=self.api.headers(subject))
        assert_described(response, described, "post")
        return response


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


@pytest.fixture
async def shop(api: Api) -> Shop:
    return await Shop(api).build()


async def test_a_hold_is_placed_captured_extended_and_released_and_both_sides_see_it(shop: Shop) -> None:
    placed = await shop.place(description="Dinner", metadata=[{"key": "table", "value": "4"}])
    hold = placed["hold"]
    assert (placed["userErrors"], placed["transaction"], placed["replayed"]) == ([], None, False)
    assert (hold["status"], hold["remaining"]["amount"], hold["description"]) == ("OPEN", "60.00", "Dinner")
    assert (hold["wallet"]["walletId"], hold["receiver"]["walletId"]) == (shop.mine, shop.theirs)
    assert hold["metadata"] == [{"key": "table", "value": "4"}]
    assert hold["idempotencyKey"] is not None
    mine = await shop.look("alice", shop.mine)
    assert (mine["balance"], mine["held"], mine["available"]) == (
        {"amount": "100.00"}, {"amount": "60.00"}, {"amount": "40.00"},
    )  # fmt: skip
    assert mine["holds"]["edges"] == [{"node": {"id": hold["id"], "status": "OPEN"}}]
    theirs = await shop.look("bob", shop.theirs)
    assert theirs["incomingHolds"]["edges"] == mine["holds"]["edges"]
    assert theirs["holds"]["edges"] == mine["incomingHolds"]["edges"] == []
    captured = await shop.act("captureHold", "bob", holdId=hold["id"], amount=usd("20.00"), keepRemaining=True)
    assert captured["userErrors"] == []
    assert captured["transaction"]["type"] == "CAPTURE"
    assert captured["transaction"]["hold"] == {"id": hold["id"]}
    assert captured["hold"]["idempotencyKey"] is None
    extended = await shop.act("extendHold", "alice", holdId=hold["id"], by=usd("5.00"), expiresIn=7200)
    assert extended["hold"]["remaining"] == {"amount": "45.00"}
    assert datetime.fromisoformat(extended["hold"]["expiresAt"]) > datetime.fromisoformat(hold["expiresAt"])
    released = await shop.act("releaseHold", "bob", holdId=hold["id"], reason="no dessert")
    assert (released["hold"]["status"], released["hold"]["released"]) == ("CAPTURED", {"amount": "45.00"})
    assert (await shop.look("alice", shop.mine, status="OPEN"))["holds"]["edges"] == []
    query = "query($id: ID!) { hold(id: $id) { captures { edges { node { id } } } } }"
    (edge,) = (await shop.api.data("alice", query, id=hold["id"]))["hold"]["captures"]["edges"]
    assert edge["node"]["id"] == captured["transaction"]["id"]


async def test_refusals_name_their_field_and_show_the_hold(shop: Shop) -> None:
    hold_id = (await shop.place())["hold"]["id"]
    exceeded = await shop.act("captureHold", "bob", holdId=hold_id, amount=usd("60.01"))
    (error,) = exceeded["userErrors"]
    assert (error["code"], error["path"]) == ("HOLD_EXCEEDED", ["input", "amount"])
    assert "60.00 USD" in error["message"]
    assert exceeded["hold"]["remaining"] == {"amount": "60.00"}
    await shop.act("releaseHold", "bob", holdId=hold_id)
    (error,) = (await shop.act("captureHold", "bob", holdId=hold_id))["userErrors"]
    assert (error["code"], error["path"]) == ("HOLD_NOT_OPEN", ["input", "holdId"])
    late = await shop.act("captureHold", "bob", holdId=hold_id, amount=usd("1.00"), afterExpiry="TRY_AVAILABLE")
    assert (late["userErrors"], late["hold"]["captured"]) == ([], {"amount": "1.00"})
    literal = f'{{idempotencyKey: "{new_key()}", holdId: "{hold_id}", afterExpiry: TRY_AVAILABLE}}'
    payload = await shop.api.data("bob", f"mutation {{ captureHold(input: {literal}) {{ hold {{ captured {{ amount }} }} }} }}")
    assert payload["captureHold"]["hold"]["captured"] == {"amount": "60.00"}
    (error,) = (await shop.place("100.01"))["userErrors"]
    assert (error["code"], error["path"]) == ("INSUFFICIENT_FUNDS", ["input", "amount"])


async def test_what_is_held_and_an_expiry_are_seen_live(shop: Shop) -> None:
    """What is available is right in every update, and the end is sent within two seconds or, on a busy machine, soon."""
    await shop.api.relayed()
    async with shop.api.socket("alice") as socket, shop.api.socket("bob") as other:
        await socket.subscribe("1", WATCH_WALLET, id=shop.mine)
        assert (await socket.data("1"))["walletUpdated"]["kind"] == "SNAPSHOT"
        hold_id = (await shop.place(expiresIn=2))["hold"]["id"]
        assert state(await socket.data("1")) == ("STATE", "100.00", "60.00", "40.00")
        await other.subscribe("2", WATCH_HOLD, id=hold_id)
        assert (await other.data("2"))["holdUpdated"]["remaining"] == {"amount": "60.00"}
        await shop.act("captureHold", "bob", holdId=hold_id, amount=usd("10.00"), keepRemaining=True)
        seen = [state(await socket.data("1")), state(await socket.data("1"))]
        assert {one[0] for one in seen} == {"STATE", "ENTRY"}
        assert {one[1:] for one in seen} == {("90.00", "50.00", "40.00")}
        assert (await other.data("2"))["holdUpdated"]["remaining"] == {"amount": "50.00"}
        ended = (await other.data("2"))["holdUpdated"]
        assert (ended["status"], ended["closedAt"]) == ("EXPIRED", ended["expiresAt"])
        assert state(await socket.data("1")) == ("STATE", "90.00", "0.00", "90.00")


def state(data: dict[str, Any]) -> tuple[str, str, str, str]:
    update = data["walletUpdated"]
    wallet = update["wallet"]
    return update["kind"], wallet["balance"]["amount"], wallet["held"]["amount"], wallet["available"]["amount"]


async def test_holds_over_rest_answer_as_the_description_says(shop: Shop) -> None:
    key = new_key()
    body: dict[str, Any] = {"wallet_id": shop.mine, "receiver_wallet_id": shop.theirs, "amount": "60.00", "currency": "USD",
                            "expires_in": 3600, "metadata": {"table": "4"}, "idempotency_key": key}  # fmt: skip
    placed, again = [await shop.post("alice", "/holds", "/holds", **body) for _ in range(2)]
    assert (placed.status_code, again.status_code) == (201, 200)
    hold = placed.json()["hold"]
    assert (hold["status"], hold["remaining"], hold["metadata"]) == ("OPEN", "60.00", {"table": "4"})
    path = f"/holds/{hold['id']}"
    captured = await shop.post(
        "bob", f"{path}/capture", "/holds/{id}/capture", amount="20.00", currency="USD", keep_remaining=True
    )
    assert captured.status_code == 201
    assert captured.json()["transaction"]["hold_id"] == hold["id"]
    refused = await shop.post("bob", f"{path}/capture", "/holds/{id}/capture", amount="40.01", currency="USD")
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (422, "HOLD_EXCEEDED", "amount")
    assert refused.json()["hold"]["remaining"] == "40.00"
    released = await shop.post("bob", f"{path}/release", "/holds/{id}/release", reason="no dessert")
    assert released.json()["hold"]["status"] == "CAPTURED"
    closed = await shop.post("bob", f"{path}/release", "/holds/{id}/release")
    assert (closed.status_code, closed.json()["code"], closed.json()["field"]) == (409, "HOLD_NOT_OPEN", "id")
    seen = await shop.api.http.get(path, headers=shop.api.headers("alice"))
    assert_described(seen, "/holds/{id}", "get")
    assert (seen.json()["captured"], seen.json()["released"]) == ("20.00", "40.00")
    wallet = await shop.api.http.get(f"/wallets/{shop.mine}", headers=shop.api.headers("alice"))
    assert (wallet.json()["balance"], wallet.json()["held"]) == ("80.00", "0.00")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/holds", {"amount": "1.00", "currency": "USD"}),
        ("/holds", {"wallet_id": "w", "amount": 1, "currency": "USD"}),
        ("/holds", {"wallet_id": "w", "amount": "1.00", "currency": "USD", "expires_in": "60"}),
        ("/holds", {"wallet_id": "w", "amount": "1.00", "currency": "USD", "expires_in": True}),
        ("/holds", {"wallet_id": "w", "amount": "1.00", "currency": "USD", "metadata": []}),
        ("/holds", {"wallet_id": "w", "amount": "1.00", "currency": "USD", "more": 1}),
        ("/holds/x/capture", {"amount": "1.00"}),
        ("/holds/x/capture", {"keep_remaining": "yes"}),
        ("/holds/x/capture", {"after_expiry": "MAYBE"}),
        ("/holds/x/release", {"reason": 7}),
        ("/holds/x/release", {"currency": "USD"}),
    ],
)
async def test_a_malformed_body_is_refused(shop: Shop, path: str, body: dict[str, Any]) -> None:
    response = await shop.post("alice", path, path.replace("/x/", "/{id}/"), **body)
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")


async def test_many_captures_over_two_transports_pay_what_is_held_once(shop: Shop) -> None:
    hold_id = (await shop.place("10.00"))["hold"]["id"]
    answers = await asyncio.gather(
        *(shop.act("captureHold", "bob", holdId=hold_id, amount=usd("1.00"), keepRemaining=True) for _ in range(8)),
        *(
            shop.post(
                "bob", f"/holds/{hold_id}/capture", "/holds/{id}/capture", amount="1.00", currency="USD", keep_remaining=True
            )
            for _ in range(8)
        ),
    )
    paid = sum(one.status_code == 201 if isinstance(one, httpx.Response) else not one["userErrors"] for one in answers)
    assert paid == 10
    assert (await shop.look("bob", shop.theirs))["balance"] == {"amount": "10.00"}
