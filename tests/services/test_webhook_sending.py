"""Sending to URLs of users: real sockets, and a resolver of ours that may lie."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.services.webhooks.sending import KEPT_BYTES, Sender
from tests.tls_proxy import make_certificate

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Receiver:
    """A server that records what it is sent, and answers with these bytes."""

    def __init__(self, answer: bytes | Callable[[asyncio.StreamWriter], object]) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line.split(":")[1]) for line in head.lower().splitlines() if line.startswith("content-length"))
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(length))
            if callable(self.answer):
                await self.answer(writer)  # type: ignore[misc] # a coroutine function
            else:
                writer.write(self.answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(
    answer: bytes | Callable[[asyncio.StreamWriter], object] = OK, certificate: Path | None = None
) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


class LyingResolver:
    """Answers with the next of these addresses each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.calls += 1
        return self.answers[min(self.calls, len(self.answers)) - 1]


async def test_a_message_is_sent_to_the_address_that_was_checked_under_its_name() -> None:
    resolver = LyingResolver(["127.0.0.1"], ["10.0.0.1"])
    async with receiving() as receiver:
        sender = Sender(seconds=5, allow_private=True, resolver=resolver)
        answer = await sender.post(f"http://hooks.example:{receiver.port}/in?x=1", {"webhook-id": "msg_1"}, b"body")
    assert (answer.status, answer.body, answer.error, answer.is_success) == (200, "ok", None, True)
    assert resolver.calls == 1, "a name that is resolved twice can be given another address the second time"
    assert receiver.heads[0].startswith("POST /in?x=1 HTTP/1.1\r\n")
    assert f"host: hooks.example:{receiver.port}\r\n" in receiver.heads[0].lower()
    assert "webhook-id: msg_1\r\n" in receiver.heads[0].lower()
    assert receiver.bodies == [b"body"]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]]
)
async def test_a_name_that_resolves_to_a_private_address_is_refused_before_anything_is_sent(addresses: list[str]) -> None:
    async with receiving() as receiver:
        sender = Sender(seconds=5, allow_private=False, resolver=LyingResolver(addresses))
        answer = await sender.post(f"https://hooks.example:{receiver.port}/", {}, b"body")
    assert answer.status is None
    assert answer.error == "refused: The address is not public."
    assert receiver.heads == []


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with receiving() as inner:
        location = f"http://127.0.0.1:{inner.port}/secret".encode()
        async with receiving(b"HTTP/1.1 307 See\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n") as outer:
            answer = await Sender(seconds=5, allow_private=True).post(f"http://127.0.0.1:{outer.port}/", {}, b"body")
        assert (answer.status, answer.is_success) == (307, False)
        assert inner.heads == []


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with receiving(drip) as receiver:
        answer = await Sender(seconds=0.5, allow_private=True).post(f"http://127.0.0.1:{receiver.port}/", {}, b"body")
    assert (answer.status, answer.error) == (None, "no answer within 0.5 seconds")
    assert 400 <= answer.duration_ms < 3000


async def test_a_resolver_that_hangs_is_given_up() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    answer = await Sender(seconds=0.2, allow_private=False, resolver=hang).post("https://hooks.example/", {}, b"body")
    assert answer.error == "no answer within 0.2 seconds"


async def test_only_the_beginning_of_a_huge_answer_is_read() -> None:
    sent = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 100000000\r\ncontent-encoding: gzip\r\n\r\n")
        while sent < 100_000_000:
            writer.write(b"x\x00\xff" + b"y" * 65_533)
            await writer.drain()
            sent += 65_536

    async with receiving(flood) as receiver:
        answer = await Sender(seconds=5, allow_private=True).post(f"http://127.0.0.1:{receiver.port}/", {}, b"body")
    assert answer.status == 500
    assert answer.body is not None
    assert answer.body.startswith("x��y")
    assert len(answer.body) <= KEPT_BYTES
    assert sent < 50_000_000


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000])
async def test_a_server_that_does_not_speak_http_is_an_error_of_the_attempt(answer: bytes) -> None:
    async with receiving(answer) as receiver:
        found = await Sender(seconds=5, allow_private=True).post(f"http://127.0.0.1:{receiver.port}/", {}, b"body")
    assert found.status is None
    assert found.error is not None
    assert found.error.startswith("cannot connect: ")


async def test_a_closed_port_and_an_unknown_name_are_errors_of_the_attempt() -> None:
    async with receiving() as receiver:
        pass
    sender = Sender(seconds=5, allow_private=True)
    assert "cannot connect" in str((await sender.post(f"http://127.0.0.1:{receiver.port}/", {}, b"")).error)
    assert "cannot connect" in str((await sender.post("http://nowhere.invalid/", {}, b"")).error)
    await sender.close()


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        answer = await Sender(seconds=5, allow_private=True).post(f"http://127.0.0.1:{receiver.port}/", {}, b"body")
    assert answer.is_success
    assert proxy.heads == []


async def test_410_means_that_the_receiver_is_gone() -> None:
    async with receiving(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n") as receiver:
        answer = await Sender(seconds=5, allow_private=True).post(f"http://127.0.0.1:{receiver.port}/", {}, b"body")
    assert answer.is_gone
    assert not answer.is_success


async def test_tls_is_checked_for_the_name_and_not_for_the_address_that_was_connected_to(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "receiver.pem")
    trusted = ssl.create_default_context(cafile=certificate)
    async with receiving(certificate=certificate) as receiver:
        sender = Sender(seconds=5, allow_private=True, resolver=LyingResolver(["127.0.0.1"]), trusted=trusted)
        assert (await sender.post(f"https://127.0.0.1:{receiver.port}/", {}, b"body")).is_success
        other = await sender.post(f"https://hooks.example:{receiver.port}/", {}, b"body")
        unknown = await Sender(seconds=5, allow_private=True).post(f"https://127.0.0.1:{receiver.port}/", {}, b"body")
    assert other.error == "cannot connect: SSLCertVerificationError"
    assert unknown.error == "cannot connect: SSLCertVerificationError"
    assert receiver.bodies == [b"body"]


async def test_the_next_address_is_tried_if_one_takes_no_connection() -> None:
    async with receiving() as receiver:
        sender = Sender(seconds=5, allow_private=True, resolver=LyingResolver(["127.0.0.2", "127.0.0.1"]))
        answer = await sender.post(f"http://hooks.example:{receiver.port}/", {}, b"body")
    assert answer.is_success
    assert receiver.bodies == [b"body"]


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK, 200, "ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nto\r\n3\r\nget\r\n0\r\n\r\n", 200, "toget"),
        (b"HTTP/1.0 202 Accepted\r\n\r\nuntil the end", 202, "until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
    ],
)
async def test_an_answer_is_read_in_each_form_that_http_gives_it(sent: bytes, status: int, body: str | None) -> None:
    async with receiving(sent) as receiver:
        answer = await Sender(seconds=5, allow_private=True).post(f"http://127.0.0.1:{receiver.port}/", {}, b"body")
    assert (answer.status, answer.body, answer.error) == (status, body, None)


async def test_an_answer_that_ends_early_is_an_error_of_the_attempt() -> None:
    async with receiving(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf") as receiver:
        answer = await Sender(seconds=5, allow_private=True).post(f"http://127.0.0.1:{receiver.port}/", {}, b"body")
    assert (answer.status, answer.error) == (None, "cannot connect: RemoteProtocolError")


async def test_the_connection_is_closed_as_soon_as_the_time_for_an_answer_is_over() -> None:
    closed = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            pass
        closed.set()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answer = await Sender(seconds=0.2, allow_private=True).post(f"http://127.0.0.1:{port}/", {}, b"body")
        assert answer.error == "no answer within 0.2 seconds"
        async with asyncio.timeout(2):
            await closed.wait()
