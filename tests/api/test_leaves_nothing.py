"""Operations create no reference cycles: their memory is freed without the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from graphql import GraphQLError

from app.schema.engine.execution import Execution
from tests.api.conftest import Api

QUERY = "{ viewer { wallets(first: 2) { edges { node { id balance { amount } } } } } }"


@contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def test_an_operation_leaves_the_garbage_collector_nothing_to_find(api: Api) -> None:
    await api.wallet("alice")
    await api.data("alice", QUERY)
    with without_collector():
        for _ in range(5):
            await api.data("alice", QUERY)
        assert [found for found in gc.get_objects() if isinstance(found, Execution)] == []


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("mutation ($m: TransferInput!) { transfer(input: $m) { replayed } }", {"m": {"amount": {"amount": "1,50"}}}),
        ("query ($id: ID!) { wallet(id: $id) { id } }", {"id": {"not": "an id"}}),
        ('mutation { setWalletStatus(input: {walletId: "w", status: FROZEN, reason: "r"}) { userErrors { code } } }', {}),
        ("{ me: nothing }", {}),
    ],
)
async def test_an_operation_that_fails_leaves_the_garbage_collector_nothing_to_find(
    api: Api, query: str, variables: dict[str, object]
) -> None:
    await api.codes("alice", query, **variables)
    with without_collector():
        known = {id(found) for found in gc.get_objects() if isinstance(found, GraphQLError)}
        for _ in range(5):
            assert await api.codes("alice", query, **variables)
        assert [found for found in gc.get_objects() if isinstance(found, GraphQLError) and id(found) not in known] == []
