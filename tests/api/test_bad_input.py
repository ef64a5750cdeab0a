"""Bad input to transfers gets a code, inline and by variable, and changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.schema.engine.requests import MAX_VARIABLES_BYTES
from tests.api.conftest import Api, shares_api
from tests.bank import new_key

TRANSFER = """
mutation($input: TransferInput!) {
  transfer(input: $input) { transaction { id } replayed userErrors { code message path } }
}
"""
BATCH = """
mutation($input: TransferBatchInput!) {
  transferBatch(input: $input) { results { transaction { id } userErrors { code } } userErrors { code path } }
}
"""


@dataclass
class World:
    """alice's wallet with 100.00, bob's dollars and yen, a frozen one of bob's."""

    api: Api
    names: dict[str, str] = field(default_factory=dict)

    def input(self, **changes: Any) -> dict[str, Any]:
        """A valid transfer with some fields changed; `$name` is replaced by a wallet's id."""
        good: dict[str, Any] = {
            "idempotencyKey": new_key(),
            "senderWalletId": "$alice",
            "receiverWalletId": "$bob",
            "amount": {"amount": "1.00", "currency": "USD"},
        }
        for name, value in changes.items():
            if name in ("amount", "currency"):
                good["amount"] = {**good["amount"], name: value}
            else:
                good[name] = value
        return {name: self.names.get(value, value) if isinstance(value, str) else value for name, value in good.items()}

    async def state(self) -> list[tuple[str, int]]:
        """The balances and counts that a refused input must not change."""
        bank = self.api.bank
        balances = [(name, await bank.balance(id_)) for name, id_ in self.names.items() if not name.startswith("$no")]
        return [*balances, *[(table, await bank.count(table)) for table in ("ledger_entries", "outbox WHERE false")]]


@pytest.fixture
async def world(api: Api) -> World:
    made = World(api)
    made.names["$alice"] = await api.wallet("alice", balance="100.00")
    made.names["$alice_eur"] = await api.wallet("alice", "EUR", balance="100.00")
    made.names["$bob"] = await api.wallet("bob", balance="50.00")
    made.names["$yen"] = await api.wallet("bob", "JPY")
    made.names["$alice_yen"] = await api.wallet("alice", "JPY", balance="5000")
    made.names["$frozen"] = await api.wallet("bob")
    freeze = 'mutation($w: ID!) { setWalletStatus(input: {walletId: $w, status: FROZEN, reason: "test"}) { wallet { id } } }'
    await api.data("admin", freeze, w=made.names["$frozen"])
    return made


def inline(value: Any) -> str:
    """A value as a GraphQL literal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {inline(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


async def ask(world: World, values: dict[str, Any], *, by: str) -> tuple[str, str | None]:
    """Send a transfer; return the code of its error, and for a userError the last part of its path."""
    if by == "variable":
        answer = await world.api.graphql("alice", TRANSFER, input=values)
    else:
        answer = await world.api.graphql(
            "alice", TRANSFER.replace("($input: TransferInput!)", "").replace("$input", inline(values))
        )
    if answer.get("errors"):
        assert answer.get("data") in (None, {"transfer": None})
        return answer["errors"][0]["extensions"]["code"], None
    (error,) = answer["data"]["transfer"]["userErrors"]
    assert error["message"]
    assert answer["data"]["transfer"]["replayed"] is False
    return error["code"], error["path"][-1]


CASES: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("zero", {"amount": "0"}, "INVALID_AMOUNT", "amount"),
    ("zero with decimals", {"amount": "0.00"}, "INVALID_AMOUNT", "amount"),
    ("negative", {"amount": "-1.00"}, "INVALID_AMOUNT", "amount"),
    ("too many decimals", {"amount": "1.001"}, "INVALID_AMOUNT", "amount"),
    ("decimals of a currency without", {"senderWalletId": "$alice_yen", "receiverWalletId": "$yen", "amount": "1.5",
     "currency": "JPY"}, "INVALID_AMOUNT", "amount"),
    ("2^63 minor units", {"amount": "92233720368547758.08"}, "INVALID_AMOUNT", "amount"),
    ("fifty digits", {"amount": "9" * 50}, "INVALID_AMOUNT", "amount"),
    ("NaN", {"amount": "NaN"}, "BAD_USER_INPUT", None),
    ("Infinity", {"amount": "Infinity"}, "BAD_USER_INPUT", None),
    ("exponent", {"amount": "1e3"}, "BAD_USER_INPUT", None),
    ("a JSON number", {"amount": 5}, "BAD_USER_INPUT", None),
    ("a JSON float", {"amount": 1.25}, "BAD_USER_INPUT", None),
    ("true", {"amount": True}, "BAD_USER_INPUT", None),
    ("empty amount", {"amount": ""}, "BAD_USER_INPUT", None),
    ("spaces", {"amount": " 1.00"}, "BAD_USER_INPUT", None),
    ("arabic digits", {"amount": "١٢"}, "BAD_USER_INPUT", None),
    ("a thousand digits", {"amount": "9" * 1000}, "BAD_USER_INPUT", None),
    ("lower-case currency", {"currency": "usd"}, "BAD_USER_INPUT", None),
    ("unknown currency", {"currency": "ZZZ"}, "INVALID_INPUT", "currency"),
    ("wrong currency", {"currency": "EUR"}, "CURRENCY_MISMATCH", "amount"),
    ("receiver's currency", {"senderWalletId": "$alice_eur", "currency": "EUR"}, "CURRENCY_MISMATCH", "receiverWalletId"),
    ("same wallet", {"receiverWalletId": "$alice"}, "SAME_WALLET", "receiverWalletId"),
    ("foreign sender", {"senderWalletId": "$bob", "receiverWalletId": "$alice"}, "WALLET_NOT_FOUND", "senderWalletId"),
    ("unknown sender", {"senderWalletId": "wal_01jgfjjz00e00800000000000h"}, "WALLET_NOT_FOUND", "senderWalletId"),
    ("malformed sender", {"senderWalletId": "nonsense"}, "WALLET_NOT_FOUND", "senderWalletId"),
    ("unknown receiver", {"receiverWalletId": "wal_01jgfjjz00e00800000000000h"}, "WALLET_NOT_FOUND", "receiverWalletId"),
    ("malformed receiver", {"receiverWalletId": ""}, "WALLET_NOT_FOUND", "receiverWalletId"),
    ("an id of another kind", {"receiverWalletId": "txn_01jgfjjz00e00800000000000h"}, "WALLET_NOT_FOUND", "receiverWalletId"),
    ("SQL in an id", {"receiverWalletId": "'; DROP TABLE wallets; --"}, "WALLET_NOT_FOUND", "receiverWalletId"),
    ("frozen receiver", {"receiverWalletId": "$frozen"}, "WALLET_NOT_ACTIVE", "receiverWalletId"),
    ("too little money", {"amount": "100.01"}, "INSUFFICIENT_FUNDS", "amount"),
    ("empty key", {"idempotencyKey": ""}, "IDEMPOTENCY_KEY_INVALID", "idempotencyKey"),
    ("key of 256", {"idempotencyKey": "k" * 256}, "IDEMPOTENCY_KEY_INVALID", "idempotencyKey"),
    ("key with a space", {"idempotencyKey": "a b"}, "IDEMPOTENCY_KEY_INVALID", "idempotencyKey"),
    ("key with a control character", {"idempotencyKey": "a\u0000b"}, "IDEMPOTENCY_KEY_INVALID", "idempotencyKey"),
    ("key with a newline", {"idempotencyKey": "ab\n"}, "IDEMPOTENCY_KEY_INVALID", "idempotencyKey"),
    ("key beyond ASCII", {"idempotencyKey": "schlüssel"}, "IDEMPOTENCY_KEY_INVALID", "idempotencyKey"),
    ("long description", {"description": "x" * 281}, "INVALID_INPUT", "description"),
    ("description with NUL", {"description": "a\u0000b"}, "INVALID_INPUT", "description"),
    ("description of two lines", {"description": "a\nb"}, "INVALID_INPUT", "description"),
    ("description of two lines by a separator", {"description": "a\u2028b"}, "INVALID_INPUT", "description"),
    ("description that is reordered", {"description": "pay \u202eecila"}, "INVALID_INPUT", "description"),
    ("description that cannot be seen", {"description": "\u200b"}, "INVALID_INPUT", "description"),
    ("blank description", {"description": "  "}, "INVALID_INPUT", "description"),
    ("no amount", {"amount": None}, "BAD_USER_INPUT", None),
    ("number as id", {"description": 5}, "BAD_USER_INPUT", None),
]  # fmt: skip

STATIC_TYPE_ERRORS = {"no amount", "number as id"}
"""Inline, the document itself is invalid."""


async def test_each_kind_of_bad_input_gets_its_code_and_changes_nothing(world: World) -> None:
    before = await world.state()
    wrong = []
    for name, changes, code, where in CASES:
        for by in ("variable", "inline"):
            expected = "GRAPHQL_VALIDATION_FAILED" if by == "inline" and name in STATIC_TYPE_ERRORS else code
            found = await ask(world, world.input(**changes), by=by)
            if found != (expected, where):
                wrong.append((name, by, found, (expected, where)))
    assert wrong == []
    assert await world.state() == before


async def test_a_refusal_that_is_not_recorded_does_not_use_its_key(world: World) -> None:
    for name, changes, code, _ in CASES:
        if code in ("CURRENCY_MISMATCH", "WALLET_NOT_ACTIVE", "INSUFFICIENT_FUNDS", "IDEMPOTENCY_KEY_INVALID"):
            continue
        key = new_key()
        await world.api.graphql("alice", TRANSFER, input=world.input(**changes, idempotencyKey=key))
        found = await world.api.data(
            "alice", "query($k: String!) { transactionByIdempotencyKey(idempotencyKey: $k) { id } }", k=key
        )
        assert found == {"transactionByIdempotencyKey": None}, name


@pytest.mark.parametrize(("size", "code"), [(0, "INVALID_INPUT"), (501, "INVALID_INPUT"), (500, None)])
async def test_a_batch_holds_1_to_500_transfers(world: World, size: int, code: str | None) -> None:
    transfers = [world.input(amount="0.01") for _ in range(size)]
    payload = (await world.api.data("alice", BATCH, input={"transfers": transfers}))["transferBatch"]
    assert [error["code"] for error in payload["userErrors"]] == ([] if code is None else [code])
    assert len(payload["results"]) == (0 if code else size)


async def test_the_largest_batch_fits_in_every_script_and_larger_variables_are_refused(world: World) -> None:
    large = {"amount": "0.01", "description": "\N{GRINNING FACE}" * 280}
    transfers = [world.input(**large, idempotencyKey=new_key().ljust(255, "k")) for _ in range(500)]
    payload = (await world.api.data("alice", BATCH, input={"transfers": transfers}))["transferBatch"]
    assert [result["userErrors"] for result in payload["results"]] == [[]] * 500
    before = await world.state()
    more = {"input": {"transfers": [world.input()], "more": "x" * MAX_VARIABLES_BYTES}}
    assert await world.api.codes("alice", BATCH, **more) == ["QUERY_TOO_COMPLEX"]
    async with world.api.socket("alice") as socket:
        await socket.subscribe("1", BATCH, **more)
        assert (await socket.message("1"))["payload"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
        await socket.subscribe("2", BATCH, input={"transfers": transfers})
        results = (await socket.data("2"))["transferBatch"]["results"]
        assert [result["userErrors"] for result in results] == [[]] * 500, "the replay fits, too"
        nested: Any = []
        for _ in range(500):
            nested = [nested]
        await socket.subscribe("3", BATCH, input=nested)
        assert (await socket.message("3"))["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await world.state() == before


async def test_a_malformed_member_refuses_itself_and_in_an_atomic_batch_all_members(world: World) -> None:
    def transfers() -> list[dict[str, Any]]:
        return [world.input(amount="0.01"), world.input(amount="0"), world.input(receiverWalletId="nonsense")]

    each = (await world.api.data("alice", BATCH, input={"transfers": transfers()}))["transferBatch"]["results"]
    assert [[e["code"] for e in r["userErrors"]] for r in each] == [[], ["INVALID_AMOUNT"], ["WALLET_NOT_FOUND"]]
    before = await world.api.bank.count("transactions")
    whole = (await world.api.data("alice", BATCH, input={"transfers": transfers(), "atomic": True}))["transferBatch"]["results"]
    assert [[e["code"] for e in r["userErrors"]] for r in whole] == [["BATCH_ABORTED"], ["INVALID_AMOUNT"], ["WALLET_NOT_FOUND"]]
    assert [r["transaction"] for r in whole] == [None] * 3
    assert await world.api.bank.count("transactions") == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": ""}, "INVALID_INPUT"),
        ({"name": "  "}, "INVALID_INPUT"),
        ({"name": "x" * 101}, "INVALID_INPUT"),
        ({"name": "a\u0007"}, "INVALID_INPUT"),
        ({"name": "\u200b"}, "INVALID_INPUT"),
        ({"name": "a\u202eb"}, "INVALID_INPUT"),
        ({"currency": "ZZZ"}, "INVALID_INPUT"),
        ({"idempotencyKey": ""}, "IDEMPOTENCY_KEY_INVALID"),
    ],
)
@shares_api
async def test_a_wallet_cannot_be_opened_with_bad_input(shared: Api, changes: dict[str, str], code: str) -> None:
    values = {"idempotencyKey": new_key(), "currency": "USD", "name": "Main", **changes}
    opened = "mutation($i: OpenWalletInput!) { openWallet(input: $i) { wallet { id } userErrors { code } } }"
    payload = (await shared.data("alice", opened, i=values))["openWallet"]
    assert payload == {"wallet": None, "userErrors": [{"code": code}]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"null", 400), (b"5", 400), (b'"x"', 400), (b"[]", 400), (b"{", 400), (b"\xff\xfe", 400), (b"", 400), (b"{}", 400),
        (b'{"query": 5}', 400), (b'{"query": "{ __typename }", "variables": []}', 400),
        (b'{"query": "{ __typename }", "operationName": 5}', 400), (b'{"query": "\\ud800"}', 400),
        (b'{"query": "subscription { transactionSettled { missed } }"}', 400),
        (b'[{"query": "{ __typename }"}]', 400),
        (b" " * 3_200_000, 413),
    ],
)  # fmt: skip
@shares_api
async def test_a_malformed_request_gets_a_coded_json_answer(shared: Api, body: bytes, status: int) -> None:
    headers = {**shared.headers("alice"), "Content-Type": "application/json"}
    response = await shared.http.post("/graphql", content=body, headers=headers)
    assert response.status_code == status
    answer = response.json()
    assert answer.get("code") == "BODY_TOO_LARGE" or answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "GRAPHQL_VALIDATION_FAILED"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer { wallets { edges { node { owner " * 20 + "{ id }" + "}" * 100, "QUERY_TOO_COMPLEX"),
        ("{ viewer " + "{ wallets { edges { node { owner " * 8 + "{ id }" + " } } } }" * 8 + " }", "QUERY_TOO_COMPLEX"),
        ("{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(101)) + " }", "QUERY_TOO_COMPLEX"),
        ("{ " + "viewer { id } " * 3000 + "}", "GRAPHQL_VALIDATION_FAILED"),
        ("{a" * 2400, "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { viewer { wallets(first: $n) { pageInfo { endCursor } } } }", "BAD_USER_INPUT"),
        ("{ viewer { ...f } } fragment f on User { ...g } fragment g on User { ...f }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
@shares_api
async def test_an_invalid_or_too_large_document_gets_its_code(shared: Api, document: str, code: str) -> None:
    codes = set(await shared.codes("alice", document))
    assert code in codes
    assert codes <= {code, "QUERY_TOO_COMPLEX"}


@pytest.mark.parametrize(
    "arguments", ["first: 0", "first: 101", "first: -1", "last: 101", "first: 1, last: 1", 'after: "nonsense"']
)
@shares_api
async def test_a_page_of_invalid_size_or_cursor_is_refused(shared: Api, arguments: str) -> None:
    assert await shared.codes("alice", f"{{ viewer {{ wallets({arguments}) {{ edges {{ cursor }} }} }} }}") == ["BAD_USER_INPUT"]
