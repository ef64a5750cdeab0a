"""Clients that dawdle, flood or come from elsewhere, against a real `paycore serve`."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest
import websockets
from websockets.asyncio.client import connect

from app import http_protocol
from app.settings import Settings
from tests.processes.test_cli import EXECUTABLE, servers_of
from tests.servers import free_port
from tests.transport_ws import SUBPROTOCOL

ORIGIN = "https://app.example.com"


@asynccontextmanager
async def service(settings: Settings, **more: str) -> AsyncIterator[int]:
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", **servers_of(settings), "PAYCORE_PORT": str(port), **more}
    process = psutil.Popen([EXECUTABLE, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30), httpx.AsyncClient() as http:
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


async def answer(port: int, *parts: bytes, pause: float = 0.0, within: float = 20) -> bytes:
    """All that the service says to these bytes, until it closes the connection."""
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


async def test_what_never_becomes_a_request_is_cut_off(settings: Settings) -> None:
    async with service(settings, PAYCORE_BODY_TIMEOUT_SECONDS="1") as port:
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
        # Whoever asks properly is not hurried: a connection may be kept, and used again.
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            for _ in range(3):
                assert (await http.get("/healthz")).status_code == 200
                await asyncio.sleep(0.5)
    assert http_protocol.HEAD_SECONDS <= 10


async def test_only_pages_of_the_origins_that_are_named_may_call(settings: Settings) -> None:
    async with service(settings, PAYCORE_CORS_ORIGINS=f"{ORIGIN}, https://other.example.com") as port:
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


async def test_without_a_setting_no_foreign_page_may(settings: Settings) -> None:
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
