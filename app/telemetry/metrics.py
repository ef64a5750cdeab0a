"""The metrics that Prometheus reads at /metrics.

Counting takes about a microsecond and never waits. With several workers, each writes its own files into the directory that
`paycore serve` names in PROMETHEUS_MULTIPROC_DIR before they start. The worker that answers /metrics adds them up.
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
    "Time from a request's headers (over a WebSocket: from the operation's arrival) until its answer is handed over, by the "
    "operation's name or the REST route. Not timed: subscriptions, event streams, and requests refused before they name an "
    "operation.",
    ["operation", "transport"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
REQUEST_ERRORS = Counter(
    "paycore_request_errors",
    "Answers with an error, by code: GraphQL, REST and rate limits. An answer counts once for each code it holds.",
    ["code"],
)
TRANSFERS = Counter(
    "paycore_transfers",
    "Transfers and deposits answered: completed, failed (recorded), replayed, refused (not recorded), unanswered (an error).",
    ["outcome"],
)
UNANSWERED = Counter(
    "paycore_transfers_unanswered", "Transfers and deposits answered with an error instead of an outcome, by its code.", ["code"]
)
REFUSALS = Counter("paycore_refusals", "Refusals of transfers and deposits, without replayed ones, by code.", ["code"])
REPLAYS = Counter("paycore_replays", "Answers that replayed the outcome of an idempotency key used before.")
KEY_CONFLICTS = Counter("paycore_key_conflicts", "Refusals of an idempotency key used before with other input.")
FEES = Counter("paycore_fees", "Fees charged, in minor units, by currency.", ["currency"])
HOLDS = Counter("paycore_hold_events", "Events of holds, by kind: placed, extended, captured, released, expired.", ["kind"])
REVERSED = Counter("paycore_reversed", "Amounts given back by reversals, in minor units, by currency.", ["currency"])
TRANSFERS_IN_FLIGHT = Gauge(
    "paycore_transfers_in_flight", "Transfers accepted and not answered yet, within the last second.", multiprocess_mode="livesum"
)
QUEUE_DEPTH = Gauge(
    "paycore_queue_depth", "Units that wait for a batch to take them, within the last second.", multiprocess_mode="livesum"
)
QUEUE_USED = Gauge(
    "paycore_queue_used_ratio",
    "Share of the queue's places for unanswered transfers that is in use, in the process where it is largest.",
    multiprocess_mode="livemax",
)
QUEUE_REFUSALS = Counter("paycore_queue_refusals", "Transfers answered UNAVAILABLE at once because the queue was full.")
QUEUE_WAIT = Histogram(
    "paycore_queue_wait_seconds",
    "How long the first transfer of a batch waited until the batch was taken.",
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
    "Failed attempts of the ledger's database transactions. Each was retried, or was the last one.",
    ["kind", "sqlstate"],
)
POOL_IN_USE = Gauge(
    "paycore_pool_in_use",
    "Database connections in use by requests, in the process that uses most.",
    multiprocess_mode="livemax",
)
POOL_SIZE = Gauge("paycore_pool_size", "Largest number of database connections of one process.", multiprocess_mode="livemax")

SUBSCRIPTIONS = Gauge("paycore_subscriptions", "Running subscriptions, by field.", ["field"], multiprocess_mode="livesum")
WEBSOCKETS = Gauge("paycore_websockets", "Open WebSockets.", multiprocess_mode="livesum")
WEBSOCKET_CLOSES = Counter("paycore_websocket_closes", "Closed WebSockets, by close code.", ["code"])
LIVE_UPDATES = Counter("paycore_live_updates", "Wallet updates handed to subscribers, by kind.", ["kind"])
CATCH_UPS = Counter("paycore_live_catch_ups", "Times a subscription read the database again because it may have missed events.")
OVERFLOWS = Counter("paycore_live_overflows", "Times a slow subscriber's buffer overflowed and was dropped.")
REDIS_CONNECTED = Gauge(
    "paycore_redis_connected",
    "1 if every process has its Redis connection for live updates, else 0.",
    multiprocess_mode="livemin",
)
REDIS_LOSSES = Counter("paycore_redis_losses", "Times the Redis connection for live updates was lost.")

RELAY_REDIS_CONNECTED = Gauge(
    "paycore_relay_redis_connected",
    "1 if this relay's last call to Redis succeeded, else 0.",
    multiprocess_mode="livemin",
)
RELAY_LEADING = Gauge("paycore_relay_leading", "1 in the leading relay.", multiprocess_mode="livesum")
RELAY_PUBLISHED = Counter("paycore_relay_published", "Outbox rows that this relay published.")
RELAY_POSITION = Gauge(
    "paycore_relay_position", "The last position of an event, in the relay that gave it.", multiprocess_mode="livemax"
)
RELAY_UNPUBLISHED = Gauge(
    "paycore_relay_unpublished",
    "Events that have a position and wait to be published, in the leading relay.",
    multiprocess_mode="livemax",
)
RELAY_SEQUENCING_LAG = Gauge(
    "paycore_relay_sequencing_lag_seconds",
    "Age of the oldest event of the leading relay's last round when it got its position; 0 if the round found none.",
    multiprocess_mode="livemax",
)
LOG_SIZE = Gauge(
    "paycore_log_leaves", "Leaves of the log of transactions, in the relay that appends them.", multiprocess_mode="livemax"
)
LOG_CHECKPOINT_SIZE = Gauge(
    "paycore_log_checkpoint_leaves",
    "Leaves under the newest signed checkpoint, in the relay that signs.",
    multiprocess_mode="livemax",
)
LOG_STOPPED = Gauge(
    "paycore_log_stopped",
    "1 if the log cannot go on or is not signed, because it contradicts what was published or cannot publish; else 0.",
    multiprocess_mode="livemax",
)
RELAY_PARKED = Counter("paycore_relay_parked", "Outbox rows that this relay could not read and parked.")

WEBHOOK_ATTEMPTS = Counter("paycore_webhook_attempts", "Attempts to deliver a webhook, by outcome.", ["outcome"])
WEBHOOK_SECONDS = Histogram(
    "paycore_webhook_seconds",
    "Time of an attempt, from the look-up of the name to the end of the answer.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
WEBHOOK_IN_FLIGHT = Gauge("paycore_webhook_in_flight", "Deliveries that this worker is sending.", multiprocess_mode="livesum")
WEBHOOK_WAITING = Gauge(
    "paycore_webhook_waiting", "Deliveries that wait, parked ones too; counted up to 100000.", multiprocess_mode="livemax"
)
WEBHOOK_OLDEST_SECONDS = Gauge(
    "paycore_webhook_oldest_seconds", "Age of the oldest delivery that waits.", multiprocess_mode="livemax"
)
WEBHOOK_POSITION = Gauge(
    "paycore_webhook_position", "Position up to which events have their deliveries.", multiprocess_mode="livemax"
)

MODEL_POSITION = Gauge(
    "paycore_read_model_position", "Position up to which events are in the read models.", multiprocess_mode="livemax"
)
MODEL_BEHIND = Gauge(
    "paycore_read_model_behind", "Events that have a position and are not in the read models.", multiprocess_mode="livemax"
)
MODEL_LAG = Gauge(
    "paycore_read_model_lag_seconds",
    "How long the oldest event that is not in the read models has had its position; 0 if all are.",
    multiprocess_mode="livemax",
)
STATEMENTS = Counter("paycore_statements", "Statements that a worker finished, by result: ready, failed.", ["result"])
STATEMENT_ENTRIES = Counter("paycore_statement_entries", "Entries of the statements that became ready.")
STATEMENT_SECONDS = Histogram(
    "paycore_statement_seconds",
    "Time in which a worker made a statement that became ready.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
STATEMENTS_WAITING = Gauge("paycore_statements_waiting", "Statements that are not finished.", multiprocess_mode="livemax")
STATEMENT_OLDEST_SECONDS = Gauge(
    "paycore_statement_oldest_seconds", "Age of the oldest statement that is not finished.", multiprocess_mode="livemax"
)
STATEMENT_DOWNLOADS = Counter("paycore_statement_downloads", "Downloads of statements that began, by format.", ["format"])
WEBHOOK_STOPPED = Gauge(
    "paycore_webhook_endpoints_stopped",
    "Endpoints that their owners have not paused and that get nothing: disabled, failing, without the right, or full.",
    multiprocess_mode="livemax",
)

DUTY_RUNS = Counter("paycore_worker_duty_runs", "Runs of the worker's duties that ended: done, failed.", ["duty", "outcome"])
DUTY_OVERDUE = Gauge(
    "paycore_worker_duty_overdue_seconds",
    "How long a duty of the worker has been due without being done; it grows while the duty runs.",
    ["duty"],
    multiprocess_mode="livemax",
)
DUTY_SUCCEEDED = Gauge(
    "paycore_worker_duty_succeeded_timestamp_seconds",
    "When a duty of the worker was last done, by any worker, in seconds since 1970.",
    ["duty"],
    multiprocess_mode="livemax",
)
DUTY_SECONDS = Gauge(
    "paycore_worker_duty_seconds", "How long a duty of the worker took the last time.", ["duty"], multiprocess_mode="livemax"
)

FX_QUOTES = Counter(
    "paycore_fx_quotes", "New quotes for conversions, and requests for one that were refused, by result.", ["result"]
)
FX_FEED_AGE = Gauge(
    "paycore_fx_feed_age_seconds",
    "Age of the newest answer of the feed of exchange rates that was taken, or the time without one; 0 where no feed is read.",
    multiprocess_mode="livemax",
)
FX_FEED_POLLS = Counter(
    "paycore_fx_feed_polls",
    "Reads of the feed of exchange rates: taken, refused (all its rates), stale, failed (no answer to read), not_stored.",
    ["outcome"],
)
FX_FEED_REFUSED = Counter(
    "paycore_fx_feed_refused", "Rates of the feed that were refused, once for each read, by reason.", ["reason"]
)

TIMER = "timer"
"""The key in a request's state of the histogram that records its time."""

# Created at the start: Prometheus does not see an increase in a series that appears with the value 1.
_ERRORS = {code: REQUEST_ERRORS.labels(code) for code in sorted(errors.CODES)}


def count_errors(codes: Iterable[object]) -> None:
    """Count one answer whose errors have these codes. An unknown code counts as `other`."""
    for code in set(codes):
        (_ERRORS.get(str(code)) or REQUEST_ERRORS.labels("other")).inc()


def outbox_families(pending: int, lag_seconds: float, parked: int) -> list[GaugeMetricFamily]:
    """Read from the database for each request of /metrics, so that they are correct even if no relay runs."""
    return [
        GaugeMetricFamily("paycore_outbox_pending", "Outbox rows that wait for the relay.", pending),
        GaugeMetricFamily("paycore_outbox_lag_seconds", "Age of the oldest waiting outbox row; 0 if there is none.", lag_seconds),
        GaugeMetricFamily("paycore_outbox_parked", "Outbox rows parked because no relay could read them.", parked),
    ]


def ledger_families(findings: int, verified_timestamp_seconds: float) -> list[GaugeMetricFamily]:
    """The result of the last `paycore verify`, which stores it in the database."""
    return [
        GaugeMetricFamily("paycore_ledger_findings", "Findings of the last `paycore verify`; absent if it never ran.", findings),
        GaugeMetricFamily(
            "paycore_ledger_verified_timestamp_seconds",
            "When the last `paycore verify` ended, in seconds since 1970.",
            verified_timestamp_seconds,
        ),
    ]


def partition_families(oldest_end_timestamp_seconds: float, end_timestamp_seconds: float) -> list[GaugeMetricFamily]:
    """How far ahead there are partitions, which the worker makes. Read from the database: it is right without a worker."""
    return [
        GaugeMetricFamily(
            "paycore_partitions_oldest_end_timestamp_seconds",
            "Where the oldest partition in the database ends, in seconds since 1970. What is older was archived.",
            oldest_end_timestamp_seconds,
        ),
        GaugeMetricFamily(
            "paycore_partitions_end_timestamp_seconds",
            "Where the last partition of the ledger's entries ends, in seconds since 1970. Transfers after it would fail.",
            end_timestamp_seconds,
        ),
    ]


def archive_families(months: int, entries: int, size: int, written_timestamp_seconds: float | None) -> list[GaugeMetricFamily]:
    """What is in files. Read from the database: `paycore archive` and `paycore restore` end before they could be asked."""
    families = [
        GaugeMetricFamily("paycore_archived_months", "Months whose entries are in files.", months),
        GaugeMetricFamily("paycore_archived_entries", "Ledger entries that are in files.", entries),
        GaugeMetricFamily("paycore_archived_bytes", "Size of the files of archived months.", size),
    ]
    if written_timestamp_seconds is not None:
        families.append(
            GaugeMetricFamily(
                "paycore_archive_written_timestamp_seconds",
                "When `paycore archive` last recorded a new file, in seconds since 1970; absent if it never did.",
                written_timestamp_seconds,
            )
        )
    return families


class _FromDatabase(Collector):
    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families


def exposition(
    outbox: tuple[int, float, int] | None,
    ledger: tuple[int, float] | None = None,
    partitions: list[GaugeMetricFamily] | None = None,
) -> bytes:
    """Returns all metrics in Prometheus' text format.

    `outbox` is (pending, lag in seconds, parked), or None if the database could not be read. `ledger` is (findings, time in
    seconds since 1970) of the last verification, or None if there was none. `partitions` are those of partitions and archive.
    """
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    registry = CollectorRegistry()
    if directory is not None:
        remove_gauges_of_dead_workers(directory)
        MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    if outbox is not None:
        registry.register(_FromDatabase(outbox_families(*outbox)))
    if ledger is not None:
        registry.register(_FromDatabase(ledger_families(*ledger)))
    if partitions is not None:
        registry.register(_FromDatabase(partitions))
    own = b"" if directory is not None else generate_latest(REGISTRY)
    return own + generate_latest(registry)


def remove_gauges_of_dead_workers(directory: str) -> None:
    """Delete the gauge files that killed workers left. Their counters stay: what they counted still happened."""
    pids = {file.stem.rpartition("_")[2] for file in Path(directory).glob("gauge_live*.db")}
    for pid in pids:
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            # Another worker may delete the file at the same time.
            with contextlib.suppress(FileNotFoundError):
                mark_process_dead(int(pid), directory)  # type: ignore[no-untyped-call]
        except (PermissionError, ValueError):
            pass
