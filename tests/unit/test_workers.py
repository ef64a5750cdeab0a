"""The supervisor of the workers decides when one is replaced."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import uvicorn

from app.processes.workers import Worker

HANGS_AFTER_SECONDS = 30


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker that was pinged at 1,000 seconds and is not started, so it never answers."""
    with socket.socket() as listener:
        worker = Worker(uvicorn.Config("app.main:app", timeout_worker_healthcheck=HANGS_AFTER_SECONDS), listener)
        worker.check(1_000.0)
        yield worker
        worker.parent_conn.close()
        worker.child_conn.close()


def test_a_worker_that_still_starts_is_not_replaced_while_an_overloaded_machine_imports_it(worker: Worker) -> None:
    assert not worker.is_hung(1_000.0 + 4 * HANGS_AFTER_SECONDS)


def test_a_worker_that_never_starts_is_replaced(worker: Worker) -> None:
    assert worker.is_hung(1_000.0 + 10 * HANGS_AFTER_SECONDS)


def test_a_worker_that_served_and_does_not_answer_is_replaced(worker: Worker) -> None:
    worker.serves_since = 990.0
    assert not worker.is_hung(1_000.0 + HANGS_AFTER_SECONDS - 1)
    assert worker.is_hung(1_000.0 + HANGS_AFTER_SECONDS + 1)
