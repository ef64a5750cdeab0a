"""Bad input to deposits, status changes, filters and lookups gets a code, inline and by variable."""

from __future__ import annotations

import json
from typing import Any

from tests.api.conftest import Api
from tests.bank import new_key

DEPOSIT = "mutation($i: DepositInput!) { deposit(input: $i) { transaction { id } replayed userErrors { code path } } }"
STATUS = "mutation($i: SetWalletStatusInput!) { setWalletStatus(input: $i) { wallet { status } userErrors { code path } } }"
LIST = "query($f: TransactionFilter) { transactions(filter: $f) { edges { cursor } } }"
UNKNOWN = "wal_01jgfjjz00e00800000000000h"


def dollars(amount: str, currency: str = "USD") -> dict[str, Any]:
    return {"amount": {"amount": amount, "currency": currency}}


BAD_DEPOSITS: list[tuple[dict[str, Any], str, list[str]]] = [
    (dollars("0"), "INVALID_AMOUNT", ["amount"]),
    (dollars("-1"), "INVALID_AMOUNT", ["amount"]),
    (dollars("1.001"), "INVALID_AMOUNT", ["amount"]),
    (dollars("92233720368547758.08"), "INVALID_AMOUNT", ["amount"]),
    (dollars("1", "ZZZ"), "INVALID_INPUT", ["amount", "currency"]),
    (dollars("1", "EUR"), "CURRENCY_MISMATCH", ["walletId"]),
    ({"walletId": UNKNOWN}, "WALLET_NOT_FOUND", ["walletId"]),
    ({"walletId": "nonsense"}, "WALLET_NOT_FOUND", ["walletId"]),
    ({"idempotencyKey": ""}, "IDEMPOTENCY_KEY_INVALID", ["idempotencyKey"]),
    ({"idempotencyKey": "k" * 256}, "IDEMPOTENCY_KEY_INVALID", ["idempotencyKey"]),
    ({"description": "x" * 281}, "INVALID_INPUT", ["description"]),
    ({"description": "a\u0000"}, "INVALID_INPUT", ["description"]),
]

BAD_STATUS_CHANGES: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"walletId": UNKNOWN}, "WALLET_NOT_FOUND", ["walletId"]),
    ({"walletId": "\u0000"}, "WALLET_NOT_FOUND", ["walletId"]),
    ({"reason": ""}, "INVALID_INPUT", ["reason"]),
    ({"reason": "  "}, "INVALID_INPUT", ["reason"]),
    ({"reason": "two\nlines"}, "INVALID_INPUT", ["reason"]),
    ({"reason": "x" * 281}, "INVALID_INPUT", ["reason"]),
    ({"status": "CLOSED"}, "INVALID_INPUT", ["status"]),
]

BAD_TIMES: list[Any] = [
    "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-02-30T12:00:00Z", "2026-01-31T25:00:00Z", "", "yesterday",
    "2026-01-31T12:00Z", "20260131T120000Z", "2026-W05-6T12:00:00Z", "2026-01-31T12:00:00+0100", "2026-01-31T12:00:00+25:00",
    "\uff12026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:00", 1769860800, True,
]  # fmt: skip
GOOD_TIMES = [
    "2026-01-31T12:00:00Z", "2026-01-31t12:00:00.123456789z", "2026-01-31T12:00:00-00:00", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999+14:00",
]  # fmt: skip

NO_IDS = ["", "x", "wal_", "wal_\u0000", UNKNOWN, UNKNOWN.upper(), "ü" * 30, "wal_" + "z" * 26, "wal_" + "8" + "0" * 25,
          "abc_01jgfjjz00e00800000000000h", "01jgfjjz00e00800000000000h", "x" * 10_000]  # fmt: skip


async def test_a_deposit_with_bad_input_is_refused(api: Api) -> None:
    wallet = await api.wallet("bob")
    for changes, code, path in BAD_DEPOSITS:
        values = {"idempotencyKey": new_key(), "walletId": wallet, **dollars("1.00"), **changes}
        payload = (await api.data("admin", DEPOSIT, i=values))["deposit"]
        assert payload["userErrors"] == [{"code": code, "path": ["input", *path]}], changes
        assert (payload["transaction"] is not None) == (code == "CURRENCY_MISMATCH"), "recorded if the ledger refused it"
    assert await api.bank.balance(wallet) == 0


async def test_a_status_change_with_bad_input_is_refused(api: Api) -> None:
    wallet = await api.wallet("bob", balance="1.00")
    recorded = await api.bank.count("audit_log")
    for changes, code, path in BAD_STATUS_CHANGES:
        values = {"walletId": wallet, "status": "FROZEN", "reason": "test", **changes}
        payload = (await api.data("admin", STATUS, i=values))["setWalletStatus"]
        assert payload == {"wallet": None, "userErrors": [{"code": code, "path": ["input", *path]}]}, changes
    assert await api.bank.count("audit_log") == recorded


async def test_only_administrators_deposit_and_change_status(api: Api) -> None:
    wallet = await api.wallet("bob")
    deposit = {"idempotencyKey": "k", "walletId": wallet, **dollars("1.00")}
    for document, values in ((DEPOSIT, deposit), (STATUS, {"walletId": wallet, "status": "FROZEN", "reason": "none"})):
        answer = await api.graphql("bob", document, i=values)
        assert list(answer["data"].values()) == [None]
        assert [error["extensions"] for error in answer["errors"]] == [{"code": "FORBIDDEN"}]
    assert await api.bank.balance(wallet) == 0
    assert await api.bank.count("audit_log") == 0


async def test_only_times_by_rfc_3339_are_accepted(api: Api) -> None:
    for moment in BAD_TIMES:
        literal = json.dumps(moment, ensure_ascii=False)
        inline = f"{{ transactions(filter: {{createdTo: {literal}}}) {{ edges {{ cursor }} }} }}"
        assert await api.codes("admin", LIST, f={"createdFrom": moment}) == ["BAD_USER_INPUT"], moment
        assert await api.codes("admin", inline) == ["BAD_USER_INPUT"], moment
    for moment in GOOD_TIMES:
        assert await api.codes("admin", LIST, f={"createdFrom": moment, "createdTo": moment}) == [], moment


async def test_a_filter_is_refused_if_the_list_does_not_have_it_and_ignored_if_it_is_null(api: Api) -> None:
    for filter_ in ({"direction": "DEBIT"}, {"status": "DONE"}, {"nope": 1}):
        assert await api.codes("admin", LIST, f=filter_) == ["BAD_USER_INPUT"], filter_
    for nothing in (None, {}, dict.fromkeys(("type", "status", "direction", "createdFrom", "createdTo"))):
        assert await api.codes("admin", LIST, f=nothing) == []
    assert await api.codes("admin", "{ wallets(first: null, after: null, last: null, before: null) { edges { cursor } } }") == []


async def test_a_query_loads_at_most_a_hundred_nodes(api: Api) -> None:
    nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    wallet = await api.wallet("alice")
    assert await api.data("alice", nodes, ids=[wallet] * 100) == {"nodes": [{"id": wallet}] * 100}
    assert await api.codes("alice", nodes, ids=[wallet] * 101) == ["BAD_USER_INPUT"]


async def test_a_malformed_id_answers_null_in_every_lookup(api: Api) -> None:
    query = """query($id: ID!, $ids: [ID!]!, $key: String!) {
      wallet(id: $id) { id } transaction(id: $id) { id } node(id: $id) { id } nodes(ids: $ids) { id }
      walletParty(walletId: $id) { walletId } transactionByIdempotencyKey(idempotencyKey: $key) { id } }"""
    nothing = dict.fromkeys(("wallet", "transaction", "node", "walletParty", "transactionByIdempotencyKey"))
    for id_ in NO_IDS:
        assert await api.data("alice", query, id=id_, ids=[id_], key=id_) == {**nothing, "nodes": [None]}, id_
