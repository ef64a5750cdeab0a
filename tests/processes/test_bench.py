"""`make bench` in its smallest profile prints every figure and leaves nothing running."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from uuid import RFC_4122, UUID

import asyncpg
import psutil
import pytest

from bench import baselines

FIGURES = (
    "single", "batch", "rest", "hot_in", "hot_out", "fee", "posting10", "hold_capture", "convert", "replay", "refused",
    "webhooks_none", "webhooks_hanging", "latency", "live", "fan_out", "catch_up", "projection", "reading_time",
    "statement_entries", "read", "growth", "memory", "storage",
)  # fmt: skip


@pytest.mark.heavy
@pytest.mark.timeout(620)
def test_every_figure_is_measured_beside_its_baselines(tmp_path: Path) -> None:
    output = tmp_path / "out" / "bench.json"
    finished = subprocess.run(
        [sys.executable, "-m", "bench", "--profile", "smoke", "--output", str(output)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    report = json.loads(output.read_text(encoding="utf-8"))
    assert set(report["baselines"]) == {"sql_function", "interactive"}
    assert all(rate > 0 for rate in report["baselines"].values())
    for name in FIGURES:
        assert report["figures"][name]["per_second"] > 0, name
        assert name in finished.stderr
    for ratio in ("single/sql_function", "batch/sql_function", "hot_in/single", "growth_single/single", "bytes_per_transfer"):
        assert report["ratios"][ratio] > 0
        assert report["targets"][ratio]["met"] in (True, False)
    assert 0 < report["figures"]["single"]["generator_cpu_share"] < 1
    assert [entry.name for entry in output.parent.iterdir()] == ["bench.json"]
    assert not [
        process for process in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(process.info["cmdline"] or [])
    ]


def test_an_unknown_profile_is_reported_with_the_known_ones(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "bench", "--profile", "huge", "--output", str(tmp_path / "x.json")],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == 2
    assert "huge" in finished.stderr


async def test_the_baseline_makes_the_same_kind_of_ids_on_an_older_postgresql(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(baselines.UUIDV7)
        before = await connection.fetchval("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        found = UUID(str(await connection.fetchval("SELECT public.uuidv7()")))
        after = await connection.fetchval("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    finally:
        await connection.close()
    assert (found.version, found.variant) == (7, RFC_4122)
    assert before <= found.int >> 80 <= after
