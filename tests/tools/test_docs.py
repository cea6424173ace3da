"""Generated parts of the documentation, and links of the pages that no builder checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from contract.config import Config
from contract.config_file import parse_config
from contract.reasons import DELIVERY_REASONS, FAULTS, REASONS, REFUSAL_REASONS
from flawline.app import app
from sinks.plc.registers import REGISTERS
from sinks.store.event import PLACES
from tools.docs import configuration, events, monitoring, plc
from tools.docs.__main__ import PAGES, PARTS, update
from tools.docs.markdown import prose, sentence, table
from tools.docs.page import MarkerError, fill, stale

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
PAGE = "# Title\n\n<!-- generated: number -->\nold\n<!-- end -->\n\nwritten by hand\n"


def test_pages_say_what_the_code_says() -> None:
    assert update(PAGES, check=True) == []


def test_fill_changes_what_stands_between_markers_and_nothing_else() -> None:
    filled = fill(PAGE, {"number": lambda: "42\n"})
    assert filled == PAGE.replace("old", "\n42\n")
    assert fill(filled, {"number": lambda: "42"}) == filled


def test_stale_shows_the_difference() -> None:
    fresh = fill(PAGE, {"number": lambda: "42"})
    shown = stale(PAGE, fresh, name="docs/page.md")
    assert "docs/page.md" in shown
    assert "-old" in shown
    assert "+42" in shown
    assert stale(fresh, fresh, name="docs/page.md") == ""


@pytest.mark.parametrize(
    ("page", "trouble"),
    [
        ("<!-- generated: nmber -->\n<!-- end -->\n", "the parts are number"),
        ("<!-- generated: number -->\n", "no partner"),
        ("<!-- generated: number -->\n<!-- end -->\n<!-- end -->\n", "no partner"),
    ],
)
def test_fill_refuses_broken_markers(page: str, trouble: str) -> None:
    with pytest.raises(MarkerError, match=trouble):
        fill(page, {"number": lambda: "42"})


def test_update_tells_of_a_part_that_no_page_holds_and_writes_the_others(tmp_path: Path) -> None:
    page = tmp_path / "plc.md"
    page.write_text("<!-- generated: plc-faults -->\n<!-- end -->\n", "utf-8")
    troubles = update(tmp_path, check=True)
    assert any("+| code | name" in trouble for trouble in troubles)
    troubles = update(tmp_path, check=False)
    assert "part plc-registers is on no page" in troubles
    assert not any("plc-faults" in trouble for trouble in troubles)
    assert plc.faults() in page.read_text("utf-8")


def test_parts_hold_each_thing_once() -> None:
    assert all(f"`{register.name}`" in plc.registers() for register in REGISTERS)
    assert plc.registers().count("\n") == len(REGISTERS) + 1
    assert all(meaning.text.capitalize()[:20] in plc.faults() for meaning in FAULTS.values())
    assert "`flawline_camera_up` | gauge | `station`, `line`, `camera`" in monitoring.metrics()
    assert "`flawline_verdicts_total` | counter" in monitoring.metrics()
    assert "`FlawlineDrift` | warning" in monitoring.alerts()
    assert "{{" not in monitoring.alerts()
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"`flawline {command.callback.__name__}`" in PARTS["commands"]()


def test_every_field_of_an_event_has_its_sentence() -> None:
    rows = events.fields().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(PLACES)
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_key_of_the_configuration_has_its_row() -> None:
    text = configuration.sections()
    for schema in (Config.model_json_schema(), *Config.model_json_schema()["$defs"].values()):
        for key in schema.get("properties", {}):
            assert f"\n| `{key}` | " in text
    assert "### `lines[].cameras[].region`" in text
    assert "| `deadline_s` | number, s | `1.0` | above 0, at most 600 |" in text


def test_cells_and_sentences_say_what_they_are_given() -> None:
    assert table(("a", "b"), [("x|y", 1)]) == "| a | b |\n| --- | --- |\n| x\\|y | 1 |"
    assert prose("1<=x and `a<b`") == "1&lt;=x and `a<b`"
    assert [sentence("is it?"), sentence("it is"), sentence("")] == ["Is it?", "It is.", ""]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_of_the_front_pages_lead_somewhere(name: str) -> None:
    targets = LINK.findall((ROOT / name).read_text("utf-8"))
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_readme_fits_one_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 90


def test_every_reason_says_where_to_look() -> None:
    page = (PAGES / "troubleshooting.md").read_text("utf-8")
    by_hand = page[page.index("### Where to look") : page.index("### Late")]
    assert [reason for reason in REASONS if f"`{reason.value}`" not in by_hand] == []
    assert all(f"| `{reason.value}` |" in PARTS["reasons"]() for reason in REASONS)
    assert all(f"| `{each.value}` |" in PARTS["delivery-reasons"]() for each in DELIVERY_REASONS)
    assert all(f"| `{each.value}` |" in PARTS["refusal-reasons"]() for each in REFUSAL_REASONS)


def test_every_page_is_in_the_navigation() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    listed = [next(iter(entry.values())) for entry in navigation]
    assert sorted(listed) == sorted(path.name for path in PAGES.glob("*.md"))


def test_pictures_are_small() -> None:
    large = [path.name for path in PAGES.glob("pictures/*") if path.stat().st_size > 200_000]
    assert large == []


def test_examples_of_configurations_are_configurations() -> None:
    """What people copy must work: the YAML blocks of all pages, each with what it leaves out."""
    base = yaml.safe_load((ROOT / "flawline" / "assets" / "example.yaml").read_text("utf-8"))
    blocks = [
        (path, block)
        for path in [*sorted(PAGES.glob("*.md")), ROOT / "README.md"]
        for block in re.findall(r"```yaml\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    ]
    assert len(blocks) >= 4
    for path, block in blocks:
        document = {**base, "sinks": {}, **yaml.safe_load(block)}
        parse_config(yaml.safe_dump(document), name=path.name, base=ROOT)
