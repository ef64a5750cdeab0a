"""A client that goes away is no fault of ours: the log has no error and no traceback of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import Operation

from tests.api.conftest import Api
from tests.api.test_faults import errors_of
from tests.api.test_subscriptions import WATCH
from tests.waiting import soon


def running() -> list[Any]:
    """The coroutines of the operations that run on sockets."""
    coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
    return [one for one in coroutines if getattr(one, "__name__", "") == "run_operation"]


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_operation_whose_client_has_gone_before_its_answer_logs_no_fault(
    api: Api, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    wallet = await api.wallet("bob")
    async with api.socket("bob") as socket:
        await socket.subscribe("1", WATCH, wallet=wallet)
        await socket.data("1")
        handler = running()[0].cr_frame.f_locals["self"]
        if how == "reset":
            socket.connection.transport.abort()
    await soon(lambda: not running() and not api.services.live._watches, 20)
    for number in range(100):
        handler.operations[str(number)] = late = Operation(handler, str(number), "{ viewer { id } }", None, None)
        with suppress(WebSocketDisconnected, RuntimeError):
            await handler.run_operation(late)
    assert errors_of(caplog) == []
