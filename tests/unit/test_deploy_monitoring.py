"""Alerts, dashboard and runbook: they can be read, name what exists, and belong together."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY

from app.errors import CODES, RefusalCode
from app.services.fx_feed_rules import Reason
from app.services.fx_polling import Outcome
from app.services.settlement import Failure
from app.services.webhooks.delivering import Outcome as WebhookOutcome
from app.telemetry import metrics

ROOT = Path(__file__).parents[2]
RULES = [
    rule for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/paycore.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RUNBOOK = (ROOT / "docs/operations/runbook.md").read_text()
JOBS = {"paycore-api", "paycore-relay", "paycore-worker"}
PROMETHEUS_OWN = {"up": {"instance"}}
ADDED_BY_PROMETHEUS = {"job", "instance"}

VALUES: dict[str, dict[str, Collection[str]]] = {
    "paycore_refusals_total": {"code": {code.value for code in RefusalCode}},
    "paycore_request_errors_total": {"code": CODES},
    "paycore_transfers_unanswered_total": {"code": CODES},
    "paycore_fx_feed_refused_total": {"reason": {reason.value for reason in Reason}},
    "paycore_fx_feed_polls_total": {"outcome": {outcome.value for outcome in Outcome}},
    "paycore_webhook_attempts_total": {"outcome": {outcome.value for outcome in WebhookOutcome}},
    "paycore_statements_total": {"result": {"ready", "failed"}},
    "paycore_retries_total": {"kind": {failure.name.lower() for failure in Failure}},
}
"""What a label can be, where queries say it."""

QUERIES = [(rule["alert"], rule["expr"]) for rule in RULES] + [
    (panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]
]
named = pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in QUERIES])


def exported() -> dict[str, set[str]]:
    """Every series that /metrics can have, by name, with its labels."""
    found = dict(PROMETHEUS_OWN)
    of_database = metrics._FromDatabase(
        [
            *metrics.outbox_families(0, 0.0, 0),
            *metrics.ledger_families(0, 0.0),
            *metrics.partition_families(0.0, 0.0),
            *metrics.archive_families(0, 0, 0, 0.0),
        ]
    )
    for collector in {*REGISTRY._collector_to_names, of_database}:
        labels = set(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
            found |= {family.name + suffix: labels | ({"le"} if suffix == "_bucket" else set()) for suffix in suffixes}
    return found


SERIES = exported()


def parsed(query: str) -> Any:
    return promql_parser.parse(query.replace("$__rate_interval", "5m"))


def nodes(query: str) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(parsed(query), found.append)
    return found


def selectors(query: str) -> list[Any]:
    return [node for node in nodes(query) if isinstance(node, promql_parser.VectorSelector)]


def test_the_parser_refuses_what_is_no_promql():
    for wrong in ("sum(rate(a[5m])", "rate(a)", "a{b=}"):
        with pytest.raises(ValueError, match=r"."):
            parsed(wrong)


@named
def test_every_metric_that_is_named_exists(query):
    found = selectors(query)
    assert found
    assert [selector.name for selector in found if selector.name not in SERIES] == []


@named
def test_every_label_that_is_named_belongs_to_its_metric_and_every_query_names_its_job(query):
    for selector in selectors(query):
        matchers = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
        assert matchers.pop("job") in JOBS
        assert set(matchers) <= SERIES[selector.name]
        for label, values in VALUES.get(selector.name, {}).items():
            assert set(matchers.get(label, "").split("|")) <= {*values, ""}
    known = ADDED_BY_PROMETHEUS.union(*(SERIES[selector.name] for selector in selectors(query)))
    for node in nodes(query):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            assert set(node.modifier.labels) <= known


def test_bounds_of_buckets_that_are_named_exist():
    bounds = set(re.findall(r'(paycore_\w+)_bucket\{[^}]*\ble="([^"]+)"', " ".join(query for _, query in QUERIES)))
    assert bounds
    for name, bound in bounds:
        (family,) = [family for family in REGISTRY.collect() if family.name == name]
        (collector,) = [found for found in REGISTRY._collector_to_names if name in REGISTRY._collector_to_names[found]]
        assert float(bound) in getattr(collector, "_kwargs", {}).get("buckets", getattr(collector, "_upper_bounds", ())), family


def test_alerts_are_of_one_value_that_is_compared():
    for rule in RULES:
        query = parsed(rule["expr"])
        assert isinstance(query, promql_parser.BinaryExpr | promql_parser.Call), rule["alert"]


def headings() -> Iterator[str]:
    for heading in re.findall(r"^##+ (.+)$", RUNBOOK, re.MULTILINE):
        yield re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_names_its_entry_in_the_runbook_and_the_entry_names_it(rule):
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (ROOT / page).read_text() == RUNBOOK
    assert anchor in list(headings())
    entry = next(part for part in RUNBOOK.split("\n## ") if next(headings_of(part)) == anchor)
    assert f"`{rule['alert']}`" in entry
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")


def headings_of(part: str) -> Iterator[str]:
    yield re.sub(r"[^a-z0-9 -]", "", part.partition("\n")[0].lower()).replace(" ", "-")


def test_the_runbook_names_no_alert_that_does_not_exist_and_has_the_same_three_parts_everywhere():
    known = {rule["alert"] for rule in RULES}
    assert len(known) == len(RULES)
    assert set(re.findall(r"`(Paycore[A-Z]\w+)`", RUNBOOK)) == known
    for entry in RUNBOOK.split("\n## ")[1:]:
        title = entry.partition("\n")[0]
        if title != "Key rotation":
            for part in ("**Symptoms.**", "**What to check.**", "**What to do.**"):
                assert part in entry, (title, part)


RULE_TESTS = ROOT / "deploy/prometheus/alerts.test.yaml"
PROMTOOL = shutil.which("promtool")


def test_the_rules_tests_are_of_alerts_that_exist_and_see_each_of_them_fire_and_not_fire():
    cases = [case for group in yaml.safe_load(RULE_TESTS.read_text())["tests"] for case in group["alert_rule_test"]]
    fire = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert fire == {rule["alert"] for rule in RULES}
    assert fire == {case["alertname"] for case in cases if not case["exp_alerts"]}


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool, which comes with Prometheus; the pipeline has it")
def test_the_alerts_fire_when_they_are_to_and_only_then():
    assert PROMTOOL is not None
    command = [PROMTOOL, "test", "rules", str(RULE_TESTS)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert told.returncode == 0, told.stdout + told.stderr


def test_panels_have_their_own_place_and_number():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_dashboard_shows_every_metric_that_is_exported():
    shown = {selector.name for panel in PANELS for target in panel["targets"] for selector in selectors(target["expr"])}
    families = {re.sub("_(total|bucket|count|sum)$", "", name) for name in SERIES if name.startswith("paycore_")}
    assert families - {re.sub("_(total|bucket|count|sum)$", "", name) for name in shown} == set()


def test_grafana_is_given_the_data_source_and_the_directory_that_the_files_name():
    provisioning = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    assert DASHBOARD["templating"]["list"][0]["current"]["value"] == source["uid"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/paycore.yaml").read_text())["providers"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in (ROOT / "compose.yaml").read_text()
