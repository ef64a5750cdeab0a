"""Profiles: the full benchmark, a quick one, and one that only checks that everything runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """Seconds and counts of one run. Every figure is the median of its rounds."""

    name: str
    rounds: int
    seconds: float
    """Seconds of one measurement, after a warm-up of a fifth of it."""
    connections: tuple[int, ...]
    """Connection counts for `single`; the other figures use the best of them."""
    baseline_clients: tuple[int, ...]
    latency_seconds: float
    """Seconds at each of the three rates."""
    live_seconds: float
    live_subscribers: int
    grown_entries: int
    """Entries in the ledger of the growth figures."""
    memory_transfers: int
    memory_subscribers: int
    fan_out_subscribers: int
    """Subscribers of one wallet on one API process."""
    fan_out_transfers: int
    catch_up_events: int
    """Events in the outbox when the relay starts."""
    past_transfers: int
    """Of the user whose past is read."""
    hung_attempts: int
    """That each endpoint which never answers has behind it when it is measured."""


FULL = Profile(
    name="full",
    rounds=3,
    seconds=5,
    connections=(16, 64, 128),
    baseline_clients=(4, 8, 16, 32),
    latency_seconds=15,
    live_seconds=15,
    live_subscribers=500,
    grown_entries=5_000_000,
    memory_transfers=1_000_000,
    memory_subscribers=2000,
    fan_out_subscribers=2000,
    fan_out_transfers=50,
    catch_up_events=50_000,
    past_transfers=100_000,
    hung_attempts=8,
)

QUICK = Profile(
    name="quick",
    rounds=2,
    seconds=1.5,
    connections=(16, 64, 128),
    baseline_clients=(8, 16),
    latency_seconds=3,
    live_seconds=3,
    live_subscribers=500,
    grown_entries=200_000,
    memory_transfers=40_000,
    memory_subscribers=500,
    fan_out_subscribers=2000,
    fan_out_transfers=10,
    catch_up_events=20_000,
    past_transfers=100_000,
    hung_attempts=8,
)

SMOKE = Profile(
    name="smoke",
    rounds=1,
    seconds=0.3,
    connections=(8,),
    baseline_clients=(2,),
    latency_seconds=0.5,
    live_seconds=1,
    live_subscribers=200,
    grown_entries=60_000,
    memory_transfers=2000,
    memory_subscribers=20,
    fan_out_subscribers=50,
    fan_out_transfers=5,
    catch_up_events=1000,
    past_transfers=30_000,
    hung_attempts=5,
)

PROFILES = {profile.name: profile for profile in (FULL, QUICK, SMOKE)}
