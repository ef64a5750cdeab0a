"""The commands by which docs/howto/deploy.md brings a new release: in the order that loses nothing, and naming what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_deploy_kubernetes import ALL, WORKLOADS, one

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/deploy.md").read_text()
SECTION = PAGE.partition("\n## A new release, and the way back\n")[2].partition("\n## ")[0]
LABEL = "app.kubernetes.io/name"


def commands(text: str) -> list[list[str]]:
    """Each line of the shell blocks, in words."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [words for block in blocks for line in block.splitlines() if (words := shlex.split(line, comments=True))]


FORTH, _, BACK = SECTION.partition("\nThe way back is ")
STEPS = [words for words in commands(FORTH) if words[0] == "kubectl"]


def applied(words: list[str]) -> list[dict[str, Any]]:
    """The manifests of base and example that an `apply` takes."""
    if "--selector" not in words:
        return ALL
    selector = words[words.index("--selector") + 1]
    unwanted = re.fullmatch(rf"{LABEL} notin \((.+)\)", selector)

    def fits(manifest: dict[str, Any]) -> bool:
        name = manifest["metadata"].get("labels", {}).get(LABEL)
        return name not in unwanted[1].split(", ") if unwanted else f"{LABEL}={name}" == selector

    return [manifest for manifest in ALL if fits(manifest)]


def workloads(words: list[str]) -> list[str]:
    kinds = {"Deployment", "Job", "CronJob"}
    return [manifest["metadata"]["name"] for manifest in applied(words) if manifest["kind"] in kinds]


def test_first_the_database_then_the_relays_then_the_api_and_each_is_waited_for():
    told = [(words[1] if words[1] != "--namespace" else words[3], words) for words in STEPS]
    assert [verb for verb, _ in told] == ["delete", "apply", "wait", "apply", "rollout", "apply", "rollout"]
    _, everything_else, _, relays, relays_out, rest, api_out = (words for _, words in told)
    assert set(workloads(everything_else)) == {"paycore-migrate", "paycore-verify"}
    assert workloads(relays) == ["paycore-relay"]
    assert set(workloads(rest)) == set(WORKLOADS)
    assert [words[5] for words in (relays_out, api_out)] == ["deploy/paycore-relay", "deploy/paycore-api"]
    # What a job's pod needs comes with it. The ConfigMap and what else kustomize makes has no such label.
    assert {"Namespace", "ServiceAccount", "NetworkPolicy"} <= {manifest["kind"] for manifest in applied(everything_else)}


def test_the_job_that_cannot_be_changed_is_deleted_before_and_waited_for_after_and_goes_by_itself():
    delete, _, wait = STEPS[:3]
    assert delete[3:] == ["delete", "job", "paycore-migrate", "--ignore-not-found"]
    assert (wait[4], wait[-1]) == ("--for=condition=complete", "job/paycore-migrate")
    job = one("Job", "paycore-migrate")["spec"]
    assert job["ttlSecondsAfterFinished"] >= 3600, "its log can be read"


def test_the_way_back_is_the_other_way_round():
    assert [words[-1] for words in commands(BACK) if "undo" in words] == ["deploy/paycore-api", "deploy/paycore-relay"]


def test_with_compose_the_relays_come_first_and_what_they_wait_for_before_them():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    first, then = [words for words in commands(SECTION) if words[0] == "docker"]
    assert first == [*then, "relay"]
    assert "migrate" in compose["relay"]["depends_on"]
    assert "api" not in compose["relay"]["depends_on"]


def test_compose_has_a_line_for_cron_that_verifies_with_a_service_that_exists():
    (line,) = re.findall(r"^\d+ \d+ \* \* \* +(.*)$", PAGE, re.MULTILINE)
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    *_, service, command = shlex.split(line)
    assert (command, compose[service]["profiles"]) == ("verify", ["tool"])


@pytest.mark.parametrize("page", ["docs/howto/deploy.md", "docs/operations/runbook.md"])
def test_links_to_sections_of_these_two_pages_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for path, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", text):
        target = (ROOT / page).parent / path if path else ROOT / page
        headings = re.findall(r"^##+ (.+)$", target.read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}, anchor
