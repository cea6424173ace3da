"""Text prototypes: what a good and a bad object are in words (section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scorer.clip.presets import Preset, compose_prompts

Tokenizer = Callable[[list[str]], Tensor]

MAX_PROMPTS_PER_PASS = 256


class TextEncoder:
    """The text tower, cut to the longest prompt, and a cache of prototypes.

    Cutting is exact: under the causal mask no token sees what follows it, and the embedding is
    read at the end-of-text token.

    Args:
        clip: an open_clip CLIP model with its text tower.
        tokenizer: prompts to int64 (B, L); the end-of-text token has the highest id.
        preset: templates, states and the kind of mean.
    """

    def __init__(self, clip: Any, tokenizer: Tokenizer, preset: Preset) -> None:
        self._clip = clip
        self._tokenizer = tokenizer
        self._preset = preset
        self._cache: dict[tuple[tuple[str, ...], tuple[str, ...]], Tensor] = {}

    def variant(self, preset: Preset) -> TextEncoder:
        """The same text tower with other words."""
        return TextEncoder(self._clip, self._tokenizer, preset)

    def prototypes(
        self,
        object_name: str,
        *,
        normal_states: tuple[str, ...] = (),
        anomalous_states: tuple[str, ...] = (),
    ) -> Tensor:
        """Float32 (2, D) of length 1: the normal and the anomalous prototype.

        Args:
            object_name: e.g. "bottle".
            normal_states, anomalous_states: task-specific states on top of the preset's, each
                with `{}` where the object goes.
        """
        preset = self._preset
        ensembles = (
            compose_prompts(preset, object_name, preset.normal_states + normal_states),
            compose_prompts(preset, object_name, preset.anomalous_states + anomalous_states),
        )
        if ensembles not in self._cache:
            self._cache[ensembles] = torch.stack([self._mean(prompts) for prompts in ensembles])
        return self._cache[ensembles]

    def nearest_prompt(
        self, embedding: Tensor, object_name: str, anomalous_states: tuple[str, ...] = ()
    ) -> str:
        """Of the anomalous prompts the one that is most like an embedding (D,) of length 1.

        Args:
            anomalous_states: task-specific ones on top of the preset's.
        """
        states = self._preset.anomalous_states + anomalous_states
        prompts = compose_prompts(self._preset, object_name, states)
        likeness = F.normalize(self.encode(prompts), dim=-1) @ embedding.float()
        return prompts[int(likeness.argmax())]

    def _mean(self, prompts: tuple[str, ...]) -> Tensor:
        embeddings = self.encode(prompts)
        if self._preset.normalise_prompts:
            embeddings = F.normalize(embeddings, dim=-1)
        return F.normalize(embeddings.mean(dim=0), dim=-1)

    @torch.inference_mode()
    def encode(self, prompts: tuple[str, ...]) -> Tensor:
        """Float32 (B, D): embeddings of prompts, not normalised."""
        tokens = self._tokenizer(list(prompts)).to(self._clip.positional_embedding.device)
        end = tokens.argmax(dim=-1)
        tokens = tokens[:, : int(end.max()) + 1]
        parts = zip(
            torch.split(tokens, MAX_PROMPTS_PER_PASS),
            torch.split(end, MAX_PROMPTS_PER_PASS),
            strict=True,
        )
        return torch.cat([self._encode(part, at) for part, at in parts])

    def _encode(self, tokens: Tensor, end: Tensor) -> Tensor:
        clip = self._clip
        length = tokens.shape[1]
        x = clip.token_embedding(tokens) + clip.positional_embedding[:length]
        mask = clip.attn_mask[:length, :length]
        for block in clip.transformer.resblocks:
            x = block(x, attn_mask=mask)
        x = clip.ln_final(x)[torch.arange(len(x)), end]
        projection = clip.text_projection
        embedded: Tensor = (
            projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection
        )
        return embedded.float()
