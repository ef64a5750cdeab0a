"""A client that goes away is not a fault: no error and no traceback is logged."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import Operation
from websockets.asyncio.client import connect

from app.http.connections import ConnectionLimits
from app.http.sockets import GuardedWebSocket
from app.settings import Settings
from tests.api.conftest import Api
from tests.api.test_faults import errors_of
from tests.api.test_subscriptions import WATCH
from tests.servers import free_port
from tests.waiting import soon


def running() -> list[Any]:
    """The coroutines of the operations that run on WebSockets."""
    coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
    return [one for one in coroutines if getattr(one, "__name__", "") == "run_operation"]


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_operation_whose_client_leaves_before_the_answer_logs_no_fault(
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


async def test_a_fault_while_sending_is_logged(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_socket: WebSocket, _text: str) -> None:
        raise RuntimeError("a fault of ours")

    async with api.socket("bob") as socket:
        monkeypatch.setattr(WebSocket, "send_text", broken)
        await socket.subscribe("1", "{ viewer { id } }")
        await soon(lambda: errors_of(caplog), 20)
    (logged,) = errors_of(caplog)
    assert "a fault of ours" in str(logged.exc_info)


async def test_a_client_that_is_being_disconnected_logs_no_fault(settings: Settings) -> None:
    sent: list[str] = []

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.receive_text()
        (protocol,) = server.server_state.connections
        # The state after an unanswered ping while sent data is still unread by the client.
        protocol.close_sent = True  # type: ignore[union-attr]
        with pytest.raises(WebSocketDisconnect):
            await socket.send_text("too late")
        sent.append("nothing")

    port = free_port()
    limits = ConnectionLimits(settings.head_timeout_seconds, settings.send_timeout_seconds)
    protocol = cast("type[asyncio.Protocol]", partial(GuardedWebSocket, limits=limits))
    server = uvicorn.Server(uvicorn.Config(endpoint, port=port, log_config=None, lifespan="off", ws=protocol))
    serving = asyncio.create_task(server.serve())
    try:
        await soon(lambda: server.started, 20)
        async with connect(f"ws://127.0.0.1:{port}/") as client:
            await client.send("hello")
            await soon(lambda: sent, 20)
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 20)
