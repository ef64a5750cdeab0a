"""Reading what several workers counted, while others do the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from prometheus_client import REGISTRY

from app.telemetry.metrics import count_errors, remove_gauges_of_dead_workers

READERS = 8
NO_SUCH_PIDS = range(2**30, 2**30 + 400)
"""Beyond what any kernel gives."""


def test_the_dead_are_forgotten_by_several_readers_at_once(tmp_path: Path) -> None:
    for pid in NO_SUCH_PIDS:
        for mode in ("livesum", "livemin", "livemax"):
            (tmp_path / f"gauge_{mode}_{pid}.db").touch()
        (tmp_path / f"counter_{pid}.db").touch()
    together = Barrier(READERS)

    def forget() -> None:
        together.wait()
        remove_gauges_of_dead_workers(str(tmp_path))

    with ThreadPoolExecutor(READERS) as readers:
        for reading in [readers.submit(forget) for _ in range(READERS)]:
            reading.result()
    assert list(tmp_path.glob("gauge_*")) == []
    assert len(list(tmp_path.glob("counter_*"))) == len(NO_SUCH_PIDS)


def test_a_code_that_nobody_knows_makes_no_series_of_its_own() -> None:
    count_errors(["MADE_UP", "MADE_UP_TOO"])
    assert REGISTRY.get_sample_value("paycore_request_errors_total", {"code": "other"}) == 2
    assert REGISTRY.get_sample_value("paycore_request_errors_total", {"code": "MADE_UP"}) is None
