"""Sends one HTTP POST to a URL that a user chose: to a checked address, limited in time and size, without redirects."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import NamedTuple

from app.clock import monotonic
from app.services.webhooks.destinations import BadDestination, Destination, check_address, destination_of

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host's name. Raises OSError."""

KEPT_BYTES = 1024
"""How much of an answer is read, for its owner to see."""
_MAX_ADDRESSES = 3
"""Addresses that are tried, if connections to the first ones fail."""
_RESOLVER_THREADS = 8
_TRUSTS_NOTHING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For connections without TLS. Without one, httpx would load all certificate authorities for each, which takes 20 ms."""


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

    def __init__(self, *, seconds: float, allow_private: bool, resolver: Resolver | None = None) -> None:
        self._seconds = seconds
        self._allow_private = allow_private
        # Of its own: look-ups that hang must not take the threads of others.
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, "webhook-resolver")
        self._resolver = resolver or self._resolve
        self._context: ssl.SSLContext | None = None

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
        import httpx  # noqa: PLC0415 - see app/fetching.py

        try:
            for address in addresses[:-1]:
                try:
                    return await self._send_to(address, destination, headers, body)
                except httpx.ConnectError:
                    continue
            return await self._send_to(addresses[-1], destination, headers, body)
        except httpx.TimeoutException:
            raise TimeoutError from None
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise OSError(0, type(problem).__name__) from None

    async def _send_to(
        self, address: str, destination: Destination, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str | None]:
        import httpx  # noqa: PLC0415 - see app/fetching.py

        # A transport and not a client: it follows no redirect, keeps no cookie and uses no proxy, which would connect to names.
        # The URL has the address, so nothing is looked up again; TLS checks the certificate for the name.
        host = f"[{address}]" if ":" in address else address
        url = f"{'https' if destination.is_tls else 'http'}://{host}:{destination.port}{destination.target}"
        sent = {**headers, "host": destination.authority, "accept-encoding": "identity", "connection": "close"}
        extensions = {"timeout": httpx.Timeout(self._seconds).as_dict()}
        if destination.is_tls:
            extensions["sni_hostname"] = destination.host  # type: ignore[assignment] # httpx has no type for extensions
        trusted = await self._certificates() if destination.is_tls else _TRUSTS_NOTHING
        request = httpx.Request("POST", url, headers=sent, content=body, extensions=extensions)
        async with httpx.AsyncHTTPTransport(verify=trusted, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            try:
                return response.status_code, _text(await _beginning(response.aiter_raw()))
            finally:
                await response.aclose()

    async def _certificates(self) -> ssl.SSLContext:
        import httpx  # noqa: PLC0415 - see app/fetching.py

        if self._context is None:
            # In a thread: to load the certificate authorities takes 40 ms.
            self._context = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        return self._context


async def _beginning(stream: AsyncIterator[bytes]) -> bytes:
    received = bytearray()
    async for chunk in stream:
        received += chunk
        if len(received) >= KEPT_BYTES:
            break
    return bytes(received[:KEPT_BYTES])


def _text(received: bytes) -> str | None:
    """The answer as text that PostgreSQL can store, or None if it is empty."""
    return received.decode(errors="replace").replace("\x00", "�") or None
