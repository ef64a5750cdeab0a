"""What is counted, under the names that Prometheus reads at /metrics.

Counting costs about a microsecond and never waits. With several workers each writes its own file into the directory
that `paycore serve` names in PROMETHEUS_MULTIPROC_DIR before they start, and whichever answers /metrics adds them up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app import errors

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REQUESTS = Histogram(
    "paycore_request_seconds",
    "From a request's headers to its answer handed over, by the operation's name or the REST route; over a WebSocket from the "
    "operation's arrival. Not timed: subscriptions, event streams, and what is refused before it names an operation.",
    ["operation", "transport"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
REQUEST_ERRORS = Counter(
    "paycore_request_errors", "Answers with an error, by its code, each code once for an answer: GraphQL, REST, rates.", ["code"]
)
TRANSFERS = Counter(
    "paycore_transfers",
    "Transfers and deposits answered: completed, failed (recorded), replayed, refused (no trace), unanswered (by an error).",
    ["outcome"],
)
UNANSWERED = Counter(
    "paycore_transfers_unanswered", "Transfers and deposits answered with an error instead of an outcome, by its code.", ["code"]
)
REFUSALS = Counter("paycore_refusals", "Refusals of transfers and deposits, replayed ones not among them, by code.", ["code"])
REPLAYS = Counter("paycore_replays", "Answers that repeated the outcome of a key that had been used before.")
KEY_CONFLICTS = Counter("paycore_key_conflicts", "Refusals of a key that had been used with other input.")
TRANSFERS_IN_FLIGHT = Gauge(
    "paycore_transfers_in_flight", "Transfers accepted and not answered yet, within the last second.", multiprocess_mode="livesum"
)
QUEUE_DEPTH = Gauge(
    "paycore_queue_depth", "Units that wait for a batch to take them, within the last second.", multiprocess_mode="livesum"
)
QUEUE_USED = Gauge(
    "paycore_queue_used_ratio",
    "Share of the places for unanswered transfers that are taken, in the process where it is largest.",
    multiprocess_mode="livemax",
)
QUEUE_REFUSALS = Counter("paycore_queue_refusals", "Transfers answered UNAVAILABLE at once because all those places were taken.")
QUEUE_WAIT = Histogram(
    "paycore_queue_wait_seconds",
    "How long the first of a batch had waited when the batch was taken.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
BATCH_SIZE = Histogram(
    "paycore_batch_size", "Transfers settled in one database transaction.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
COMMITS = Histogram(
    "paycore_commit_seconds",
    "One database transaction of the ledger, from BEGIN to the end of COMMIT.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
RETRIES = Counter(
    "paycore_retries",
    "Tries of the ledger's database transactions that failed, and led to another or, the last one, to giving up.",
    ["kind", "sqlstate"],
)
POOL_IN_USE = Gauge(
    "paycore_pool_in_use", "Database connections lent to requests, in the process that lends most.", multiprocess_mode="livemax"
)
POOL_SIZE = Gauge("paycore_pool_size", "Most database connections that one process may lend.", multiprocess_mode="livemax")

SUBSCRIPTIONS = Gauge("paycore_subscriptions", "Subscriptions that run, by field.", ["field"], multiprocess_mode="livesum")
WEBSOCKETS = Gauge("paycore_websockets", "WebSockets that are open.", multiprocess_mode="livesum")
WEBSOCKET_CLOSES = Counter("paycore_websocket_closes", "WebSockets that ended, by close code.", ["code"])
LIVE_UPDATES = Counter("paycore_live_updates", "Updates of wallets handed to subscribers, by kind.", ["kind"])
CATCH_UPS = Counter("paycore_live_catch_ups", "Times that a watch read the database again because something may be missing.")
OVERFLOWS = Counter("paycore_live_overflows", "Times that a slow subscriber's buffer ran over and was dropped.")
REDIS_CONNECTED = Gauge(
    "paycore_redis_connected",
    "1 where the connection for live updates is up in every process, 0 where one has none.",
    multiprocess_mode="livemin",
)
REDIS_LOSSES = Counter("paycore_redis_losses", "Times that the connection for live updates was lost.")

RELAY_REDIS_CONNECTED = Gauge(
    "paycore_relay_redis_connected",
    "1 where Redis took what this relay last sent, 0 where it did not.",
    multiprocess_mode="livemin",
)
RELAY_LEADING = Gauge("paycore_relay_leading", "1 in the relay that leads.", multiprocess_mode="livesum")
RELAY_PUBLISHED = Counter("paycore_relay_published", "Outbox rows that this relay published.")
RELAY_PARKED = Counter("paycore_relay_parked", "Outbox rows that this relay could not read and set aside.")

TIMER = "timer"
"""In a request's state: the histogram that its time goes to."""

# Each is there from the beginning: Prometheus sees no increase in a series whose first value is 1.
_ERRORS = {code: REQUEST_ERRORS.labels(code) for code in sorted(errors.CODES)}


def count_errors(codes: Iterable[object]) -> None:
    """Count one answer that carries errors of these codes."""
    for code in set(codes):
        (_ERRORS.get(str(code)) or REQUEST_ERRORS.labels("other")).inc()


def outbox_families(pending: int, lag_seconds: float, parked: int) -> list[GaugeMetricFamily]:
    """What the database says at the moment of asking: it is true whether or not a relay runs."""
    return [
        GaugeMetricFamily("paycore_outbox_pending", "Outbox rows that wait for the relay.", pending),
        GaugeMetricFamily(
            "paycore_outbox_lag_seconds", "Age of the oldest outbox row that waits; 0 where none does.", lag_seconds
        ),
        GaugeMetricFamily("paycore_outbox_parked", "Rows that no relay could read.", parked),
    ]


def ledger_families(findings: int, verified_timestamp_seconds: float) -> list[GaugeMetricFamily]:
    """What the last `paycore verify` left in the database, whoever ran it."""
    return [
        GaugeMetricFamily(
            "paycore_ledger_findings", "What the last `paycore verify` found; absent where there was none.", findings
        ),
        GaugeMetricFamily(
            "paycore_ledger_verified_timestamp_seconds",
            "When that `paycore verify` ended, in seconds since 1970.",
            verified_timestamp_seconds,
        ),
    ]


class _FromDatabase(Collector):
    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One sample each."""
        return self._families


def exposition(outbox: tuple[int, float, int] | None, ledger: tuple[int, float] | None = None) -> bytes:
    """Everything in Prometheus' text format; `outbox` is (pending, lag in seconds, parked), None where it cannot be known.

    `ledger` is (findings, moment in seconds) of the last verification.
    """
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    registry = CollectorRegistry()
    if directory is not None:
        forget_the_dead(directory)
        MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    if outbox is not None:
        registry.register(_FromDatabase(outbox_families(*outbox)))
    if ledger is not None:
        registry.register(_FromDatabase(ledger_families(*ledger)))
    own = b"" if directory is not None else generate_latest(REGISTRY)
    return own + generate_latest(registry)


def forget_the_dead(directory: str) -> None:
    """A worker that was killed left its gauges behind; its counters still count."""
    pids = {file.stem.rpartition("_")[2] for file in Path(directory).glob("gauge_live*.db")}
    for pid in pids:
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            # Another worker that is asked at this moment may have been quicker.
            with contextlib.suppress(FileNotFoundError):
                mark_process_dead(int(pid), directory)  # type: ignore[no-untyped-call]
        except (PermissionError, ValueError):
            pass
