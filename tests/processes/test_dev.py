"""`paycore dev` starts a demo from nothing, keeps it running and stops it without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app.demo.embedded.processes import _listed_command_line
from app.settings import Settings
from tests import waiting
from tests.forks import EXECUTABLE
from tests.processes.test_cli import assert_one_line, paycore, servers_of
from tests.servers import free_port
from tests.service_processes import default_signals
from tests.waiting import START_SECONDS


def at(home: Path, port: int) -> dict[str, str]:
    """The settings of a demo without pages, which tests/browser and test_dashboard_build.py cover."""
    return {"PAYCORE_HOME": str(home), "PAYCORE_PORT": str(port), "PAYCORE_DASHBOARD": "false"}


@contextmanager
def demo(home: Path, port: int, *arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that is ready, and its output. Stopped by SIGTERM, or killed if that takes too long."""
    environment = {"PATH": os.environ["PATH"], **at(home, port), **variables}
    log = home.with_suffix(".log")
    with log.open("w") as output, default_signals():
        process = subprocess.Popen([EXECUTABLE, "dev", *arguments], env=environment, stdout=output, stderr=output, text=True)
    try:
        wait_until(lambda: "Ctrl-C stops everything" in log.read_text() or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, log.read_text()
        assert [line for line in processes_of(home) if "app.cli serve" in line], "processes_of sees what runs"
        yield process, log.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    assert waiting.wait_until(condition, seconds), "it took too long"


def processes_of(home: Path) -> list[str]:
    """Command lines of the processes that name this home."""
    listing = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if str(home) in line]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of the processes that it started."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def run_printed_curl(printed: str) -> dict[str, Any]:
    """Run the curl command of the banner, as a user would paste it; return the answer."""
    found = re.search(r"^  curl .*?(?=\n\n)", printed, re.MULTILINE | re.DOTALL)
    assert found is not None, printed
    answer: dict[str, Any] = json.loads(
        subprocess.run(["bash", "-c", found[0]], capture_output=True, text=True, check=True).stdout
    )
    return answer


@contextmanager
def own_home(parent: Path, earlier: Path | None = None) -> Iterator[Path]:
    """A home as an earlier demo left it, or a new one. Kills the processes that a failed test left on it."""
    home = parent / "home"
    if earlier is not None:
        shutil.copytree(earlier, home)
    yield home
    for line in processes_of(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)


@pytest.fixture
def new_home(tmp_path: Path) -> Iterator[Path]:
    """A home that does not exist yet, for what the first start does, and for given servers."""
    with own_home(tmp_path) as home:
        yield home


@pytest.fixture
def home(tmp_path: Path, seeded_home: Path) -> Iterator[Path]:
    """A home with the demo's data."""
    with own_home(tmp_path, seeded_home) as home:
        yield home


@pytest.fixture(scope="module")
def shared_demo(tmp_path_factory: pytest.TempPathFactory, seeded_home: Path) -> Iterator[tuple[Path, int, str]]:
    """The home, port and output of a demo that tests leave running. It was given a variable that is no setting."""
    with own_home(tmp_path_factory.mktemp("shared"), seeded_home) as home:
        port = free_port()
        with demo(home, port, PAYCORE_PROT="9000") as (_, printed):
            yield home, port, printed


@pytest.fixture(scope="module")
def demo_on_given_servers(tmp_path_factory: pytest.TempPathFactory, module_settings: Settings) -> Iterator[tuple[Path, int, str]]:
    """The home, port and output of a demo in a fresh clone, on servers that it did not start."""
    with own_home(tmp_path_factory.mktemp("given")) as home:
        port = free_port()
        with demo(home, port, **servers_of(module_settings)) as (_, printed):
            yield home, port, printed
        assert processes_of(home) == []


def test_the_demo_keeps_its_data_over_a_restart_and_leaves_nothing_running(new_home: Path) -> None:
    home = new_home
    port = free_port()
    with demo(home, port) as (process, printed):
        first = run_printed_curl(printed)["data"]["transfer"]
        assert (first["transaction"]["status"], first["replayed"]) == ("COMPLETED", False)
        token = paycore("token", "bob").stdout.strip()
        viewer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": "{ viewer { displayName } }"},
                            headers={"Authorization": f"Bearer {token}"})  # fmt: skip
        assert viewer.json()["data"] == {"viewer": {"displayName": "Bob Baker"}}
        assert paycore("verify", environment={"PAYCORE_HOME": str(home)}).stdout == "The ledger is whole.\n"
        assert_one_line(paycore("dev", environment=at(home, free_port())), str(process.pid))
        assert_one_line(paycore("dev", environment=at(home, port)), "in use", "PAYCORE_PORT=")
        process.send_signal(signal.SIGINT)
        process.wait(timeout=START_SECONDS)
    assert processes_of(home) == []
    with demo(home, port) as (process, printed):
        # A restart takes a few seconds. CPU time, as a busy machine takes longer.
        assert cpu_seconds(process.pid) < 10
        assert run_printed_curl(printed)["data"]["transfer"] == {**first, "replayed": True}
    with demo(home, port, "--reset") as (_, printed):
        assert run_printed_curl(printed)["data"]["transfer"]["replayed"] is False
    assert processes_of(home) == []


def test_the_demo_and_what_it_starts_warn_once_of_a_variable_that_is_no_setting(shared_demo: tuple[Path, int, str]) -> None:
    _, _, printed = shared_demo
    assert printed.count("PAYCORE_PROT") == 1


def test_the_next_start_takes_over_after_a_kill(home: Path) -> None:
    port = free_port()
    with demo(home, port) as (process, printed):
        first = run_printed_curl(printed)["data"]["transfer"]
        process.kill()
        process.wait()
        with demo(home, port) as (_, again):
            assert run_printed_curl(again)["data"]["transfer"] == {**first, "replayed": True}
    assert processes_of(home) == []


def has_another(note: Path, pid: str) -> bool:
    return note.exists() and note.read_text() not in ("", pid)


def is_ready(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    return False


def test_an_api_or_relay_that_dies_is_restarted(shared_demo: tuple[Path, int, str]) -> None:
    home, port, _ = shared_demo
    for name in ("relay", "serve"):
        note = home / f"{name}.pid"
        pid = note.read_text()
        os.kill(int(pid), signal.SIGKILL)
        wait_until(partial(has_another, note, pid), START_SECONDS)
    wait_until(lambda: is_ready(port), START_SECONDS)


def test_a_server_that_dies_is_restarted(shared_demo: tuple[Path, int, str]) -> None:
    home, port, _ = shared_demo
    # The API may have to start first, if an earlier test ended it.
    wait_until(lambda: is_ready(port), START_SECONDS)
    (server,) = [line for line in processes_of(home) if f"{home}/redis" in line]
    os.kill(int(server.split()[0]), signal.SIGKILL)
    wait_until(lambda: "redis ended. restarting it" in home.with_suffix(".log").read_text().lower(), START_SECONDS)

    def state() -> str:
        answer: str = httpx.get(f"http://127.0.0.1:{port}/readyz").json()["redis"]
        return answer

    wait_until(lambda: state() == "ok", START_SECONDS)


def test_a_closed_terminal_stops_everything_in_order(home: Path) -> None:
    with demo(home, free_port()) as (process, _):
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=START_SECONDS) == 0
        assert processes_of(home) == []
        assert sorted(note.name for note in home.glob("*.pid")) == []


def test_a_second_ctrl_c_stops_at_once_and_leaves_nothing_running(home: Path) -> None:
    with demo(home, free_port()) as (process, _):
        (api,) = [line for line in processes_of(home) if "app.cli serve" in line]
        os.kill(int(api.split()[0]), signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None, "the first one waits for the API"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 128 + signal.SIGINT
        os.kill(int(api.split()[0]), signal.SIGCONT)
        wait_until(lambda: processes_of(home) == [], START_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the servers stay until the next start")
def test_no_process_outlives_a_killed_supervisor(home: Path) -> None:
    with demo(home, free_port()) as (process, _):
        process.kill()
        process.wait()
        wait_until(lambda: processes_of(home) == [], START_SECONDS)


@pytest.mark.parametrize(("name", "works"), [("serve", "running on"), ("relay", "this relay leads")])
def test_a_child_ends_when_its_supervisor_is_gone(name: str, works: str, settings: Settings, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PAYCORE_PORT": str(free_port()), **servers_of(settings)}
    log = tmp_path / "log"
    with log.open("w") as output:
        command = [str(EXECUTABLE), name, "--started-by", "/nowhere"]
        child = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output)
    assert child.stdin is not None
    try:
        wait_until(lambda: works in log.read_text() or child.poll() is not None, START_SECONDS)
        assert child.poll() is None, log.read_text()
        child.stdin.close()
        # 128 + SIGTERM is the exit code of a child that was still starting.
        assert child.wait(timeout=20) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    finally:
        child.kill()
        child.wait()


def test_a_long_command_line_is_read_whole_without_proc() -> None:
    marker = "m" * 300
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", marker])
    try:
        wait_until(lambda: marker in _listed_command_line(child.pid), START_SECONDS)
    finally:
        child.kill()
        child.wait()


SIGNALS_WHILE_WAITING = """
import os, signal, threading
from app.demo.dev import _stop_requests
for _ in range(100):
    with _stop_requests() as stop:
        threading.Timer(0.001, os.kill, (os.getpid(), signal.SIGTERM)).start()
        while not stop.wait(0):
            pass
"""


def test_a_signal_stops_it_at_any_moment() -> None:
    """Also while the main thread is in the middle of a wait."""
    subprocess.run([sys.executable, "-c", SIGNALS_WHILE_WAITING], check=True, timeout=START_SECONDS)


def test_given_servers_are_used_and_their_urls_are_not_printed(
    demo_on_given_servers: tuple[Path, int, str], module_settings: Settings
) -> None:
    home, _, printed = demo_on_given_servers
    assert run_printed_curl(printed)["data"]["transfer"]["transaction"]["status"] == "COMPLETED"
    assert servers_of(module_settings)["PAYCORE_DATABASE_URL"] not in printed
    assert not [line for line in processes_of(home) if "app.cli" not in line and "paycore dev" not in line]


def test_given_servers_allow_fault_requests_in_a_fresh_clone(demo_on_given_servers: tuple[Path, int, str]) -> None:
    home, port, _ = demo_on_given_servers
    headers = {"Authorization": f"Bearer {paycore('token', 'alice').stdout.strip()}"}
    response = httpx.post(f"http://127.0.0.1:{port}/demo/break", json={"what": "relay"}, headers=headers)
    assert response.status_code == 202
    log = home.with_suffix(".log")
    wait_until(lambda: "Killing relay, as requested." in log.read_text(), START_SECONDS)


@pytest.mark.slow
def test_given_servers_allow_the_pages_to_be_built_in_a_fresh_clone(new_home: Path, seeded_settings: Settings) -> None:
    with demo(new_home, free_port(), **{**servers_of(seeded_settings), "PAYCORE_DASHBOARD": "true"}) as (process, _):
        log = new_home.with_suffix(".log")
        wait_until(lambda: "The pages are ready." in log.read_text() or process.poll() is not None, 200)
        assert process.poll() is None, log.read_text()


def test_an_unusable_home_with_given_servers_is_one_line(settings: Settings) -> None:
    environment = {**servers_of(settings), **at(Path("/dev/null/home"), free_port()), "PAYCORE_DASHBOARD": "true"}
    finished = paycore("dev", environment=environment)
    assert_one_line(finished, "/dev/null/home cannot be used", "PAYCORE_HOME")


def test_a_port_in_use_is_reported_before_anything_starts(new_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_one_line(paycore("dev", environment=at(new_home, port)), f"Port {port} is in use")
    assert not new_home.exists()
