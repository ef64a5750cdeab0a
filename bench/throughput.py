"""The rates, measured in rounds next to their baselines, so that a slow minute affects both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import psutil

from bench.load import Check, Make, Result, ask, closed_loop, warm_up_connections
from bench.profiles import Profile
from bench.stack import Stack, cpu_seconds
from bench.traffic import (
    Pair,
    Traffic,
    any_pair,
    batch_completed,
    completed,
    into_hot,
    one_wallet,
    out_of_hot,
    refused,
    replayed,
    rest_rows,
    rows,
    wallets_of_viewer,
)
from bench.world import make_quotes

_BATCH_CONNECTIONS = 16
_READ_CONNECTIONS = 16
_WARM_UP_CONNECTIONS = 8
"""Enough connections that every worker gets one."""
_QUOTES_PER_SECOND = 6_000
"""More than can be used."""
_MORE_THAN_ANYONE_HAS = "99999999999.99"
PAGE_SIZES = (20, 100)


@dataclass(slots=True)
class Measured:
    """One measurement: a rate, and the CPU use of each part."""

    per_second: float
    facts: dict[str, object]


class Meter:
    """Measures one stack."""

    def __init__(self, stack: Stack, traffic: Traffic, postgres: psutil.Process, profile: Profile) -> None:
        self.stack = stack
        self.traffic = traffic
        self._postgres = postgres
        self._profile = profile
        self.connections = profile.connections[-1]
        """The best number of connections for `single`, which the later figures use."""

    async def warm_up(self) -> None:
        """Send a request of every user to every worker, so that the look-ups of a first request are not measured."""
        await warm_up_connections(self.stack.port, self.traffic.first_requests(), _WARM_UP_CONNECTIONS)

    async def single(self) -> Measured:
        """GraphQL `transfer`, one per request, at each number of connections; returns the best."""
        best = await self._best(any_pair, self._profile.connections)
        self.connections = int(str(best.facts["connections"]))
        return best

    async def _best(self, pair: Pair, connections: Sequence[int]) -> Measured:
        measured = [await self._measure(self.traffic.transfer(pair), completed, count) for count in connections]
        best = max(measured, key=lambda one: one.per_second)
        rates = {str(count): round(one.per_second, 1) for count, one in zip(connections, measured, strict=True)}
        return Measured(best.per_second, {**best.facts, "by_connections": rates})

    async def again(self) -> Measured:
        """As `single`, at its best number of connections."""
        return await self._measure(self.traffic.transfer(any_pair), completed, self.connections)

    async def batch(self) -> Measured:
        """`transferBatch` of 100."""
        return await self._measure(self.traffic.batch(), batch_completed, _BATCH_CONNECTIONS)

    async def rest(self) -> Measured:
        """`POST /transfer`."""
        return await self._measure(self.traffic.rest(), completed, self.connections)

    async def fee(self) -> Measured:
        """As `single`, with a fee on every transfer. Measured on a ledger with a fee schedule."""
        return await self._measure(self.traffic.transfer(any_pair, accepts_fee=True), completed, self.connections)

    async def hold_capture(self) -> Measured:
        """`placeHold` and `captureHold` of the same money, in pairs."""
        measured = await self._measure(self.traffic.hold_or_capture(), self.traffic.placed_or_captured, self.connections)
        return Measured(measured.per_second / 2, measured.facts)

    async def convert(self) -> Measured:
        """`convert` between two wallets of a user, by quotes that were made before."""
        self.traffic.quotes = await make_quotes(self.stack.database_url, int(_QUOTES_PER_SECOND * self._profile.seconds))
        return await self._measure(self.traffic.convert(), completed, self.connections)

    async def posting10(self) -> Measured:
        """`postTransaction` of ten legs."""
        return await self._measure(self.traffic.posting(), completed, self.connections)

    async def hot_in(self) -> Measured:
        """All transfers into one wallet."""
        return await self._best(into_hot, self._profile.connections[-2:])

    async def hot_out(self) -> Measured:
        """All transfers out of one wallet."""
        return await self._best(out_of_hot, self._profile.connections[-2:])

    async def replay(self) -> Measured:
        """Replays of used keys."""
        self.traffic.sent.clear()
        self.traffic.remember = True
        await closed_loop(self.stack.port, self.connections, 0.5, self.traffic.transfer(any_pair), completed)
        self.traffic.remember = False
        return await self._measure(self.traffic.replay(), replayed, self.connections)

    async def refused(self) -> Measured:
        """Transfers of more than the balance."""
        return await self._measure(self.traffic.transfer(any_pair, _MORE_THAN_ANYONE_HAS), refused, self.connections)

    async def read(self) -> Measured:
        """Pages of a busy wallet, `viewer` with wallets, and single wallets. The first page of 20 gives the rate."""
        facts: dict[str, object] = {}
        for size in PAGE_SIZES:
            facts[f"first_{size}"] = await self._read(self.traffic.page(size, None), rows(size))
            facts[f"deepest_{size}"] = await self._read(self.traffic.page(size, await self._before_oldest(size)), rows(size))
        facts["viewer"] = await self._read(self.traffic.viewer(), wallets_of_viewer)
        facts["wallet"] = await self._read(self.traffic.wallet(), one_wallet)
        facts["rest_wallet"] = await self._read(self.traffic.rest_wallet(), one_wallet)
        facts["rest_first_20"] = await self._read(self.traffic.rest_page(20), rest_rows(20))
        first = facts["first_20"]
        assert isinstance(first, float)
        return Measured(first, facts)

    async def _read(self, make: Make, check: Check) -> float:
        seconds = max(0.5, self._profile.seconds / 2)
        result = await closed_loop(self.stack.port, _READ_CONNECTIONS, seconds, make, check)
        return round(result.per_second, 1)

    async def _before_oldest(self, size: int) -> str:
        """The cursor before the oldest page of this size."""
        return await self._first_cursor(1, await self._first_cursor(size, None))

    async def _first_cursor(self, last: int, before: str | None) -> str:
        answer = orjson.loads(await ask(self.stack.port, self.traffic.oldest(last, before)()))
        cursor: str = answer["data"]["wallet"]["transactions"]["edges"][0]["cursor"]
        return cursor

    async def _measure(self, make: Make, check: Check, connections: int) -> Measured:
        before = self._cpu()
        result = await closed_loop(self.stack.port, connections, self._profile.seconds, make, check)
        used = {name: seconds - before[name] for name, seconds in self._cpu().items()}
        return Measured(result.per_second, _facts(result, connections, used))

    def _cpu(self) -> dict[str, float]:
        return {
            "api": cpu_seconds(self.stack.api_processes()),
            "relay": cpu_seconds(self.stack.relay_processes()),
            **({"worker": cpu_seconds(workers)} if (workers := self.stack.worker_processes()) else {}),
            "postgres": cpu_seconds([self._postgres, *self._postgres.children()]),
        }


def _facts(result: Result, connections: int, used: dict[str, float]) -> dict[str, object]:
    total = sum(used.values()) or 1.0
    return {
        "connections": connections,
        "p50_ms": round(result.percentile(50) * 1000, 2),
        "p99_ms": round(result.percentile(99) * 1000, 2),
        "generator_cpu_share": round(result.generator_cpu, 3),
        "cpu_shares": {name: round(seconds / total, 3) for name, seconds in used.items()},
    }
