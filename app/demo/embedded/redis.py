"""An embedded Redis-compatible server (Valkey), on a socket in a private directory.

It stores nothing on disk: the service only sends events and counters through Redis, and the database has the data.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

from app.demo.embedded import places, processes
from app.errors import ConfigurationError

_START_SECONDS = 20.0
_TERM_THEN_KILL: processes.Patience = ((signal.SIGTERM, 10), (signal.SIGKILL, 5))


class EmbeddedRedis:
    """A Redis-compatible server."""

    name = "Redis"

    def __init__(self, home: Path, sockets: Path) -> None:
        self._program = places.find_redis()
        self._directory = home / "redis"
        self._log = home / "redis.log"
        self._pid_file = self._directory / "redis.pid"
        self._socket = sockets / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A URL for redis-py."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's pid, or None if it does not run."""
        return self._process.pid if self.is_running and self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, empty. Raises ConfigurationError if it does not answer."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self.end_orphan()
        self._socket.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)
        process = processes.spawn(self._command(), log=self._log, end_with_us=signal.SIGTERM)
        self._process = process
        processes.wait_until(lambda: process.poll() is not None or self._answers(), _START_SECONDS)
        if process.poll() is not None or not self._answers():
            self.stop()
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise ConfigurationError(
                f"{self._program.name} did not start: {(lines or ['no reason given'])[-1]} (see {self._log})."
            )
        self._pid_file.write_text(str(process.pid), encoding="utf-8")

    def _command(self) -> list[str | Path]:
        return [
            self._program,
            *("--port", "0"),
            *("--unixsocket", self._socket),
            *("--unixsocketperm", "700"),
            *("--dir", self._directory),
            *("--save", ""),
            *("--appendonly", "no"),
            # Keeps the command line unchanged, because orphans are recognised by it.
            *("--set-proc-title", "no"),
        ]

    def stop(self) -> None:
        """Stop it. Does nothing if it does not run."""
        if self._process is not None:
            processes.end_child(self._process, _TERM_THEN_KILL)
            self._process = None
            self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Kill it without a shutdown."""
        assert self._process is not None
        processes.end_child(self._process, ((signal.SIGKILL, 10),))
        self._process = None

    def end_orphan(self) -> None:
        """Stop the server of a killed supervisor. The caller must hold the home's lock."""
        text = self._pid_file.read_text(encoding="utf-8") if self._pid_file.exists() else ""
        if text.isdigit():
            processes.end_orphan(int(text), str(self._socket), _TERM_THEN_KILL)
        self._pid_file.unlink(missing_ok=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
            except OSError:
                return False
