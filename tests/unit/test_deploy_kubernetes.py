"""The Kubernetes manifests: valid by Kubernetes' own schemas, without privileges, and in agreement with the service."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app import serving
from app.settings import Settings

ROOT = Path(__file__).parents[2]
BASE, EXAMPLE = ROOT / "deploy/kubernetes/base", ROOT / "deploy/kubernetes/overlays/example"
VERSIONS = ["1.33", "1.37"]
WORKLOADS = ["paycore-api", "paycore-relay", "paycore-migrate", "paycore-verify"]


def manifests(directory: Path) -> list[dict[str, Any]]:
    files = [file for file in sorted(directory.glob("*.yaml")) if file.name != "kustomization.yaml"]
    return [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]


def settings(*directories: Path) -> dict[str, str]:
    """What the generated ConfigMap has: later directories over earlier ones."""
    lines = [line for directory in directories for line in (directory / "settings.env").read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


ALL = [*manifests(BASE), *manifests(EXAMPLE)]
KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="needs kubectl for kustomize")


def rendered(directory: Path) -> list[dict[str, Any]]:
    """What kustomize makes of it. It reads files only, and is told of no cluster."""
    assert KUBECTL is not None
    command = [KUBECTL, "--kubeconfig=/dev/null", "kustomize", str(directory)]
    return list(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def problem(manifest: dict[str, Any], version: str) -> str | None:
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error.message)
    return None


def one(kind: str, name: str) -> dict[str, Any]:
    found = [manifest for manifest in ALL if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1
    return found[0]


def pod(name: str) -> dict[str, Any]:
    (manifest,) = [
        found for found in ALL if found["metadata"]["name"] == name and found["kind"] in ("Deployment", "Job", "CronJob")
    ]
    spec = manifest["spec"]["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else manifest["spec"]
    told: dict[str, Any] = spec["template"]["spec"]
    return told


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_and_knows_no_unknown_field(version):
    assert {problem(manifest, version) for manifest in ALL} == {None}
    broken = copy.deepcopy(one("Deployment", "paycore-api"))
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    assert problem(broken, version) is not None


@pytest.mark.parametrize("directory", [BASE, EXAMPLE])
def test_kustomize_takes_every_file_that_is_there(directory):
    told = yaml.safe_load((directory / "kustomization.yaml").read_text())
    named = {(directory / name).resolve() for name in told["resources"]}
    assert {file for file in directory.glob("*.yaml") if file.name != "kustomization.yaml"} <= named
    assert all(path.exists() for path in named)


@needs_kubectl
def test_what_kustomize_renders_is_valid_and_has_one_image():
    told = rendered(EXAMPLE)
    assert {problem(manifest, VERSIONS[-1]) for manifest in told} == {None}
    assert {manifest["metadata"].get("namespace", "paycore") for manifest in told} == {"paycore"}
    assert set(re.findall(r"'image': '([^']+)'", str(told))) == {"ghcr.io/example/paycore:0.1.0"}


@needs_kubectl
def test_a_changed_setting_is_a_changed_pod(tmp_path):
    def settings_of_pods(directory: Path) -> set[str]:
        told = rendered(directory)
        (made,) = [manifest for manifest in told if manifest["kind"] == "ConfigMap"]
        assert made["data"] == settings(directory.parents[1] / "base", directory)
        used = set(re.findall(r"'configMapRef': {'name': '([^']+)'}", str(told)))
        assert used == {made["metadata"]["name"]}
        return used

    copied = tmp_path / "kubernetes"
    shutil.copytree(BASE.parent, copied)
    before = settings_of_pods(copied / "overlays/example")
    with (copied / "overlays/example/settings.env").open("a") as file:
        file.write("PAYCORE_WORKERS=3\n")
    assert settings_of_pods(copied / "overlays/example") != before


def test_each_base_and_overlay_makes_the_config_map_that_pods_take_their_settings_from():
    for directory in (BASE, EXAMPLE):
        (made,) = yaml.safe_load((directory / "kustomization.yaml").read_text())["configMapGenerator"]
        assert (made["name"], made["envs"]) == ("paycore", ["settings.env"])
        assert "generatorOptions" not in yaml.safe_load((directory / "kustomization.yaml").read_text())
    for name in WORKLOADS:
        (container,) = pod(name)["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": "paycore"}}]


def test_the_overlay_says_whose_forwarded_addresses_are_believed():
    told = settings(EXAMPLE)["PAYCORE_TRUSTED_PROXIES"]
    # Never everybody's, and only an example: an address of documentation.
    assert ip_network(told) in [ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24"), ip_network("203.0.113.0/24")]


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_have_no_privileges_a_bounded_memory_and_a_read_only_root(name):
    told = pod(name)
    assert told["securityContext"]["runAsNonRoot"] is True
    assert told["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert told["automountServiceAccountToken"] is False
    for container in told["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"]["cpu"]
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_secrets_come_as_files_that_are_there_and_readable_to_the_process(name):
    told = pod(name)
    wanted = {value.rpartition("/")[2] for key, value in settings(BASE).items() if key.endswith("_FILE")}
    assert wanted == {"database-url", "redis-url", "jwt-secret"}
    (volume,) = [volume for volume in told["volumes"] if volume["name"] == "secrets"]
    given = volume.get("projected") or volume["secret"]
    assert given["defaultMode"] == 0o440
    assert told["securityContext"]["fsGroup"] == told["securityContext"]["runAsGroup"]
    if "projected" in volume:
        assert {item["path"] for source in given["sources"] for item in source["secret"]["items"]} == wanted


def test_there_is_no_secret_in_the_files_and_every_setting_exists():
    assert [manifest["kind"] for manifest in ALL if manifest["kind"] == "Secret"] == []
    example = (EXAMPLE / "secrets.env.example").read_text()
    assert re.findall(r"^[a-z-]+=(.+)$", example, re.MULTILINE) == []
    named = {key.removesuffix("_FILE") for key in settings(BASE, EXAMPLE)}
    named |= {entry["name"] for name in WORKLOADS for container in pod(name)["containers"] for entry in container.get("env", [])}
    assert named <= {f"PAYCORE_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("name", ["paycore-api", "paycore-relay"])
def test_probes_ask_the_port_that_the_process_listens_on(name):
    (container,) = pod(name)["containers"]
    (port,) = container["ports"]
    given = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    assert port["containerPort"] == int(given.get("PAYCORE_RELAY_PORT", Settings.model_fields["port"].default))
    asked = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz", "port": port["name"]},
        "liveness": {"path": "/healthz", "port": port["name"]},
        "readiness": {"path": "/readyz", "port": port["name"]},
    }


def test_kubernetes_waits_longer_than_a_draining_api_takes():
    told = pod("paycore-api")
    pause = told["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert told["terminationGracePeriodSeconds"] > pause + serving.ends_within(Settings())


def test_the_relay_has_a_standby_and_neither_goes_all_at_once():
    assert one("Deployment", "paycore-relay")["spec"]["replicas"] == 2
    assert one("Deployment", "paycore-api")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    for name in ("paycore-api", "paycore-relay"):
        budget, deployment = one("PodDisruptionBudget", name), one("Deployment", name)
        assert budget["spec"]["selector"] == deployment["spec"]["selector"]
        assert (
            deployment["spec"]["selector"]["matchLabels"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        )


def test_metrics_are_reached_from_the_monitoring_namespace_alone():
    def namespaces(policy: str) -> set[str]:
        (rule,) = one("NetworkPolicy", policy)["spec"]["ingress"]
        return {source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for source in rule["from"]}

    assert one("NetworkPolicy", "nothing-else")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert namespaces("relay") == {"monitoring"}
    # A policy cannot tell paths apart, so what the ingress routes is the other half.
    assert namespaces("api") == {"monitoring", "ingress"}
    (rule,) = one("Ingress", "paycore-api")["spec"]["rules"]
    routed = {(path["path"], path["pathType"]) for path in rule["http"]["paths"]}
    inside = ("/metrics", "/healthz", "/readyz")
    assert not [path for path, _ in routed if path == "/" or path in inside]


def test_prometheus_finds_the_pods_by_labels_and_ports_that_they_have():
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/kubernetes.yaml").read_text())["scrape_configs"]
    for job in jobs:
        name, port = job["relabel_configs"][0]["regex"].split(";")
        assert name == job["job_name"]
        assert pod(name)["containers"][0]["ports"][0]["name"] == port
        assert one("Deployment", name)["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == name
