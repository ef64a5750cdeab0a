"""Server processes: started in sessions of their own, recognised before they are signalled, and ended reliably."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.02

Patience = Sequence[tuple[signal.Signals, float]]
"""Signals in the order in which they are tried, each with the seconds to wait for its effect."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a server runs as. `prefix` is a command that is put before the server's command."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def run(self, command: Sequence[str | Path], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as this account and wait for it. Returns its output."""
        return subprocess.run(
            [*self.prefix, *map(str, command)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_environment(),
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )


CURRENT_USER = Account()


def spawn(
    command: Sequence[str | Path], *, log: Path, end_with_us: signal.Signals, account: Account = CURRENT_USER
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C in the terminal only reaches its supervisor.

    If the system supports it, the server gets the signal `end_with_us` when this process dies.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [*with_parent_death_signal(end_with_us), *account.prefix, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=_environment(),
            user=account.uid,
            group=account.gid,
            extra_groups=None if account.uid is None else [],
        )


def with_parent_death_signal(number: signal.Signals) -> list[str]:
    """Returns the prefix for a command that gets the signal when this process dies. Empty if that is not supported."""
    # Linux sends this signal when the *thread* that started the child ends, so it only works from the main thread.
    # Without it the next start ends the processes that were left behind.
    setpriv = shutil.which("setpriv")
    if sys.platform != "linux" or setpriv is None or threading.current_thread() is not threading.main_thread():
        return []
    return [setpriv, "--pdeathsig", number.name.removeprefix("SIG")]


def end_with_supervisor() -> None:
    """Send this process SIGTERM when its standard input ends: a pipe that its supervisor holds open while it runs.

    Unlike a parent-death signal this works on every system, and from any thread of the supervisor.
    """

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()


def _environment() -> dict[str, str]:
    """Does not inherit this process's variables: no secrets, and no PGPORT that would change a server's behaviour."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def end_child(child: subprocess.Popen[bytes], patience: Patience) -> None:
    """End a child process and reap it."""
    _end(lambda: child.poll() is None, child.send_signal, patience)


def end_orphan(pid: int, marker: str, patience: Patience) -> None:
    """End a process that an earlier supervisor left behind, only if `marker` is an argument of its command line."""

    def send(number: signal.Signals) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    _end(lambda: recognised(pid, marker), send, patience)


def _end(alive: Callable[[], bool], send: Callable[[signal.Signals], None], patience: Patience) -> None:
    for number, seconds in patience:
        if not alive():
            return
        send(number)
        if wait_until(lambda: not alive(), seconds):
            return


def recognised(pid: int, marker: str) -> bool:
    """Whether the process is alive and one of its arguments is `marker`. The system reuses pids, but not our paths."""
    return marker in _command_line(pid)


def _command_line(pid: int) -> list[str]:
    proc = Path("/proc/self")
    if proc.exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return []
    return _listed_command_line(pid)


def _listed_command_line(pid: int) -> list[str]:
    """Uses `ps`, for systems without /proc. Without -ww it truncates lines to 80 columns, and with them our paths."""
    listing = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607
    return listing.stdout.split()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds. Returns False if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
