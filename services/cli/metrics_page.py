"""`python -m services.cli.metrics_page` writes docs/metrics.md anew: every metric and every alert, from where they are declared."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Counter, Gauge, Histogram

from services.runtime import metrics

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
Metric = Counter | Gauge | Histogram
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
"""What Prometheus appends to a declared name, by type."""

HEAD = """<!-- Written by `python -m services.cli.metrics_page` from services/runtime/metrics.py and deploy/prometheus/rules.yaml;
a test compares. Change those, not this page. -->

# Metrics and alerts

Every process shows `/metrics` for Prometheus and `/healthz`: ingest on its own port (8080), profile on 9101, loyalty on 9102, projections
on 9103, all on 127.0.0.1 unless `RAPPORT_INGEST_HOST` and `RAPPORT_STAGE_METRICS_HOST` say otherwise. No metric holds personal data.

* Prometheus asks them with [deploy/prometheus/prometheus.yaml](../deploy/prometheus/prometheus.yaml) (containers) or
  [one-machine.yaml](../deploy/prometheus/one-machine.yaml) (`rapport up`).
* Grafana shows them with [deploy/grafana](../deploy/grafana): the dashboard *Rapport*.
* Both start beside Rapport by [deploy/compose.monitoring.yaml](../deploy/compose.monitoring.yaml).
"""

READING = """## How to read lag

*Seconds* are the measure: the age of the oldest message that is fetched and not applied, counted from when it was written to the topic
that the stage reads. They rise while a stage is stuck. *Messages* are as fresh as the last fetch, and stand still while nothing is fetched.
A touchpoint's way to the analysts' tables takes the seconds of profile, of loyalty (for points) and of projections together; every table
but that of touchpoints is written once a second, which comes on top.
"""
OF_STAGES = """## Of every stage

Ingest has of these only when it started and its restarts; projections publishes nothing.
"""


def page() -> str:
    """What docs/metrics.md must hold."""
    of_stages = [HEAD, OF_STAGES, *_section(declared(), metrics.LABELS)]
    of_ingest = ["## Of ingest besides\n", *_section(declared(of_ingest=True), metrics.INGEST_LABELS)]
    parts = [*of_stages, READING, *of_ingest, *_alerts()]
    return "\n".join(parts)


def declared(of_ingest: bool = False) -> list[Metric]:
    """Every stage's metrics, or those that ingest has besides, in the order in which they are declared."""
    every = [value for value in vars(metrics).values() if isinstance(value, Metric)]
    return [metric for metric in every if metric._name.startswith("rapport_ingest_") == of_ingest]


def labels_of(metric: Metric) -> tuple[str, ...]:
    return tuple(metric._labelnames)


def samples_of(metric: Metric) -> tuple[str, ...]:
    """The names that Prometheus stores, and PromQL asks for."""
    return tuple(metric._name + suffix for suffix in SUFFIXES[metric._type])


def alerts() -> list[Mapping[str, Any]]:
    """Every alert rule, in the order of the file."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _section(metrics: Iterable[Metric], meanings: Mapping[str, str]) -> Iterator[str]:
    yield "| metric | type | labels | meaning |\n|---|---|---|---|"
    for metric in metrics:
        names = ", ".join(f"`{name}`" for name in samples_of(metric))
        labels = ", ".join(f"`{label}`" for label in labels_of(metric)) or "-"
        yield f"| {names} | {metric._type} | {labels} | {metric._documentation} |"
    yield "\n| label | values |\n|---|---|"
    yield from (f"| `{label}` | {meaning} |" for label, meaning in meanings.items())
    yield ""


def _alerts() -> Iterator[str]:
    yield "## Alerts\n"
    yield "*Critical*: channels are turned away or numbers stand still. *Warning*: look today.\n"
    yield "| alert | severity | after | what it means | what to do |\n|---|---|---|---|---|"
    for rule in alerts():
        said = rule["annotations"]
        yield f"| `{rule['alert']}` | {rule['labels']['severity']} | {rule.get('for', 'at once')} | {said['meaning']} | {said['remedy']} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
