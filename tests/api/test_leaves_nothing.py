"""What an operation used is free with its last use: nothing is left that only the garbage collector would find."""

from __future__ import annotations

import gc

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
