"""Builds the dashboard's pages while `paycore dev` runs. `python -m app.demo.dashboard_build` checks and builds them."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from app.demo.node import Node, NodeError, find_node
from app.http.dashboard import BUILDING, DIST, FRONTEND

_BUILT_FROM = ".built-from"
_SOURCES = ("src", "graphiql", "index.html", "package-lock.json", "vite.config.ts")


def build(node: Node, say: Callable[[str], None] = lambda _: None) -> None:
    """Build dist/ unless it is up to date with its sources. Raises NodeError."""
    digest = _digest()
    built_from = DIST / _BUILT_FROM
    if built_from.exists() and built_from.read_text(encoding="utf-8") == digest:
        return
    say("Installing the tools and libraries of the pages.")
    node.install()
    say("Building the pages.")
    # Built in another directory and then renamed, so that requests always get complete pages, old or new.
    fresh, old = DIST.with_name("dist.new"), DIST.with_name("dist.old")
    node.run("vite/bin/vite.js", "build", "--outDir", fresh, "--emptyOutDir", "--logLevel", "warn")
    (fresh / _BUILT_FROM).write_text(digest, encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if DIST.exists():
        DIST.rename(old)
    fresh.rename(DIST)
    shutil.rmtree(old, ignore_errors=True)


def _digest() -> str:
    digest = hashlib.sha256()
    for source in _SOURCES:
        path = FRONTEND / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.relative_to(FRONTEND)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


class BackgroundBuild:
    """Builds in a thread. Writes its progress or failure to the file `note`, which the API shows."""

    def __init__(self, note: Path, say: Callable[[str], None]) -> None:
        self._note = note
        self._say = say
        self._node: Node | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="pages", daemon=True)

    def start(self) -> None:
        self._note.write_text(BUILDING, encoding="utf-8")
        self._thread.start()

    def stop(self) -> None:
        """Stop the build and its processes."""
        self._is_over = True
        if self._node is not None:
            self._node.stop()
        self._thread.join(5)
        self._note.unlink(missing_ok=True)

    def _run(self) -> None:
        try:
            self._node = find_node()
            build(self._node, self._say)
        except (NodeError, OSError) as error:
            if not self._is_over:
                self._note.write_text(str(error), encoding="utf-8")
                self._say(f"The pages could not be built; the API works without them. {error}")
        else:
            self._note.unlink(missing_ok=True)
            if not self._is_over:
                self._say("The pages are ready.")


def _check() -> int:
    try:
        node = find_node()
        node.install()
        sys.stdout.write(node.run_npm("run", "--silent", "check"))
        # `check` also builds dist/ from these sources, so the next `paycore dev` need not.
        (DIST / _BUILT_FROM).write_text(_digest(), encoding="utf-8")
    except NodeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_check())
