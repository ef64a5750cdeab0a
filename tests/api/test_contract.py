"""The exported schema contains the whole public contract, and every field of the contract answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
)

from app.schema.engine.build import sdl
from app.settings import Settings
from tests.api.conftest import Api
from tests.bank import new_key

CONTRACT = Path(__file__).parents[1] / "contract" / "schema.graphql"
EXPORTED = Path(__file__).parents[2] / "schema.graphql"


def described(schema: GraphQLSchema) -> dict[str, str]:
    """Each description in the schema, by the name of the element it describes."""

    def texts(name: str, type_: GraphQLNamedType) -> list[tuple[str, str | None]]:
        fields = getattr(type_, "fields", {}).items()
        values = type_.values.items() if isinstance(type_, GraphQLEnumType) else ()
        return [(name, type_.description), *[(f"{name}.{inner}", item.description) for inner, item in (*fields, *values)]]

    found = [pair for name, type_ in schema.type_map.items() if not name.startswith("__") for pair in texts(name, type_)]
    return {name: " ".join(text.split()) for name, text in found if text}


def test_the_exported_schema_has_no_breaking_difference_from_the_contract(settings: Settings) -> None:
    contract, ours = build_schema(CONTRACT.read_text()), build_schema(sdl(settings))
    assert [change.description for change in find_breaking_changes(contract, ours)] == []


def test_the_schema_has_every_description_of_the_contract(settings: Settings) -> None:
    contract, ours = described(build_schema(CONTRACT.read_text())), described(build_schema(sdl(settings)))
    assert {name: text for name, text in contract.items() if ours.get(name) != text} == {}


def test_the_committed_schema_is_the_exported_one(settings: Settings) -> None:
    assert EXPORTED.read_text() == sdl(settings), "run `make generate`"


def selection(type_: GraphQLNamedType, depth: int) -> str:
    """A selection of every field of a type without required arguments, down to a depth."""
    if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        return ""
    parts = ["__typename"]
    for name, field in type_.fields.items():
        inner: Any = field.type
        while hasattr(inner, "of_type"):
            inner = inner.of_type
        nested = selection(inner, depth - 1) if depth else ""
        is_leaf = not isinstance(inner, GraphQLObjectType | GraphQLInterfaceType)
        if is_leaf or nested:
            parts.append(f"{name} {nested}")
    return "{ " + " ".join(parts) + " }" if len(parts) > 1 else ""


def walk(value: Any, seen: dict[str, set[str]]) -> None:
    """Record which fields of which types answered with a value."""
    if isinstance(value, list):
        for item in value:
            walk(item, seen)
    elif isinstance(value, dict):
        seen.setdefault(value["__typename"], set()).update(name for name, inner in value.items() if inner is not None)
        for inner in value.values():
            walk(inner, seen)


REFUSED = """
mutation($i: TransferInput!) {
  transfer(input: $i) {
    __typename
    transaction { __typename failureCode }
    userErrors {
      __typename code message path
      ... on InsufficientFunds { available { __typename amount } required { __typename amount } }
      ... on IdempotencyKeyReused { transaction { __typename id } }
    }
  }
}
"""


@pytest.fixture
def schema() -> GraphQLSchema:
    return build_schema(CONTRACT.read_text())


async def test_every_field_of_the_contract_answers(api: Api, schema: GraphQLSchema) -> None:
    a, b = await api.wallet("alice", balance="100.00"), await api.wallet("bob")
    seen: dict[str, set[str]] = {}

    async def ask(subject: str, query: str, **variables: Any) -> dict[str, Any]:
        data = await api.data(subject, query, **variables)
        walk({"__typename": "Ignored", **data}, seen)
        return data

    def fields(name: str, depth: int = 3) -> str:
        return selection(schema.type_map[name], depth)

    def mutation(field: str, depth: int) -> str:
        name = field[0].upper() + field[1:]
        return f"mutation($i: {name}Input!) {{ {field}(input: $i) {fields(f'{name}Payload', depth)} }}"

    money = {"amount": "1.00", "currency": "USD"}
    good = {"idempotencyKey": "k1", "senderWalletId": a, "receiverWalletId": b, "amount": money, "description": "Coffee"}
    await ask("alice", mutation("transfer", 3), i=good)
    for changes in (
        {"idempotencyKey": "k2", "amount": {**money, "amount": "1000"}},
        {"amount": {**money, "amount": "2"}},
        {"idempotencyKey": "k3", "amount": {**money, "amount": "0"}},
        {"idempotencyKey": "k4", "amount": {**money, "currency": "EUR"}},
    ):
        await ask("alice", REFUSED, i={**good, **changes})
    await ask("alice", mutation("transferBatch", 1), i={"transfers": [{**good, "idempotencyKey": new_key()}], "atomic": True})
    await ask("alice", mutation("transferBatch", 1), i={"transfers": []})
    opened = {"idempotencyKey": "o1", "currency": "KWD", "name": "Dinars"}
    await ask("alice", mutation("openWallet", 2), i=opened)
    await ask("alice", mutation("openWallet", 2), i={**opened, "name": ""})
    deposit = {"idempotencyKey": "d1", "walletId": b, "amount": money, "description": "Cash"}
    await ask("admin", mutation("deposit", 2), i=deposit)
    await ask("admin", mutation("deposit", 2), i={**deposit, "walletId": "x", "idempotencyKey": "d2"})
    status = {"walletId": b, "status": "FROZEN", "reason": "test"}
    await ask("admin", mutation("setWalletStatus", 2), i=status)
    await ask("admin", mutation("setWalletStatus", 2), i={**status, "walletId": "x"})

    wallet = await ask("alice", f"query($id: ID!) {{ wallet(id: $id) {fields('Wallet', 4)} }}", id=a)
    entry = wallet["wallet"]["entries"]["edges"][0]["node"]
    transaction = (
        entry["transaction"]["id"] if "transaction" in entry else wallet["wallet"]["transactions"]["edges"][0]["node"]["id"]
    )
    await ask("alice", f"{{ viewer {fields('User', 4)} }}")
    await ask("alice", f"query($id: ID!) {{ transaction(id: $id) {fields('Transaction', 3)} }}", id=transaction)
    for kind, id_ in (("Wallet", a), ("Transaction", transaction), ("LedgerEntry", entry["id"])):
        found = await ask(
            "alice", f"query($id: ID!) {{ node(id: $id) {{ __typename id ... on {kind} {fields(kind, 1)} }} }}", id=id_
        )
        assert found["node"]["id"] == id_
    await ask("alice", "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=[a, b, "nonsense"])
    await ask(
        "alice", f"query($k: String!) {{ transactionByIdempotencyKey(idempotencyKey: $k) {fields('Transaction', 1)} }}", k="k1"
    )
    await ask("alice", f"query($id: ID!) {{ walletParty(walletId: $id) {fields('WalletParty', 1)} }}", id=b)
    await ask("alice", f"{{ currencies {fields('Currency')} }}")
    await ask("admin", f"{{ wallets {fields('WalletConnection', 4)} }}")
    await ask("admin", f"{{ transactions {fields('TransactionConnection', 4)} }}")
    await ask("admin", f"{{ ledgerStatus {fields('LedgerStatus', 3)} }}")

    missing = {
        f"{name}.{field}"
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__")
        for field in type_.fields
        if field not in seen.get(name, set())
    }
    # Subscriptions are covered by test_subscriptions; the root types have no __typename here.
    elsewhere = ("WalletUpdate", "TransactionSettled", "Query", "Mutation", "Subscription")
    assert {name for name in missing if not name.startswith(elsewhere)} == set()
