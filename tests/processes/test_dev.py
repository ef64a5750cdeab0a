"""`paycore dev` from nothing to a running demo, and back to nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes.test_cli import EXECUTABLE, assert_one_line, paycore
from tests.servers import free_port


def at(home: Path, port: int) -> dict[str, str]:
    """The settings of a demo."""
    return {"PAYCORE_HOME": str(home), "PAYCORE_PORT": str(port)}


@contextmanager
def demo(home: Path, port: int, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that is ready, and what it printed; stopped by SIGTERM, or killed if it will not stop."""
    environment = {"PATH": os.environ["PATH"], **at(home, port)}
    log = home.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen([EXECUTABLE, "dev", *arguments], env=environment, stdout=output, stderr=output, text=True)
    try:
        wait_until(lambda: "Ctrl-C stops everything" in log.read_text() or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        yield process, log.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def wait_until(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def processes_of(home: Path) -> list[str]:
    """Command lines of processes that have to do with this home."""
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if str(home) in line and "pytest" not in line]


def run_printed_curl(printed: str) -> dict[str, Any]:
    """The command that the banner shows, as a user would paste it."""
    found = re.search(r"^  curl .*?(?=\n\n)", printed, re.MULTILINE | re.DOTALL)
    assert found is not None, printed
    answer: dict[str, Any] = json.loads(
        subprocess.run(["bash", "-c", found[0]], capture_output=True, text=True, check=True).stdout
    )
    return answer


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_the_demo_runs_moves_money_keeps_it_and_leaves_nothing_running(home: Path) -> None:
    port = free_port()
    with demo(home, port) as (process, printed):
        first = run_printed_curl(printed)["data"]["transfer"]
        assert (first["transaction"]["status"], first["replayed"]) == ("COMPLETED", False)
        token = paycore("token", "bob").stdout.strip()
        viewer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": "{ viewer { displayName } }"},
                            headers={"Authorization": f"Bearer {token}"})  # fmt: skip
        assert viewer.json() == {"data": {"viewer": {"displayName": "Bob Baker"}}}
        assert paycore("verify", environment={"PAYCORE_HOME": str(home)}).stdout == "The ledger is whole.\n"
        assert_one_line(paycore("dev", environment=at(home, free_port())), str(process.pid))
        assert_one_line(paycore("dev", environment=at(home, port)), "taken", "PAYCORE_PORT=")
        process.send_signal(signal.SIGINT)
        process.wait(timeout=40)
    assert processes_of(home) == []
    started = time.monotonic()
    with demo(home, port) as (_, printed):
        print(f"the second start took {time.monotonic() - started:.1f} s")  # noqa: T201 - shown with -s
        assert run_printed_curl(printed)["data"]["transfer"] == {**first, "replayed": True}
    with demo(home, port, "--reset") as (_, printed):
        assert run_printed_curl(printed)["data"]["transfer"]["replayed"] is False
    assert processes_of(home) == []


def test_after_a_kill_the_next_start_takes_over(home: Path) -> None:
    port = free_port()
    with demo(home, port) as (process, printed):
        first = run_printed_curl(printed)["data"]["transfer"]
        process.kill()
        process.wait()
        with demo(home, port) as (_, again):
            assert run_printed_curl(again)["data"]["transfer"] == {**first, "replayed": True}
    assert processes_of(home) == []


def test_an_api_or_relay_that_dies_is_started_again(home: Path) -> None:
    port = free_port()
    with demo(home, port) as (_, _printed):
        for name in ("relay", "serve"):
            note = home / f"{name}.pid"
            pid = int(note.read_text())
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda note=note, pid=pid: note.exists() and note.read_text() not in ("", str(pid)), 20)

        def is_ready() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
            return False

        wait_until(is_ready, 30)


def test_a_taken_port_is_told_before_anything_starts(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_one_line(paycore("dev", environment=at(home, port)), f"Port {port} is taken")
    assert not home.exists()
