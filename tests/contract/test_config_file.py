"""A mistake in the file is named with file, line, key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.config_file import load_config, parse_config
from contract.errors import ConfigError

GOOD = """\
station: hall-1
lines:
  - name: bottles
    fail_threshold: 0.5
    cameras:
      - name: top
        source: clip.mp4
"""


def complaint(text: str) -> str:
    """What is said about `text` as belt.yaml."""
    with pytest.raises(ConfigError) as refused:
        parse_config(text, name="belt.yaml", base=Path("/etc/belt"))
    return str(refused.value)


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "belt.yaml"
    path.write_text(GOOD, encoding="utf-8")
    config = load_config(path)
    assert config.station == "hall-1"
    assert config.cameras()[0][1].source == str(tmp_path / "clip.mp4")


def test_a_link_counts_from_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "belt.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "belt.yaml").symlink_to(tmp_path / "real" / "belt.yaml")
    assert load_config(tmp_path / "belt.yaml").data_directory.parent == tmp_path / "real"


@pytest.mark.parametrize(
    ("change", "line", "key", "remedy"),
    [
        (("station:", "staton:"), 1, "staton", "did you mean 'station'?"),
        (("fail_threshold", "fail_treshold"), 4, "lines[0].fail_treshold", "'fail_threshold'?"),
        (("source:", "sorce:"), 7, "lines[0].cameras[0].sorce", "did you mean 'source'?"),
        (("station:", "zzz:"), 1, "zzz", "known keys: version, station"),
        (("0.5", "high"), 4, "lines[0].fail_threshold", "valid number"),
        (("0.5", "7"), 4, "lines[0].fail_threshold", "less than or equal to 1 (got 7)"),
        (("0.5", ".nan"), 4, "lines[0].fail_threshold", "less than or equal to 1 (got nan)"),
        (("bottles", "my line"), 3, "lines[0].name", "(got 'my line')"),
        (
            ("clip.mp4", "rtsp://u:hunter2@cam/1"),
            7,
            "lines[0].cameras[0].source",
            "use credentials.username",
        ),
    ],
    ids=lambda value: str(value),
)
def test_mistake(change: tuple[str, str], line: int, key: str, remedy: str) -> None:
    text = complaint(GOOD.replace(*change, 1))
    first = next(each for each in text.splitlines() if key in each)
    assert first.startswith(f"belt.yaml:{line}: ")
    assert remedy in first


def test_missing_key_points_at_its_section() -> None:
    text = complaint(GOOD.replace("        source: clip.mp4\n", ""))
    assert text.startswith("belt.yaml:6: lines[0].cameras[0].source: Field required")


def test_several_mistakes_are_told_at_once() -> None:
    text = complaint(GOOD.replace("station", "staton").replace("0.5", "7").replace("name: top", ""))
    assert [line.split(": ")[0] for line in sorted(text.splitlines())] == [
        "belt.yaml:1",
        "belt.yaml:4",
        "belt.yaml:7",
    ]


def test_a_refused_camera_is_not_also_called_missing() -> None:
    text = complaint(GOOD.replace("source", "sorce"))
    assert "at least 1" not in text


def test_a_key_given_twice_is_refused() -> None:
    text = complaint(GOOD + "station: hall-2\n")
    assert text == "belt.yaml:8: station is given twice, first on line 1"


def test_a_key_given_twice_deep_down_is_refused() -> None:
    text = complaint(GOOD + "        fps: 5\n        fps: 6\n")
    assert text == "belt.yaml:9: lines[0].cameras[0].fps is given twice, first on line 8"


@pytest.mark.parametrize(
    "password", ["hunter2", "hun'ter2", 'hun"ter2', "hun ter2", "hun/ter2", "hun@ter2", "hun#ter2"]
)
def test_a_password_is_never_echoed(password: str) -> None:
    quoted = f"rtsp://admin:{password}@10.0.0.7/live".replace("'", "''")
    text = complaint(GOOD.replace("clip.mp4", f"'{quoted}'"))
    for piece in ("hun", "ter2", "admin"):
        assert piece not in text
    assert "credentials" in text


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("lines: [", "belt.yaml:"),
        ("lines:\n\t- name: x", "belt.yaml:2"),
        ("a: b: c", "belt.yaml:1"),
        ("@", "belt.yaml:1"),
        ("a: *nowhere", "belt.yaml:1"),
        ("a: !!python/object:os.system x", "belt.yaml:1"),
        ("a: 2001-99-99", "belt.yaml"),
        ("? [1]\n: 2", "belt.yaml:1"),
        ("--- 1\n--- 2", "belt.yaml:"),
        ("\x00", "belt.yaml"),
        ('a: !!int ""', "belt.yaml"),
        ('a: !!float ""', "belt.yaml"),
        ("a: !!bool perhaps", "belt.yaml"),
        ("a: !!timestamp never", "belt.yaml"),
        ("[" * 5000, "belt.yaml"),
        ("a: &a [*a]", "belt.yaml"),
    ],
    ids=lambda value: value[:20],
)
def test_bad_yaml_is_a_configuration_error(text: str, where: str) -> None:
    assert complaint(text).startswith(where)


@pytest.mark.parametrize("text", ["", "# only words", "just words", "- a\n- b", "7"])
def test_no_mapping(text: str) -> None:
    assert "empty, or not a mapping" in complaint(text)


@pytest.mark.parametrize("text", ["1: 2", "null: 2", "true: 2", "? !!binary eA==\n: 2"])
def test_keys_that_are_no_words(text: str) -> None:
    assert complaint(text).startswith("belt.yaml")


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@#?, \n\t01.~", max_size=30))
def test_any_text_is_a_configuration_error(text: str) -> None:
    assert "belt.yaml" in complaint(text)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml.*No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_folder_or_a_picture_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_config(tmp_path / "x.yaml")


def test_a_few_lines_that_stand_for_millions_are_refused() -> None:
    """Ten lines of aliases, each of ten of the line before."""
    lines = ["a0: &a0 [" + ", ".join(["x"] * 10) + "]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 50000 values, with its aliases written out" in complaint("\n".join(lines))


def test_a_value_that_contains_itself_is_refused() -> None:
    assert "more than 50000 values" in complaint("lines: &lines [*lines]")


def test_aliases_that_save_typing_are_read() -> None:
    text = """\
lines:
  - name: left
    cameras:
      - name: l
        source: a.mp4
        region: &region {x_px: 0, y_px: 0, width_px: 99, height_px: 99}
  - name: right
    cameras: [{name: r, source: b.mp4, region: *region}]
"""
    config = parse_config(text, name="belt.yaml", base=Path("/srv"))
    regions = [camera.region for _, camera in config.cameras()]
    assert regions[0] == regions[1] is not None


def test_a_file_that_is_no_configuration_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("x" * (1 << 20))
    with pytest.raises(ConfigError, match="larger than 256 kB: is it the right file"):
        load_config(path)
