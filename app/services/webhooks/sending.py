"""Sends one HTTP POST to a URL that a user chose: to a checked address, limited in time and size, without redirects."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import NamedTuple

import h11

from app.clock import monotonic
from app.services.webhooks.destinations import BadDestination, Destination, check_address, destination_of

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host's name. Raises OSError."""

KEPT_BYTES = 1024
"""How much of an answer is read, for its owner to see."""
_MAX_ADDRESSES = 3
"""Addresses that are tried, if connections to the first ones fail."""
_RESOLVER_THREADS = 8
_MAX_HEAD = 65_536
"""Largest status line and headers of an answer."""


class Answer(NamedTuple):
    """What came of an attempt. Without `status`, `error` says why there is none."""

    status: int | None
    body: str | None
    error: str | None
    duration_ms: int

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no further messages."""
        return self.status == 410


class Sender:
    """Sends for all endpoints of a process."""

    def __init__(
        self,
        *,
        seconds: float,
        allow_private: bool,
        resolver: Resolver | None = None,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._seconds = seconds
        self._allow_private = allow_private
        # Of its own: look-ups that hang must not take the threads of others.
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, "webhook-resolver")
        self._resolver = resolver or self._resolve
        self._trusted = trusted

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send. Never raises for what the receiver or the network does."""
        started = monotonic()
        status: int | None = None
        text: str | None = None
        error: str | None = None
        try:
            async with asyncio.timeout(self._seconds):
                destination = destination_of(url, allow_private=self._allow_private)
                status, text = await self._send(destination, await self._addresses(destination), headers, body)
        except BadDestination as problem:
            error = f"refused: {problem}"
        except TimeoutError:
            error = f"no answer within {self._seconds:g} seconds"
        except OSError as problem:
            error = f"cannot connect: {problem.strerror or type(problem).__name__}"
        return Answer(status, text, error, round((monotonic() - started) * 1000))

    async def _addresses(self, destination: Destination) -> list[str]:
        """The addresses of the host, all of them allowed. One that is not is a reason to refuse all."""
        found = await self._resolver(destination.host, destination.port)
        if not found:
            raise OSError(0, "the name has no address")
        addresses = list(dict.fromkeys(found))[:_MAX_ADDRESSES]
        if not self._allow_private:
            for one in found:
                check_address(ip_address(one))
        return addresses

    async def _resolve(self, host: str, port: int) -> list[str]:
        def look_up() -> list[str]:
            return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

        return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)

    async def _send(
        self, destination: Destination, addresses: Sequence[str], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str | None]:
        trusted = await self._certificates() if destination.is_tls else None
        try:
            reader, writer = await _connected(addresses, destination, trusted)
        except OSError as problem:
            raise OSError(0, type(problem).__name__) from None
        try:
            return await _exchange(reader, writer, destination, headers, body)
        except (OSError, h11.ProtocolError) as problem:
            raise OSError(0, type(problem).__name__) from None
        finally:
            # Not closed in order: a receiver that does not take the end of TLS would keep the connection.
            writer.transport.abort()

    async def _certificates(self) -> ssl.SSLContext:
        import httpx  # noqa: PLC0415 - see app/fetching.py

        if self._trusted is None:
            # In a thread: to load the certificate authorities takes 40 ms.
            self._trusted = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        return self._trusted


async def _connected(
    addresses: Sequence[str], destination: Destination, trusted: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first address that takes one. TLS checks the certificate for the name."""
    name = destination.host if destination.is_tls else None
    for address in addresses[:-1]:
        try:
            return await asyncio.open_connection(address, destination.port, ssl=trusted, server_hostname=name)
        except OSError:
            continue
    return await asyncio.open_connection(addresses[-1], destination.port, ssl=trusted, server_hostname=name)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, destination: Destination, headers: Mapping[str, str], body: bytes
) -> tuple[int, str | None]:
    """Send the request and read the beginning of the answer.

    An HTTP client would follow redirects, keep cookies and connect to names or through a proxy, and takes a millisecond of CPU
    for each connection, which a receiver that never answers also costs.
    """
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
    sent = {**headers, "host": destination.authority, "accept-encoding": "identity", "connection": "close"}
    sent["content-length"] = str(len(body))
    head = http.send(h11.Request(method="POST", target=destination.target, headers=list(sent.items())))
    # Not waited for: a receiver may answer before it has read all.
    writer.write(b"".join((head or b"", http.send(h11.Data(data=body)) or b"", http.send(h11.EndOfMessage()) or b"")))
    status, received = 0, bytearray()
    while len(received) < KEPT_BYTES:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_MAX_HEAD))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            received += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
    return status, _text(bytes(received[:KEPT_BYTES]))


def _text(received: bytes) -> str | None:
    """The answer as text that PostgreSQL can store, or None if it is empty."""
    return received.decode(errors="replace").replace("\x00", "�") or None
