"""The Dockerfile's stages without Docker: its own commands run in directories of the test."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil
import pytest

from app.demo.embedded import start_servers
from app.demo.node import find_node
from app.http.dashboard import DIST
from tests.waiting import START_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def stage(name: str) -> str:
    """The text of one stage, one line per instruction."""
    text = next(part for part in DOCKERFILE.split("\nFROM ") if part.partition("\n")[0].endswith(name))
    return text.replace("\\\n", " ")


def is_sent(path: str, rules: str) -> bool:
    """Whether .dockerignore includes a path: the last rule that matches it or a parent directory decides."""
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    sent = True
    for rule in rules.splitlines():
        if rule and not rule.startswith("#"):
            pattern = re.escape(rule.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            if any(re.fullmatch(pattern, one) for one in above):
                sent = rule.startswith("!")
    return sent


def send_context(place: Path) -> Path:
    """Copy the build context that Docker would get."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    # No other directory has an included file, so virtual environments and the like are not searched.
    tops = {rule[1:].partition("/")[0] for rule in rules.splitlines() if rule.startswith("!")}
    for top in tops:
        for directory, below, files in os.walk(ROOT / top):
            at = Path(directory).relative_to(ROOT)
            below[:] = [name for name in below if is_sent(f"{at.as_posix()}/{name}", rules)]
            for name in files:
                if is_sent(f"{at.as_posix()}/{name}", rules):
                    copy(ROOT / at / name, place / at / name)
        if (ROOT / top).is_file():
            copy(ROOT / top, place / top)
    return place


def build(name: str, root: Path, environment: Mapping[str, str]) -> None:
    """Run a stage's COPY and RUN instructions in order, with `root` in place of /."""
    context, workdir = send_context(root / "context"), root
    here = {f"/{top}": str(root / top) for top in ("build-venv", "build", "venv", "dist")}

    def moved(text: str) -> str:
        # Only where a word starts with one of the paths, not within a longer path.
        return re.sub(r"(?<![\w./-])/(?:build-venv|build|venv|dist)\b", lambda found: here[found[0]], text)

    for line in stage(name).splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "WORKDIR":
            workdir = Path(moved(rest))
            workdir.mkdir(parents=True)
        elif instruction == "COPY":
            *sources, target = moved(rest).split()
            for source in sources:
                copy(context / source, workdir / target / ("" if (context / source).is_dir() else Path(source).name))
        elif instruction == "RUN":
            # Without mounted secrets: pip and npm use this machine's configuration.
            command = moved(re.sub(r"--mount=\S+", "", rest)).strip()
            done = subprocess.run(
                ["sh", "-ec", command], cwd=workdir, env=environment, capture_output=True, text=True, check=False, timeout=600
            )
            assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_the_build_context_follows_the_ignore_file(tmp_path: Path) -> None:
    rules = "# all\n*\n!app\n!requirements/*.txt\napp/dist\n**/__pycache__\n"
    assert [path for path in ("app", "app/a.py", "app/db/b.py", "requirements/c.txt") if not is_sent(path, rules)] == []
    assert [
        path for path in (".env", "app/dist/x", "app/db/__pycache__/b.pyc", "requirements/uv.py", "x/app") if is_sent(path, rules)
    ] == []
    context = send_context(tmp_path)
    assert {path.name for path in context.iterdir()} == {
        "app", "migrations", "requirements", "pyproject.toml", "LICENSE", "README.md", "schema.graphql", "frontend-demo",
    }  # fmt: skip
    assert (context / "frontend-demo/.npmrc").exists()
    assert not (context / "frontend-demo/node_modules").exists()
    assert not (context / "requirements/check.py").exists()


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_the_pages_stage_builds_the_pages_from_the_lock_file(tmp_path: Path) -> None:
    node, tools = find_node(), tmp_path / "tools"
    tools.mkdir()
    # As in the image, node and npm are on the path.
    for name, called in {"node": (node.executable,), "npm": node.npm}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {shlex.join(map(str, called))} "$@"\n', encoding="utf-8")
        (tools / name).chmod(0o755)
    build("AS pages", tmp_path, {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"})
    (built,) = re.findall(r"^COPY --from=pages (\S+) \S+$", DOCKERFILE, re.MULTILINE)
    pages = tmp_path / built.removeprefix("/")
    for page in ("index.html", "graphiql/index.html"):
        text = (pages / page).read_text(encoding="utf-8")
        named = re.findall(r'(?:src|href)="/?([^":]+\.(?:js|css))"', text)
        assert named
        assert [name for name in named if not (pages / name).exists()] == []


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_the_build_stage_makes_an_environment_that_serves_the_api_and_has_no_pip(
    home: Path, free_port: int, tmp_path: Path
) -> None:
    venv, tools = tmp_path / "venv", tmp_path / "tools"
    tools.mkdir()
    # The name of Python in the image.
    (tools / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    (tools / "python").chmod(0o755)
    build("AS build", tmp_path, {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"})
    assert not (venv / "bin" / "pip").exists()
    assert not list(venv.glob("lib/python*/site-packages/pytest"))
    entry = re.findall(r'^ENTRYPOINT \["(\w+)"\]$', DOCKERFILE, re.MULTILINE) + re.findall(
        r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE
    )
    assert entry == ["paycore", "serve"]
    # As in the image: production, outside the source tree, with the built pages.
    environment = {
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "PAYCORE_PORT": str(free_port),
        "PAYCORE_ENVIRONMENT": "production",
        "PAYCORE_JWT_SECRET": "a-secret-of-production-with-32-bytes!",
        "PAYCORE_DASHBOARD_DIR": str(DIST),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # Production refuses a server without fsync, which the other tests use.
    with start_servers(home) as servers:
        environment |= {"PAYCORE_DATABASE_URL": servers.database_url, "PAYCORE_REDIS_URL": servers.redis_url}
        migrated = subprocess.run(
            [venv / "bin" / "paycore", "migrate"],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert migrated.returncode == 0, migrated.stderr
        process = psutil.Popen([str(venv / "bin" / entry[0]), entry[1]], env=environment, cwd=tmp_path)
        try:
            assert wait_until(lambda: answers(f"http://127.0.0.1:{free_port}/readyz"), seconds=START_SECONDS)
            health = re.search(r'CMD \["python", "-c", "(.*)"\]$', DOCKERFILE, re.MULTILINE)
            assert health is not None
            probe = [str(venv / "bin" / "python"), "-c", health[1]]
            assert subprocess.run(probe, env=environment, check=False, timeout=10).returncode == 0
        finally:
            process.terminate()
            # Uvicorn stops gracefully and then ends by the signal.
            assert process.wait(30) in (0, -15)
        assert subprocess.run(probe, env=environment, check=False, timeout=10, stderr=subprocess.DEVNULL).returncode != 0


def copy(source: Path, place: Path) -> None:
    """Copy a file or the contents of a directory, as COPY does."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, dirs_exist_ok=True)
    else:
        shutil.copy(source, place)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False
