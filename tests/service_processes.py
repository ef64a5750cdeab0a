"""A whole service as operators run it: `paycore serve` with two workers, and `paycore relay`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.demo.embedded.processes import wait_until
from app.settings import Settings
from tests.processes.test_cli import EXECUTABLE, servers_of
from tests.servers import free_port

SECRET = "a-secret-that-no-log-may-ever-hold-1234"


@dataclass(frozen=True)
class Running:
    """The ports, log and processes of a running service."""

    port: int
    relay_port: int
    log: Path
    processes: dict[str, psutil.Popen]
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
        "PATH": "/usr/bin:/bin", **servers_of(settings), "PAYCORE_PORT": str(port), "PAYCORE_RELAY_PORT": str(relay_port),
        "PAYCORE_JWT_SECRET": SECRET, "PAYCORE_WORKERS": "2", **environment,
    }  # fmt: skip
    processes: dict[str, psutil.Popen] = {}
    try:
        with log.open("wb") as file:
            for command in ("serve", "relay"):
                processes[command] = psutil.Popen([EXECUTABLE, command], env=shared, stdout=file, stderr=file)
        assert wait_until(lambda: _is_ready(port) and _is_ready(relay_port), seconds=90), log.read_text()
        yield Running(port, relay_port, log, processes)
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.terminate()
        for process in processes.values():
            process.wait(30)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
