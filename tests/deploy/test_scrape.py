"""Every query of the dashboard and every rule, executed by a Prometheus that scrapes the sinks'."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.clock import SystemClock
from contract.config_sinks import MetricsSettings
from contract.process import Every
from tests.deploy.kit import DASHBOARD, Exporter, Prometheus, load, prometheus
from tests.sinks.kit import until

BOARD = load(DASHBOARD)
WITHIN_S = 25.0
VARIABLES = {"$__rate_interval": "4s", "$station": ".*", "$line": ".*"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Exporter, Prometheus]]:
    exporter = Exporter()
    exporter.feed()
    with exporter.metrics.serve(MetricsSettings(host="127.0.0.1", port=0)) as ours:
        with prometheus(tmp_path, ours.port) as server:
            yield exporter, server


def fill_in(expression: str) -> str:
    """`expression` as Grafana sends it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"unknown variable in {expression}"
    return expression


def has_data(server: Prometheus, target: dict[str, Any]) -> bool:
    """Whether a panel's query, which must not fail, gives numbers."""
    query, now_s = fill_in(target["expr"]), time.time()
    if target["instant"]:
        series = server.get("query", query=query)["result"]
        values = [item["value"][1] for item in series]
    else:
        span = {"start": now_s - 30, "end": now_s, "step": "1s"}
        series = server.get("query_range", query=query, **span)["result"]
        values = [value for item in series for _, value in item["values"]]
    return any(not math.isnan(float(value)) for value in values)


def test_every_query_and_rule(served: tuple[Exporter, Prometheus]) -> None:
    exporter, server = served
    waiting = {
        f"{panel['title']} {target['refId']}": target
        for panel in BOARD["panels"]
        for target in panel["targets"]
    }

    look = Every(0.25, SystemClock())

    def all_have_data() -> bool:
        if not look.due():
            return False
        exporter.feed()
        for name in [name for name, target in waiting.items() if has_data(server, target)]:
            del waiting[name]
        return not waiting

    try:
        until(all_have_data, within_s=WITHIN_S)
    except AssertionError:
        pytest.fail(f"no data for {sorted(waiting)}")

    for variable in BOARD["templating"]["list"][1:]:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
        assert found
        match, label = fill_in(found[1]), found[2]
        assert server.get(f"label/{label}/values", **{"match[]": match})

    def rules() -> list[dict[str, Any]]:
        return [rule for group in server.get("rules")["groups"] for rule in group["rules"]]

    until(lambda: all(rule["health"] != "unknown" for rule in rules()), within_s=WITHIN_S)
    assert not [rule for rule in rules() if rule["health"] != "ok"]
    alerts = [item["metric"] for item in server.get("query", query="ALERTS")["result"]]
    assert "FlawlineFramesUnscored" in {alert["alertname"] for alert in alerts}
