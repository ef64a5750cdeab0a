"""WebSocket clients that flood `paycore serve` or read nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
from collections.abc import Callable
from contextlib import AsyncExitStack

import psutil
import pytest

from app.access.tokens import mint_token
from app.settings import Settings
from tests.processes.test_strangers import connections, running, unread
from tests.transport_ws import open_socket
from tests.waiting import soon

__all__ = ["unread"]

UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Key: " + base64.b64encode(b"0" * 16) + b"\r\n\r\n"
)
INIT = b'{"type":"connection_init"}'
PINGS = 240_000
"""The number of pings: thirty megabytes."""

pytestmark = pytest.mark.slow


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame with a mask of zeros, which leaves the payload unchanged."""
    assert len(payload) < 126
    return bytes((0x80 | opcode, 0x80 | len(payload))) + b"\0\0\0\0" + payload


def ping(number: int) -> bytes:
    return frame(0x9, struct.pack("!I", number) + b"x" * 121)


async def opened(client: socket.socket) -> None:
    """Complete the handshake and wait for connection_ack."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, UPGRADE)
    assert (await asyncio.wait_for(loop.sock_recv(client, 4096), 10)).startswith(b"HTTP/1.1 101")
    await loop.sock_sendall(client, frame(0x1, INIT))
    assert b"connection_ack" in await asyncio.wait_for(loop.sock_recv(client, 4096), 10)


async def flood(client: socket.socket, process: psutil.Process) -> int:
    """Send pings and never read; return the largest growth of the service's memory, in bytes."""
    before = largest = process.memory_info().rss
    for first in range(0, PINGS, 2000):
        block = b"".join(map(ping, range(first, first + 2000)))
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(client, block), 20)
        largest = max(largest, process.memory_info().rss)
    return largest - before


async def test_pings_of_a_client_that_does_not_read_cost_no_memory_and_the_last_is_answered(
    settings: Settings, unread: Callable[[int], socket.socket]
) -> None:
    async with running(settings) as (port, process):
        client = unread(port)
        await opened(client)
        assert await flood(client, process) < 10_000_000
        assert await last_pong(client) == PINGS - 1


async def last_pong(client: socket.socket) -> int:
    """The number of the last answered ping, once nothing arrives for a second."""
    received = b""
    for _ in range(100_000):
        try:
            received += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65536), 1)
        except TimeoutError:
            break
    assert received[-127] == 0x8A
    number: int = struct.unpack("!I", received[-125:-121])[0]
    return number


@pytest.mark.parametrize(
    ("parting", "send_seconds"),
    [(b"", "1"), (frame(0x8, b"\x03\xe8"), "60"), (b"\xff\xff", "60")],
    ids=["nothing", "that it closes", "nonsense"],
)
async def test_a_client_that_pings_and_does_not_read_is_disconnected_whatever_it_sends_last(
    settings: Settings, unread: Callable[[int], socket.socket], parting: bytes, send_seconds: str
) -> None:
    async with running(settings, PAYCORE_SEND_TIMEOUT_SECONDS=send_seconds) as (port, process):
        client = unread(port)
        await opened(client)
        assert connections(process) == 1
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(flood(client, process), 60)
            await loop.sock_sendall(client, parting)
        except ConnectionError:
            assert not parting or connections(process) == 0
        await soon(lambda: connections(process) == 0, 20)


async def test_the_payload_of_connection_init_is_not_kept(settings: Settings) -> None:
    async with running(settings) as (port, process), AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{port}/graphql"

        async def growth(payload: dict[str, object]) -> int:
            before = process.memory_info().rss
            for _ in range(60):
                await stack.enter_async_context(open_socket(url, payload))
            return process.memory_info().rss - before

        await growth({})
        little = await growth({})
        assert await growth({"x": [{} for _ in range(3900)]}) - little < 8_000_000


async def test_a_message_larger_than_the_largest_body_closes_its_socket(settings: Settings) -> None:
    async with running(settings, PAYCORE_MAX_BODY_BYTES="20000") as (port, _):
        headers = {"Authorization": f"Bearer {mint_token('alice', settings)}"}
        async with open_socket(f"ws://127.0.0.1:{port}/graphql", headers) as socket_:
            for size, is_answered in ((19_000, True), (20_001, False)):
                await socket_.subscribe(str(size), "{ __typename }", x="x" * size)
                if is_answered:
                    assert await socket_.data(str(size)) == {"__typename": "Query"}
            assert await socket_.close_code() == 1009


async def test_a_message_in_thousands_of_fragments_is_one_message(settings: Settings) -> None:
    async with running(settings) as (port, _), open_socket(f"ws://127.0.0.1:{port}/graphql", None) as socket_:
        init = json.dumps({"type": "connection_init", "payload": {"x": "y" * 4500}})
        await socket_.connection.send(list(init))
        assert json.loads(await socket_.connection.recv()) == {"type": "connection_ack"}
