"""Several workers on one port: connections are spread over them, and a dead worker is replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from app.access.tokens import mint_token
from app.settings import Settings
from tests.forks import EXECUTABLE
from tests.processes.test_cli import assert_one_line, paycore, servers_of
from tests.servers import Servers, fetch_value, free_port
from tests.waiting import START_SECONDS, wait_until

WORKERS = 2
_PINGED_SECONDS = 8
"""A worker is pinged each second."""
_HUNG_START_SECONDS = 240
"""More than the supervisor gives a worker to start."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers share a socket")


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[psutil.Popen, str]]:
    """A service of two workers, and its URL."""
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", **servers_of(settings), "PAYCORE_PORT": str(port)}
    process = psutil.Popen(
        [EXECUTABLE, "serve", "--workers", str(WORKERS)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: len(workers(process)) == WORKERS and answers(url), seconds=START_SECONDS)
        yield process, url
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


@pytest.fixture
def service(settings: Settings) -> Iterator[tuple[psutil.Popen, str]]:
    with serving(settings) as service:
        yield service


@pytest.fixture(scope="module")
def shared_service(module_settings: Settings) -> Iterator[tuple[psutil.Popen, str]]:
    """A service for tests that leave its workers running."""
    with serving(module_settings) as service:
        yield service


def workers(process: psutil.Process | psutil.Popen) -> list[psutil.Process]:
    return [child for child in process.children() if is_worker(child)]


def is_worker(child: psutil.Process) -> bool:
    try:
        return child.is_running() and "spawn_main" in " ".join(child.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def connections(worker: psutil.Process, port: int) -> int:
    return sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port for c in worker.net_connections(kind="tcp"))


def test_connections_are_spread_over_the_workers(shared_service: tuple[psutil.Popen, str]) -> None:
    process, url = shared_service
    assert wait_until(lambda: all(listens(worker) for worker in workers(process)), seconds=START_SECONDS)
    clients = [httpx.Client() for _ in range(100)]
    try:
        for client in clients:
            client.get(f"{url}/healthz")
        counts = [connections(worker, int(url.rpartition(":")[2])) for worker in workers(process)]
    finally:
        for client in clients:
            client.close()
    # The chance that one worker gets fewer than 20 of 100 is one in a hundred million.
    assert min(counts) >= 20, counts


def listens(worker: psutil.Process) -> bool:
    return any(c.status == psutil.CONN_LISTEN for c in worker.net_connections(kind="tcp"))


def test_a_dead_worker_is_replaced_and_its_waiting_connections_are_accepted(service: tuple[psutil.Popen, str]) -> None:
    process, url = service
    first = {worker.pid for worker in workers(process)}
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    # No worker accepts now, but the sockets are open: the client waits instead of being refused.
    assert httpx.get(f"{url}/healthz", timeout=START_SECONDS).status_code == 200
    assert wait_until(lambda: len({worker.pid for worker in workers(process)} - first) == WORKERS, seconds=START_SECONDS)


def test_sighup_is_ignored(shared_service: tuple[psutil.Popen, str]) -> None:
    process, url = shared_service
    before = {worker.pid for worker in workers(process)}
    process.send_signal(signal.SIGHUP)
    assert answers(url)
    assert {worker.pid for worker in workers(process)} == before


def test_an_address_in_use_is_one_line(shared_service: tuple[psutil.Popen, str], settings: Settings) -> None:
    _, url = shared_service
    port = url.rpartition(":")[2]
    for count in ("1", "2"):
        assert_one_line(paycore("serve", "--workers", count, "--port", port, settings=settings), port)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopping_service_ends_its_event_streams_without_waiting_for_them(
    service: tuple[psutil.Popen, str], settings: Settings, stop: signal.Signals
) -> None:
    process, url = service
    headers = {"Authorization": f"Bearer {mint_token('alice', settings)}", "Accept": "text/event-stream"}
    body = {"query": "subscription { transactionSettled { missed } }"}
    with httpx.stream("POST", f"{url}/graphql", json=body, headers=headers, timeout=30) as stream:
        assert stream.status_code == 200
        threading.Timer(0.5, process.send_signal, [stop]).start()
        assert b"".join(stream.iter_bytes()) == b""
    # Uvicorn alone would wait for its grace period of 15 seconds and then cut the stream.
    assert process.wait(10) == 0


def test_a_worker_that_cannot_restart_affects_no_other_and_returns_with_the_database(
    service: tuple[psutil.Popen, str], clean_servers: Servers
) -> None:
    process, url = service
    wait_until(lambda: all(listens(worker) for worker in workers(process)), seconds=START_SECONDS)
    first, other = workers(process)
    clean_servers.kill_postgres()
    first.kill()
    # Long enough for several failed attempts.
    tries: set[int] = set()

    def has_tried() -> bool:
        tries.update(worker.pid for worker in workers(process))
        return len(tries - {first.pid, other.pid}) >= 3

    assert wait_until(has_tried, seconds=START_SECONDS)
    assert process.poll() is None
    with httpx.Client(transport=to_worker(other, url)) as client:
        assert client.get(f"{url}/healthz").status_code == 200
        assert client.get(f"{url}/readyz").json()["database"] == "unavailable"
    clean_servers.start_postgres()
    assert wait_until(lambda: sum(listens(worker) for worker in workers(process)) == WORKERS, seconds=START_SECONDS)
    assert other in workers(process)
    assert wait_until(lambda: all(ready(url) for _ in range(10)), seconds=START_SECONDS)


def to_worker(worker: psutil.Process, url: str) -> httpx.HTTPTransport:
    """A connection accepted by this worker. On a connection that no worker accepts, a client gets no answer."""
    port = int(url.rpartition(":")[2])
    for _ in range(100):
        before = connections(worker, port)
        transport = httpx.HTTPTransport()
        client = httpx.Client(transport=transport, timeout=1)
        try:
            client.get(f"{url}/healthz")
        except httpx.TransportError:
            continue
        if connections(worker, port) > before:
            return transport
    raise AssertionError("it takes no connection")


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("count", ["1", "2"])
def test_a_service_whose_first_workers_cannot_start_exits_with_an_error(settings: Settings, count: str) -> None:
    # The currencies table is missing, although the database seems to be migrated.
    assert settings.database_url is not None
    fetch_value(settings.database_url.get_secret_value(), "ALTER TABLE currencies RENAME TO hidden")
    finished = paycore("serve", "--workers", count, "--port", str(free_port()), settings=settings)
    assert finished.returncode == 3
    assert "startup failed" in finished.stderr


def test_workers_of_a_killed_parent_drain_and_free_the_port(service: tuple[psutil.Popen, str], settings: Settings) -> None:
    process, url = service
    left = workers(process)
    assert len(left) == WORKERS
    headers = {"Authorization": f"Bearer {mint_token('alice', settings)}", "Accept": "text/event-stream"}
    body = {"query": "subscription { transactionSettled { missed } }"}
    with httpx.stream("POST", f"{url}/graphql", json=body, headers=headers, timeout=30) as stream:
        process.kill()
        process.wait(30)
        try:
            assert wait_until(lambda: not any(is_worker(worker) for worker in left), seconds=START_SECONDS)
        finally:
            for worker in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.kill()
        # It was closed properly, not cut.
        assert b"".join(stream.iter_bytes()) == b""
    assert not answers(url)
    port = url.rpartition(":")[2]
    environment = {"PATH": "/usr/bin:/bin", **servers_of(settings), "PAYCORE_PORT": port}
    with psutil.Popen([EXECUTABLE, "serve"], env=environment, stderr=subprocess.DEVNULL) as following:
        try:
            assert wait_until(lambda: ready(url), seconds=START_SECONDS)
        finally:
            following.terminate()
            assert following.wait(30) == 0


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(service: tuple[psutil.Popen, str]) -> None:
    process, url = service
    wait_until(lambda: all(listens(worker) for worker in workers(process)), seconds=START_SECONDS)
    hung, other = workers(process)
    # By then it has answered a ping, so it counts as serving. If it has not, it may take the time of a start.
    wait_until(lambda: time.time() - hung.create_time() > _PINGED_SECONDS, seconds=START_SECONDS)
    hung.suspend()
    assert wait_until(lambda: not is_worker(hung), seconds=_HUNG_START_SECONDS)
    assert wait_until(lambda: sum(listens(worker) for worker in workers(process)) == WORKERS, seconds=START_SECONDS)
    assert other in workers(process)
    assert wait_until(lambda: all(ready(url) for _ in range(10)), seconds=START_SECONDS)
