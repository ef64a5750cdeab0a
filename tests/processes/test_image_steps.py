"""The steps of the image, without Docker: the Dockerfile's own commands in directories of this test, and what comes of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from app.dashboard_build import DIST
from app.embedded.processes import wait_until
from app.settings import Settings
from tests.processes.test_cli import servers_of

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def stage(name: str) -> str:
    """The text of one stage."""
    return next(part for part in DOCKERFILE.split("\nFROM ") if part.partition("\n")[0].endswith(name))


def runs(text: str) -> list[str]:
    """What RUN runs, without the secrets that are mounted for it."""
    joined = text.replace("\\\n", " ")
    return [
        re.sub(r"--mount=\S+", "", line.removeprefix("RUN ")).strip() for line in joined.splitlines() if line.startswith("RUN ")
    ]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_build_stage_makes_an_environment_that_serves_the_api_and_holds_no_pip(
    settings: Settings, free_port: int, tmp_path: Path
) -> None:
    build, venv = tmp_path / "build", tmp_path / "venv"
    for sources, target in re.findall(r"^COPY (?!--)(.*) (\S+)$", stage("AS build"), re.MULTILINE):
        for source in sources.split():
            place = build / target / (Path(source).name if target.endswith("/") or target == "./" else "")
            copy(ROOT / source, place)
    places = {"/build-venv": tmp_path / "build-venv", "/venv": venv, "/dist": tmp_path / "dist"}
    for command in runs(stage("AS build")):
        moved = re.sub(r"/(?:build-venv|venv|dist)\b", lambda found: str(places[found[0]]), command)
        moved = re.sub(r"\bpython -m venv", f"{sys.executable} -m venv", moved)
        done = subprocess.run(["sh", "-ec", moved], cwd=build, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{moved}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert not (venv / "bin" / "pip").exists()
    assert not list(venv.glob("lib/python*/site-packages/pytest"))
    environment = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", **servers_of(settings), "PAYCORE_PORT": str(free_port)}
    entry = re.findall(r'^ENTRYPOINT \["(\w+)"\]$', DOCKERFILE, re.MULTILINE) + re.findall(
        r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE
    )
    assert entry == ["paycore", "serve"]
    # As the image: production, from elsewhere than the source, with the pages that were built.
    environment |= {
        "PAYCORE_ENVIRONMENT": "production",
        "PAYCORE_JWT_SECRET": "a-secret-of-production-with-32-bytes!",
        "PAYCORE_DASHBOARD_DIR": str(DIST),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
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
        assert wait_until(lambda: answers(f"http://127.0.0.1:{free_port}/readyz"), seconds=30)
        health = re.search(r'CMD \["python", "-c", "(.*)"\]$', DOCKERFILE, re.MULTILINE)
        assert health is not None
        asked = [str(venv / "bin" / "python"), "-c", health[1]]
        assert subprocess.run(asked, env=environment, check=False, timeout=10).returncode == 0
    finally:
        process.terminate()
        # Gracefully, and then by the signal, as uvicorn does it.
        assert process.wait(30) in (0, -15)
    assert subprocess.run(asked, env=environment, check=False, timeout=10, stderr=subprocess.DEVNULL).returncode != 0


def copy(source: Path, place: Path) -> None:
    """A file or a directory, as COPY does."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, place)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False
