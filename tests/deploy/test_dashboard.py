"""The dashboard's JSON. Its queries are executed in test_scrape.py; it is not rendered here."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tests.deploy.kit import CONFIGS, DASHBOARD, load

BOARD = load(DASHBOARD)
PANELS: list[dict[str, Any]] = BOARD["panels"]
UNITS = {"percentunit", "s", "short", "none", "cps", "suffix: frames/s"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))


def test_can_be_provisioned() -> None:
    assert BOARD["id"] is None
    assert BOARD["uid"] == "flawline-overview"
    assert BOARD["title"]
    [provider] = load(CONFIGS / "grafana/provisioning/dashboards/flawline.yaml")["providers"]
    assert provider["type"] == "file"
    [source] = load(CONFIGS / "grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"


def test_variables() -> None:
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "station", "line"]
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    for name in ("station", "line"):
        assert variables[name]["datasource"] == DATASOURCE
        assert variables[name]["allValue"] == ".*"


def test_ids_and_titles_are_unique() -> None:
    for key in ("id", "title"):
        values = [panel[key] for panel in PANELS]
        assert len(set(values)) == len(values)


@each_panel
def test_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == DATASOURCE


@each_panel
def test_targets(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)
    for target in panel["targets"]:
        assert target["datasource"] == DATASOURCE
        assert target["legendFormat"]
        assert target["expr"]


def test_no_panel_overlaps_or_leaves_the_grid() -> None:
    cells = {panel["title"]: _cells(panel["gridPos"]) for panel in PANELS}
    for (one, its), (other, theirs) in combinations(cells.items(), 2):
        assert not its & theirs, f"{one} and {other} overlap"
    assert {x for taken in cells.values() for x, _ in taken} == set(range(24))


def _cells(place: dict[str, int]) -> set[tuple[int, int]]:
    columns = range(place["x"], place["x"] + place["w"])
    rows = range(place["y"], place["y"] + place["h"])
    return {(x, y) for x in columns for y in rows}
