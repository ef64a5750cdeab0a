"""What can be told of the image and of compose.yaml without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SECRETS = ["PAYCORE_JWT_SECRET", "POSTGRES_PASSWORD", "REDIS_PASSWORD"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("secret", SECRETS)
def test_every_use_of_a_secret_demands_it_and_none_has_a_default(secret):
    uses = re.findall(rf"\$\{{?{secret}[^}}]*\}}?", (ROOT / "compose.yaml").read_text())
    assert uses
    assert [use for use in uses if not use.startswith(f"${{{secret}:?")] == []


@pytest.mark.parametrize("service", ["api", "relay", "migrate"])
def test_our_services_run_as_production_without_privileges(compose, service):
    told = compose["services"][service]
    assert told["environment"]["PAYCORE_ENVIRONMENT"] == "production"
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("service", ["api", "relay"])
def test_nothing_serves_before_the_migrations_are_done_and_redis_answers(compose, service):
    assert compose["services"][service]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "redis": {"condition": "service_healthy"},
    }


def test_only_the_api_is_published_and_only_on_this_machine(compose):
    published = {name: told["ports"] for name, told in compose["services"].items() if "ports" in told}
    assert published == {"api": ["127.0.0.1:${PAYCORE_PORT:-8000}:8000"]}


def test_the_image_installs_hashed_requirements_and_does_not_run_as_root():
    text = (ROOT / "Dockerfile").read_text()
    for install in re.findall(r"pip install .*", text):
        assert "--require-hashes" in install or "--no-index" in install
    final_stage = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", final_stage, re.MULTILINE)


def test_the_image_is_built_from_files_that_are_let_through():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert any(Path(name).match(pattern) for pattern in allowed), name
        assert (ROOT / name).exists(), name
