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
import typer
import yaml

from app import cli
from app.processes import serving
from app.services.receipts import notes
from app.settings import DatabaseSettings, RelaySettings, Settings, WorkerSettings

ROOT = Path(__file__).parents[2]
BASE, OVERLAYS = ROOT / "deploy/kubernetes/base", ROOT / "deploy/kubernetes/overlays"
COMMON, JWT_SECRET, IDENTITY_PROVIDER = (OVERLAYS / name for name in ("common", "jwt-secret", "identity-provider"))
TO_APPLY = [JWT_SECRET, IDENTITY_PROVIDER]
VERSIONS = ["1.33", "1.37"]
WORKLOADS = ["paycore-api", "paycore-relay", "paycore-worker", "paycore-migrate", "paycore-verify"]


def manifests(directory: Path) -> list[dict[str, Any]]:
    files = [file for file in sorted(directory.glob("*.yaml")) if file.name != "kustomization.yaml"]
    return [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]


def settings(*directories: Path) -> dict[str, str]:
    """What the generated ConfigMap has: later directories over earlier ones."""
    lines = [line for directory in directories for line in (directory / "settings.env").read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


ALL = [*manifests(BASE), *manifests(COMMON)]
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


def one(kind: str, name: str, among: list[dict[str, Any]] = ALL) -> dict[str, Any]:
    found = [manifest for manifest in among if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1
    return found[0]


def pod(name: str, among: list[dict[str, Any]] = ALL) -> dict[str, Any]:
    (manifest,) = [
        found for found in among if found["metadata"]["name"] == name and found["kind"] in ("Deployment", "Job", "CronJob")
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


@pytest.mark.parametrize("directory", [BASE, COMMON, *TO_APPLY], ids=lambda directory: directory.name)
def test_kustomize_takes_every_file_that_is_there(directory):
    told = yaml.safe_load((directory / "kustomization.yaml").read_text())
    patches = [patch["path"] for patch in told.get("patches", []) if "path" in patch]
    named = {(directory / name).resolve() for name in [*told["resources"], *patches]}
    assert {file for file in directory.glob("*.yaml") if file.name != "kustomization.yaml"} <= named
    assert all(path.exists() for path in named)


def test_every_overlay_is_tested():
    assert {file.parent for file in OVERLAYS.glob("*/kustomization.yaml")} == {COMMON, *TO_APPLY}


@needs_kubectl
@pytest.mark.parametrize("overlay", TO_APPLY, ids=lambda overlay: overlay.name)
def test_what_kustomize_renders_is_valid_and_has_one_image(overlay):
    told = rendered(overlay)
    assert {problem(manifest, VERSIONS[-1]) for manifest in told} == {None}
    assert {manifest["metadata"].get("namespace", "paycore") for manifest in told} == {"paycore"}
    assert set(re.findall(r"'image': '([^']+)'", str(told))) == {"ghcr.io/example/paycore:0.1.0"}


@needs_kubectl
def test_a_changed_setting_is_a_changed_pod(tmp_path):
    def settings_of_pods(directory: Path) -> set[str]:
        told = rendered(directory)
        (made,) = [manifest for manifest in told if manifest["kind"] == "ConfigMap"]
        kubernetes = directory.parents[1]
        assert made["data"] == settings(kubernetes / "base", kubernetes / "overlays/common", directory)
        used = set(re.findall(r"'configMapRef': {'name': '([^']+)'}", str(told)))
        assert used == {made["metadata"]["name"]}
        return used

    copied = tmp_path / "kubernetes"
    shutil.copytree(BASE.parent, copied)
    overlay = copied / "overlays/identity-provider"
    before = settings_of_pods(overlay)
    for place, workers in ((copied / "overlays/common", 3), (overlay, 5)):
        with (place / "settings.env").open("a") as file:
            file.write(f"PAYCORE_WORKERS={workers}\n")
        assert settings_of_pods(overlay).isdisjoint(before)
        before |= settings_of_pods(overlay)


def test_each_base_and_overlay_makes_the_config_map_that_pods_take_their_settings_from():
    for directory in (BASE, COMMON, IDENTITY_PROVIDER):
        (made,) = yaml.safe_load((directory / "kustomization.yaml").read_text())["configMapGenerator"]
        assert (made["name"], made["envs"]) == ("paycore", ["settings.env"])
        assert "generatorOptions" not in yaml.safe_load((directory / "kustomization.yaml").read_text())
    for name in WORKLOADS:
        (container,) = pod(name)["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": "paycore"}}]


def test_the_overlay_says_whose_forwarded_addresses_are_believed():
    told = settings(COMMON)["PAYCORE_TRUSTED_PROXIES"]
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
def test_secrets_come_as_files_that_are_readable_to_the_process(name):
    told = pod(name)
    (volume,) = [volume for volume in told["volumes"] if volume["name"] == "secrets"]
    assert volume["secret"]["defaultMode"] == 0o440
    assert told["securityContext"]["fsGroup"] == told["securityContext"]["runAsGroup"]


# By overlay and pod: the secrets that its process reads, and its settings' kind.
SERVERS, DATABASE = {"database-url", "redis-url"}, {"database-url"}
API_KEYS = {"webhook-keys", "statement-link-keys"}
READS: dict[tuple[Path, str], tuple[set[str], type[Settings]]] = {
    (JWT_SECRET, "paycore-api"): ({*SERVERS, *API_KEYS, "jwt-secret"}, Settings),
    (IDENTITY_PROVIDER, "paycore-api"): ({*SERVERS, *API_KEYS}, Settings),
    **{(overlay, "paycore-worker"): ({*DATABASE, "webhook-keys"}, WorkerSettings) for overlay in TO_APPLY},
    **{(overlay, "paycore-relay"): ({*SERVERS, "log-key"}, RelaySettings) for overlay in TO_APPLY},
    **{(overlay, name): (DATABASE, DatabaseSettings) for overlay in TO_APPLY for name in ("paycore-migrate", "paycore-verify")},
}


@needs_kubectl
@pytest.mark.parametrize(("overlay", "name"), READS, ids=lambda given: getattr(given, "name", given))
def test_each_pod_is_given_the_secrets_that_its_command_reads_and_no_other(overlay, name, tmp_path, monkeypatch):
    told = rendered(overlay)
    wanted, kind = READS[overlay, name]
    process = pod(name, told)
    (volume,) = [volume for volume in process["volumes"] if volume["name"] == "secrets"]
    assert volume["secret"]["defaultMode"] == 0o440
    assert volume["secret"]["secretName"] == ("paycore-migrate" if name == "paycore-migrate" else "paycore")
    assert {item["path"] for item in volume["secret"]["items"]} == wanted
    for item in volume["secret"]["items"]:
        (tmp_path / item["path"]).write_text(VALUES[item["key"]])
    for key, value in environment(process, told).items():
        monkeypatch.setenv(key, value.replace("/etc/paycore", str(tmp_path)))

    read = read_by(process["containers"][0]["args"], monkeypatch)
    assert type(read) is kind
    assert read.environment == "production"
    assert read.database_url is not None
    assert read.database_url.get_secret_value() == VALUES["database-url"]
    assert read.uses_jwks is (overlay == IDENTITY_PROVIDER)


VALUES = {
    "database-url": "postgresql://u@192.0.2.1/p",
    "redis-url": "redis://192.0.2.2",
    "jwt-secret": "s" * 32,
    "webhook-keys": "w" * 32,
    "statement-link-keys": "l" * 32,
    "log-key": notes.new_signer("example.com/ledger").encode(),
}


def environment(process: dict[str, Any], told: list[dict[str, Any]]) -> dict[str, str]:
    """What the pod's container finds in its environment."""
    (made,) = [manifest for manifest in told if manifest["kind"] == "ConfigMap"]
    (container,) = process["containers"]
    return {**made["data"], **{entry["name"]: entry["value"] for entry in container.get("env", [])}}


def read_by(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings with which this command starts its work."""

    class Started(Exception):
        pass

    def start(settings: Settings, *_: Any) -> None:
        raise Started(settings)

    for place in (
        "processes.serving.serve",
        "processes.outbox_relay.run_relay",
        "processes.worker.run_worker",
        "db.migrate.upgrade",
        "services.verification.verify_and_record",
    ):
        monkeypatch.setattr(f"app.{place}", start)
    monkeypatch.setattr("app.cli.configure_logging", lambda _: None)
    with pytest.raises(Started) as started:
        typer.main.get_command(cli.app)(arguments, standalone_mode=False)
    settings = started.value.args[0]
    assert isinstance(settings, Settings)
    return settings


@needs_kubectl
def test_the_api_alone_may_reach_the_identity_provider():
    def reached(overlay: Path, name: str) -> set[tuple[str, int]]:
        told = rendered(overlay)
        pods = one("Deployment", name, told)["spec"]["template"]["metadata"]["labels"]
        return {
            (place["ipBlock"]["cidr"], port["port"])
            for policy in told
            if policy["kind"] == "NetworkPolicy" and policy["spec"]["podSelector"].get("matchLabels", {}).items() <= pods.items()
            for rule in policy["spec"].get("egress", [])
            for place in rule["to"]
            for port in rule["ports"]
            if "ipBlock" in place
        }

    servers = {("192.0.2.0/28", 5432), ("192.0.2.0/28", 6379)}
    assert reached(IDENTITY_PROVIDER, "paycore-api") == {*servers, ("203.0.113.0/28", 443)}
    assert reached(IDENTITY_PROVIDER, "paycore-relay") == servers
    assert reached(JWT_SECRET, "paycore-api") == servers


def test_there_is_no_secret_in_the_files_and_every_setting_exists():
    files = [*BASE.glob("*.yaml"), *OVERLAYS.glob("*/*.yaml")]
    assert [file for file in files for manifest in yaml.safe_load_all(file.read_text()) if manifest["kind"] == "Secret"] == []
    example = (COMMON / "secrets.env.example").read_text()
    assert re.findall(r"^[a-z-]+=(.+)$", example, re.MULTILINE) == []
    assert set(re.findall(r"^([a-z-]+)=$", example, re.MULTILINE)) == set(VALUES)
    named = set(settings(BASE, COMMON, IDENTITY_PROVIDER))
    containers = [*(pod(name) for name in WORKLOADS), *(pod("paycore-api", manifests(JWT_SECRET)),)]
    named |= {entry["name"] for told in containers for entry in told["containers"][0].get("env", [])}
    known = {f"PAYCORE_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in named if not known & {name, name.removesuffix("_FILE")}} == set()


def test_the_newest_checkpoint_is_on_a_volume_that_each_relay_can_write_on_each_node():
    used = {
        (name, volume["persistentVolumeClaim"]["claimName"], volume["name"])
        for name in WORKLOADS
        for volume in pod(name)["volumes"]
        if "persistentVolumeClaim" in volume
    }
    ((name, claim, volume),) = used
    assert name == "paycore-relay"
    # The relays stand on two nodes and share it; a volume of one node would keep the standby from starting.
    assert one("PersistentVolumeClaim", claim)["spec"]["accessModes"] == ["ReadWriteMany"]
    (container,) = pod(name)["containers"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == volume]
    assert not mount.get("readOnly")
    given = {entry["name"]: entry["value"] for entry in container["env"]}
    assert Path(given["PAYCORE_LOG_CHECKPOINT_FILE"]).parent == Path(mount["mountPath"])


@pytest.mark.parametrize("name", ["paycore-api", "paycore-relay", "paycore-worker"])
def test_probes_ask_the_port_that_the_process_listens_on(name):
    (container,) = pod(name)["containers"]
    (port,) = container["ports"]
    given = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    assert port["containerPort"] == int(
        given.get("PAYCORE_RELAY_PORT") or given.get("PAYCORE_WORKER_PORT", Settings.model_fields["port"].default)
    )
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
    for name in ("paycore-api", "paycore-relay", "paycore-worker"):
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
    assert namespaces("relay") == namespaces("worker") == {"monitoring"}
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
