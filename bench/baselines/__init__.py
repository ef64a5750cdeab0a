"""Baselines: the same transfers in PostgreSQL alone, on the same server and tables, driven by pgbench."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from app.demo.embedded.places import find_postgres

HERE = Path(__file__).parent
UUIDV7 = """
CREATE OR REPLACE FUNCTION public.uuidv7() RETURNS uuid LANGUAGE sql AS $$
SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
    FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$
"""
"""uuidv7(), which PostgreSQL has since 18, for older servers."""
_UUIDV7_SINCE = 18

_THREADS = 2
_RATE = re.compile(r"tps = ([0-9.]+) \(without initial connection time\)")


async def prepare(url: str) -> None:
    """Create the function of baseline (a)."""
    connection = await asyncpg.connect(url)
    try:
        if connection.get_server_version().major < _UUIDV7_SINCE:
            await connection.execute(UUIDV7)
        await connection.execute((HERE / "function.sql").read_text(encoding="utf-8"))
    finally:
        await connection.close()


async def sql_function(url: str, clients: Sequence[int], seconds: float) -> float:
    """Transfers per second with one function call each, at the best number of clients."""
    return await _best(url, "function.pgbench", clients, seconds)


async def interactive(url: str, clients: Sequence[int], seconds: float) -> float:
    """Transfers per second statement by statement, at the best number of clients."""
    return await _best(url, "interactive.pgbench", clients, seconds)


async def _best(url: str, script: str, clients: Sequence[int], seconds: float) -> float:
    best = 0.0
    for count in clients:
        best = max(best, await _pgbench(url, HERE / script, count, seconds))
    return best


async def _pgbench(url: str, script: Path, clients: int, seconds: float) -> float:
    command: list[str | Path] = [
        *(find_postgres().directory / "pgbench", "--no-vacuum", "--protocol=prepared"),
        *(f"--file={script}", f"--client={clients}", f"--jobs={min(clients, _THREADS)}", f"--time={max(1, round(seconds))}", url),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    output, complaints = await process.communicate()
    found = _RATE.search(output.decode())
    if process.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench failed: {complaints.decode().strip().splitlines()[-1:]}")
    return float(found.group(1))
