"""A whole service as operators run it: `paycore serve` with two workers, and `paycore relay`."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.settings import Settings
from tests.forks import Command, start
from tests.processes.test_cli import servers_of
from tests.servers import free_port
from tests.waiting import START_SECONDS, wait_until

SECRET = "a-secret-that-no-log-may-ever-hold-1234"


@dataclass(frozen=True)
class Running:
    """The ports, log and processes of a running service."""

    port: int
    relay_port: int
    log: Path
    processes: dict[str, Command]
    """`serve` and `relay`."""

    @property
    def url(self) -> str:
        """The URL of the API."""
        return f"http://127.0.0.1:{self.port}"

    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def running_service(settings: Settings, log: Path, environment: Mapping[str, str]) -> Iterator[Running]:
    """A service that is ready, and is ended after the block."""
    port, relay_port = free_port(), free_port()
    shared = {
        **servers_of(settings), "PAYCORE_PORT": str(port), "PAYCORE_RELAY_PORT": str(relay_port),
        "PAYCORE_JWT_SECRET": SECRET, "PAYCORE_WORKERS": "2", **environment,
    }  # fmt: skip
    processes: dict[str, Command] = {}
    try:
        with log.open("wb") as file:
            for command in ("serve", "relay"):
                processes[command] = start(command, environment=shared, output=file)
        assert wait_until(lambda: _is_ready(port) and _is_ready(relay_port), seconds=START_SECONDS), log.read_text()
        yield Running(port, relay_port, log, processes)
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.terminate()
        for process in processes.values():
            process.wait(60)


class SharedServices:
    """`paycore serve` processes that the tests of a file share: one for each set of variables."""

    def __init__(self, settings: Settings) -> None:
        self._shared = servers_of(settings)
        self._started: dict[frozenset[tuple[str, str]], tuple[int, Command]] = {}

    def port(self, **variables: str) -> int:
        """The port of a service with these variables, which is started at the first call."""
        return self.serve(**variables)[0]

    def serve(self, **variables: str) -> tuple[int, Command]:
        """The port and the process of a service with these variables, which is started at the first call."""
        key = frozenset(variables.items())
        if key not in self._started:
            port = free_port()
            process = start("serve", environment={**self._shared, "PAYCORE_PORT": str(port), **variables})
            self._started[key] = port, process
            assert wait_until(lambda: process.poll() is not None or _is_ready(port), seconds=START_SECONDS)
        port, process = self._started[key]
        assert process.poll() is None, "an earlier test ended the service"
        return port, process

    def close(self) -> None:
        """Stop all of them."""
        for _, process in self._started.values():
            if process.poll() is None:
                process.terminate()
        for _, process in self._started.values():
            process.wait(60)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def default_signals() -> Iterator[None]:
    """Child processes handle SIGINT and SIGHUP: a shell that runs the tests in the background makes them inherit SIG_IGN."""
    ignored = [number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
