"""What an operation used is free with its last use: nothing is left that only the garbage collector would find."""

from __future__ import annotations

import gc

import pytest
from graphql import GraphQLError

from app.schema.execution import Execution
from tests.api.conftest import Api

QUERY = "{ viewer { wallets(first: 2) { edges { node { id balance { amount } } } } } }"


async def test_an_operation_leaves_the_garbage_collector_nothing_to_find(api: Api) -> None:
    await api.wallet("alice")
    await api.data("alice", QUERY)
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            await api.data("alice", QUERY)
        assert [found for found in gc.get_objects() if isinstance(found, Execution)] == []
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("mutation ($m: TransferInput!) { transfer(input: $m) { replayed } }", {"m": {"amount": {"amount": "1,50"}}}),
        ("query ($id: ID!) { wallet(id: $id) { id } }", {"id": {"not": "an id"}}),
        ('mutation { setWalletStatus(input: {walletId: "w", status: FROZEN, reason: "r"}) { userErrors { code } } }', {}),
        ("{ me: nothing }", {}),
    ],
)
async def test_nor_does_one_that_fails_with_what_it_was_given(api: Api, query: str, variables: dict[str, object]) -> None:
    await api.codes("alice", query, **variables)
    gc.collect()
    gc.disable()
    try:
        known = {id(found) for found in gc.get_objects() if isinstance(found, GraphQLError)}
        for _ in range(5):
            assert await api.codes("alice", query, **variables)
        assert [found for found in gc.get_objects() if isinstance(found, GraphQLError) and id(found) not in known] == []
    finally:
        gc.enable()
