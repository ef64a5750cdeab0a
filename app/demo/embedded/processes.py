"""Server processes: started apart from the terminal, recognised before they are signalled, ended for certain."""

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
"""Signals in the order in which they are tried, each with the seconds that it is given."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a server runs as. `prefix` is a command that goes before the server's own."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def run(self, command: Sequence[str | Path], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as this account, and return its output."""
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
    """Start a server in a session of its own, so that Ctrl-C in the terminal reaches its supervisor alone.

    Where the system can do it, the server gets the signal `end_with_us` if this process dies without a word.
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
    """What goes before a command so that it gets the signal when this process dies; nothing where that cannot be had."""
    # Linux sends this signal when the *thread* that started the child ends, so it is sound from the main thread only.
    # Without it nothing is lost: the next start finds what was left behind.
    setpriv = shutil.which("setpriv")
    if sys.platform != "linux" or setpriv is None or threading.current_thread() is not threading.main_thread():
        return []
    return [setpriv, "--pdeathsig", number.name.removeprefix("SIG")]


def end_with_supervisor() -> None:
    """Send this process SIGTERM once its standard input ends: a pipe that its supervisor holds open, as long as it lives.

    Unlike a parent's death signal it works on every system, and whichever thread of the supervisor started this one.
    """

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()


def _environment() -> dict[str, str]:
    """Nothing of ours: no secrets, no PGPORT that would change what a server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def end_child(child: subprocess.Popen[bytes], patience: Patience) -> None:
    """End a child of ours and collect it."""
    _end(lambda: child.poll() is None, child.send_signal, patience)


def end_orphan(pid: int, marker: str, patience: Patience) -> None:
    """End a process that an earlier supervisor left behind; only while its command line has `marker` in it."""

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
    """Whether the process is alive and one of its arguments is `marker`: pids are used again, paths of ours are not."""
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
    """By `ps`, where there is no /proc. Without -ww it cuts lines to 80 columns, and our paths with them."""
    listing = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607
    return listing.stdout.split()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds; False when it did not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
