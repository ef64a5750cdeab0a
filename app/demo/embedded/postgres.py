"""An embedded PostgreSQL server: on a socket in a private directory. Its data is kept between starts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from app.demo.embedded import places, processes
from app.demo.embedded.server import EmbeddedServer
from app.errors import ConfigurationError

SUPERUSER = "postgres"
DATABASE = "paycore"

_START_SECONDS = 60.0
_FAST_THEN_IMMEDIATE: processes.Patience = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5))
_PID_FILE = "postmaster.pid"
_STATUS_LINE = 7
"""Line of postmaster.pid, counted from 0, that is "ready" once the server accepts connections. pg_ctl waits for it too."""
_STILL_IN_USE = "pre-existing shared memory block"
_LARGEST_LOG_BYTES = 10_000_000

_PARAMETERS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_completion_target": "0.9",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
}
_NOT_DURABLE: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
}


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server. `parameters` are additional settings of postgresql.conf.

    `programs` is a directory with `postgres` and `initdb`. Default: those of `find_postgres`.
    """

    name = "PostgreSQL"

    def __init__(
        self, home: Path, *, durable: bool, parameters: Mapping[str, str] | None = None, programs: Path | None = None
    ) -> None:
        super().__init__(log=home / "postgres.log", end_with_us=signal.SIGINT, patience=_FAST_THEN_IMMEDIATE)
        self._account = places.postgres_account()
        self._durable = durable
        self._parameters = {**_PARAMETERS, **({} if durable else _NOT_DURABLE), **(parameters or {})}
        self._data = places.data_directory(home, self._account)
        self.sockets = places.socket_directory(home, self._account)
        self._programs_copy = self._data.parent / "programs"
        chosen = places.find_postgres() if programs is None else places.PostgresPrograms(programs)
        self._programs = places.readable_programs(chosen, self._account, self._programs_copy)

    @property
    def url(self) -> str:
        """A connection string for psql and asyncpg."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={self.sockets}"

    @property
    def programs(self) -> Path:
        """The directory of postgres and its tools."""
        return self._programs.directory

    def start(self) -> None:
        """Start with the existing data, if any. Raises ConfigurationError with the last line of the log."""
        self.end_orphan()
        if not self._data.exists():
            self._create()
        if self._log.exists() and self._log.stat().st_size > _LARGEST_LOG_BYTES:
            self._log.unlink()
        deadline = time.monotonic() + _START_SECONDS
        # After a crash the old server's processes take a moment to end. Until then a new server refuses to start.
        while not self._try_to_start(deadline):
            if _STILL_IN_USE not in self._last_log_line() or time.monotonic() > deadline:
                raise ConfigurationError(f"PostgreSQL did not start: {self._last_log_line()} (see {self._log}).")
            time.sleep(0.2)

    def _try_to_start(self, deadline: float) -> bool:
        options = [option for name, value in self._parameters.items() for option in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._programs.directory / "postgres", "-D", self._data, "-k", self.sockets, *options]
        return self._launch(command, self._is_ready, seconds=deadline - time.monotonic(), account=self._account) is not None

    def end_orphan(self) -> None:
        """Stop the server of a killed supervisor. The caller must hold the home's lock."""
        pid_file = self._data / _PID_FILE
        if not pid_file.exists():
            return
        first_line = pid_file.read_text(encoding="utf-8").partition("\n")[0]
        pid = int(first_line) if first_line.isdigit() else 0
        if processes.recognised(pid, str(self._data)):
            processes.end_orphan(pid, str(self._data), _FAST_THEN_IMMEDIATE)
        elif pid and _exists(pid):
            # Another process has the dead server's pid (common in containers). PostgreSQL would refuse to start.
            pid_file.unlink()

    def delete_data(self) -> None:
        """Delete all data. The server must not run."""
        assert not self.is_running
        if self._data.exists():
            shutil.rmtree(self._data)

    def clean_up(self) -> None:
        """Delete what the next start creates again: the socket directory, and programs copied for `nobody`."""
        if self._account.uid is not None:
            shutil.rmtree(self._programs_copy, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.sockets.rmdir()

    def _create(self) -> None:
        """Create the database cluster in another directory, then rename it: an incomplete cluster is never used."""
        fresh = self._data.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        sync = [] if self._durable else ["--no-sync"]
        # Trust is safe: the only way to connect is a socket in a directory that only this user can access.
        options = [f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", *sync]
        self._run(["initdb", "-D", str(fresh), "--no-instructions", *options])
        self._run(["postgres", "--single", "-D", str(fresh), "postgres"], stdin=f"CREATE DATABASE {DATABASE};\n")
        fresh.rename(self._data)

    def _run(self, command: list[str], *, stdin: str = "") -> None:
        program, *arguments = command
        done = self._account.run([self._programs.directory / program, *arguments], stdin=stdin)
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise ConfigurationError(f"PostgreSQL's {program} failed: {reason}")

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self._data / _PID_FILE).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > _STATUS_LINE and lines[0] == str(pid) and lines[_STATUS_LINE].strip() == "ready"

    def _last_log_line(self) -> str:
        lines = self._log_lines()
        fatal = [line for line in lines[-20:] if "FATAL" in line]
        return (fatal or lines or ["no reason given"])[-1]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
