"""An embedded Redis-compatible server (Valkey), on a socket in a private directory.

It stores nothing on disk: the service only sends events and counters through Redis, and the database has the data.
"""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from app.demo.embedded import places, processes
from app.demo.embedded.server import EmbeddedServer
from app.errors import ConfigurationError

_START_SECONDS = 20.0
_TERM_THEN_KILL: processes.Patience = ((signal.SIGTERM, 10), (signal.SIGKILL, 5))


class EmbeddedRedis(EmbeddedServer):
    """A Redis-compatible server."""

    name = "Redis"

    def __init__(self, home: Path, sockets: Path) -> None:
        super().__init__(log=home / "redis.log", end_with_us=signal.SIGTERM, patience=_TERM_THEN_KILL)
        self._program = places.find_redis()
        self._directory = home / "redis"
        self._pid_file = self._directory / "redis.pid"
        self._socket = sockets / "redis.sock"

    @property
    def url(self) -> str:
        """A URL for redis-py."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, empty. Raises ConfigurationError if it does not answer."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self.end_orphan()
        self._socket.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)
        pid = self._launch(self._command(), self._answers, seconds=_START_SECONDS)
        if pid is None:
            reason = (self._log_lines() or ["no reason given"])[-1]
            raise ConfigurationError(f"{self._program.name} did not start: {reason} (see {self._log}).")
        self._pid_file.write_text(str(pid), encoding="utf-8")

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
            super().stop()
            self._pid_file.unlink(missing_ok=True)

    def end_orphan(self) -> None:
        """Stop the server of a killed supervisor. The caller must hold the home's lock."""
        text = self._pid_file.read_text(encoding="utf-8") if self._pid_file.exists() else ""
        if text.isdigit():
            processes.end_orphan(int(text), str(self._socket), _TERM_THEN_KILL)
        self._pid_file.unlink(missing_ok=True)

    def _answers(self, _pid: int) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
            except OSError:
                return False
