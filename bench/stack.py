"""Paycore as in production, on one database: API workers and a relay."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil

from app.db.outbox_sql import LEADER_LOCK
from app.demo.embedded.processes import Patience, end_child
from app.settings import Settings, load_settings

_READY_SECONDS = 30.0
_PATIENCE: Patience = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))
_LEADS = """
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
               WHERE l.locktype = 'advisory' AND d.datname = current_database() AND l.granted
                 AND (l.classid::bigint << 32) + l.objid::bigint = $1)
"""
_SECRET = "a-secret-of-the-benchmark-of-at-least-32-bytes"
WEBHOOK_KEY = "a-key-of-the-benchmark-for-webhooks-of-32-bytes"


class Stack:
    """The API with one worker per core and the relay, in production mode with default settings."""

    def __init__(self, database_url: str, redis_url: str, log: Path, workers: int) -> None:
        self.port = _free_port()
        self.database_url = database_url
        self.workers = workers
        self.settings: Settings = load_settings(
            environment="production", database_url=database_url, redis_url=redis_url, jwt_secret=_SECRET, port=self.port,
            workers=workers,
        )  # fmt: skip
        self._environment = {
            **os.environ,
            "PAYCORE_ENVIRONMENT": "production",
            "PAYCORE_DATABASE_URL": database_url,
            "PAYCORE_REDIS_URL": redis_url,
            "PAYCORE_JWT_SECRET": _SECRET,
            "PAYCORE_PORT": str(self.port),
            "PAYCORE_WORKERS": str(workers),
            # Counted as in production but never reached, although all load comes from one address.
            "PAYCORE_REQUESTS_PER_USER_PER_SECOND": "1000000",
            "PAYCORE_REQUESTS_PER_ADDRESS_PER_SECOND": "1000000",
            "PAYCORE_TRANSFERS_PER_USER_PER_SECOND": "1000000",
            "PAYCORE_QUERY_BUDGET_PER_MINUTE": "1000000000",
        }
        self._log = log
        self._api: subprocess.Popen[bytes] | None = None
        self._relay: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start both and wait until every worker is ready. Raises RuntimeError if one is not."""
        self._api = self._spawn("serve")
        await self.start_relay()
        async with asyncio.timeout(_READY_SECONDS):
            while not await asyncio.to_thread(_is_ready, self.port) or len(self.api_processes()) < self.workers:
                if self._api.poll() is not None:
                    raise RuntimeError(f"the API ended while starting: see {self._log}")
                await asyncio.sleep(0.1)

    async def start_relay(self) -> None:
        """Start the relay and wait until it leads."""
        self._relay = self._spawn("relay")
        connection = await asyncpg.connect(self.database_url)
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not await connection.fetchval(_LEADS, LEADER_LOCK):
                    await asyncio.sleep(0.005)
        finally:
            await connection.close()

    async def stop_relay(self) -> None:
        """Stop the relay."""
        if self._relay is not None:
            await asyncio.to_thread(_end, self._relay)
            self._relay = None

    async def stop(self) -> None:
        """Stop both."""
        await self.stop_relay()
        if self._api is not None:
            await asyncio.to_thread(_end, self._api)
            self._api = None

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """A worker while the block runs. It may send to this machine, which production refuses."""
        worker = self._spawn(
            "worker",
            PAYCORE_ENVIRONMENT="development",
            PAYCORE_WEBHOOK_PRIVATE_TARGETS="true",
            PAYCORE_WEBHOOK_KEYS=WEBHOOK_KEY,
            PAYCORE_WEBHOOK_TIMEOUT_SECONDS="2",
        )
        self._worker = worker
        try:
            yield
        finally:
            self._worker = None
            await asyncio.to_thread(_end, worker)

    def api_processes(self) -> list[psutil.Process]:
        """The workers, without their parent, which serves no requests."""
        if self._api is None:
            return []
        parent = psutil.Process(self._api.pid)
        if self.workers == 1:
            return [parent]
        return [child for child in parent.children() if any("spawn_main" in part for part in child.cmdline())]

    def relay_processes(self) -> list[psutil.Process]:
        """The relay, if it runs."""
        return [] if self._relay is None else [psutil.Process(self._relay.pid)]

    def worker_processes(self) -> list[psutil.Process]:
        """The worker, if one runs."""
        return [] if self._worker is None else [psutil.Process(self._worker.pid)]

    def _spawn(self, command: str, **more: str) -> subprocess.Popen[bytes]:
        # Its stdin is a pipe from this process, so it ends when this process ends, however that happens.
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "app.cli", command, "--started-by", "bench"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                env={**self._environment, **more},
            )  # fmt: skip


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds used by the running processes."""
    total = 0.0
    for process in processes:
        times = process.cpu_times()
        total += times.user + times.system
    return total


def resident_bytes(processes: Iterable[psutil.Process]) -> int:
    """The processes' resident memory."""
    return sum(process.memory_info().rss for process in processes)


def _end(process: subprocess.Popen[bytes]) -> None:
    end_child(process, _PATIENCE)
    assert process.stdin is not None
    process.stdin.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
