"""What can be told of the image without Docker; tests/processes/test_image_steps.py runs its steps."""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from pathlib import Path

from app.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"
FINAL_STAGE = TEXT.rpartition("\nFROM ")[2]


def lint(text: str) -> str:
    return subprocess.run([HADOLINT, "--no-color", "-"], input=text, capture_output=True, text=True, check=False).stdout


def test_hadolint_and_its_shellcheck_find_nothing():
    assert lint(TEXT) == ""
    assert "DL3006" in lint("FROM debian\n")
    assert "SC2086" in lint("FROM debian:13\nRUN ls $HOME/x\n")


def test_it_installs_what_the_locks_name_and_nothing_else():
    for install in re.findall(r"pip (?:install|wheel) .*", TEXT):
        assert "--require-hashes" in install or "--no-index" in install
    assert re.findall(r"npm \S+", TEXT.replace("npm's", "")) == ["npm ci", "npm run"]


def test_it_runs_without_privileges_and_writes_only_to_tmp():
    assert re.search(r"^USER 10001:10001$", FINAL_STAGE, re.MULTILINE)
    assert re.search(r"^WORKDIR /tmp$", FINAL_STAGE, re.MULTILINE)
    assert "--chown" not in FINAL_STAGE


def test_base_images_have_an_exact_version():
    images = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", TEXT, re.MULTILINE))
    assert set(re.findall(r"^FROM (?:--platform=\S+ )?\$\{(\w+)\}", TEXT, re.MULTILINE)) == set(images)
    for image in images.values():
        assert re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-[a-z-]+", image)


def test_its_settings_exist_and_its_health_check_is_a_command_not_a_shell_line():
    named = set(re.findall(r"\b(PAYCORE_[A-Z_]+)", FINAL_STAGE))
    assert named <= {f"PAYCORE_{name.upper()}" for name in Settings.model_fields}
    assert json.loads(FINAL_STAGE.partition("HEALTHCHECK")[2].partition("CMD ")[2].partition("\n")[0])[0] == "python"


def test_it_is_built_from_files_that_are_let_through_and_no_secret_is():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", TEXT, re.MULTILINE)
    for name in " ".join(copied).split():
        assert any(Path(name).match(pattern) or Path(name).is_relative_to(pattern) for pattern in allowed), name
        assert (ROOT / name).exists(), name
    assert not any(Path(".env").match(pattern) for pattern in allowed)
