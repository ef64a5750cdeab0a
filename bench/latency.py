"""The latency of a transfer at a given load: open loop, timed from when each request was due."""

from __future__ import annotations

from bench.load import open_loop
from bench.profiles import Profile
from bench.stack import Stack
from bench.traffic import Traffic, any_pair, completed

LOADS = (10, 50, 80)
"""Percent of the saturated rate."""


async def latency(stack: Stack, traffic: Traffic, profile: Profile, saturated: float) -> dict[str, object]:
    """p50, p95 and p99 in milliseconds at each load. `per_second` is the highest requested rate."""
    facts: dict[str, object] = {"per_second": round(saturated * LOADS[-1] / 100, 1)}
    for percent in LOADS:
        rate = saturated * percent / 100
        result = await open_loop(stack.port, rate, profile.latency_seconds, traffic.transfer(any_pair), completed)
        facts[f"at_{percent}_percent"] = {
            "per_second": round(result.per_second, 1),
            "p50_ms": round(result.percentile(50) * 1000, 2),
            "p95_ms": round(result.percentile(95) * 1000, 2),
            "p99_ms": round(result.percentile(99) * 1000, 2),
            "generator_cpu_share": round(result.generator_cpu, 3),
        }
    return facts
