"""The configuration that the processes of a station read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from contract.config_file import load_config
from contract.errors import ConfigError, StorageError
from flawline.station.accepted import accept
from tests.deploy.kit import CONFIGS

CONTENT = """\
lines:
  - name: belt
    mask: masks/belt.png
    cameras:
      - name: left
        source: "clips/l\\u00e9ft: #1 'x'.mp4"
      - name: right
        source: rtsp://10.0.0.7/live
        credentials: {username: viewer, password_file: secrets/right}
sinks:
  store_url: postgresql+psycopg://flawline:hunter2@db/flawline
"""


def test_it_says_the_same_from_another_folder(tmp_path: Path) -> None:
    path = tmp_path / "flawline.yaml"
    path.write_text(CONTENT)
    config = load_config(path)
    config.run_directory.mkdir(parents=True)
    filed = accept(config)
    assert load_config(filed) == config
    assert filed.parent != path.parent
    assert stat.S_IMODE(filed.stat().st_mode) == 0o600, "a store's address may hold a password"


@pytest.mark.parametrize("name", ["production.yaml", "station-compose.yaml"])
def test_so_do_the_examples(name: str, tmp_path: Path) -> None:
    config = load_config(CONFIGS / name)
    here = config.network.model_copy(update={"directory": tmp_path})
    moved = config.model_copy(update={"network": here})
    assert load_config(accept(moved)) == moved


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "flawline.yaml"
    path.write_text(CONTENT)
    with pytest.raises(StorageError, match=r"cannot write .*accepted\.yaml: No such file"):
        accept(load_config(path))


def test_one_that_its_processes_could_not_read_is_refused(tmp_path: Path) -> None:
    """A few lines of aliases that stand for more than a configuration may have."""
    states = ", ".join(f'"{{}} {"x" * 100} {number}"' for number in range(40))
    lines = "".join(
        f"  - {{name: l{n}, normal_states: *states, cameras: [{{name: c{n}, source: x.mp4}}]}}\n"
        for n in range(1, 80)
    )
    path = tmp_path / "flawline.yaml"
    first = (
        f"{{name: l0, normal_states: &states [{states}], cameras: [{{name: c0, source: x.mp4}}]}}"
    )
    path.write_text(f"lines:\n  - {first}\n{lines}")
    config = load_config(path)
    config.run_directory.mkdir(parents=True)
    with pytest.raises(ConfigError, match="more than 256 kB with its aliases written out"):
        accept(config)
    assert not list(config.run_directory.iterdir())
