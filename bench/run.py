"""One run: servers, a small and a grown ledger, the figures in rounds, and a check of the ledgers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import asyncpg
import psutil

from app.db import migrate
from app.demo.embedded import EmbeddedServers, start_servers
from app.services.verification import verify
from app.settings import load_settings
from bench import baselines, reading_time, world
from bench.catch_up import catch_up
from bench.fan_out import fan_out
from bench.footprint import footprint
from bench.hanging import hanging
from bench.latency import latency
from bench.live import live
from bench.load import warm_up_connections
from bench.profiles import Profile
from bench.progress import Steps
from bench.report import Report
from bench.stack import Stack
from bench.statement_entries import statement_entries
from bench.throughput import Measured, Meter
from bench.traffic import Traffic

# Durable, as in production, with the sizes of a dedicated server. Both sides have the same.
POSTGRES = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
}
_SMALL, _GROWN, _CHARGED, _PAST = "paycore", "paycore_grown", "paycore_charged", "paycore_past"
_HOOKED = "paycore_hooked"
_BASELINES = {"sql_function": baselines.sql_function, "interactive": baselines.interactive}
_ROUND = ("single", "batch", "rest", "hot_in", "hot_out", "posting10", "hold_capture", "convert", "replay", "refused", "read")
_GROWTH = ("single", "batch", "read")


class Run:
    """Everything that one run measures."""

    def __init__(self, profile: Profile, home: Path) -> None:
        self._profile = profile
        self._home = home
        self._steps = Steps(5 + profile.rounds * (len(_BASELINES) + len(_ROUND) + 1 + len(_GROWTH)) + 15)
        self._rates: dict[str, list[float]] = {}
        self._facts: dict[str, dict[str, object]] = {}

    async def measure(self) -> Report:
        """Measure everything. Raises RuntimeError if an answer is wrong or verify finds a fault afterwards."""
        with self._steps.shown():
            self._steps.step("starting PostgreSQL and Redis")
            with start_servers(self._home, reset=True, postgres_parameters=POSTGRES) as servers:
                return await self._measure(servers)

    async def _measure(self, servers: EmbeddedServers) -> Report:
        urls = await self._make_ledgers(servers)
        async with (
            self._stack(servers, urls[_SMALL]) as small,
            self._stack(servers, urls[_GROWN]) as grown,
            self._stack(servers, urls[_CHARGED]) as charged,
        ):
            await self._rounds(servers, small, grown, charged)
        async with self._stack(servers, urls[_SMALL]) as fresh:
            await self._single_figures(fresh)
        # A new ledger: in an old one the worker would have to project all earlier transfers first.
        urls[_HOOKED] = await self._new_ledger(servers, _HOOKED)
        await world.create(urls[_HOOKED])
        async with self._stack(servers, urls[_HOOKED]) as hooked:
            await self._hanging(servers, hooked)
        async with self._stack(servers, urls[_SMALL], workers=1) as lone:
            self._steps.step(f"fan-out to {self._profile.fan_out_subscribers:,} subscribers")
            tokens = world.tokens(lone.settings)
            self._facts["fan_out"] = await fan_out(lone, Traffic(tokens), tokens, self._profile)
        await self._read_the_past(servers)
        self._steps.step("verifying the ledgers")
        for url in urls.values():
            findings = _without_missing_positions(await verify(load_settings(database_url=url)))
            if findings:
                raise RuntimeError(f"the ledger does not add up: {findings[:3]}")
        return Report(self._profile, await _machine(urls[_SMALL]), self._rates, self._facts)

    async def _read_the_past(self, servers: EmbeddedServers) -> None:
        self._steps.step(f"projecting {self._profile.past_transfers:,} transfers")
        url = await self._new_ledger(servers, _PAST)
        self._facts["projection"] = await reading_time.prepare(url, self._profile.past_transfers)
        async with self._stack(servers, url) as stack:
            self._steps.step("reading the past")
            self._facts["reading_time"] = await reading_time.reading_time(stack, self._profile)
        self._steps.step("making a statement")
        self._facts["statement_entries"] = await statement_entries(url, reading_time.READ)

    async def _new_ledger(self, servers: EmbeddedServers, name: str) -> str:
        """Create a database with all tables, and return its URL. The servers begin with the one of the small ledger."""
        if name != _SMALL:
            connection = await asyncpg.connect(servers.database_url)
            await connection.execute(f"CREATE DATABASE {name}")
            await connection.close()
        url = servers.database_url.replace(f"/{_SMALL}?", f"/{name}?")
        await migrate.upgrade(load_settings(database_url=url))
        return url

    async def _make_ledgers(self, servers: EmbeddedServers) -> dict[str, str]:
        """Create the ledgers of the rounds, and return their URLs by name."""
        urls: dict[str, str] = {}
        for name in (_SMALL, _GROWN, _CHARGED):
            self._steps.step(f"creating the ledger {name}")
            urls[name] = await self._new_ledger(servers, name)
            await world.create(urls[name])
        await world.charge(urls[_CHARGED])
        await baselines.prepare(urls[_SMALL])
        self._steps.step(f"loading {self._profile.grown_entries:,} entries")
        async for _ in world.grow(urls[_GROWN], self._profile.grown_entries):
            pass
        return urls

    @asynccontextmanager
    async def _stack(self, servers: EmbeddedServers, url: str, workers: int = os.cpu_count() or 1) -> AsyncIterator[Stack]:
        stack = Stack(url, servers.redis_url, self._home / "paycore.log", workers)
        try:
            await stack.start()
            yield stack
        finally:
            await stack.stop()

    async def _rounds(self, servers: EmbeddedServers, small: Stack, grown: Stack, charged: Stack) -> None:
        assert servers.postgres.pid is not None
        postgres = psutil.Process(servers.postgres.pid)
        traffic = Traffic(world.tokens(small.settings), world.poster_token(small.settings))
        meters = [Meter(stack, traffic, postgres, self._profile) for stack in (small, grown, charged)]
        for one in meters:
            await one.warm_up()
        meter, grown_meter, charged_meter = meters
        for number in range(1, self._profile.rounds + 1):
            # Baselines run without the relay, which would only use their cores.
            await small.stop_relay()
            for name, baseline in _BASELINES.items():
                self._steps.step(f"round {number}: baseline {name}")
                rate = await baseline(small.database_url, self._profile.baseline_clients, self._profile.seconds)
                self._keep(name, Measured(rate, {}))
            await _delete_events(small.database_url)
            await small.start_relay()
            for name in _ROUND:
                await self._one(f"round {number}: {name}", name, getattr(meter, name))
            grown_meter.connections = charged_meter.connections = meter.connections
            await self._one(f"round {number}: fee", "fee", charged_meter.fee)
            for name in _GROWTH:
                await self._one(f"round {number}: {name}, grown", f"growth_{name}", getattr(grown_meter, name))

    async def _hanging(self, servers: EmbeddedServers, stack: Stack) -> None:
        self._steps.step("webhooks_none, webhooks_hanging: endpoints that hang")
        assert servers.postgres.pid is not None
        meter = Meter(stack, Traffic(world.tokens(stack.settings)), psutil.Process(servers.postgres.pid), self._profile)
        await meter.warm_up()
        alone, beside = await hanging(stack, meter, self._profile.rounds, attempts=self._profile.hung_attempts)
        for name, measured in (("webhooks_none", alone), ("webhooks_hanging", beside)):
            for one in measured:
                self._keep(name, one)

    async def _one(self, title: str, name: str, measure: Callable[[], Awaitable[Measured]]) -> None:
        self._steps.step(title)
        self._keep(name, await measure())

    def _keep(self, name: str, measured: Measured) -> None:
        self._rates.setdefault(name, []).append(measured.per_second)
        self._facts[name] = measured.facts

    async def _single_figures(self, stack: Stack) -> None:
        tokens = world.tokens(stack.settings)
        traffic = Traffic(tokens)
        self._facts["memory"], self._facts["storage"] = await footprint(stack, traffic, tokens, self._profile, self._steps.step)
        saturated = median(self._rates["single"])
        self._steps.step("warming up")
        await warm_up_connections(stack.port, traffic.first_requests(), connections=8)
        self._steps.step("latency")
        self._facts["latency"] = await latency(stack, traffic, self._profile, saturated)
        self._steps.step("live")
        self._facts["live"] = await live(stack, traffic, tokens, self._profile, saturated)
        self._steps.step("the relay's backlog")
        self._facts["catch_up"] = await catch_up(stack, traffic, self._profile)


def _without_missing_positions(findings: Sequence[str]) -> list[str]:
    """The other findings: ledgers and baselines are written in SQL, without events, so their transactions have no positions."""
    expected = [index for index, finding in enumerate(findings) if "it has no position" in finding]
    expected += [index + 1 for index in expected if "more like the one before" in "".join(findings[index + 1 : index + 2])]
    return [finding for index, finding in enumerate(findings) if index not in expected]


async def _delete_events(url: str) -> None:
    """Delete the events that the baselines wrote while no relay ran."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("TRUNCATE outbox")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _machine(url: str) -> dict[str, object]:
    connection = await asyncpg.connect(url)
    try:
        version = str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()
    return {"cores": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 1e9), "postgresql": version}


@asynccontextmanager
async def temporary_home(parent: Path) -> AsyncIterator[Path]:
    """A temporary directory on the measured disk."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as home:
        yield Path(home)
