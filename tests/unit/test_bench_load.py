"""The load generator counts only right answers and hides no waiting time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench.load import ask, closed_loop, open_loop, warm_up_connections

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def server(answer: Callable[[int], bytes], *, stall_at: int = -1, stall_seconds: float = 0.0) -> AsyncIterator[int]:
    """A server that answers request number n with `answer(n)` and stalls once; yields its port."""
    count = 0
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        writers.append(writer)
        while await reader.read(len(REQUEST)):
            count += 1
            if count == stall_at:
                await asyncio.sleep(stall_seconds)
            body = answer(count)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            await asyncio.sleep(0)
            writer.write(body)
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()
        for writer in writers:
            writer.close()


def right(body: bytes) -> int:
    return int(body == b"right")


async def test_every_answer_within_the_window_is_counted() -> None:
    async with server(lambda _: b"right") as port:
        result = await closed_loop(port, 4, 0.3, lambda: REQUEST, right)
    assert result.done == result.answers == len(result.latencies) > 10
    assert result.failures == 0
    assert 0 < result.generator_cpu <= 1.5


async def test_a_measurement_that_ends_before_the_first_answer_lasts_until_then() -> None:
    async with server(lambda _: b"right", stall_at=1, stall_seconds=0.5) as port:
        result = await closed_loop(port, 1, 0.1, lambda: REQUEST, right)
    assert (result.done, result.answers) == (1, 1)
    assert result.seconds > 0.3
    assert result.per_second < 4


async def test_a_wrong_answer_ends_the_run() -> None:
    async with server(lambda n: b"wrong" if n == 20 else b"right") as port:
        with pytest.raises(RuntimeError, match="1 answers were wrong, such as: b'wrong'"):
            await closed_loop(port, 4, 0.2, lambda: REQUEST, right)


async def test_requests_due_during_a_stall_are_timed_from_when_they_were_due() -> None:
    async with server(lambda _: b"right", stall_at=40, stall_seconds=0.4) as port:
        result = await open_loop(port, 200, 1.0, lambda: REQUEST, right, connections=1)
    # One connection, so all requests due within those 0.4 s had to wait, not only the current one.
    assert sum(latency > 0.1 for latency in result.latencies) > 30
    assert result.answers > 150


async def test_each_connection_sends_each_warm_up_request_once() -> None:
    seen: list[int] = []

    def answer(n: int) -> bytes:
        seen.append(n)
        return b"hello"

    async with server(answer) as port:
        await warm_up_connections(port, [REQUEST] * 10, connections=3)
        assert len(seen) == 30
        assert await ask(port, REQUEST) == b"hello"
