"""Reference memories on disk: whole or not at all, and never the wrong one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from contract.config import Region
from contract.errors import ConfigError, MemoryMismatch, StorageError
from scorer.references.manifest import Manifest, new_version
from scorer.references.shelf import Shelf
from scorer.scoring.memory import Bank, Fingerprint, ReferenceMemory
from tests.scorer.shelves import LATER, VERSION, WHO, line, manifest

WEIGHT = 0.5
REGION = {"x_px": 1, "y_px": 2, "width_px": 30, "height_px": 40}


@pytest.fixture
def small() -> ReferenceMemory:
    """Two references with three patches each."""
    torch.manual_seed(2)
    return ReferenceMemory(
        (Bank(torch.randn(6, 4), (torch.randn(4, 3), torch.randn(2, 3))),),
        2,
        Fingerprint("tiny", "ab" * 32, "paper"),
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "memories")


def assert_equal(found: ReferenceMemory, expected: ReferenceMemory) -> None:
    for mine, theirs in zip(found.banks, expected.banks, strict=True):
        assert torch.equal(mine.patches, theirs.patches)
        for ours, others in zip(mine.windows, theirs.windows, strict=True):
            assert torch.equal(ours, others)


def test_round_trip(shelf: Shelf, small: ReferenceMemory) -> None:
    shelf.save(small, manifest(small))
    loaded, described = shelf.load("bottles", VERSION)
    assert described.model_copy(update={"memory_sha256": ""}) == manifest(small)
    assert loaded.fingerprint == small.fingerprint
    assert loaded.num_references == 2
    assert_equal(loaded, small)


def test_thresholds_are_doubted_where_scores_are_computed_in_another_type(
    small: ReferenceMemory,
) -> None:
    before = manifest(small, dtype=None)
    for dtype in ("float32", "bfloat16"):
        assert "computed before types were noted" in (before.doubt(dtype) or "")
    noted = manifest(small, dtype="bfloat16")
    assert noted.doubt("bfloat16") is None
    assert "computed in bfloat16" in (noted.doubt("float32") or "")


def test_pictures_are_part_of_a_version(shelf: Shelf, small: ReferenceMemory) -> None:
    kept = {"contact_sheet.png": b"sheet", "reference-0000.jpg": b"first"}
    shelf.save(small, manifest(small), kept)
    assert shelf.pictures("bottles", VERSION) == kept
    assert (shelf.folder("bottles", VERSION) / "contact_sheet.png").read_bytes() == b"sheet"


def test_a_memory_from_before_there_were_pictures(
    shelf: Shelf, small: ReferenceMemory, tmp_path: Path
) -> None:
    shelf.save(small, manifest(small))
    path = tmp_path / "memories" / "bottles" / VERSION / "manifest.json"
    document = json.loads(path.read_text())
    for name in ("reference_names", "reference_scores", "warnings"):
        del document[name]
    path.write_text(json.dumps(document))
    _, described = shelf.load("bottles", VERSION)
    assert described.warnings == ()
    assert shelf.pictures("bottles", VERSION) == {}


def test_names_and_warnings_change_no_score(small: ReferenceMemory) -> None:
    told = manifest(small, warnings=("x",), reference_names=("a",), reference_scores=(0.1,))
    assert told.what_scores_depend_on == manifest(small).what_scores_depend_on


def test_half_precision_round_trip(shelf: Shelf, small: ReferenceMemory) -> None:
    half = small.to(torch.empty(0, dtype=torch.bfloat16))
    shelf.save(half, manifest(half))
    assert_equal(shelf.load("bottles", VERSION)[0], half)


def test_tiles_of_different_sizes_round_trip(shelf: Shelf, small: ReferenceMemory) -> None:
    """A mask leaves each tile another number of windows."""
    others = [Bank(torch.randn(2, 4), (torch.randn(1, 3), torch.randn(5, 3))) for _ in range(11)]
    tiled = replace(small, banks=(*small.banks, *others))
    shelf.save(tiled, manifest(tiled))
    assert_equal(shelf.load("bottles", VERSION)[0], tiled)


def test_nothing_is_active_before_it_is_activated(shelf: Shelf, small: ReferenceMemory) -> None:
    assert shelf.active("bottles") is None
    assert shelf.versions("bottles") == []
    shelf.save(small, manifest(small))
    assert shelf.active("bottles") is None
    shelf.activate("bottles", VERSION, **WHO)
    assert shelf.active("bottles") == VERSION


def test_versions_and_going_back(shelf: Shelf, small: ReferenceMemory) -> None:
    for version in (LATER, VERSION):
        shelf.save(small, manifest(small, version=version))
    assert shelf.versions("bottles") == [VERSION, LATER]
    shelf.activate("bottles", LATER, **WHO)
    shelf.activate("bottles", VERSION, **WHO)
    assert shelf.active("bottles") == VERSION


def test_a_version_is_never_overwritten(shelf: Shelf, small: ReferenceMemory) -> None:
    shelf.save(small, manifest(small))
    with pytest.raises(StorageError, match="cannot write reference memory"):
        shelf.save(small, manifest(small, created_by="somebody else"))
    assert shelf.load("bottles", VERSION)[1].created_by == "inspector"


def test_no_draft_is_left(shelf: Shelf, small: ReferenceMemory, tmp_path: Path) -> None:
    shelf.save(small, manifest(small))
    shelf.activate("bottles", VERSION, **WHO)
    home = tmp_path / "memories" / "bottles"
    assert sorted(path.name for path in home.iterdir()) == [
        ".lock",
        VERSION,
        "active",
        "history",
    ]


def test_a_draft_is_not_a_version(shelf: Shelf, small: ReferenceMemory, tmp_path: Path) -> None:
    """A process that was killed while it saved."""
    shelf.save(small, manifest(small))
    (tmp_path / "memories" / "bottles" / ".draft-x").mkdir()
    (tmp_path / "memories" / "bottles" / ".draft-x" / "memory.safetensors").write_bytes(b"half")
    assert shelf.versions("bottles") == [VERSION]


@pytest.mark.parametrize("version", ["", "nothing", "..", f"../bottles/{VERSION}", "\0"])
def test_an_unknown_version_is_refused_and_named(
    shelf: Shelf, small: ReferenceMemory, version: str
) -> None:
    shelf.save(small, manifest(small))
    shelf.activate("bottles", VERSION, **WHO)
    noted: list[Callable[[str, str], object]] = [
        partial(act, **WHO) for act in (shelf.activate, shelf.shadow, shelf.remove)
    ]
    for act in (*noted, shelf.load):
        with pytest.raises(StorageError, match=f"bottles has no reference memory.*{VERSION}"):
            act("bottles", version)
    assert shelf.active("bottles") == VERSION


def test_an_unknown_line_has_none(shelf: Shelf) -> None:
    with pytest.raises(StorageError, match=r"cans has no reference memory.*it has: none"):
        shelf.activate("cans", VERSION, **WHO)


@pytest.mark.parametrize("name", ["memory.safetensors", "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
def test_a_damaged_memory(
    shelf: Shelf, small: ReferenceMemory, tmp_path: Path, name: str, damage: str
) -> None:
    shelf.save(small, manifest(small))
    path = tmp_path / "memories" / "bottles" / VERSION / name
    content = path.read_bytes()
    damaged = {"empty": b"", "cut": content[: len(content) // 2], "noise": b"\xff" * 100}
    path.unlink()
    if damage != "missing":
        path.write_bytes(damaged[damage])
    with pytest.raises(StorageError, match=r"bottles.*(is missing or damaged|has no)"):
        shelf.load("bottles", VERSION)


def test_a_manifest_from_the_future(shelf: Shelf, small: ReferenceMemory, tmp_path: Path) -> None:
    shelf.save(small, manifest(small))
    path = tmp_path / "memories" / "bottles" / VERSION / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 3'))
    with pytest.raises(StorageError, match="missing or damaged"):
        shelf.load("bottles", VERSION)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00"])
def test_a_pointer_that_is_no_text(shelf: Shelf, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "memories" / "bottles").mkdir(parents=True)
    (tmp_path / "memories" / "bottles" / "active").write_bytes(content)
    with pytest.raises(StorageError):
        shelf.load("bottles", shelf.active("bottles") or "")


def test_a_shelf_that_cannot_be_written(small: ReferenceMemory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write reference memory"):
        Shelf(tmp_path / "file").save(small, manifest(small))


@pytest.mark.parametrize("threshold", [float("nan"), -0.1, 1.1])
def test_a_threshold_is_a_score(small: ReferenceMemory, threshold: float) -> None:
    with pytest.raises(ValidationError, match="fail_threshold"):
        manifest(small, fail_threshold=threshold)


def test_another_inspection_size_is_refused(small: ReferenceMemory) -> None:
    described = manifest(small, inspection_px=480)
    with pytest.raises(MemoryMismatch, match="made at 480 px, the line inspects at 240 px"):
        described.require(line(), language_weight=WEIGHT, mask_sha256=None)


@pytest.mark.parametrize(
    ("enrolled", "now", "said"),
    [
        (None, REGION, r"region the whole picture of camera .* now at 30x40\+1\+2"),
        (REGION, None, r"region 30x40\+1\+2 of camera .* now at the whole picture"),
        (REGION, {**REGION, "x_px": 9}, r"30x40\+1\+2 .* now at 30x40\+9\+2"),
    ],
)
def test_another_region_is_refused(
    small: ReferenceMemory, enrolled: object, now: object, said: str
) -> None:
    described = manifest(small, regions={"bottles-top": enrolled})
    camera = {"name": "bottles-top", "source": "rtsp://10.0.0.7/live", "region": now}
    with pytest.raises(MemoryMismatch, match=said):
        described.require(line(cameras=[camera]), language_weight=WEIGHT, mask_sha256=None)


def test_the_same_region_is_accepted_and_so_is_a_new_camera(small: ReferenceMemory) -> None:
    described = manifest(small, regions={"bottles-top": Region.model_validate(REGION)})
    cameras = [
        {"name": "bottles-top", "source": "rtsp://10.0.0.7/live", "region": REGION},
        {"name": "bottles-side", "source": "rtsp://10.0.0.8/live"},
    ]
    described.require(line(cameras=cameras), language_weight=WEIGHT, mask_sha256=None)


def test_a_threshold_of_another_kind_of_score_is_refused(small: ReferenceMemory) -> None:
    with pytest.raises(MemoryMismatch, match=r"language_weight 0\.5, now it is 0:"):
        manifest(small).require(line(), language_weight=0.0, mask_sha256=None)


@pytest.mark.parametrize(
    "words",
    [
        {"object_name": "circuit board"},
        {"normal_states": ("clean {}",)},
        {"anomalous_states": ("burnt {}",)},
    ],
)
def test_a_threshold_of_other_words_is_refused_where_words_count(
    small: ReferenceMemory, words: dict[str, Any]
) -> None:
    with pytest.raises(MemoryMismatch, match="threshold for 'object' and other words"):
        manifest(small).require(line(**words), language_weight=WEIGHT, mask_sha256=None)
    by_references = manifest(small, language_weight=0.0)
    by_references.require(line(**words), language_weight=0.0, mask_sha256=None)


def test_a_memory_that_changed_on_disk_is_refused(tmp_path: Path, small: ReferenceMemory) -> None:
    shelf, described = Shelf(tmp_path), manifest(small)
    shelf.save(small, described)
    path = tmp_path / described.line / described.version / "memory.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"missing or damaged .*enroll the line again"):
        shelf.load(described.line, described.version)


@pytest.mark.parametrize("field", Fingerprint._fields)
def test_another_model_is_refused(small: ReferenceMemory, field: str) -> None:
    small.require(small.fingerprint)
    with pytest.raises(MemoryMismatch, match=f"made with {field} .*enroll the line again"):
        small.require(small.fingerprint._replace(**{field: "other"}))


def test_without_one_reference(small: ReferenceMemory) -> None:
    first, second = small.without(1), small.without(0)
    assert first.num_references == second.num_references == 1
    assert_equal(ReferenceMemory.cat([first, second]), small)
    assert first.without(0).banks[0].patches.shape == (0, 4)


def test_versions_sort_by_time_and_never_collide() -> None:
    earlier = new_version(1_790_000_000_000_000_000, ("a",))
    assert earlier < new_version(1_790_000_001_000_000_000, ("a",))
    assert earlier != new_version(1_790_000_000_000_000_001, ("a",))
    assert earlier != new_version(1_790_000_000_000_000_000, ("b",))
    assert earlier.startswith("20260921T")


def test_the_manifest_keeps_every_field_as_json(small: ReferenceMemory) -> None:
    described = manifest(small, regions={"bottles-top": REGION, "bottles-side": None})
    assert Manifest.model_validate_json(described.model_dump_json()) == described


def test_going_back_and_forth(shelf: Shelf, small: ReferenceMemory) -> None:
    for version in (VERSION, LATER):
        shelf.save(small, manifest(small, version=version))
    shelf.activate("bottles", VERSION, **WHO)
    with pytest.raises(StorageError, match="no earlier reference memory"):
        shelf.previous("bottles")
    shelf.activate("bottles", LATER, **WHO)
    assert shelf.previous("bottles") == VERSION
    shelf.activate("bottles", VERSION, **WHO)
    assert shelf.previous("bottles") == LATER
    assert [each.version for each in shelf.history("bottles")] == [VERSION, LATER, VERSION]
    assert shelf.history("bottles")[0].changed_by == "inspector"


def test_a_history_that_was_cut_off_is_read_as_far_as_it_goes(
    shelf: Shelf, small: ReferenceMemory, tmp_path: Path
) -> None:
    shelf.save(small, manifest(small))
    shelf.activate("bottles", VERSION, **WHO)
    with (tmp_path / "memories" / "bottles" / "history").open("ab") as file:
        file.write(b'{"version": "2026\xff')
    assert [each.version for each in shelf.history("bottles")] == [VERSION]
    shelf.activate("bottles", VERSION, **WHO)
    assert len(shelf.history("bottles")) == 2


def test_a_shadow_that_is_activated_is_none_any_more(shelf: Shelf, small: ReferenceMemory) -> None:
    for version in (VERSION, LATER):
        shelf.save(small, manifest(small, version=version))
    shelf.activate("bottles", VERSION, **WHO)
    shelf.shadow("bottles", LATER, **WHO)
    assert (shelf.active("bottles"), shelf.shadowing("bottles")) == (VERSION, LATER)
    shelf.activate("bottles", LATER, **WHO)
    assert (shelf.active("bottles"), shelf.shadowing("bottles")) == (LATER, None)


def test_every_change_is_noted_with_who_and_when(shelf: Shelf, small: ReferenceMemory) -> None:
    for version in (VERSION, LATER):
        shelf.save(small, manifest(small, version=version))
    shelf.activate("bottles", VERSION, **WHO)
    shelf.shadow("bottles", LATER, now_ns=2, by="engineer")
    shelf.shadow("bottles", None, now_ns=3, by="engineer")
    shelf.shadow("bottles", None, now_ns=4, by="nobody: there is none")
    shelf.activate("bottles", LATER, now_ns=5, by="boss", action="promote")
    shelf.remove("bottles", VERSION, now_ns=6, by="boss")
    assert [tuple(each.model_dump().values()) for each in shelf.history("bottles")] == [
        ("activate", VERSION, WHO["now_ns"], WHO["by"]),
        ("shadow", LATER, 2, "engineer"),
        ("unshadow", LATER, 3, "engineer"),
        ("promote", LATER, 5, "boss"),
        ("remove", VERSION, 6, "boss"),
    ]


def test_a_history_from_before_is_read(
    shelf: Shelf, small: ReferenceMemory, tmp_path: Path
) -> None:
    for version in (VERSION, LATER):
        shelf.save(small, manifest(small, version=version))
    old = f'{{"version": "{VERSION}", "activated_ns": 7, "activated_by": "inspector"}}\n'
    (tmp_path / "memories" / "bottles" / "history").write_text(old)
    shelf.activate("bottles", LATER, **WHO)
    first, second = shelf.history("bottles")
    assert (first.action, first.version, first.changed_ns) == ("activate", VERSION, 7)
    assert (first.changed_by, second.version) == ("inspector", LATER)
    assert shelf.previous("bottles") == VERSION


def test_only_a_version_that_is_not_in_use_is_removed(
    shelf: Shelf, small: ReferenceMemory, tmp_path: Path
) -> None:
    for version in (VERSION, LATER):
        shelf.save(small, manifest(small, version=version))
    shelf.activate("bottles", VERSION, **WHO)
    shelf.shadow("bottles", LATER, **WHO)
    for version, said in ((VERSION, "activate another one first"), (LATER, "end that first")):
        with pytest.raises(ConfigError, match=said):
            shelf.remove("bottles", version, **WHO)
    assert shelf.versions("bottles") == [VERSION, LATER]
    shelf.activate("bottles", LATER, **WHO)
    shelf.remove("bottles", VERSION, **WHO)
    assert shelf.versions("bottles") == [LATER]
    assert not [
        path for path in (tmp_path / "memories" / "bottles").iterdir() if VERSION in path.name
    ]
    with pytest.raises(StorageError, match="no earlier reference memory"):
        shelf.previous("bottles")
