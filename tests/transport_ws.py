"""A minimal client of the graphql-transport-ws protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

SUBPROTOCOL = websockets.Subprotocol("graphql-transport-ws")


class Socket:
    """A WebSocket client that reads messages by operation id."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._pending: list[dict[str, Any]] = []

    async def send(self, message: Any) -> None:
        """Send one message of any shape."""
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def subscribe(self, id_: str, query: str, **variables: Any) -> None:
        """Start an operation."""
        await self.send({"id": id_, "type": "subscribe", "payload": {"query": query, "variables": variables}})

    async def message(self, id_: str, *, within: float = 30) -> dict[str, Any]:
        """The next message of an operation."""
        async with asyncio.timeout(within):
            while True:
                for message in self._pending:
                    if message.get("id") == id_:
                        self._pending.remove(message)
                        return message
                self._pending.append(json.loads(await self.connection.recv()))

    async def data(self, id_: str, *, within: float = 30) -> dict[str, Any]:
        """The data of an operation's next result, which must have no errors."""
        message = await self.message(id_, within=within)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        data: dict[str, Any] = message["payload"]["data"]
        return data

    async def close_code(self, *, within: float = 30) -> int:
        """The code with which the server closes."""
        async with asyncio.timeout(within):
            await self.connection.wait_closed()
        code = self.connection.close_code
        assert code is not None
        return code


@asynccontextmanager
async def open_socket(url: str, init: dict[str, Any] | None) -> AsyncIterator[Socket]:
    """Open a WebSocket and send connection_init with `init` as its payload, unless that is None; it must be acknowledged."""
    async with connect(url, subprotocols=[SUBPROTOCOL]) as connection:
        socket = Socket(connection)
        if init is not None:
            await socket.send({"type": "connection_init", "payload": init})
            async with asyncio.timeout(30):
                acknowledged = json.loads(await connection.recv())
            assert acknowledged == {"type": "connection_ack"}, acknowledged
        yield socket
