"""Metrics and alerts: from the exporter's registry and from the rules for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from contract.clock import SystemClock
from sinks.metrics.metrics import Metrics
from sinks.metrics.roster import Cameras
from tools.docs.markdown import code, prose, sentence, table

RULES: Final = Path(__file__).parents[2] / "configs" / "prometheus" / "rules.yml"
OWN: Final = "flawline_"
_TEMPLATE = re.compile(r"\{\{\s*(?:\$labels\.)?(\$?\w+)[^}]*\}\}")


def metrics() -> str:
    """A row per metric of our own."""
    rows = [
        (
            code(_exposed(each)),
            each.type,
            ", ".join(map(code, labels)),
            sentence(each.documentation),
        )
        for each, labels in _families()
        if each.name.startswith(OWN)
    ]
    return table(("metric", "type", "labels", "meaning"), rows)


def alerts() -> str:
    """A row per alert."""
    document = yaml.safe_load(RULES.read_text("utf-8"))
    rows = [
        (
            code(rule["alert"]),
            rule["labels"]["severity"],
            sentence(_words(rule["annotations"]["summary"])),
            sentence(rule["annotations"]["description"]),
        )
        for group in document["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    return table(("alert", "severity", "what is wrong", "what it means and what to do"), rows)


def _families() -> Iterator[tuple[Metric, tuple[str, ...]]]:
    """Metric families with the names of their labels, which the library keeps to itself."""
    nobody = Cameras(frozenset())
    registry = Metrics(clock=SystemClock(), version="", roster=lambda: nobody).registry
    for collector in list(registry._collector_to_names):
        for family in _described(collector):
            known = family if hasattr(family, "_labelnames") else collector
            yield family, tuple(getattr(known, "_labelnames", ()))


def _described(collector: Collector) -> list[Metric]:
    describe = getattr(collector, "describe", None)
    return list(describe() if describe else collector.collect())


def _exposed(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _words(template: str) -> str:
    """A summary with the names of what Prometheus fills in, in capitals."""
    return prose(_TEMPLATE.sub(lambda match: match[1].lstrip("$").upper(), template))
