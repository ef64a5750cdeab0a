"""Quotes and conversions over GraphQL and REST: asked for, used, seen by both sides, and live."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_rest import assert_described
from tests.bank import new_key

QUOTE = """
  id status source { amount currency } target { amount currency } spread { amount } total { amount } fees { label }
  rate { base quote rate spreadBasisPoints source } expiresAt transaction { id }
"""
ASK = f"""mutation($input: CreateFxQuoteInput!) {{
  createFxQuote(input: $input) {{ quote {{ {QUOTE} }} replayed userErrors {{ code message path }} }}
}}"""
CONVERT = """mutation($input: ConvertInput!) {
  convert(input: $input) { transaction { id type status amount { amount currency } } replayed userErrors { code path } }
}"""
PAY = """mutation($input: TransferInput!) {
  transfer(input: $input) { transaction { id type } userErrors { code path } }
}"""
LOOK = f"query($id: ID!) {{ fxQuote(id: $id) {{ {QUOTE} }} }}"
SHOW = """query($id: ID!) { transaction(id: $id) {
  amount { amount currency } receiver { currency }
  conversion {
    sold { amount currency } bought { amount currency } spread { amount } residue { amount } rate { rate } quote { id }
  }
  entries { purpose direction amount { amount currency } balanceAfter { currency } }
} }"""
WATCH = """subscription($id: ID!) { walletUpdated(walletId: $id) {
  kind wallet { balance { amount } }
  entry { amount { amount currency } transaction { type conversion { sold { amount currency } } } }
} }"""


class Desk:
    """Alice has 100 dollars and a wallet in euros, Bob one in yen."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def build(self) -> Desk:
        self.dollars = await self.api.wallet("alice", balance="100.00")
        self.euros = await self.api.wallet("alice", currency="EUR")
        self.yen = await self.api.wallet("bob", currency="JPY")
        for base, quote, rate in (("EUR", "USD", "1.25"), ("USD", "JPY", "150")):
            sent = {"base": base, "quote": quote, "rate": rate, "spreadBasisPoints": 50, "source": "Desk", "reason": "A test"}
            document = "mutation($input: SetFxRateInput!) { setFxRate(input: $input) { rate { rate } userErrors { message } } }"
            answer = (await self.api.data("admin", document, input=sent))["setFxRate"]
            assert answer == {"rate": {"rate": rate}, "userErrors": []}
        return self

    async def ask(self, target: str = "EUR", amount: str = "10.00", side: str = "source", **more: Any) -> dict[str, Any]:
        currency = "USD" if side == "source" else target
        sent = {
            "idempotencyKey": new_key(),
            "from": "USD",
            "to": target,
            "amount": {side: {"amount": amount, "currency": currency}},
            **more,
        }
        payload: dict[str, Any] = (await self.api.data("alice", ASK, input=sent))["createFxQuote"]
        return payload

    async def take(self, quote: dict[str, Any], **more: Any) -> dict[str, Any]:
        sent = {
            "idempotencyKey": new_key(),
            "quoteId": quote["id"],
            "sourceWalletId": self.dollars,
            "targetWalletId": self.euros,
            **more,
        }
        payload: dict[str, Any] = (await self.api.data("alice", CONVERT, input=sent))["convert"]
        return payload


@pytest.fixture
async def desk(api: Api) -> Desk:
    return await Desk(api).build()


async def test_a_quote_says_what_it_costs_and_its_conversion_posts_it(desk: Desk) -> None:
    asked = await desk.ask()
    quote = asked["quote"]
    assert (asked["userErrors"], asked["replayed"], quote["status"], quote["transaction"]) == ([], False, "OPEN", None)
    assert quote["source"] == {"amount": "10.00", "currency": "USD"}
    assert quote["target"] == {"amount": "7.96", "currency": "EUR"}
    assert (quote["spread"], quote["total"], quote["fees"]) == ({"amount": "0.05"}, {"amount": "10.00"}, [])
    assert quote["rate"] == {"base": "USD", "quote": "EUR", "rate": "0.8", "spreadBasisPoints": 50, "source": "Desk"}
    assert 'paycore_fx_quotes_total{result="made"}' in (await desk.api.http.get("/metrics")).text
    taken = await desk.take(quote)
    assert taken["userErrors"] == []
    assert (taken["transaction"]["type"], taken["transaction"]["amount"]["amount"]) == ("CONVERSION", "10.00")
    used = (await desk.api.data("alice", LOOK, id=quote["id"]))["fxQuote"]
    assert (used["status"], used["transaction"]) == ("USED", {"id": taken["transaction"]["id"]})
    shown = (await desk.api.data("alice", SHOW, id=taken["transaction"]["id"]))["transaction"]
    assert [(entry["purpose"], entry["amount"]["currency"], entry["balanceAfter"]["currency"]) for entry in shown["entries"]] == [
        ("PRINCIPAL", "USD", "USD"),
        ("PRINCIPAL", "EUR", "EUR"),
    ]
    everything = (await desk.api.data("admin", SHOW, id=taken["transaction"]["id"]))["transaction"]["entries"]
    assert [(entry["purpose"], entry["amount"]["currency"]) for entry in everything[2:]] == [
        ("FX", "USD"),
        ("FX", "EUR"),
        ("SPREAD", "USD"),
    ]


async def test_the_receiver_sees_what_arrives_live_and_not_the_payers_quote(desk: Desk) -> None:
    quote = (await desk.ask("JPY", "1000", "target"))["quote"]
    async with desk.api.socket("bob") as socket:
        await socket.subscribe("1", WATCH, id=desk.yen)
        assert (await socket.data("1"))["walletUpdated"]["kind"] == "SNAPSHOT"
        sent = {
            "idempotencyKey": new_key(),
            "senderWalletId": desk.dollars,
            "receiverWalletId": desk.yen,
            "amount": {"amount": "1000", "currency": "JPY"},
            "quoteId": quote["id"],
        }
        paid = (await desk.api.data("alice", PAY, input=sent))["transfer"]
        assert paid["userErrors"] == []
        update = (await socket.data("1"))["walletUpdated"]
    assert update["entry"]["amount"] == {"amount": "1000", "currency": "JPY"}
    assert update["entry"]["transaction"] == {"type": "CONVERSION", "conversion": {"sold": quote["source"]}}
    assert update["wallet"]["balance"]["amount"] == "1000"
    seen = (await desk.api.data("bob", SHOW, id=paid["transaction"]["id"]))["transaction"]
    assert seen["receiver"] == {"currency": "JPY"}
    assert seen["conversion"]["bought"] == {"amount": "1000", "currency": "JPY"}
    assert seen["conversion"]["quote"] is None
    assert [entry["amount"] for entry in seen["entries"]] == [{"amount": "1000", "currency": "JPY"}]
    assert (await desk.api.data("bob", LOOK, id=quote["id"]))["fxQuote"] is None


async def test_refusals_say_what_is_wrong_and_where(desk: Desk) -> None:
    quote = (await desk.ask())["quote"]
    assert (await desk.take(quote))["userErrors"] == []
    again = await desk.take(quote)
    assert again["userErrors"] == [{"code": "QUOTE_USED", "path": ["input", "quoteId"]}]
    assert again["transaction"]["status"] == "FAILED"
    foreign = await desk.take({"id": "fxq_01jgfjjz00e00800000000000h"})
    assert foreign["userErrors"] == [{"code": "QUOTE_MISMATCH", "path": ["input", "quoteId"]}]
    small = await desk.ask(amount="0.01")
    assert [(error["code"], error["path"]) for error in small["userErrors"]] == [
        ("AMOUNT_TOO_SMALL", ["input", "amount", "source"])
    ]
    nowhere = await desk.ask("CHF")
    assert [error["code"] for error in nowhere["userErrors"]] == ["RATE_UNAVAILABLE"]
    wrong = {"source": {"amount": "1.00", "currency": "EUR"}}
    sent = {"idempotencyKey": new_key(), "from": "USD", "to": "EUR", "amount": wrong}
    errors = (await desk.api.data("alice", ASK, input=sent))["createFxQuote"]["userErrors"]
    assert [(error["code"], error["path"]) for error in errors] == [
        ("CURRENCY_MISMATCH", ["input", "amount", "source", "currency"])
    ]


async def test_rates_of_a_moment_stay_as_they_were(desk: Desk) -> None:
    query = "query($at: DateTime) { fxRates(at: $at) { base quote rate validFrom } }"
    first = (await desk.api.data("alice", query))["fxRates"]
    (euro,) = [rate for rate in first if rate["base"] == "EUR"]
    sent = {"base": "USD", "quote": "EUR", "rate": "0.9", "spreadBasisPoints": 0, "source": "Desk", "reason": "A test"}
    await desk.api.data("admin", "mutation($input: SetFxRateInput!) { setFxRate(input: $input) { rate { rate } } }", input=sent)
    now = (await desk.api.data("alice", query))["fxRates"]
    assert [(rate["base"], rate["rate"]) for rate in now if "EUR" in (rate["base"], rate["quote"])] == [("USD", "0.9")]
    then = (await desk.api.data("alice", query, at=euro["validFrom"]))["fxRates"]
    assert [rate for rate in then if rate["base"] == "EUR"] == [euro]
    late = {**sent, "validFrom": "2020-01-01T00:00:00Z"}
    document = "mutation($input: SetFxRateInput!) { setFxRate(input: $input) { rate { rate } userErrors { code path } } }"
    refused = (await desk.api.data("admin", document, input=late))["setFxRate"]
    assert refused == {"rate": None, "userErrors": [{"code": "INVALID_INPUT", "path": ["input", "validFrom"]}]}


async def test_the_same_over_rest(desk: Desk) -> None:
    headers = {**desk.api.headers("alice"), "Idempotency-Key": new_key()}
    wanted = {"source_currency": "USD", "target_currency": "JPY", "target_amount": "1000"}
    made = await desk.api.http.post("/fx/quotes", json=wanted, headers=headers)
    assert made.status_code == 201
    quote = made.json()["quote"]
    assert (quote["status"], quote["source_amount"], quote["total"], quote["residue"]) == ("OPEN", "6.71", "6.71", "0")
    again = await desk.api.http.post("/fx/quotes", json=wanted, headers=headers)
    assert (again.status_code, again.json()) == (200, {"quote": quote, "replayed": True})
    body = {"sender_wallet_id": desk.dollars, "receiver_wallet_id": desk.yen, "amount": "6.71", "currency": "USD"}
    paid = await desk.api.http.post(
        "/transfer", json={**body, "quote_id": quote["id"], "idempotency_key": new_key()}, headers=desk.api.headers("alice")
    )
    assert paid.status_code == 201, paid.text
    assert (paid.json()["transaction"]["type"], paid.json()["transaction"]["quote_id"]) == ("CONVERSION", quote["id"])
    found = await desk.api.http.get(f"/fx/quotes/{quote['id']}", headers=desk.api.headers("alice"))
    assert found.json()["status"] == "USED"
    other = await desk.api.http.post(
        "/fx/quotes",
        json={"source_currency": "USD", "target_currency": "EUR", "source_amount": "10.00", "idempotency_key": new_key()},
        headers=desk.api.headers("alice"),
    )
    go = {
        "quote_id": other.json()["quote"]["id"],
        "source_wallet_id": desk.dollars,
        "target_wallet_id": desk.euros,
        "idempotency_key": new_key(),
    }
    converted = await desk.api.http.post("/conversions", json=go, headers=desk.api.headers("alice"))
    assert converted.status_code == 201
    late = await desk.api.http.post("/conversions", json={**go, "idempotency_key": new_key()}, headers=desk.api.headers("alice"))
    assert (late.status_code, late.json()["code"], late.json()["field"]) == (409, "QUOTE_USED", "quote_id")
    rates = await desk.api.http.get("/fx/rates", headers=desk.api.headers("bob"))
    assert {(rate["base"], rate["rate"]) for rate in rates.json()["items"]} == {("EUR", "1.25"), ("USD", "150")}
    for answer, path in (
        (made, "/fx/quotes"),
        (again, "/fx/quotes"),
        (paid, "/transfer"),
        (found, "/fx/quotes/{id}"),
        (converted, "/conversions"),
        (late, "/conversions"),
        (rates, "/fx/rates"),
    ):
        assert_described(answer, path, answer.request.method.lower())
