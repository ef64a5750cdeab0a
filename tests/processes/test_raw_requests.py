"""Requests as raw bytes: where one ends and the next begins is never in doubt."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.settings import Settings
from tests.processes.test_strangers import answer, service

QUERY = b'{"query": "{ __typename }"}'
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(QUERY), QUERY)
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMUGGLED = b"\r\n" * 50 + b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


def post(*headers: bytes, method: bytes = b"POST") -> bytes:
    lines = (b"%b /graphql HTTP/1.1" % method, b"Host: x", b"Content-Type: application/json", *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


LENGTH = b"Content-Length: %d" % len(QUERY)
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
WEBSOCKET = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

READ_WHOLE = {
    "no upgrade": (post(LENGTH), QUERY),
    "h2c": (post(*H2C, LENGTH), QUERY),
    "h2c, in chunks": (post(*H2C, b"Transfer-Encoding: chunked"), CHUNKED),
    "an unknown protocol": (post(b"Connection: keep-alive, Upgrade", b"Upgrade: TLS/1.0", LENGTH), QUERY),
    "a WebSocket by POST": (post(*WEBSOCKET, LENGTH), QUERY),
    "a WebSocket by POST, in chunks": (post(*WEBSOCKET, b"Transfer-Encoding: chunked"), CHUNKED),
}


def answers(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("name", READ_WHOLE)
async def test_a_body_after_an_ignored_upgrade_is_read_whole(settings: Settings, name: str) -> None:
    head, body = READ_WHOLE[name]
    async with service(settings) as port:
        # At once, after the head, and byte by byte.
        for parts in ((head + body + NEXT,), (head, body, NEXT), (head, *(bytes([byte]) for byte in body + NEXT))):
            received = await answer(port, *parts, pause=0.001)
            assert answers(received) == [200, 200], received
            assert b'"__typename":"Query"' in received
            assert b'"alive"' in received


async def test_bytes_of_a_body_are_never_another_request(settings: Settings) -> None:
    body = SMUGGLED + b" " * 10
    head = post(*H2C, b"Content-Length: %d" % len(body))
    async with service(settings) as port:
        for parts in ((head + body + NEXT,), (head, body, NEXT), (head, SMUGGLED, b" " * 10 + NEXT)):
            received = await answer(port, *parts, pause=0.05)
            assert answers(received) == [400, 200], received
            assert b"openapi" not in received


async def test_many_pipelined_upgrades_are_answered_one_by_one(settings: Settings) -> None:
    async with service(settings) as port:
        one = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        assert answers(await answer(port, one * 300 + NEXT)) == [200] * 301


REFUSED = {
    "length and chunks": post(LENGTH, b"Transfer-Encoding: chunked") + CHUNKED,
    "chunks and length": post(b"Transfer-Encoding: chunked", LENGTH) + CHUNKED,
    "two lengths": post(LENGTH, b"Content-Length: 5") + QUERY,
    "a length with a sign": post(b"Content-Length: +%d" % len(QUERY)) + QUERY,
    "a length as hexadecimal": post(b"Content-Length: 0x1b") + QUERY,
    "a space before the colon": post(b"Content-Length : %d" % len(QUERY)) + QUERY,
    "chunked twice, not last": post(b"Transfer-Encoding: chunked, identity") + CHUNKED,
    "a folded header": post(b"X-A: b\r\n Content-Length: 5", LENGTH) + QUERY,
    "bare LF": post(LENGTH).replace(b"\r\n", b"\n") + QUERY,
    "a bad size of a chunk": post(b"Transfer-Encoding: chunked") + b"1g\r\n" + QUERY + b"\r\n0\r\n\r\n",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "h2c, length and chunks": post(*H2C, LENGTH, b"Transfer-Encoding: chunked") + CHUNKED,
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_request_whose_end_is_in_doubt_is_answered_once_and_closed(settings: Settings, name: str) -> None:
    async with service(settings) as port:
        received = await answer(port, REFUSED[name] + SMUGGLED)
        assert answers(received) == [400], received


JAVA = """
import java.net.URI;
import java.net.http.*;
public class Ask {
    public static void main(String[] given) throws Exception {
        var client = HttpClient.newHttpClient();
        for (int i = 0; i < 3; i++) {
            var request = HttpRequest.newBuilder(URI.create(given[0])).header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(given[1])).build();
            var response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
"""


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
async def test_a_default_java_client_is_answered(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "Ask.java"
    source.write_text(JAVA)
    async with service(settings) as port:
        command = ["java", str(source), f"http://127.0.0.1:{port}/graphql", QUERY.decode()]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        status, _, body = line.partition(" ")
        assert (status, json.loads(body)["data"]) == ("200", {"__typename": "Query"})
