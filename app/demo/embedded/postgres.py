"""A real PostgreSQL of our own: on a socket in a private directory, with its data kept between starts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from app.demo.embedded import places, processes
from app.errors import ConfigurationError

SUPERUSER = "postgres"
DATABASE = "paycore"

_START_SECONDS = 60.0
_FAST_THEN_IMMEDIATE: processes.Patience = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5))
_PID_FILE = "postmaster.pid"
_STATUS_LINE = 7
"""Of postmaster.pid, counted from 0: "ready" once it takes connections. pg_ctl waits for the same."""
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


class EmbeddedPostgres:
    """One PostgreSQL server. `parameters` are further settings of it (those of postgresql.conf).

    `programs` is a directory with `postgres` and `initdb`, in place of those that are found.
    """

    name = "PostgreSQL"

    def __init__(
        self, home: Path, *, durable: bool, parameters: Mapping[str, str] | None = None, programs: Path | None = None
    ) -> None:
        self._account = places.postgres_account()
        self._durable = durable
        self._parameters = {**_PARAMETERS, **({} if durable else _NOT_DURABLE), **(parameters or {})}
        self._log = home / "postgres.log"
        self._data = places.data_directory(home, self._account)
        self.sockets = places.socket_directory(home, self._account)
        self._programs_copy = self._data.parent / "programs"
        chosen = places.find_postgres() if programs is None else places.PostgresPrograms(programs)
        self._programs = places.readable_programs(chosen, self._account, self._programs_copy)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A connection string that psql and asyncpg take."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={self.sockets}"

    @property
    def programs(self) -> Path:
        """The directory of postgres and its tools."""
        return self._programs.directory

    @property
    def pid(self) -> int | None:
        """The postmaster's pid while it runs."""
        return self._process.pid if self.is_running and self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether the server that was started has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, on the data of last time if there is some. Raises ConfigurationError with the log's reason."""
        self.end_orphan()
        if not self._data.exists():
            self._create()
        if self._log.exists() and self._log.stat().st_size > _LARGEST_LOG_BYTES:
            self._log.unlink()
        deadline = time.monotonic() + _START_SECONDS
        # After a crash the last server's processes take a moment to notice; a new one refuses to start beside them.
        while not self._try_to_start(deadline):
            if _STILL_IN_USE not in self._last_log_line() or time.monotonic() > deadline:
                raise ConfigurationError(f"PostgreSQL did not start: {self._last_log_line()} (see {self._log}).")
            time.sleep(0.2)

    def _try_to_start(self, deadline: float) -> bool:
        options = [option for name, value in self._parameters.items() for option in ("-c", f"{name}={value}")]
        process = processes.spawn(
            [self._programs.directory / "postgres", "-D", self._data, "-k", self.sockets, *options],
            log=self._log,
            end_with_us=signal.SIGINT,
            account=self._account,
        )
        self._process = process
        processes.wait_until(lambda: process.poll() is not None or self._is_ready(process.pid), deadline - time.monotonic())
        if process.poll() is None and not self._is_ready(process.pid):
            self.stop()
        return process.poll() is None

    def stop(self) -> None:
        """End all sessions, write everything down, stop. Nothing happens where it does not run."""
        if self._process is not None:
            processes.end_child(self._process, _FAST_THEN_IMMEDIATE)
            self._process = None

    def kill(self) -> None:
        """Crash it, as a power cut would: no shutdown, no checkpoint."""
        assert self._process is not None
        processes.end_child(self._process, ((signal.SIGKILL, 10),))
        self._process = None

    def end_orphan(self) -> None:
        """Stop the server of a supervisor that was killed. To be called under the home's lock."""
        pid_file = self._data / _PID_FILE
        if not pid_file.exists():
            return
        first_line = pid_file.read_text(encoding="utf-8").partition("\n")[0]
        pid = int(first_line) if first_line.isdigit() else 0
        if processes.recognised(pid, str(self._data)):
            processes.end_orphan(pid, str(self._data), _FAST_THEN_IMMEDIATE)
        elif pid and _exists(pid):
            # A stranger has the dead server's pid by now (usual in containers), and PostgreSQL would refuse to start.
            pid_file.unlink()

    def delete_data(self) -> None:
        """Forget everything. The server must not run."""
        assert not self.is_running
        if self._data.exists():
            shutil.rmtree(self._data)

    def clean_up(self) -> None:
        """Take away what the next start makes again: the socket directory, and programs copied for `nobody`."""
        if self._account.uid is not None:
            shutil.rmtree(self._programs_copy, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.sockets.rmdir()

    def _create(self) -> None:
        """Make the database cluster beside its place, then move it there: a half-made one is never taken for whole."""
        fresh = self._data.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        sync = [] if self._durable else ["--no-sync"]
        # Trust is sound here: the only way in is a socket in a directory that is the user's alone.
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
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() if self._log.exists() else []
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
