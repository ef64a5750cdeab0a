"""`paycore serve` started without its database waits, answers probes, refuses other requests and then serves."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from app.settings import Settings
from tests.forks import EXECUTABLE
from tests.processes.test_cli import assert_one_line, paycore, servers_of
from tests.servers import Servers, free_port
from tests.service_processes import default_signals
from tests.waiting import START_SECONDS, wait_until

NOWHERE = {"PAYCORE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "PAYCORE_REDIS_URL": "redis://127.0.0.1:1"}


@contextmanager
def serving(port: int, log: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `paycore serve` on this port that answers /healthz."""
    environment = {"PATH": "/usr/bin:/bin", "PAYCORE_PORT": str(port), **variables}
    with log.open("wb") as file, default_signals():
        process = subprocess.Popen([EXECUTABLE, "serve", *arguments], env=environment, stdout=file, stderr=file)
    try:
        assert wait_until(lambda: status(port, "/healthz") == 200 or process.poll() is not None, seconds=START_SECONDS)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def status(port: int, path: str) -> int | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code
    except httpx.HTTPError:
        return None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_waits_for_an_unreachable_database_and_then_serves(
    settings: Settings, clean_servers: Servers, free_port: int, tmp_path: Path, workers: str
) -> None:
    clean_servers.kill_postgres()
    log = tmp_path / "log"
    with serving(free_port, log, "--workers", workers, **servers_of(settings)) as process:
        waiting = httpx.get(f"http://127.0.0.1:{free_port}/readyz", timeout=5)
        assert (waiting.status_code, waiting.json()["status"]) == (503, "not ready")
        assert waiting.json()["database"] == "unavailable"
        assert "waits up to 300 s for the database" in log.read_text()
        clean_servers.start_postgres()
        assert wait_until(lambda: status(free_port, "/readyz") == 200, seconds=START_SECONDS), log.read_text()
        serves = httpx.get(f"http://127.0.0.1:{free_port}/readyz", timeout=5)
        assert list(waiting.json()) == list(serves.json()), "one form of readiness"
        assert "the API is connected to the database" in log.read_text()
        process.terminate()
        assert process.wait(60) == 0


@pytest.fixture(scope="module")
def waiting_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service that waits for its database."""
    port = free_port()
    with serving(port, tmp_path_factory.mktemp("waiting") / "log", **NOWHERE):
        yield f"http://127.0.0.1:{port}"


def test_requests_are_refused_as_unavailable_while_the_service_waits(waiting_service: str) -> None:
    with httpx.Client(base_url=waiting_service) as client:
        graphql = client.post("/graphql", json={"query": "mutation { transfer }"})
        rest = client.post("/transfer", json={"amount": "1.00"})
        assert (graphql.status_code, graphql.json()["errors"][0]["extensions"]["code"]) == (503, "UNAVAILABLE")
        assert (rest.status_code, rest.json()["code"]) == (503, "UNAVAILABLE")
        assert graphql.headers["retry-after"] == rest.headers["retry-after"] == "1"


def test_a_websocket_is_refused_with_503_while_the_service_waits(waiting_service: str) -> None:
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "a" * 24}
    assert httpx.get(f"{waiting_service}/graphql", headers=handshake).status_code == 503


def test_metrics_can_be_read_while_the_service_waits(waiting_service: str) -> None:
    assert "paycore_transfers_total" in httpx.get(f"{waiting_service}/metrics").text


def test_a_service_ends_with_one_line_after_its_time_limit(free_port: int) -> None:
    finished = paycore("serve", environment={**NOWHERE, "PAYCORE_PORT": str(free_port), "PAYCORE_DATABASE_WAIT_SECONDS": "1.5"})
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].startswith("paycore: The database cannot be reached")
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_waiting_service_ends_on_a_signal(free_port: int, tmp_path: Path, stop: signal.Signals) -> None:
    log = tmp_path / "log"
    with serving(free_port, log, **NOWHERE) as process:
        process.send_signal(stop)
        assert process.wait(30) == 128 + stop
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("command", ["serve", "relay"])
def test_an_unknown_user_or_database_is_one_line_at_once(settings: Settings, command: str) -> None:
    known = servers_of(settings)
    url = urlsplit(known["PAYCORE_DATABASE_URL"])
    stranger = url._replace(netloc=f"no_such_user@{url.netloc.rpartition('@')[2]}")
    for wrong, says in ((stranger, "no_such_user"), (url._replace(path="/no_such_database"), "no_such_database")):
        finished = paycore(command, environment={**known, "PAYCORE_DATABASE_URL": urlunsplit(wrong)})
        assert_one_line(finished, says, "PAYCORE_DATABASE_URL")


def test_a_missing_file_in_the_url_is_one_line_at_once() -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing?sslmode=verify-full&sslrootcert=/no/such/file"
    assert_one_line(paycore("serve", environment={**NOWHERE, "PAYCORE_DATABASE_URL": url}), "/no/such/file")
