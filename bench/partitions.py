"""The grown ledger in monthly partitions, compared with the same ledger in one table that is not partitioned."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import truediv
from pathlib import Path
from statistics import mean, median

import asyncpg
import psutil

from app.db import migrate, revisions
from app.demo.embedded import EmbeddedServers, start_servers
from app.settings import load_settings
from bench import world
from bench.load import closed_loop
from bench.profiles import Profile
from bench.run import POSTGRES
from bench.stack import Stack
from bench.throughput import Measured, Meter
from bench.traffic import Traffic, rows

MONTHS = 24
_READ_CONNECTIONS = 16
_ENTRIES_OF_EMPTY = 500_000
_EMPTY, _FLAT, _PARTITIONED = "paycore", "paycore_flat", "paycore_partitioned"
_BEFORE_PARTITIONS = "0033"
# Of the revisions after it, the relay reads only this table. Without it, it would try again and again beside the transfers.
_AS_AFTER_PARTITIONS = """
CREATE TABLE archived_entries (transaction_id uuid PRIMARY KEY, entries bytea[] NOT NULL);
GRANT SELECT ON archived_entries TO {role};
"""
_MAKE = """
SELECT make_ledger_partition(month, month + interval '1 month')
FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 month', interval '1 month') month
"""
# The first deposits were before everything else.
_BACKDATE = """
SET session_replication_role = replica;
UPDATE transactions SET created_at = '{at}', completed_at = '{at}', id = ('{prefix}' || substr(id::text, 14))::uuid;
UPDATE ledger_entries SET created_at = '{at}', transaction_id = ('{prefix}' || substr(transaction_id::text, 14))::uuid;
UPDATE wallets SET created_at = '{at}', posted_at = '{at}';
"""


async def split(connection: asyncpg.Connection, months: int) -> datetime:
    """Move the entries of the first partition into one for each of so many months before its end. Run as a superuser.

    Returns where the oldest month begins.
    """
    await connection.execute("SET timezone TO 'UTC'")
    ends: datetime = await connection.fetchval("SELECT ledger_id_moment(high) FROM ledger_partitions() WHERE low IS NULL")
    starts = _months_before(ends, months)
    await connection.execute("ALTER TABLE ledger_entries DETACH PARTITION ledger_entries_first")
    await connection.execute(_MAKE, starts, ends)
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    await connection.execute("INSERT INTO ledger_entries SELECT * FROM ledger_entries_first ORDER BY transaction_id, leg")
    await connection.execute("RESET session_replication_role; DROP TABLE ledger_entries_first")
    return starts


def _months_before(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    return datetime(years, month + 1, 1, tzinfo=UTC)


async def compare(profile: Profile, home: Path, say: Callable[[str], None]) -> dict[str, object]:
    """Rates of both ledgers and of an empty one, measured in turn, and the seconds that the migration took.

    A ratio is the median of the rounds' ratios.
    """
    profile = replace(profile, connections=(64,))
    with start_servers(home, reset=True, postgres_parameters=POSTGRES) as servers:
        urls = {name: servers.database_url.replace(f"/{_EMPTY}?", f"/{name}?") for name in (_EMPTY, _FLAT, _PARTITIONED)}
        say(f"loading {profile.grown_entries:,} entries of {MONTHS} months")
        seconds = await _make(servers, urls, profile.grown_entries, say)
        async with (
            _stack(servers, home, urls[_EMPTY]) as empty,
            _stack(servers, home, urls[_FLAT]) as flat,
            _stack(servers, home, urls[_PARTITIONED]) as partitioned,
        ):
            rates = await _rounds(servers, {"empty": empty, "flat": flat, "partitioned": partitioned}, profile, say)
    return {
        "entries": profile.grown_entries,
        "partitions": MONTHS,
        "migration_seconds": seconds,
        "per_second": {name: {figure: round(median(found), 1) for figure, found in of.items()} for name, of in rates.items()},
        "of_flat": _ratios(rates["partitioned"], rates["flat"]),
        "of_empty": _ratios(rates["partitioned"], rates["empty"]),
    }


def _ratios(one: dict[str, list[float]], other: dict[str, list[float]]) -> dict[str, float]:
    return {figure: round(median(map(truediv, found, other[figure])), 3) for figure, found in one.items()}


async def _make(servers: EmbeddedServers, urls: dict[str, str], entries: int, say: Callable[[str], None]) -> float:
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(f"CREATE DATABASE {_FLAT}")
    for name in (_EMPTY, _FLAT):
        await migrate.upgrade(load_settings(database_url=urls[name]))
        await world.create(urls[name])
    now = datetime.now(UTC)
    earlier = _months_before(now, MONTHS - 2)
    first = earlier + timedelta(hours=1)
    # The empty ledger's wallets need entries for a full page.
    recent = now - timedelta(days=20)
    step = (now - timedelta(minutes=5) - recent) / timedelta(milliseconds=1) / (_ENTRIES_OF_EMPTY / 2)
    async for _ in world.grow(urls[_EMPTY], _ENTRIES_OF_EMPTY, world.Years(recent, step)):
        pass
    flat = await asyncpg.connect(urls[_FLAT])
    prefix = f"{int(earlier.timestamp() * 1000):012x}"
    await flat.execute(_BACKDATE.format(at=earlier.isoformat(), prefix=f"{prefix[:8]}-{prefix[8:]}"))
    await flat.close()
    # Without the time at the other end of the index, whose pages every insert reads.
    await migrate.downgrade(load_settings(database_url=urls[_FLAT]), _BEFORE_PARTITIONS)
    step = (now - timedelta(minutes=5) - first) / timedelta(milliseconds=1) / (entries / 2)
    async for _ in world.grow(urls[_FLAT], entries, world.Years(first, step)):
        pass
    await connection.execute(f"CREATE DATABASE {_PARTITIONED} TEMPLATE {_FLAT}")
    await connection.close()
    say("migrating")
    started = time.monotonic()
    await migrate.upgrade(load_settings(database_url=urls[_PARTITIONED]))
    seconds = round(time.monotonic() - started, 2)
    say(f"migrated in {seconds} s; moving the entries into their months")
    many = await asyncpg.connect(urls[_PARTITIONED])
    await split(many, MONTHS)
    await many.execute("VACUUM ANALYZE")
    await many.close()
    # What the service does is the same for both; it asks for its own revision.
    flat = await asyncpg.connect(urls[_FLAT])
    await flat.execute(_AS_AFTER_PARTITIONS.format(role=load_settings(database_url=urls[_FLAT]).database_role))
    await flat.execute("UPDATE alembic_version SET version_num = $1", revisions.head())
    await flat.close()
    return seconds


async def _rounds(
    servers: EmbeddedServers, stacks: dict[str, Stack], profile: Profile, say: Callable[[str], None]
) -> dict[str, dict[str, list[float]]]:
    assert servers.postgres.pid is not None
    postgres = psutil.Process(servers.postgres.pid)
    traffic = Traffic(world.tokens(stacks["empty"].settings), world.poster_token(stacks["empty"].settings))
    meters = {name: Meter(stack, traffic, postgres, profile) for name, stack in stacks.items()}
    for meter in meters.values():
        await meter.warm_up()
    found: dict[str, dict[str, list[float]]] = {name: {"entries": [], "single": [], "batch": []} for name in meters}
    figures: dict[str, Callable[[Meter], Awaitable[float]]] = {
        "entries": lambda meter: _entries(meter, profile),
        "single": lambda meter: _per_second(meter.single),
        "batch": lambda meter: _per_second(meter.batch),
    }
    # In one order, then in the reverse one: no ledger always comes last, and a machine that gets slower affects all of them.
    turns = [*meters, *reversed(meters)]
    for number in range(1, profile.rounds + 1):
        for figure, measure in figures.items():
            rates = [(name, await measure(meters[name])) for name in turns]
            for name in meters:
                found[name][figure].append(mean(rate for of, rate in rates if of == name))
        say(f"round {number}: {found}")
    return found


async def _per_second(measure: Callable[[], Awaitable[Measured]]) -> float:
    return (await measure()).per_second


async def _entries(meter: Meter, profile: Profile) -> float:
    result = await closed_loop(meter.stack.port, _READ_CONNECTIONS, profile.seconds, meter.traffic.entries(), rows(20))
    return result.per_second


@asynccontextmanager
async def _stack(servers: EmbeddedServers, home: Path, url: str) -> AsyncIterator[Stack]:
    stack = Stack(url, servers.redis_url, home / "paycore.log", os.cpu_count() or 1)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()
