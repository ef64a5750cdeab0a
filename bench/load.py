"""The load generator: HTTP/1.1 over raw asyncio protocols, so that it is not the bottleneck. It reports its own CPU.

Closed loop: each connection sends its next request after its answer; for rates at saturation. Open loop: requests
are due at a given rate, whether or not earlier ones were answered, and are timed from when they were due; for latency
without coordinated omission.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

Make = Callable[[], bytes]
"""The next request, head and body."""

Check = Callable[[bytes], int]
"""The number of transfers (or reads) in an answer's body; 0 for a wrong answer."""

WARM_UP = 0.2
"""The length of the warm-up, which is not counted, as a part of the measurement."""

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_TICK_SECONDS = 0.001
_GIVE_UP_SECONDS = 15.0


@dataclass(slots=True)
class Result:
    """The counts of a measurement, after its warm-up."""

    done: int = 0
    """Transfers or reads, as the check counts them."""
    answers: int = 0
    failures: int = 0
    seconds: float = 0.0
    generator_cpu: float = 0.0
    """Cores that the load generator used."""
    latencies: list[float] = field(default_factory=list)
    """Seconds of each answer."""
    first_failure: bytes = b""

    @property
    def per_second(self) -> float:
        """Transfers or reads per second."""
        return self.done / self.seconds

    def percentile(self, percent: float) -> float:
        """The seconds within which this percentage of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, on_answer: OnAnswer) -> None:
        self._on_answer = on_answer
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.due_at = 0.0
        self.lost = False
        self._is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due_at: float) -> None:
        self.due_at = due_at
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head_end + 2)
        body_start = head_end + 4
        if length is None or len(self._buffer) < body_start + int(length.group(1)):
            return
        body = self._buffer[body_start:]
        self._buffer = b""
        self._on_answer(self, body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.lost = not self._is_closed

    def close(self) -> None:
        self._is_closed = True
        if self._transport is not None:
            self._transport.close()


OnAnswer = Callable[[_Connection, bytes], None]


@contextlib.asynccontextmanager
async def _connections(port: int, count: int, on_answer: OnAnswer) -> AsyncIterator[list[_Connection]]:
    loop = asyncio.get_running_loop()
    made = await asyncio.gather(
        *(loop.create_connection(lambda: _Connection(on_answer), "127.0.0.1", port) for _ in range(count))
    )
    connections = [protocol for _, protocol in made]
    try:
        yield connections
        if any(connection.lost for connection in connections):
            raise RuntimeError("the API closed connections under load")
    finally:
        for connection in connections:
            connection.close()


class _Window:
    """Counts the answers that fall between the end of the warm-up and the end of the measurement.

    If there is none, the measurement lasts until the next one: on a busy machine a short one can end before the first answer.
    """

    def __init__(self, seconds: float, check: Check) -> None:
        self.result = Result(seconds=seconds)
        self._check = check
        self.starts_at = time.perf_counter() + seconds * WARM_UP
        self.ends_at = self.starts_at + seconds
        self._cpu: float | None = None

    def count(self, due_at: float, body: bytes) -> bool:
        """Count an answer; return whether there is time for more."""
        now = time.perf_counter()
        done = self._check(body)
        if done == 0:
            self.result.failures += 1
            self.result.first_failure = self.result.first_failure or body[:500]
        if now >= self.starts_at:
            if self._cpu is None:
                self._cpu = time.process_time()
            is_in_time = now < self.ends_at
            if not is_in_time and not self.result.answers:
                is_in_time, self.result.seconds = True, now - self.starts_at
            if is_in_time:
                self.result.done += done
                self.result.answers += 1
                self.result.latencies.append(now - due_at)
        return now < self.ends_at

    def close(self) -> Result:
        """The result. Raises RuntimeError after a wrong answer, which makes the rate meaningless."""
        if self.result.failures:
            raise RuntimeError(f"{self.result.failures} answers were wrong, such as: {self.result.first_failure!r}")
        if not self.result.answers:
            raise RuntimeError("nothing was answered within the measurement")
        elapsed = time.perf_counter() - self.starts_at
        if self._cpu is not None:
            self.result.generator_cpu = (time.process_time() - self._cpu) / elapsed
        return self.result


async def closed_loop(port: int, connections: int, seconds: float, make: Make, check: Check) -> Result:
    """Keep every connection busy. Raises RuntimeError if an answer is wrong, a connection breaks or no answer comes."""
    window = _Window(seconds, check)
    finished = asyncio.Event()
    busy = connections

    def on_answer(connection: _Connection, body: bytes) -> None:
        nonlocal busy
        if window.count(connection.due_at, body):
            connection.send(make(), time.perf_counter())
        else:
            busy -= 1
            if busy == 0:
                finished.set()

    async with _connections(port, connections, on_answer) as made:
        for connection in made:
            connection.send(make(), time.perf_counter())
        async with asyncio.timeout(seconds * (1 + WARM_UP) + _GIVE_UP_SECONDS):
            await finished.wait()
    return window.close()


async def ask(port: int, request: bytes) -> bytes:
    """Send one request and return the body of its answer."""
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with _connections(port, 1, lambda _, body: answered.set_result(body)) as (connection,):
        connection.send(request, time.perf_counter())
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            return await answered


async def warm_up_connections(port: int, requests: Sequence[bytes], connections: int) -> None:
    """Send all requests over each connection, one after the other. The answers are ignored."""
    loop = asyncio.get_running_loop()
    left: dict[_Connection, Iterator[bytes]] = {}
    finished = asyncio.Event()

    def on_answer(connection: _Connection, _: bytes) -> None:
        request = next(left[connection], None)
        if request is None:
            # Otherwise the server would close it after its keep-alive time, while others still send.
            connection.close()
            del left[connection]
            if not left:
                finished.set()
        else:
            connection.send(request, loop.time())

    async with _connections(port, connections, on_answer) as made:
        left = {connection: iter(requests) for connection in made}
        for connection in made:
            connection.send(next(left[connection]), loop.time())
        await finished.wait()


async def open_loop(
    port: int, rate: float, seconds: float, make: Make, check: Check, *, connections: int | None = None
) -> Result:
    """Send at a rate. Raises as closed_loop; an API that cannot keep up shows it in the latencies."""
    # Few connections, so that each is used again within the server's keep-alive time.
    connections = connections or max(8, min(128, round(rate / 2)))
    window = _Window(seconds, check)
    free: deque[_Connection] = deque()
    late: deque[float] = deque()

    def on_answer(connection: _Connection, body: bytes) -> None:
        window.count(connection.due_at, body)
        if late:
            connection.send(make(), late.popleft())
        else:
            free.append(connection)

    async with _connections(port, connections, on_answer) as made:
        free.extend(made)
        due_at = time.perf_counter()
        while due_at < window.ends_at:
            now = time.perf_counter()
            while due_at <= now and due_at < window.ends_at:
                if free:
                    free.popleft().send(make(), due_at)
                else:
                    late.append(due_at)
                due_at += 1 / rate
            await asyncio.sleep(_TICK_SECONDS)
        # Requests still running were due within the window, so they count.
        window.ends_at = float("inf")
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            while len(free) < connections:
                await asyncio.sleep(_TICK_SECONDS)
    return window.close()
