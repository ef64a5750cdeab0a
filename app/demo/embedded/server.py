"""One server process: started, checked until it is ready, and stopped."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from app.demo.embedded import processes


class EmbeddedServer:
    """A server that runs as a child process. `end_with_us` is the signal that it gets if this process dies."""

    def __init__(self, *, log: Path, end_with_us: signal.Signals, patience: processes.Patience) -> None:
        self._log = log
        self._end_with_us = end_with_us
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's pid, or None if it does not run."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End all sessions and stop. Does nothing if the server does not run."""
        if self._process is not None:
            processes.end_child(self._process, self._patience)
            self._process = None

    def kill(self) -> None:
        """Kill it like a power cut, without a shutdown."""
        assert self._process is not None
        processes.end_child(self._process, ((signal.SIGKILL, 10),))
        self._process = None

    def _launch(
        self,
        command: Sequence[str | Path],
        is_ready: Callable[[int], bool],
        *,
        seconds: float,
        account: processes.Account = processes.CURRENT_USER,
    ) -> int | None:
        """Start the process and wait until `is_ready` of its pid. Returns the pid, or None if it failed and was stopped."""
        process = processes.spawn(command, log=self._log, end_with_us=self._end_with_us, account=account)
        self._process = process
        processes.wait_until(lambda: process.poll() is not None or is_ready(process.pid), seconds)
        if process.poll() is None and is_ready(process.pid):
            return process.pid
        self.stop()
        return None

    def _log_lines(self) -> list[str]:
        return self._log.read_text(encoding="utf-8", errors="replace").splitlines() if self._log.exists() else []
