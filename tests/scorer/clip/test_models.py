"""Weights: loaded and recorded, or refused with the file's name and what would be right."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from contract.config import ModelSettings
from contract.errors import ModelError
from scorer import WinClip
from scorer.clip.models import MINI, file_sha256, load_clip, read_weights
from scorer.scoring.winclip import load_model

SMALL = "ViT-S-32-alt"

# torch warns about foreign pickles before it refuses them.
pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")


class Opener:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self._path,))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid file for `SMALL`."""
    torch.manual_seed(5)
    state = open_clip.CLIP(**open_clip.get_model_config(SMALL)).state_dict()
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


def refusal(path: Path) -> str:
    """What is said about `path` as weights of `SMALL`; always names the file."""
    with pytest.raises(ModelError) as refused:
        load_clip(SMALL, weights=path)
    assert str(path) in str(refused.value)
    assert refused.value.remedy
    return str(refused.value)


def test_safetensors_load_and_are_recorded(weights: Path) -> None:
    loaded = load_clip(SMALL, weights=weights)
    assert loaded.name == SMALL
    assert loaded.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert not loaded.clip.training
    assert all(value.dtype == torch.float32 for value in loaded.clip.parameters())
    assert not any(value.requires_grad for value in loaded.clip.parameters())


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "training checkpoint"])
def test_a_weights_only_checkpoint_is_the_same_model(
    weights: Path, tmp_path: Path, wrapped: bool
) -> None:
    state = read_weights(weights)
    path = tmp_path / "small.pt"
    if wrapped:
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    else:
        torch.save(state, path)
    loaded = load_clip(SMALL, weights=path).clip.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_half_precision_weights_load(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_file({name: value.half() for name, value in read_weights(weights).items()}, path)
    assert load_clip(SMALL, weights=path).clip.visual.proj.dtype == torch.float32


def test_the_fingerprint_names_model_weights_and_preset(weights: Path) -> None:
    model = WinClip.load(SMALL, weights=weights, preset="anomalib")
    assert model.fingerprint == (SMALL, file_sha256(weights), "anomalib")
    assert model.backbone.image_px == (224, 224)
    assert model.is_sound()


def test_weights_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"visual.proj": torch.zeros(3, 3)}, path)
    assert re.search(rf"do not fit {SMALL}: .* is missing \(and \d+ more\)", refusal(path))


def test_weights_of_another_size(weights: Path, tmp_path: Path) -> None:
    state = read_weights(weights)
    state["visual.proj"] = torch.zeros(3, 3)
    path = tmp_path / "other.safetensors"
    save_file(state, path)
    text = refusal(path)
    assert "visual.proj has shape (3, 3), the model needs (384, 256)" in text


def test_weights_with_something_more(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(read_weights(weights) | {"logit_bias": torch.zeros(1)}, path)
    assert "logit_bias is not part of the model" in refusal(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".bin"])
@pytest.mark.parametrize("content", [b"", b"just text\n", b"\x00" * 64], ids=["0", "text", "zero"])
def test_no_weights_at_all(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"small{suffix}"
    path.write_bytes(content)
    assert "expected .safetensors or a checkpoint" in refusal(path)


def test_truncated_safetensors(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(weights.read_bytes()[:1_000_000])
    assert "is not a weights file that can be read" in refusal(path)


def test_truncated_checkpoint(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"visual.proj": torch.zeros(100, 100)}, stream)
    path = tmp_path / "cut.pt"
    path.write_bytes(stream.getvalue()[:20_000])
    assert "is not a weights file that can be read" in refusal(path)


def test_missing_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere.safetensors")


def test_a_folder(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)


@pytest.mark.parametrize("kind", ["pickle", "checkpoint", "nested", "zip"])
def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path: Path, kind: str) -> None:
    marker = tmp_path / "executed"
    path = tmp_path / "model.pt"
    code = Opener(marker)
    if kind == "pickle":
        path.write_bytes(pickle.dumps(code))
    elif kind == "checkpoint":
        torch.save(code, path)
    elif kind == "nested":
        torch.save({"state_dict": {"visual.proj": code}}, path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(code))
            archive.writestr("archive/version", "3\n")
    assert "weights_only=True" in refusal(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [torch.zeros(3), [1, 2], {}, {1: torch.zeros(1)}, {"visual.proj": 5}, {"state_dict": None}, 7],
    ids=["tensor", "list", "empty", "numbered", "number in it", "no state", "number"],
)
def test_a_checkpoint_of_something_else(tmp_path: Path, content: object) -> None:
    path = tmp_path / "model.pt"
    torch.save(content, path)
    refusal(path)


@settings(max_examples=25)
@given(st.binary(max_size=40))
def test_noise_is_a_model_error(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    for suffix in (".pt", ".safetensors"):
        path = tmp_path_factory.getbasetemp() / f"noise{suffix}"
        path.write_bytes(noise)
        with pytest.raises(ModelError):
            read_weights(path)


@pytest.mark.parametrize("given_as", ["weights", "pretrained"])
def test_the_bundled_model_takes_no_weights(tmp_path: Path, given_as: str) -> None:
    with pytest.raises(ModelError, match="flawline-mini carries its own weights"):
        load_clip(MINI, **{given_as: tmp_path / "x"})  # type: ignore[arg-type]


def test_a_model_without_weights() -> None:
    with pytest.raises(ModelError, match=r"has no weights.*local file or a pretrained tag"):
        load_clip(SMALL)


def test_an_unknown_model(weights: Path) -> None:
    with pytest.raises(ModelError, match=r"unknown model 'ViT-Z'.*flawline models list"):
        load_clip("ViT-Z", weights=weights)


def test_an_unknown_tag() -> None:
    with pytest.raises(ModelError, match=r"has no pretrained tag 'best'.*laion400m_e32"):
        load_clip("ViT-B-16-plus-240", pretrained="best")


@pytest.mark.parametrize("name", ["ViT-B-16-SigLIP", "coca_ViT-B-32", "roberta-ViT-B-32"])
def test_a_model_that_is_no_plain_clip(weights: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"is not a plain CLIP.*ViT-B-16-plus-240"):
        load_clip(name, weights=weights)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"preset": "papre"}, "unknown preset 'papre'.*paper, anomalib"),
        ({"dtype": "int8"}, "unknown dtype 'int8'.*float32"),
        ({"device": "gpu"}, "device gpu is not there"),
        ({"compiler": "inductor"}, "cannot be compiled for a CPU"),
    ],
)
def test_unknown_settings(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        WinClip.load(**settings)  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(ModelError, match=r"cuda is not there.*model.device to cpu"):
        WinClip.load(device="cuda")


def test_the_bundled_model_judges_by_references_unless_told_otherwise() -> None:
    assert load_model(ModelSettings.model_validate({})).language_weight == 0.0
    settings = ModelSettings.model_validate({"language_weight": 0.5, "preset": "anomalib"})
    model = load_model(settings)
    assert model.language_weight == 0.5
    assert model.fingerprint.preset == "anomalib"
    assert model.is_sound()
