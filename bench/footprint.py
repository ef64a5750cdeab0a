"""Memory of Paycore's processes, and bytes on disk per transfer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import asyncpg

from bench.live import subscribers
from bench.load import closed_loop
from bench.profiles import Profile
from bench.stack import Stack, resident_bytes
from bench.traffic import Traffic, any_pair, batch_completed, completed
from bench.world import WALLETS

_CONNECTIONS = 16
_MEGABYTE = 1_000_000
_WARM_UP_PART = 0.1
_LOT_SECONDS = 5.0
_DRAIN_SECONDS = 60.0

_LEDGER = {
    "transactions": ("transactions", "pg_table_size"),
    "transactions_indexes": ("transactions", "pg_indexes_size"),
    "ledger_entries": ("ledger_entries", "pg_table_size"),
    "ledger_entries_indexes": ("ledger_entries", "pg_indexes_size"),
    "wallets": ("wallets", "pg_total_relation_size"),
}
"""The ledger. The outbox keeps nothing: its file has the size of a busy minute."""
_BESIDE = {
    "positions": ("event_chunks", "pg_total_relation_size"),
    "log": ("log_tiles", "pg_total_relation_size"),
    "log_salts": ("log_salts", "pg_total_relation_size"),
}
"""What the sequencer and the sealer keep of each transfer."""
_SIZE = """
SELECT {measure}('{relation}') + coalesce((SELECT sum({measure}(relid)) FROM pg_partition_tree('{relation}') WHERE level > 0), 0)
"""


async def footprint(
    stack: Stack, traffic: Traffic, tokens: Sequence[str], profile: Profile, on_progress: Callable[[str], None]
) -> tuple[dict[str, object], dict[str, object]]:
    """The figures `memory` (megabytes resident) and `storage` (bytes per transfer), from the same transfers.

    Needs a stack that was just started.
    """
    rest = _memory(stack)
    before = await _sizes(stack.database_url)
    on_progress("memory: warm-up")
    moved, seconds = await _move(stack, traffic, round(profile.memory_transfers * _WARM_UP_PART))
    warm = _memory(stack)
    on_progress(f"memory: {profile.memory_transfers:,} transfers")
    more, more_seconds = await _move(stack, traffic, profile.memory_transfers - moved)
    moved, seconds = moved + more, seconds + more_seconds
    after = _memory(stack)
    await _drained(stack.database_url)
    on_progress(f"memory: {profile.memory_subscribers:,} subscribers")
    watched = [random.randrange(1, WALLETS + 1) for _ in range(profile.memory_subscribers)]
    async with subscribers(stack.port, tokens, watched, lambda _: None):
        subscribed = _memory(stack)
    on_progress("storage: vacuum")
    storage = {name: (size - before[name]) / moved for name, size in (await _sizes(stack.database_url)).items()}
    per_second = round(moved / seconds, 1)
    memory = {
        "per_second": per_second,
        "transfers": moved,
        "at_rest_mb": rest,
        "after_warm_up_mb": warm,
        "after_transfers_mb": after,
        "with_subscribers_mb": subscribed,
        "subscribers": profile.memory_subscribers,
        "kilobytes_per_subscriber": round((subscribed["api"] - after["api"]) * 1000 / profile.memory_subscribers, 1),
        "growth_after_warm_up": round(sum(after.values()) / sum(warm.values()), 3),
    }
    return memory, {
        "per_second": per_second,
        "transfers": moved,
        "bytes_per_transfer": round(sum(storage[name] for name in _LEDGER), 1),
        "breakdown": {name: round(storage[name], 1) for name in _LEDGER},
        "beside": {name: round(storage[name], 1) for name in _BESIDE},
    }


async def _move(stack: Stack, traffic: Traffic, transfers: int) -> tuple[int, float]:
    """Make at least `transfers` transfers, most in batches, some one by one; return their number and the seconds."""
    moved, seconds = 0, 0.0
    while moved < transfers:
        for connections, make, check in (
            (_CONNECTIONS, traffic.batch(), batch_completed),
            (_CONNECTIONS, traffic.transfer(any_pair), completed),
        ):
            counting = _Counting(check)
            # The warm-up counts here too, as its transfers are on disk.
            result = await closed_loop(stack.port, connections, min(_LOT_SECONDS, max(0.5, transfers / 10_000)), make, counting)
            moved += counting.total
            seconds += result.seconds
    return moved, seconds


class _Counting:
    """A check that adds up its results."""

    def __init__(self, check: Callable[[bytes], int]) -> None:
        self._check = check
        self.total = 0

    def __call__(self, body: bytes) -> int:
        done = self._check(body)
        self.total += done
        return done


def _memory(stack: Stack) -> dict[str, float]:
    return {
        "api": round(resident_bytes(stack.api_processes()) / _MEGABYTE, 1),
        "relay": round(resident_bytes(stack.relay_processes()) / _MEGABYTE, 1),
    }


async def _drained(url: str) -> None:
    """Wait until the relay has published everything."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def _sizes(url: str) -> dict[str, int]:
    """Vacuum, and return the bytes on disk of each relation."""
    await _drained(url)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM (ANALYZE)")
        return {
            name: int(await connection.fetchval(_SIZE.format(measure=measure, relation=relation)))
            for name, (relation, measure) in {**_LEDGER, **_BESIDE}.items()
        }
    finally:
        await connection.close()
