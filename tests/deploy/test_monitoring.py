"""Dashboard, alerts and docs/metrics.md speak of the metrics that exist, and of all of them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from services.cli.metrics_page import PAGE, RULES, alerts, declared, labels_of, page, samples_of
from services.cli.stack_programs import METRICS_PORTS
from services.ingest import refusals
from services.runtime import metrics
from services.runtime.settings import IngestSettings, Settings
from tests.deploy.promql import grouped_by, labels_left, parsed, selectors
from tests.deploy.test_compose import SECRETS, _faults

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
STAGES = {"ingest", *METRICS_PORTS}
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "rapport.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]] + [one["expr"] for one in DASHBOARD["annotations"]["list"]]
RULE_EXPRESSIONS = [rule["expr"] for rule in alerts()]
FROM_PROMETHEUS = {"job", "instance"}


def existing() -> dict[str, set[str]]:
    """Every sample that Prometheus finds at our processes, with its labels: ours, the process's own, and Prometheus's `up`."""
    found = {"up": set[str]()}
    for metric in [*declared(), *declared(of_ingest=True)]:
        for sample in samples_of(metric):
            found[sample] = set(labels_of(metric)) | ({"le"} if sample.endswith("_bucket") else set())
    for family in REGISTRY.collect():
        if family.name.startswith("process_"):
            found |= {sample.name: set(sample.labels) for sample in family.samples}
    return {name: labels | FROM_PROMETHEUS for name, labels in found.items()}


EXISTING = existing()


@pytest.mark.parametrize("expression", [*RULE_EXPRESSIONS, *QUERIES])
def test_every_expression_is_promql_over_metrics_and_labels_that_exist(expression: str) -> None:
    asked = selectors(expression)
    assert asked
    for name, matched in asked:
        assert name in EXISTING, f"no metric is called {name}"
        assert matched.keys() <= EXISTING[name], f"{name} has no label {matched.keys() - EXISTING[name]}"
    assert grouped_by(expression) <= set.union(*(EXISTING[name] for name, _ in asked))


def test_the_check_sees_a_metric_a_label_and_a_syntax_that_are_wrong() -> None:
    assert selectors("rate(rapport_message_total[5m])")[0].name not in EXISTING
    assert not selectors('rapport_messages_total{topic="x"}')[0].matched.keys() <= EXISTING["rapport_messages_total"]
    assert not grouped_by("sum by (topic) (rapport_messages_total)") <= EXISTING["rapport_messages_total"]
    with pytest.raises(ValueError, match="expected type"):
        parsed("rate(rapport_messages_total)")


def test_values_that_expressions_ask_for_are_ones_that_occur() -> None:
    codes = set(re.findall(r'Refusal\(\s*\d+,\s*"(\w+)"', Path(refusals.__file__).read_text(encoding="utf-8")))
    for expression in [*RULE_EXPRESSIONS, *QUERIES]:
        for name, matched in selectors(expression):
            assert set(matched.get("job", "ingest").split("|")) <= STAGES
            assert set(matched.get("code", "internal").split("|")) <= codes
            labels = metrics.INGEST_LABELS if name.startswith("rapport_ingest") else metrics.LABELS
            for label in matched.keys() & {"outcome", "result"}:
                assert f"`{matched[label]}`" in labels[label]


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for query in QUERIES for name, _ in selectors(query)}
    for metric in [*declared(), *declared(of_ingest=True)]:
        assert shown & set(samples_of(metric)), f"the dashboard does not show {metric._name}"


def test_the_page_about_metrics_is_what_the_declarations_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m services.cli.metrics_page"
    for name in EXISTING.keys() - {"up"}:
        assert name.startswith("process_") or f"`{name}`" in page()


@pytest.mark.parametrize(("of_ingest", "meanings"), [(False, metrics.LABELS), (True, metrics.INGEST_LABELS)])
def test_every_metric_is_explained_and_every_label_too_and_no_other(of_ingest: bool, meanings: dict[str, str]) -> None:
    of_process = declared(of_ingest)
    assert all(metric._documentation for metric in of_process)
    assert {label for metric in of_process for label in labels_of(metric)} == set(meanings)


def test_metrics_are_declared_in_one_file_alone() -> None:
    made = re.compile(r"\b(Counter|Gauge|Histogram|Summary)\(\s*\"")
    sources = [path for path in (ROOT / "services").rglob("*.py") if made.search(path.read_text(encoding="utf-8"))]
    assert sources == [Path(metrics.__file__)]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_a_meaning_and_a_remedy_and_names_only_labels_that_it_has(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"(\d+[smh])?", rule.get("for", ""))
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "meaning", "remedy"} == {name for name, text in rule["annotations"].items() if text}
    named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
    assert named <= labels_left(parsed(rule["expr"]), EXISTING)


def test_alerts_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    assert all(name.startswith("Rapport") for name in names)


def test_numbers_in_alerts_follow_the_settings_that_they_speak_of() -> None:
    (nearly_full,) = (rule for rule in alerts() if rule["alert"] == "RapportIntakeNearlyFull")
    assert nearly_full["expr"].endswith(f"> {IngestSettings().max_pending_bytes * 3 // 4}")


@pytest.mark.parametrize("file", ["prometheus.yaml", "one-machine.yaml"])
def test_prometheus_asks_every_stage_on_its_own_port(file: str) -> None:
    config = yaml.safe_load((RULES.parent / file).read_text(encoding="utf-8"))
    assert config["rule_files"] == [RULES.name]
    ports = {}
    for job in config["scrape_configs"]:
        for found in job.get("dns_sd_configs", []):
            assert (found["names"], found["type"]) == ([job["job_name"]], "A")
            ports[job["job_name"]] = found["port"]
        for static in job.get("static_configs", []):
            ports[job["job_name"]] = int(static["targets"][0].removeprefix("127.0.0.1:"))
    assert ports == {"ingest": Settings().ingest.port, **METRICS_PORTS}


def test_panels_are_told_apart_explained_and_do_not_overlap() -> None:
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places
        assert at["x"] + at["w"] <= 24
        places |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_legends_name_only_labels_that_their_lines_have() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert named <= labels_left(parsed(target["expr"]), EXISTING), panel["title"]


def test_the_dashboard_asks_the_data_source_that_is_provisioned_and_its_variable_exists() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text(encoding="utf-8"))["datasources"]
    uids = set(re.findall(r'"uid": "([^"]+)"', json.dumps(DASHBOARD))) - {DASHBOARD["uid"]}
    assert uids == {source["uid"]}
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert {name for query in QUERIES for name in re.findall(r"\$([a-z]\w*)", query)} == set(variables)
    (asked,) = re.findall(r"label_values\((\w+), (\w+)\)", variables["stage"]["definition"])
    assert asked[1] in EXISTING[asked[0]]


def test_the_containers_of_prometheus_and_grafana_find_their_files_and_each_other() -> None:
    file = DEPLOY / "compose.monitoring.yaml"
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    base = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    # then
    for name in METRICS_PORTS:
        assert name in base
        assert services[name]["environment"] == {"RAPPORT_STAGE_METRICS_HOST": "0.0.0.0"}
    mounted = dict(volume.split(":")[:2] for name in ("prometheus", "grafana") for volume in services[name]["volumes"] if volume[0] == ".")
    assert all((DEPLOY / path).is_dir() for path in mounted)
    assert "--config.file=/etc/prometheus/prometheus.yaml" in services["prometheus"]["command"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/rapport.yaml").read_text(encoding="utf-8"))["providers"]
    assert provider["options"]["path"] == mounted["./grafana/dashboards"]
    assert services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{provider['options']['path']}/rapport.json"
    source = (DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8")
    assert "http://prometheus:9090" in source
    assert all(port.startswith("127.0.0.1:") for name in ("prometheus", "grafana") for port in services[name]["ports"])


def test_the_compose_file_for_monitoring_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SECRETS, "GRAFANA_PASSWORD", "g")
    assert _faults(DEPLOY / "compose.monitoring.yaml") == ""
