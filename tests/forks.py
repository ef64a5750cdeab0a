"""`paycore` commands in processes that start without imports: forked from a process that has made them once.

Imports are most of a start. A fork runs the same script, with an environment, output and signals of its own. Tests of
starting, of the command line and of the supervision of processes run the command itself.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import psutil

EXECUTABLE = Path(sys.executable).with_name("paycore")
_SERVER = Path(__file__).with_name("fork_server.py")
_PATH = {"PATH": "/usr/bin:/bin"}
_RUNS_SECONDS = 60


class Fork(psutil.Process):
    """A forked command, with what `subprocess.Popen` has for its end."""

    def __init__(self, pid: int, server: _Server) -> None:
        super().__init__(pid)
        self.returncode: int | None = None
        self._server = server
        self._end = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._code(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises TimeoutExpired."""
        code = self._code(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(str(EXECUTABLE), timeout)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            super().send_signal(sig)

    def terminate(self) -> None:
        """Send SIGTERM, unless it has ended."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _code(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            waiting = select.poll()
            waiting.register(self._end, select.POLLIN)
            if waiting.poll(None if timeout is None else timeout * 1000):
                self.returncode = self._server.exit_code(self.pid)
                os.close(self._end)
        return self.returncode


Command = Fork | psutil.Popen
"""A running command, forked or started anew."""


class _Server:
    """The process that forks. It ends with the tests, as its socket closes then."""

    def __init__(self) -> None:
        self._requests, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._one_at_a_time = threading.Lock()
        with other:
            # -P: as for the installed script, this directory is not searched for modules.
            command: list[str | Path] = [sys.executable, "-P", _SERVER, str(other.fileno())]
            self._process = subprocess.Popen(command, env=_PATH, stdin=subprocess.DEVNULL, pass_fds=[other.fileno()])
        atexit.register(self._close)

    def fork(self, command: Sequence[str], environment: Mapping[str, str], outputs: Sequence[int], *, new_session: bool) -> Fork:
        """Run a command."""
        request = {"command": command, "environment": environment, "new_session": new_session}
        return Fork(self._answer(request, outputs), self)

    def exit_code(self, pid: int) -> int:
        """The exit code of a fork that has ended."""
        return self._answer({"ended": pid})

    def _answer(self, request: Mapping[str, object], descriptors: Sequence[int] = ()) -> int:
        with self._one_at_a_time:
            socket.send_fds(self._requests, [json.dumps(request).encode()], descriptors)
            answer = self._requests.recv(100)
        assert answer, "the process that forks has ended"
        return int(answer)

    def _close(self) -> None:
        self._requests.close()
        self._process.wait()


@cache
def _server() -> _Server:
    return _Server()


def start(
    *arguments: str,
    environment: Mapping[str, str],
    output: IO[Any] | None = None,
    errors: IO[Any] | None = None,
    new_session: bool = False,
) -> Command:
    """Start `paycore` with these arguments, and with PATH alone of this process's environment.

    Without `errors`, they are written to `output`; without `output`, nowhere.
    """
    command, variables = [str(EXECUTABLE), *arguments], {**_PATH, **environment}
    with Path(os.devnull).open("wb") as nowhere:
        output = output or nowhere
        errors = errors or output
        if sys.platform != "linux":
            return psutil.Popen(command, env=variables, stdout=output, stderr=errors, start_new_session=new_session)
        return _server().fork(command, variables, (output.fileno(), errors.fileno()), new_session=new_session)


def run(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `paycore` until it ends."""
    with TemporaryFile("w+", encoding="utf-8") as output, TemporaryFile("w+", encoding="utf-8") as errors:
        process = start(*arguments, environment=environment, output=output, errors=errors)
        try:
            code = process.wait(_RUNS_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read(), errors.read())
