"""What can be told of compose.yaml without Docker."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app.processes import serving
from app.processes.worker import WORKER_ENDS_WITHIN_SECONDS
from app.settings import Settings

ROOT = Path(__file__).parents[2]
OURS = ["api", "relay", "worker", "migrate", "tool"]
IDENTITY = {"PAYCORE_JWT_SECRET", "PAYCORE_JWKS_URL", "PAYCORE_JWT_ISSUER", "PAYCORE_JWT_AUDIENCE"}
SECRETS = ["POSTGRES_PASSWORD", "PAYCORE_SERVICE_PASSWORD", "REDIS_PASSWORD"]
TEXT = (ROOT / "compose.yaml").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(TEXT)
    assert isinstance(loaded, dict)
    return loaded


def test_it_is_what_the_compose_specification_allows(compose):
    schema = json.loads((resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    assert [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(compose)] == []
    spoiled = {**compose, "services": {**compose["services"], "api": {**compose["services"]["api"], "command": 5}}}
    assert [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(spoiled)] != []


@pytest.mark.parametrize("secret", SECRETS)
def test_every_use_of_a_secret_demands_it_and_none_has_a_default(secret):
    uses = re.findall(rf"\$\{{{secret}[^}}]*\}}", TEXT)
    assert uses
    assert [use for use in uses if not use.startswith(f"${{{secret}:?")] == []


@pytest.mark.parametrize("service", OURS)
def test_a_secret_or_an_identity_provider_is_for_what_reads_tokens_and_neither_has_a_default(compose, service):
    told = compose["services"][service]["environment"]
    wanted = IDENTITY if service in ("api", "tool") else set()
    assert {name: told[name] for name in IDENTITY & told.keys()} == {name: f"${{{name}-}}" for name in wanted}


def test_grafana_does_not_start_without_a_password(compose):
    grafana = compose["services"]["grafana"]
    assert grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == "${GRAFANA_PASSWORD-}"
    assert 'test -n "$$GF_SECURITY_ADMIN_PASSWORD" ||' in grafana["entrypoint"][2]


@pytest.mark.parametrize("service", OURS)
def test_our_services_run_as_production_without_privileges(compose, service):
    told = compose["services"][service]
    assert told["environment"]["PAYCORE_ENVIRONMENT"] == "production"
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert set(told["environment"]) <= {f"PAYCORE_{name.upper()}" for name in Settings.model_fields}


def test_only_the_migrate_job_works_as_the_owner_of_the_tables(compose):
    users = {name: re.findall("//([a-z_]+):", compose["services"][name]["environment"]["PAYCORE_DATABASE_URL"]) for name in OURS}
    assert users == {"migrate": ["paycore"], **{name: ["paycore_service"] for name in ("api", "relay", "worker", "tool")}}


@pytest.mark.parametrize("service", ["api", "relay", "worker", "tool"])
def test_nothing_serves_before_the_migrations_are_done_and_redis_answers(compose, service):
    assert compose["services"][service]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "redis": {"condition": "service_healthy"},
    }


def test_the_api_has_several_workers_and_the_relay_a_standby_that_is_asked_on_its_own_port(compose):
    relay = compose["services"]["relay"]
    assert relay["deploy"]["replicas"] == 2
    assert f":{relay['environment']['PAYCORE_RELAY_PORT']}/healthz" in relay["healthcheck"]["test"][-1]
    workers = re.fullmatch(r"\$\{PAYCORE_WORKERS:-(\d+)\}", compose["services"]["api"]["environment"]["PAYCORE_WORKERS"])
    assert workers is not None
    assert int(workers[1]) > 1


def test_docker_waits_longer_than_answers_under_way_are_given(compose):
    for service in OURS:
        assert int(compose["services"][service]["stop_grace_period"].removesuffix("s")) > serving.ends_within(Settings())


def test_only_what_people_look_at_is_published_and_only_on_this_machine(compose):
    published = {name: told["ports"] for name, told in compose["services"].items() if "ports" in told}
    assert published == {
        "api": ["127.0.0.1:${PAYCORE_PORT:-8000}:8000"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
        "jaeger": ["127.0.0.1:${JAEGER_PORT:-16686}:16686"],
    }


def test_files_that_are_mounted_exist_and_images_have_a_version(compose):
    for name, told in compose["services"].items():
        for volume in told.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), (name, source)
        if name not in OURS:
            assert re.search(r":v?\d+\.\d+", told["image"]), (name, told["image"])


def test_prometheus_asks_the_ports_that_answer(compose):
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())["scrape_configs"]
    asked = {found["names"][0]: found["port"] for job in jobs for found in job["dns_sd_configs"]}
    services = compose["services"]
    assert asked == {
        "api": 8000,
        "relay": int(services["relay"]["environment"]["PAYCORE_RELAY_PORT"]),
        "worker": int(services["worker"]["environment"]["PAYCORE_WORKER_PORT"]),
    }


def test_the_worker_is_asked_on_its_own_port_and_stops_in_its_own_time(compose):
    worker = compose["services"]["worker"]
    assert f":{worker['environment']['PAYCORE_WORKER_PORT']}/healthz" in worker["healthcheck"]["test"][-1]
    assert int(worker["stop_grace_period"].removesuffix("s")) > WORKER_ENDS_WITHIN_SECONDS


def test_the_keys_of_webhooks_are_for_what_seals_and_opens_and_have_no_default(compose):
    given = {name: told["environment"].get("PAYCORE_WEBHOOK_KEYS") for name, told in compose["services"].items() if name in OURS}
    assert {name for name, value in given.items() if value == "${PAYCORE_WEBHOOK_KEYS-}"} == {"api", "worker"}
    assert {value for name, value in given.items() if name not in ("api", "worker")} == {None}


def test_the_key_of_the_log_is_for_the_relay_alone_and_has_no_default(compose):
    given = {name: told["environment"].get("PAYCORE_LOG_KEY") for name, told in compose["services"].items() if name in OURS}
    assert {name: value for name, value in given.items() if value is not None} == {"relay": "${PAYCORE_LOG_KEY-}"}


def test_the_newest_checkpoint_is_kept_in_a_volume_that_only_the_relays_have(compose):
    setting = "PAYCORE_LOG_CHECKPOINT_FILE"
    given = {name: told["environment"].get(setting) for name, told in compose["services"].items() if name in OURS}
    assert {name for name, value in given.items() if value is not None} == {"relay"}
    default = re.fullmatch(rf"\$\{{{setting}:-(.+)}}", given["relay"])
    assert default is not None
    directory = Path(default[1]).parent
    used = {
        (name, *volume.split(":")[:2])
        for name, told in compose["services"].items()
        for volume in told.get("volumes", [])
        if volume.split(":")[0] == "log-checkpoint" or volume.split(":")[1] == str(directory)
    }
    assert used == {("relay", "log-checkpoint", str(directory))}
    assert "log-checkpoint" in compose["volumes"]
    # A new volume takes owner and mode of the directory in the image.
    made = re.search(r"install --directory --owner=(\d+) --group=\d+ --mode=0750 (\S+)", (ROOT / "Dockerfile").read_text())
    assert made is not None
    assert made.groups() == ("10001", str(directory))


def test_the_keys_of_links_are_for_the_api_alone_and_have_no_default(compose):
    setting = "PAYCORE_STATEMENT_LINK_KEYS"
    given = {name: told["environment"].get(setting) for name, told in compose["services"].items() if name in OURS}
    assert {name: value for name, value in given.items() if value is not None} == {"api": f"${{{setting}-}}"}
