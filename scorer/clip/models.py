"""CLIP models by name, with weights from a local file, the package or a pretrained tag."""

from __future__ import annotations

import difflib
import hashlib
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
from scorer.clip.text import Tokenizer

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

_PLAIN_VISION: Final = frozenset(
    {"image_size", "patch_size", "width", "layers", "head_width", "mlp_ratio", "no_ln_pre"}
)
_PLAIN_TEXT: Final = frozenset(
    {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}
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
        weights: a local `.safetensors` file or weights-only checkpoint. Weights that were trained
            with QuickGELU, such as OpenAI's, need the name that ends in `-quickgelu`.
        pretrained: an open_clip pretrained tag, which also tells activation and normalisation;
            downloads once where there is a network.

    Raises:
        ModelError: unknown name, no weights, a file that cannot be read or does not fit.
    """
    if name == MINI:
        if weights is not None or pretrained is not None:
            raise ModelError(f"{MINI} carries its own weights", "leave weights and pretrained out")
        return _load_mini()
    config = _config_of(name)
    training: dict[str, Any] = {}
    if pretrained is not None:
        weights = pull(name, pretrained)
        training = open_clip.get_pretrained_cfg(name, pretrained)
    if weights is None:
        raise ModelError(f"{name} has no weights", "give a local file or a pretrained tag")
    sha256 = file_sha256(weights)
    clip = _build(config, quick_gelu=training.get("quick_gelu"))
    return LoadedClip(
        _fill(clip, read_weights(weights), name=name, source=str(weights)),
        open_clip.get_tokenizer(name),
        name,
        sha256,
        mean=training.get("mean") or open_clip.OPENAI_DATASET_MEAN,
        std=training.get("std") or open_clip.OPENAI_DATASET_STD,
    )


def pull(name: str, tag: str) -> Path:
    """The weights of pretrained `tag` of model `name`, downloaded once to open_clip's cache.

    Raises:
        ModelError: no such tag, or no way to download it.
    """
    _require_tag(name, tag)
    config = open_clip.get_pretrained_cfg(name, tag)
    try:
        return Path(open_clip.download_pretrained(config, prefer_hf_hub=True))
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"cannot download {name} {tag} ({type(error).__name__})",
            "connect this host once, or copy the file here and set model.weights",
        ) from error


def require_known(name: str, *, pretrained: str | None = None) -> None:
    """Refuse a model or tag that does not exist, without its weights.

    Raises:
        ModelError: naming what is known.
    """
    if name != MINI:
        _config_of(name)
        if pretrained is not None:
            _require_tag(name, pretrained)


def known_sha256(name: str, weights: Path | None) -> str | None:
    """SHA-256 of a model's weights without loading them; None: they are a tag's, maybe not here.

    Raises:
        ModelError: the file cannot be read.
    """
    if weights is not None:
        return file_sha256(weights)
    if name != MINI:
        return None
    with as_file(files("scorer") / "assets" / f"{MINI}.safetensors") as path:
        return file_sha256(path)


def pretrained_models() -> list[tuple[str, str]]:
    """Name and tag of each plain CLIP with published weights that open_clip knows."""
    return [
        (name, tag)
        for name, tag in open_clip.list_pretrained()
        if _is_plain(open_clip.get_model_config(name) or {})
    ]


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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


def _config_of(name: str) -> dict[str, Any]:
    config: dict[str, Any] | None = open_clip.get_model_config(name)
    if config is None:
        nearest = difflib.get_close_matches(name, open_clip.list_models(), n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ModelError(f"unknown model {name!r}", f"{hint}see `flawline models list`")
    _require_plain(config, name)
    return config


def _require_tag(name: str, tag: str) -> None:
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise ModelError(f"{name} has no pretrained tag {tag!r}", f"one of {', '.join(tags)}")


def _is_plain(config: dict[str, Any]) -> bool:
    """Whether this is a CLIP as OpenAI made it, with a ViT: nothing that changes how it is read."""
    return (
        config.keys() <= {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}
        and config.get("vision_cfg", {"": 0}).keys() <= _PLAIN_VISION
        and config.get("text_cfg", {"": 0}).keys() <= _PLAIN_TEXT
        and isinstance(config["vision_cfg"]["layers"], int)
    )


def _require_plain(config: dict[str, Any], name: str) -> None:
    if not _is_plain(config):
        raise ModelError(
            f"{name} is not a plain CLIP with a ViT",
            "use one such as ViT-B-16-plus-240; see `flawline models list --all`",
        )


def _build(config: dict[str, Any], *, quick_gelu: bool | None = None) -> Any:
    return open_clip.CLIP(
        config["embed_dim"],
        config["vision_cfg"],
        config["text_cfg"],
        quick_gelu=config.get("quick_gelu", False) if quick_gelu is None else quick_gelu,
    )


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
    return LoadedClip(
        _fill(_build(config), state, name=MINI, source="in the package"),
        tokenizer,
        MINI,
        sha256,
        mean=open_clip.OPENAI_DATASET_MEAN,
        std=open_clip.OPENAI_DATASET_STD,
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
