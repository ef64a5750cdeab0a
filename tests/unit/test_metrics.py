"""Metrics: gauges of dead workers, and error codes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from prometheus_client import REGISTRY

from app.telemetry.metrics import count_errors, remove_gauges_of_dead_workers

READERS = 8
NO_SUCH_PIDS = range(2**30, 2**30 + 400)
"""Above the largest pid of any kernel."""


def test_several_readers_can_remove_the_gauges_of_dead_workers_at_once(tmp_path: Path) -> None:
    for pid in NO_SUCH_PIDS:
        for mode in ("livesum", "livemin", "livemax"):
            (tmp_path / f"gauge_{mode}_{pid}.db").touch()
        (tmp_path / f"counter_{pid}.db").touch()
    together = Barrier(READERS)

    def remove() -> None:
        together.wait()
        remove_gauges_of_dead_workers(str(tmp_path))

    with ThreadPoolExecutor(READERS) as readers:
        for removal in [readers.submit(remove) for _ in range(READERS)]:
            removal.result()
    assert list(tmp_path.glob("gauge_*")) == []
    assert len(list(tmp_path.glob("counter_*"))) == len(NO_SUCH_PIDS)


def test_an_unknown_error_code_is_counted_as_other() -> None:
    count_errors(["MADE_UP", "MADE_UP_TOO"])
    assert REGISTRY.get_sample_value("paycore_request_errors_total", {"code": "other"}) == 2
    assert REGISTRY.get_sample_value("paycore_request_errors_total", {"code": "MADE_UP"}) is None
