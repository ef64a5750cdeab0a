"""Raw requests: the service always finds the same end of a request, or refuses it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.settings import Settings
from tests.processes.raw_requests import (
    ALL,
    CHUNKED,
    H2C,
    IN_CHUNKS,
    LENGTH,
    NEXT,
    QUERY,
    SMUGGLED,
    WAIT,
    WEBSOCKET,
    Raw,
    early,
    post,
)
from tests.processes.test_strangers import answer, service
from tests.service_processes import SharedServices
from tests.waiting import early_in_a_window

READ_WHOLE = {
    "no upgrade": (post(LENGTH), QUERY),
    "h2c": (post(*H2C, LENGTH), QUERY),
    "h2c, in chunks": (post(*H2C, IN_CHUNKS), CHUNKED),
    "an unknown protocol": (post(b"Connection: keep-alive, Upgrade", b"Upgrade: TLS/1.0", LENGTH), QUERY),
    "a WebSocket by POST": (post(*WEBSOCKET, LENGTH), QUERY),
    "a WebSocket by POST, in chunks": (post(*WEBSOCKET, IN_CHUNKS), CHUNKED),
}
PAUSE_SECONDS = 0.05
"""Seconds between parts, so that most arrive separately. No assertion depends on it."""


def answers(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("name", READ_WHOLE)
async def test_a_body_after_an_ignored_upgrade_is_read_whole(shared: SharedServices, name: str) -> None:
    head, body = READ_WHOLE[name]
    port = shared.port()
    # Sent at once, split after the head, and byte by byte.
    for parts in ((head + body + NEXT,), (head, body, NEXT), (head, *(bytes([byte]) for byte in body + NEXT))):
        received = await answer(port, *parts, pause=0.001)
        assert answers(received) == [200, 200], received
        assert b'"__typename":"Query"' in received
        assert b'"alive"' in received


async def test_bytes_of_a_body_are_never_read_as_a_request(shared: SharedServices) -> None:
    body = SMUGGLED + b" " * 10
    head = post(*H2C, b"Content-Length: %d" % len(body))
    port = shared.port()
    for parts in ((head + body + NEXT,), (head, body, NEXT), (head, SMUGGLED, b" " * 10 + NEXT)):
        received = await answer(port, *parts, pause=0.05)
        assert answers(received) == [400, 200], received
        assert b"openapi" not in received


async def test_many_pipelined_upgrades_are_answered_one_by_one(shared: SharedServices) -> None:
    port = shared.port()
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert answers(await answer(port, one * 300 + NEXT)) == [200] * 301


async def reply(port: int, raw: Raw) -> bytes:
    """Send a raw request and then a probe; return everything that the service answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        async with asyncio.timeout(60):
            for number, part in enumerate(raw.parts):
                if part == WAIT:
                    while len(answers(received)) < raw.parts[: number + 1].count(WAIT):
                        received += await more(reader)
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(PAUSE_SECONDS)
            while len(answers(received)) < len(raw.statuses):
                received += await more(reader)
            writer.write(SMUGGLED if raw.closes else NEXT)
            received += await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    return received


async def more(reader: asyncio.StreamReader) -> bytes:
    """The next bytes. Raises ConnectionResetError at the end."""
    data = await reader.read(65536)
    if not data:
        raise ConnectionResetError
    return data


def faults(raw: Raw, received: bytes) -> list[str]:
    """The differences from the expected answers."""
    found = []
    expected = raw.statuses if raw.closes else [*raw.statuses, 200]
    if answers(received) != expected:
        found.append(f"{answers(received)} for {expected}")
    if b'"openapi"' in received:
        found.append("bytes of a body were answered as a request")
    if raw.closes and b"\r\nconnection: close\r\n" not in received.lower():
        found.append("the end of the connection is not said")
    return found


@pytest.mark.parametrize("group", sorted({name.partition(":")[0] for name in ALL}))
async def test_the_end_of_a_request_is_unambiguous(shared: SharedServices, group: str) -> None:
    table = {name: raw for name, raw in ALL.items() if name.startswith(f"{group}:")}
    port = shared.port()
    given = await asyncio.gather(*(reply(port, raw) for raw in table.values()))
    found = {
        name: [*faults(raw, received), received[:1000]]
        for (name, raw), received in zip(table.items(), given, strict=True)
        if faults(raw, received)
    }
    assert not found, "\n".join(f"{name}: {what}" for name, what in found.items())


async def test_a_refusal_past_the_rate_limit_closes_the_connection_if_the_body_is_missing(settings: Settings) -> None:
    async with service(settings, PAYCORE_REQUESTS_PER_ADDRESS_PER_SECOND="1") as port:
        await early_in_a_window()
        assert answers(await answer(port, (post(LENGTH) + QUERY) * 10 + NEXT)) == [200] * 11
        raw = early(429, post(LENGTH), WAIT, SMUGGLED)
        assert faults(raw, await reply(port, raw)) == []


async def test_the_answer_names_the_fault_of_the_request(shared: SharedServices) -> None:
    port = shared.port()
    coded = await answer(port, post(b"Transfer-Encoding: gzip, chunked") + CHUNKED)
    assert coded.endswith(b"The only transfer coding is chunked, in HTTP/1.1.")


async def test_an_incomplete_request_is_not_run(shared: SharedServices) -> None:
    port = shared.port()
    for whole in (post(LENGTH) + QUERY, post(IN_CHUNKS) + CHUNKED, post(*H2C, LENGTH) + QUERY):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(whole[:-1])
        writer.write_eof()
        assert answers(await asyncio.wait_for(reader.read(), 20)) == []
        writer.close()


async def test_trailers_are_not_read_as_headers(shared: SharedServices) -> None:
    port = shared.port()
    head, body = post(IN_CHUNKS), CHUNKED[:-2]
    # The app already handles the request when the trailers arrive.
    received = await answer(port, head, body + b"X-Request-Id: of-a-trailer\r\n", b"\r\n" + NEXT, pause=0.2)
    assert answers(received) == [200, 200], received
    assert b"of-a-trailer" not in received


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
async def test_a_default_java_client_is_answered(shared: SharedServices, tmp_path: Path) -> None:
    source = tmp_path / "Ask.java"
    source.write_text(JAVA)
    port = shared.port()
    command = ["java", str(source), f"http://127.0.0.1:{port}/graphql", QUERY.decode()]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        status, _, body = line.partition(" ")
        assert (status, json.loads(body)["data"]) == ("200", {"__typename": "Query"})
