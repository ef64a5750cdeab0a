"""Webhook endpoints through GraphQL: what may be stored, who may store it, and what is shown of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from app import ids
from app.records import WebhookSource
from app.services.webhooks.sealing import Seal
from app.services.webhooks.signing import SigningKeys, public_text
from app.settings import DEMO_WEBHOOK_KEY
from tests.api.conftest import Api
from tests.bank import new_key

CREATE = """
mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) {
  endpoint { id url document variables status publicKey ordered oldestUndelivered { id } deliveries { edges { node { id } } } }
  secret replayed userErrors { code message path }
} }
"""
WALLET = "subscription ($w: ID!) { walletUpdated(walletId: $w) { cursor entry { amount { amount } } } }"
SETTLED = "subscription { transactionSettled { transaction { id amount { amount currency } } } }"
ROTATE = """
mutation ($input: RotateWebhookSecretInput!) { rotateWebhookSecret(input: $input) {
  endpoint { publicKey } secret userErrors { code path } } }
"""
SET_STATUS = """
mutation ($input: SetWebhookStatusInput!) { setWebhookStatus(input: $input) { endpoint { status } userErrors { code path } } }
"""


async def create(api: Api, subject: str = "alice", **values: Any) -> dict[str, Any]:
    given = {"idempotencyKey": new_key(), "url": "https://hooks.example.com/in", "document": SETTLED, **values}
    payload: dict[str, Any] = (await api.data(subject, CREATE, input=given))["createWebhookEndpoint"]
    return payload


async def stored(api: Api) -> list[Any]:
    async with api.services.engine.connect() as connection:
        return list(await connection.execute(text("SELECT * FROM webhook_endpoints ORDER BY id")))


async def test_an_endpoint_is_created_and_its_secret_is_shown_once(api: Api) -> None:
    alice = await api.bank.viewer("alice")
    wallet = await api.bank.wallet(alice, balance="5.00")
    key, variables = new_key(), f'{{"w":"{wallet}"}}'
    payload = await create(api, idempotencyKey=key, document=WALLET, variables=variables)
    endpoint = payload["endpoint"]
    assert payload["secret"].startswith("whsec_")
    assert payload["replayed"] is False
    assert payload["userErrors"] == []
    assert endpoint["variables"] == variables
    assert (endpoint["status"], endpoint["ordered"], endpoint["oldestUndelivered"]) == ("ENABLED", True, None)
    assert endpoint["publicKey"].startswith("whpk_")
    (row,) = await stored(api)
    assert (row.source, row.subject_id, row.start_number, row.sees_all) == (
        WebhookSource.WALLET,
        ids.decode("wal", wallet),
        1,
        False,
    )
    keys = SigningKeys.unpack(Seal([DEMO_WEBHOOK_KEY]).open(row.keys, row.id))
    assert (keys.shared, public_text(keys.public)) == (payload["secret"], endpoint["publicKey"])
    assert keys.secret not in row.keys

    again = await create(api, idempotencyKey=key, document=WALLET, variables=variables)
    assert again["endpoint"] == endpoint
    assert (again["secret"], again["replayed"]) == (None, True)
    other = await create(api, idempotencyKey=key, document=WALLET, variables=variables, ordered=False)
    assert [error["code"] for error in other["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert len(await stored(api)) == 1


async def test_the_same_request_at_once_creates_one_endpoint(api: Api) -> None:
    key = new_key()
    payloads = await asyncio.gather(*(create(api, idempotencyKey=key) for _ in range(10)))
    assert len({payload["endpoint"]["id"] for payload in payloads}) == 1
    assert sum(payload["secret"] is not None for payload in payloads) == 1
    assert len(await stored(api)) == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("url", {"url": "http://hooks.example.com/"}),
        ("url", {"url": "https://127.0.0.1/"}),
        ("url", {"url": "https://2130706433/"}),
        ("url", {"url": "https://[::ffff:10.0.0.1]/"}),
        ("url", {"url": "https://user@hooks.example.com/"}),
        ("document", {"document": ""}),
        ("document", {"document": "nonsense {"}),
        ("document", {"document": "fragment F on Wallet { id }"}),
        ("document", {"document": "{ viewer { id } }"}),
        ("document", {"document": "mutation { transfer(input: {}) { replayed } }"}),
        ("document", {"document": "subscription { transactionSettled { nothing } }"}),
        ("document", {"document": "subscription { ...F } fragment F on Subscription { transactionSettled { missed } }"}),
        ("document", {"document": "subscription ($x: Boolean!) { transactionSettled @skip(if: $x) { missed } }",
                      "variables": '{"x": true}'}),
        ("document", {"document": f"{SETTLED} query Other {{ viewer {{ id }} }}"}),
        ("document", {"document": SETTLED + "#" * 10_000}),
        ("document", {"document": WALLET}),
        ("document", {"document": WALLET, "variables": '{"w": 5, "x": 1}'}),
        ("document", {"document": WALLET, "variables": '{"w": null}'}),
        ("document", {"document": WALLET, "variables": '{"w": "wal_01jgfjjz00e008000000000000"}'}),
        ("document", {"document": WALLET, "variables": '{"w": "THEIRS"}'}),
        ("document", {"document": 'subscription { walletUpdated(walletId: "MINE", after: "x") { cursor } }'}),
        ("document", {"document": 'subscription { holdUpdated(holdId: "hld_01jgfjjz00e008000000000000") { id } }'}),
        ("document", {"document": "subscription { transactionSettled { transaction { reversals(first: 100) { edges { node { "
                                  "reversals(first: 100) { edges { node { id } } } } } } } } }"}),
        ("variables", {"variables": "5"}),
        ("variables", {"variables": "{"}),
        ("variables", {"variables": '{"x": "\\u0000"}'}),
        ("variables", {"variables": '{"x": "' + "y" * 16_384 + '"}'}),
        ("idempotencyKey", {"idempotencyKey": "a b"}),
    ],
)  # fmt: skip
async def test_what_cannot_be_delivered_is_refused_and_leaves_no_trace(api: Api, field: str, values: dict[str, str]) -> None:
    mine = await api.bank.wallet(await api.bank.viewer("alice"))
    theirs = await api.bank.wallet(await api.bank.viewer("bob"))
    given = {name: value.replace("MINE", mine).replace("THEIRS", theirs) for name, value in values.items()}
    payload = await create(api, **given)
    assert payload["endpoint"] is None
    assert [error["path"] for error in payload["userErrors"]] == [["input", field]], payload
    assert await stored(api) == []


async def test_a_user_has_a_limited_number_of_endpoints_also_at_once(api: Api) -> None:
    most = api.settings.webhooks_per_user
    payloads = await asyncio.gather(*(create(api) for _ in range(most + 5)))
    codes = [payload["userErrors"][0]["code"] for payload in payloads if payload["endpoint"] is None]
    assert codes == ["QUOTA_EXCEEDED"] * 5
    assert len(await stored(api)) == most
    assert (await create(api, "bob"))["endpoint"] is not None


async def test_endpoints_are_listed_for_their_owner_only(api: Api) -> None:
    created = [(await create(api))["endpoint"]["id"] for _ in range(3)]
    query = "{ webhookEndpoints(first: 2) { edges { node { id } } pageInfo { hasNextPage endCursor } } }"
    page = (await api.data("alice", query))["webhookEndpoints"]
    assert [edge["node"]["id"] for edge in page["edges"]] == created[:0:-1]
    assert page["pageInfo"]["hasNextPage"] is True
    rest = "query ($after: String) { webhookEndpoints(after: $after) { edges { node { id } } } }"
    last = (await api.data("alice", rest, after=page["pageInfo"]["endCursor"]))["webhookEndpoints"]
    assert [edge["node"]["id"] for edge in last["edges"]] == created[:1]
    for other in ("bob", "admin"):
        assert (await api.data(other, query))["webhookEndpoints"]["edges"] == []
        assert (await api.data(other, "query ($id: ID!) { node(id: $id) { id } }", id=created[0]))["node"] is None


async def test_keys_are_replaced_and_the_old_ones_are_kept_for_the_overlap(api: Api) -> None:
    first = await create(api)
    chosen = {"endpointId": first["endpoint"]["id"]}
    second = (await api.data("alice", ROTATE, input={**chosen, "overlap": 60}))["rotateWebhookSecret"]
    assert second["secret"] not in (None, first["secret"])
    assert second["endpoint"]["publicKey"] != first["endpoint"]["publicKey"]
    (row,) = await stored(api)
    seal = Seal([DEMO_WEBHOOK_KEY])
    assert SigningKeys.unpack(seal.open(row.old_keys, row.id)).shared == first["secret"]
    assert SigningKeys.unpack(seal.open(row.keys, row.id)).shared == second["secret"]
    third = (await api.data("alice", ROTATE, input={**chosen, "overlap": 0}))["rotateWebhookSecret"]
    (row,) = await stored(api)
    assert row.old_keys is None
    assert SigningKeys.unpack(seal.open(row.keys, row.id)).shared == third["secret"]
    for overlap in (-1, 604_801):
        refused = (await api.data("alice", ROTATE, input={**chosen, "overlap": overlap}))["rotateWebhookSecret"]
        assert refused["userErrors"] == [{"code": "INVALID_INPUT", "path": ["input", "overlap"]}]


async def test_an_endpoint_is_paused_and_enabled_by_its_owner_only(api: Api) -> None:
    chosen = (await create(api))["endpoint"]["id"]
    for status in ("PAUSED", "ENABLED"):
        payload = (await api.data("alice", SET_STATUS, input={"endpointId": chosen, "status": status}))["setWebhookStatus"]
        assert payload == {"endpoint": {"status": status}, "userErrors": []}
    for subject, changes in {
        "bob": {},
        "admin": {},
        "alice": {"status": "DISABLED_FAILING"},
    }.items():
        given = {"endpointId": chosen, "status": "PAUSED", **changes}
        payload = (await api.data(subject, SET_STATUS, input=given))["setWebhookStatus"]
        assert [error["code"] for error in payload["userErrors"]] == ["INVALID_INPUT"]
    assert (await stored(api))[0].status == "ENABLED"


async def test_an_administrators_endpoint_remembers_that_it_sees_all(api: Api) -> None:
    assert (await create(api, "admin"))["userErrors"] == []
    assert [row.sees_all for row in await stored(api)] == [True]
