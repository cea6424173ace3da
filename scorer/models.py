"""CLIP models by name, with weights from a local file, the package or a pretrained tag."""

from __future__ import annotations

import json
import logging
import pickle
import struct
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import open_clip
import torch
from open_clip.factory import load_state_dict
from safetensors import SafetensorError
from torch import Tensor

from contract.errors import ModelError
from scorer.files import sha256_of
from scorer.text import Tokenizer

MINI: Final = "flawline-mini"
PRODUCTION: Final = ("ViT-B-16-plus-240", "laion400m_e32")

# What torch, safetensors and open_clip raise on files that are something else.
UNREADABLE: Final = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    StopIteration,
    AttributeError,
    AssertionError,
    struct.error,
    SafetensorError,
    pickle.UnpicklingError,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedClip:
    """A CLIP model in float32 on the CPU, and where it came from."""

    clip: Any
    tokenizer: Tokenizer
    name: str
    weights_sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_clip(
    name: str, *, weights: Path | None = None, pretrained: str | None = None
) -> LoadedClip:
    """The model `name` with its weights.

    Args:
        name: an open_clip model name, or `flawline-mini`, which carries its own weights.
        weights: a local `.safetensors` file or weights-only checkpoint.
        pretrained: an open_clip pretrained tag; downloads once where there is a network.

    Raises:
        ModelError: unknown name, no weights, a file that cannot be read or does not fit.
    """
    if name == MINI:
        if weights is not None or pretrained is not None:
            raise ModelError(f"{MINI} carries its own weights", "leave weights and pretrained out")
        return _load_mini()
    config = open_clip.get_model_config(name)
    if config is None:
        raise ModelError(f"unknown model {name!r}", "see `flawline models list`")
    if pretrained is not None:
        weights = pull(name, pretrained)
    if weights is None:
        raise ModelError(f"{name} has no weights", "give a local file or a pretrained tag")
    sha256 = file_sha256(weights)
    clip = _fill(_build(config, name), read_weights(weights), name=name, source=str(weights))
    tokenizer = open_clip.get_tokenizer(name)
    return _loaded(clip, tokenizer, name, sha256)


def pull(name: str, tag: str) -> Path:
    """The weights of pretrained `tag` of model `name`, downloaded once to open_clip's cache.

    Raises:
        ModelError: no such tag, or no way to download it.
    """
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise ModelError(f"{name} has no pretrained tag {tag!r}", f"one of {', '.join(tags)}")
    config = open_clip.get_pretrained_cfg(name, tag)
    try:
        return Path(open_clip.download_pretrained(config, prefer_hf_hub=True))
    except Exception as error:
        raise ModelError(
            f"cannot download {name} {tag} ({type(error).__name__})",
            "connect this host once, or copy the file here and set model.weights",
        ) from error


def pretrained_models() -> list[tuple[str, str]]:
    """Name and tag of each open_clip model with published weights whose tower windows fit."""
    return [
        (name, tag)
        for name, tag in open_clip.list_pretrained()
        if name.startswith("ViT-") and "SigLIP" not in name
    ]


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a weights file.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise ModelError(
            f"cannot read weights {path}: {error.strerror}", "set model.weights to a file"
        ) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a `.safetensors` file or a weights-only checkpoint; never runs its code.

    Raises:
        ModelError: not such a file.
    """
    try:
        state: dict[str, Tensor] = load_state_dict(str(path), weights_only=True)
        if not all(isinstance(value, Tensor) for value in state.values()):
            raise TypeError("not all values are tensors")
    except UNREADABLE as error:
        raise ModelError(
            f"{path} is not a weights file that can be read ({type(error).__name__})",
            "expected .safetensors or a checkpoint that torch.load(weights_only=True) accepts",
        ) from None
    return state


def _build(config: dict[str, Any], name: str) -> Any:
    vision: dict[str, Any] = config.get("vision_cfg", {})
    text: dict[str, Any] = config.get("text_cfg", {})
    if "timm_model_name" in vision or "hf_model_name" in text or "multimodal_cfg" in config:
        raise ModelError(
            f"{name} is not a plain CLIP", "use one with a ViT image tower, e.g. ViT-B-16-plus-240"
        )
    known = {
        key: config[key]
        for key in ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu")
        if key in config
    }
    return open_clip.CLIP(**known)


def _fill(clip: Any, state: dict[str, Tensor], *, name: str, source: str) -> Any:
    expected = clip.state_dict()
    problems = [
        *(f"{key} is missing" for key in expected if key not in state),
        *(f"{key} is not part of the model" for key in state if key not in expected),
        *(
            f"{key} has shape {tuple(state[key].shape)}, the model needs {tuple(value.shape)}"
            for key, value in expected.items()
            if key in state and state[key].shape != value.shape
        ),
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ModelError(f"weights {source} do not fit {name}", problems[0] + more)
    clip.load_state_dict(state)
    return clip.float().eval().requires_grad_(False)


def _load_mini() -> LoadedClip:
    assets = files("scorer") / "assets"
    config = json.loads((assets / f"{MINI}.json").read_text(encoding="utf-8"))
    with as_file(assets / f"{MINI}.safetensors") as path:
        sha256 = file_sha256(path)
        state = {key: value.clone() for key, value in read_weights(path).items()}
    tokenizer = SmallVocabulary(
        state.pop("vocabulary").long(), context_length=config["text_cfg"]["context_length"]
    )
    clip = _fill(_build(config, MINI), state, name=MINI, source="in the package")
    return _loaded(clip, tokenizer, MINI, sha256)


def _loaded(clip: Any, tokenizer: Tokenizer, name: str, sha256: str) -> LoadedClip:
    return LoadedClip(
        clip,
        tokenizer,
        name,
        sha256,
        tuple(open_clip.OPENAI_DATASET_MEAN),
        tuple(open_clip.OPENAI_DATASET_STD),
    )


class SmallVocabulary:
    """CLIP's byte-pair tokenizer for a token table that holds only some of its rows.

    Args:
        vocabulary: int64, ascending: original ids of rows 1, 2, ...; row 0 is the unknown token.
        context_length: tokens per prompt.
    """

    def __init__(self, vocabulary: Tensor, context_length: int) -> None:
        self._vocabulary = vocabulary
        self._tokenizer = open_clip.SimpleTokenizer(context_length=context_length)

    def __call__(self, prompts: list[str]) -> Tensor:
        """int64 (B, context_length) rows of the small table."""
        ids: Tensor = self._tokenizer(prompts)
        place = torch.searchsorted(self._vocabulary, ids).clamp_max(len(self._vocabulary) - 1)
        return torch.where(self._vocabulary[place] == ids, place + 1, 0)
