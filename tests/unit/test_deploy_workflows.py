"""The pipeline's files: valid, with few permissions, and running what this repository has."""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
ZIZMOR = Path(sysconfig.get_path("scripts")) / "zizmor"
PUBLISHERS = {"actions", "docker", "anchore"}


def load(file: Path) -> dict[Any, Any]:
    loaded = yaml.safe_load(file.read_text())
    assert isinstance(loaded, dict)
    return loaded


def jobs() -> list[Any]:
    """Those with steps of their own; another runs a whole workflow."""
    return [
        pytest.param(job, id=f"{file.stem}-{name}")
        for file in WORKFLOWS
        for name, job in load(file)["jobs"].items()
        if "uses" not in job
    ]


@pytest.mark.parametrize(
    ("file", "schema"),
    [*((file, "github-workflows") for file in WORKFLOWS), (ROOT / ".github/dependabot.yml", "dependabot")],
    ids=lambda given: getattr(given, "stem", given),
)
def test_it_is_what_github_documents(file, schema):
    rules = json.loads((resources.files("check_jsonschema") / f"builtin_schemas/vendor/{schema}.json").read_text())
    # "on" without quotes is true to YAML 1.1.
    told = {"on" if key is True else key: value for key, value in load(file).items()}
    assert [error.message for error in jsonschema.Draft7Validator(rules).iter_errors(told)] == []


def zizmor(*paths: Path | str) -> subprocess.CompletedProcess[str]:
    command = [ZIZMOR, "--offline", "--no-progress", "--color=never", *paths]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_zizmor_finds_no_way_to_attack_the_pipeline(tmp_path):
    found = zizmor(".github")
    assert found.returncode == 0, found.stdout
    (tmp_path / "bad.yaml").write_text(
        "on: issues\njobs: {a: {runs-on: ubuntu-24.04, steps: [{run: 'echo ${{ github.event.issue.title }}'}]}}\n"
    )
    assert "template-injection" in zizmor(tmp_path / "bad.yaml").stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_nothing_is_permitted_that_no_job_asks_for_and_runs_do_not_pile_up(file):
    told = load(file)
    assert told["permissions"] in ({}, {"contents": "read"})
    assert told["concurrency"]["group"]


@pytest.mark.parametrize("job", jobs())
def test_a_job_ends_runs_on_a_named_system_and_takes_actions_of_known_publishers_at_a_version(job):
    assert job["timeout-minutes"] <= 60
    assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"])
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(rf"({'|'.join(PUBLISHERS)})/[a-z-]+@v\d+(\.\d+)*", step["uses"]), step["uses"]
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("job", jobs())
def test_shell_steps_are_shell_and_the_files_that_they_name_exist(job):
    for step in job["steps"]:
        if "run" in step:
            script = re.sub(r"\$\{\{.*?\}\}", "x", step["run"])
            assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0, script
            for path in re.findall(r"(?<![\w/.-])(?:\.ci|requirements|deploy|tests|app)/[\w./-]+", script):
                assert (ROOT / path).exists(), path


def test_every_python_runs_what_ci_runs_and_every_database_and_redis_is_tried():
    told = load(ROOT / ".github/workflows/ci.yaml")["jobs"]
    assert told["run"]["strategy"]["matrix"] == {"python": ["3.11", "3.12", "3.13", "3.14"]}
    assert ".ci/run" in [step.get("run") for step in told["run"]["steps"]]
    assert told["servers"]["strategy"]["matrix"]["postgres"] == ["15", "16", "17", "18"]
    assert {image.partition(":")[0] for image in told["servers"]["strategy"]["matrix"]["redis"]} == {"redis", "valkey/valkey"}
    read = (ROOT / "tests/servers.py").read_text()
    for name in told["servers"]["env"]:
        assert f'"{name}"' in read


def test_a_release_waits_for_all_that_main_runs_and_for_an_image_that_was_scanned():
    told = load(ROOT / ".github/workflows/release.yaml")["jobs"]
    called = {name for name, job in told.items() if job.get("uses") == "$/.github/workflows/ci.yaml"}
    assert called == {"ci"}
    # What may write to anything but itself is what releases.
    releasing = {name for name, job in told.items() if "write" in job["permissions"].values()}
    assert releasing == {"image", "wheel"}
    assert all({"version", "ci"} <= set(told[name]["needs"]) for name in releasing)
    assert "image" in told["wheel"]["needs"]

    *before, push = [step["with"] for step in told["image"]["steps"] if re.match("(docker/build|anchore/)", step["uses"])]
    assert push["push"] is True
    assert not any(step.get("push") for step in before)
    builds = [step for step in before if "tags" in step]
    assert ",".join(step["platforms"] for step in builds) == push["platforms"]
    assert [(step["tags"], step["build-args"]) for step in builds] == [
        (step["image"], push["build-args"]) for step in before if "image" in step
    ]
    assert all(step["fail-build"] for step in before if "image" in step)
