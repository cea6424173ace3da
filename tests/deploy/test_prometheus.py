"""Prometheus' own tools on its configuration and rules, and the names they use."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

from tests.deploy.kit import CONFIGS, DASHBOARD, ROOT, RULES, Exporter, load, program, run

NAME = re.compile(r"(?<![\w:])flawline_\w+")
RECORDED = re.compile(r"\bline:flawline_\w+:\w+")


def test_configuration() -> None:
    said = run(program("promtool"), "check", "config", CONFIGS / "prometheus" / "prometheus.yml")
    assert "1 rule files found" in said


def test_rules() -> None:
    run(program("promtool"), "check", "rules", RULES)


def test_rules_do_what_they_should() -> None:
    rules_test = Path(__file__).with_name("rules_test.yml")
    run(program("promtool"), "test", "rules", rules_test, cwd=rules_test.parent)


def test_every_alert_is_tested_and_explained() -> None:
    tested = Path(__file__).with_name("rules_test.yml").read_text("utf-8")
    alerts = [rule for group in load(RULES)["groups"] for rule in group["rules"] if "alert" in rule]
    assert len(alerts) == 15
    for rule in alerts:
        assert f"alertname: {rule['alert']}" in tested
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.parametrize("path", [DASHBOARD, RULES], ids=lambda path: path.name)
def test_every_metric_exists(path: Path) -> None:
    text = json.dumps(load(path))
    used = set(NAME.findall(text))
    assert used
    assert used <= Exporter().names()
    rules = [rule for group in load(RULES)["groups"] for rule in group["rules"]]
    assert set(RECORDED.findall(text)) <= {rule.get("record") for rule in rules}


def test_the_demo_baseline_is_that_of_the_clip() -> None:
    truth = load(ROOT / "flawline" / "assets" / "demo" / "truth.json")
    shown = {
        frame
        for part in truth["parts"]
        if part["defect"] is not None
        for frame in range(
            part["defect_visible_first_frame"], part["defect_visible_last_frame"] + 1
        )
    }
    [rule] = [
        rule
        for group in load(RULES)["groups"]
        for rule in group["rules"]
        if rule.get("record") == "line:flawline_defect_ratio:baseline"
    ]
    share = float(Fraction(len(shown), truth["num_frames"]))
    assert rule["expr"] == f"vector({share:.2f})"
    assert rule["labels"] == {"station": "compose", "line": "rings"}
