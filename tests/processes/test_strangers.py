"""Clients of `paycore serve` that are slow, flood it or come from other origins."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest
import websockets
from websockets.asyncio.client import connect

from app.settings import Settings
from tests.forks import start
from tests.processes.test_cli import servers_of
from tests.servers import free_port
from tests.service_processes import SharedServices
from tests.transport_ws import SUBPROTOCOL, open_socket
from tests.waiting import START_SECONDS, soon

METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
ORIGIN = "https://app.example.com"
ORIGINS = f"{ORIGIN}, https://other.example.com"
PAUSE_BYTES = 262_144
"""A slow client pauses whenever it has read so many. The answers that it gets are 36 times as large."""


@asynccontextmanager
async def service(settings: Settings, **more: str) -> AsyncIterator[int]:
    """The port of a running service."""
    async with running(settings, **more) as (port, _):
        yield port


@asynccontextmanager
async def running(settings: Settings, **more: str) -> AsyncIterator[tuple[int, psutil.Process]]:
    """The port and the process of a running service."""
    port = free_port()
    process = start("serve", environment={**servers_of(settings), "PAYCORE_PORT": str(port), **more})
    try:
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as http:
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)
        yield port, process
    finally:
        process.terminate()
        process.wait(60)


async def answer(port: int, *parts: bytes, pause: float = 0.0, within: float = 20) -> bytes:
    """Send these bytes; return everything that the service answers until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(within):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_connection_without_a_complete_request_is_closed(settings: Settings) -> None:
    async with service(settings, PAYCORE_BODY_TIMEOUT_SECONDS="1", PAYCORE_HEAD_TIMEOUT_SECONDS="5") as port:
        post = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        silent, dawdling, flooding, slow_body = await asyncio.gather(
            answer(port),
            answer(port, b"GET /healthz HTTP/1.1\r\n", *([b"X-Slow: 1\r\n"] * 9), pause=1),
            answer(port, b"GET /healthz HTTP/1.1\r\n", *([b"X-Many: " + b"x" * 1000 + b"\r\n"] * 200)),
            answer(port, post),
        )
        assert silent == dawdling == b""
        assert flooding == b"" or flooding.startswith(b"HTTP/1.1 400")
        assert slow_body.startswith(b"HTTP/1.1 408")
        # A connection with complete requests may be kept and reused.
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            for _ in range(3):
                assert (await http.get("/healthz")).status_code == 200
                await asyncio.sleep(0.5)


def connections(process: psutil.Process) -> int:
    """The number of client connections that the process has open."""
    return sum(one.status != psutil.CONN_LISTEN and bool(one.raddr) for one in process.net_connections("tcp4"))


@pytest.fixture
def unread() -> Iterator[Callable[[int], socket.socket]]:
    """A function that opens connections with small receive buffers whose clients do not read."""
    opened: list[socket.socket] = []

    def opening(port: int) -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        opened.append(client)
        return client

    yield opening
    for client in opened:
        client.close()


@pytest.mark.parametrize(
    "parts",
    [
        (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"PUT /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", b"1234"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", b"x"),
    ],
    ids=["half a body", "half a chunk", "a body that nobody reads", "an empty line", "another protocol"],
)
async def test_a_connection_is_closed_after_an_answer_that_ends_it(
    shared: SharedServices, unread: Callable[[int], socket.socket], parts: tuple[bytes, bytes]
) -> None:
    port, process = shared.serve(PAYCORE_HEAD_TIMEOUT_SECONDS="2")
    client, loop = unread(port), asyncio.get_running_loop()
    await soon(lambda: connections(process) == 1)
    await loop.sock_sendall(client, parts[0])
    assert (await asyncio.wait_for(loop.sock_recv(client, 65536), 30)).startswith(b"HTTP/1.1 ")
    await loop.sock_sendall(client, parts[1])
    # The client's end stays open: the service must close.
    await soon(lambda: connections(process) == 0, 30)


async def test_a_client_that_still_sends_after_an_early_answer_gets_it(shared: SharedServices) -> None:
    port = shared.port()
    head = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n"
    reply = await answer(port, head, *([b"x" * 100_000] * 5), pause=0.05)
    assert reply.startswith(b"HTTP/1.1 404")


async def test_an_early_answer_does_not_break_a_kept_connection(shared: SharedServices) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{shared.port()}") as http:
        for size in (0, 100, 10_000, 1_000_000) * 25:
            assert (await http.post("/nowhere", content=b"x" * size)).status_code == 404
            assert (await http.get("/healthz")).status_code == 200


async def test_an_answer_before_the_end_of_its_request_closes_the_connection(shared: SharedServices) -> None:
    port = shared.port()
    early = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n12"
    another = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await answer(port, early, b"34" + another, pause=0.5)).count(b"HTTP/1.1 ") == 1
    assert (await answer(port, early + b"34" + another)).count(b"HTTP/1.1 ") == 2


async def test_a_client_that_does_not_read_its_answer_is_disconnected(
    settings: Settings, unread: Callable[[int], socket.socket]
) -> None:
    async with running(settings, PAYCORE_SEND_TIMEOUT_SECONDS="2") as (port, process):
        client, loop = unread(port), asyncio.get_running_loop()
        # The answers are larger than the buffers of both kernels.
        sending = asyncio.create_task(loop.sock_sendall(client, METRICS * 5000))
        await soon(lambda: connections(process) == 1)
        await soon(lambda: connections(process) == 0, 30)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_client_that_reads_slowly_gets_all_answers(settings: Settings, unread: Callable[[int], socket.socket]) -> None:
    requests, received = 300, bytearray()
    async with service(settings, PAYCORE_SEND_TIMEOUT_SECONDS="2", PAYCORE_KEEP_ALIVE_SECONDS="5") as port:
        client, loop = unread(port), asyncio.get_running_loop()
        sending = asyncio.create_task(loop.sock_sendall(client, METRICS * requests))
        began = loop.time()
        while chunk := await asyncio.wait_for(loop.sock_recv(client, 65536), 20):
            # Pauses after so many bytes, not after each read: a busy machine then reads fast enough too.
            pauses = (len(received) + len(chunk)) // PAUSE_BYTES - len(received) // PAUSE_BYTES
            received += chunk
            await asyncio.sleep(0.1 * pauses)
        assert loop.time() - began > 2, "longer than a client may take that reads nothing"
        assert received.count(b"HTTP/1.1 200") == requests
        await sending


async def test_websockets_and_requests_count_together_as_connections(settings: Settings) -> None:
    async with service(settings, PAYCORE_MAX_CONNECTIONS="4") as port, contextlib.AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{port}/graphql"
        opened = [await stack.enter_async_context(open_socket(url, {})) for _ in range(4)]
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with open_socket(url, {}):
                pass
        assert refusal.value.response.status_code == 503
        refused = await answer(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 503")
        await opened[0].connection.close()
        async with open_socket(url, {}) as another:
            await another.subscribe("1", "{ __typename }")
            assert await another.data("1")


async def test_only_pages_of_the_listed_origins_may_call(shared: SharedServices) -> None:
    port = shared.port(PAYCORE_CORS_ORIGINS=ORIGINS)
    url = f"http://127.0.0.1:{port}/graphql"
    async with httpx.AsyncClient() as http:
        for origin, allowed in ((ORIGIN, True), ("https://evil.example.com", False)):
            asking = {"Origin": origin, "Access-Control-Request-Method": "POST",
                      "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
            preflight = await http.options(url, headers=asking)
            assert (preflight.headers.get("access-control-allow-origin") == origin) is allowed
            response = await http.post(url, json={"query": "{ __typename }"}, headers={"Origin": origin})
            assert (response.headers.get("access-control-allow-origin") == origin) is allowed
    for origin, allowed in ((ORIGIN, True), (f"http://127.0.0.1:{port}", True), ("https://evil.example.com", False)):
        opening = connect(url.replace("http", "ws", 1), subprotocols=[SUBPROTOCOL], origin=websockets.Origin(origin))
        if allowed:
            async with opening as socket:
                assert socket.subprotocol == SUBPROTOCOL
        else:
            with pytest.raises(websockets.InvalidStatus) as refusal:
                async with opening:
                    pass
            assert refusal.value.response.status_code == 403


CLIENT_HEADERS = (
    "apollographql-client-name",
    "apollographql-client-version",
    "x-apollo-operation-name",
    "apollo-require-preflight",
    "graphql-preflight",
    "traceparent",
    "tracestate",
    "baggage",
    "idempotency-key",
    "x-request-id",
)


async def test_a_preflight_allows_the_headers_of_common_clients(shared: SharedServices) -> None:
    port = shared.port(PAYCORE_CORS_ORIGINS=ORIGINS)
    async with httpx.AsyncClient() as http:
        for header in CLIENT_HEADERS:
            preflight = await http.options(
                f"http://127.0.0.1:{port}/graphql",
                headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": header},
            )
            assert preflight.status_code == 200, header


async def test_an_idle_connection_stays_open_as_long_as_the_setting_says(settings: Settings, shared: SharedServices) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    async with service(settings, PAYCORE_KEEP_ALIVE_SECONDS="1") as port:
        assert (await answer(port, request)).startswith(b"HTTP/1.1 200")
    port = shared.port()
    with pytest.raises(TimeoutError):
        await answer(port, request, within=6)


async def test_no_page_of_another_origin_may_call_by_default(settings: Settings) -> None:
    async with service(settings, PAYCORE_MAX_CONNECTIONS="5") as port:
        async with httpx.AsyncClient() as http:
            response = await http.post(
                f"http://127.0.0.1:{port}/graphql", json={"query": "{ __typename }"}, headers={"Origin": ORIGIN}
            )
            assert "access-control-allow-origin" not in response.headers
            assert response.headers["x-content-type-options"] == "nosniff"
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        refused = await answer(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 503")
        for _, writer in waiting:
            writer.close()
