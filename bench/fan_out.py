"""One wallet with many subscribers on one API process: how soon a transfer reaches each of them, and the last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

from bench.live import subscribers
from bench.load import ask
from bench.profiles import Profile
from bench.stack import Stack, resident_bytes
from bench.traffic import HOT, Traffic, completed, into_hot

_WARM_UP_TRANSFERS = 2
_GIVE_UP_SECONDS = 60.0


async def fan_out(stack: Stack, traffic: Traffic, tokens: Sequence[str], profile: Profile) -> dict[str, object]:
    """Milliseconds from a transfer's posting time, which is read before its commit, to its arrival; kilobytes per WebSocket.

    Each WebSocket has one subscription to the same wallet. The next transfer is made once the last one has reached all.
    Needs a stack of one API process that was just started. Raises RuntimeError if a transfer fails.
    """
    count = profile.fan_out_subscribers
    arrivals = _Arrivals(count)
    before = resident_bytes(stack.api_processes())
    async with subscribers(stack.port, tokens, [HOT] * count, arrivals.take):
        subscribed = resident_bytes(stack.api_processes())
        make = traffic.transfer(into_hot)
        for _ in range(_WARM_UP_TRANSFERS):
            await _pay(stack.port, make(), arrivals)
        each: list[float] = []
        last: list[float] = []
        started, cpu = time.perf_counter(), time.process_time()
        for _ in range(profile.fan_out_transfers):
            delays = await _pay(stack.port, make(), arrivals)
            each += delays
            last.append(max(delays))
        seconds, busy = time.perf_counter() - started, time.process_time() - cpu
        after = resident_bytes(stack.api_processes())
    return {
        "per_second": round(len(each) / seconds, 1),
        "subscribers": count,
        "transfers": len(last),
        "each": _percentiles(each),
        "last": _percentiles(last),
        "kilobytes_per_socket": round((subscribed - before) / 1000 / count, 1),
        "kilobytes_per_socket_after_transfers": round((after - before) / 1000 / count, 1),
        "generator_cpu_share": round(busy / seconds, 3),
    }


class _Arrivals:
    """Collects the delays of one transfer's update until all subscribers have it."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.delays: list[float] = []
        self.complete = asyncio.Event()

    def take(self, created_at: str) -> None:
        self.delays.append(time.time() - datetime.fromisoformat(created_at).timestamp())
        if len(self.delays) == self._count:
            self.complete.set()


async def _pay(port: int, request: bytes, arrivals: _Arrivals) -> list[float]:
    arrivals.delays = []
    arrivals.complete.clear()
    body = await ask(port, request)
    if not completed(body):
        raise RuntimeError(f"a transfer failed: {body[:500]!r}")
    async with asyncio.timeout(_GIVE_UP_SECONDS):
        await arrivals.complete.wait()
    return arrivals.delays


def _percentiles(delays: list[float]) -> dict[str, float]:
    delays.sort()
    return {f"p{percent}_ms": round(delays[int(len(delays) * percent / 100)] * 1000, 2) for percent in (50, 95, 99)}
