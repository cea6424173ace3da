"""The model: its open_clip configuration and a forward for packed windows of patches."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from torch import Tensor, nn

from tools.mini.vocabulary import CONTEXT

NAME = "flawline-mini"
SIDE, PATCH, GRID = 240, 16, 15
WIDTH, LAYERS, HEAD_WIDTH = 192, 6, 64
DISTILLED, LANGUAGE = 192, 64


def configuration(vocabulary: int) -> dict[str, Any]:
    """The open_clip model configuration.

    Args:
        vocabulary: number of BPE ids that ship; the table has one row more.
    """
    return {
        "embed_dim": DISTILLED + LANGUAGE,
        "vision_cfg": {
            "image_size": SIDE,
            "layers": LAYERS,
            "width": WIDTH,
            "head_width": HEAD_WIDTH,
            "patch_size": PATCH,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocabulary + 1,
            "width": 64,
            "heads": 4,
            "layers": 3,
        },
    }


def build(vocabulary: int, seed: int) -> CLIP:
    """A freshly initialised model with a DCT patch embedding and a language-only text side."""
    torch.manual_seed(seed)
    config = configuration(vocabulary)
    model = CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"])
    with torch.no_grad():
        model.visual.conv1.weight.copy_(dct_filters())
        model.text_projection[:, :DISTILLED] = 0
    return model


def dct_filters() -> Tensor:
    """Patch filters [192, 3, 16, 16]: low DCT waves, 128 of luma and 32 each of two chromas."""
    place = (torch.arange(PATCH) + 0.5) * math.pi / PATCH
    waves = torch.cos(torch.arange(PATCH)[:, None] * place)
    waves = waves / waves.norm(dim=1, keepdim=True)
    order = sorted(((i, j) for i in range(PATCH) for j in range(PATCH)), key=lambda ij: sum(ij))
    basis = torch.stack([waves[i][:, None] * waves[j][None] for i, j in order])
    colours = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [0.5, -1.0, 0.5]])
    colours = colours / colours.norm(dim=1, keepdim=True)
    parts = [
        basis[:count, None] * colour[None, :, None, None]
        for count, colour in zip((128, 32, 32), colours, strict=True)
    ]
    return torch.cat(parts) * 0.5


def window_index(size: int) -> Tensor:
    """Patch indices of all windows of `size` x `size` patches, stride 1, int64 [windows, size²]."""
    patches = torch.arange(GRID * GRID).view(GRID, GRID)
    return patches.unfold(0, size, 1).unfold(1, size, 1).reshape(-1, size * size)


def patch_tokens(model: CLIP, images: Tensor) -> Tensor:
    """Tokens before the first block.

    Args:
        images: [B, 3, 240, 240], CLIP-normalised.

    Returns:
        [B, 1 + 225, 192], after `ln_pre`, CLS first.
    """
    visual = model.visual
    x = visual.conv1(images).flatten(2).transpose(1, 2)
    cls = visual.class_embedding.expand(len(x), 1, -1)
    tokens: Tensor = visual.ln_pre(torch.cat([cls, x], dim=1) + visual.positional_embedding)
    return tokens


def blocks(model: CLIP, x: Tensor) -> Tensor:
    """All transformer blocks and `ln_post`, [N, T, 192] to [N, T, 192].

    Attention is bmm + softmax: the CPU backward of scaled_dot_product_attention is slower.
    """
    for block in model.visual.transformer.resblocks:
        x = x + _attention(block.attn, block.ln_1(x))
        x = x + block.mlp(block.ln_2(x))
    out: Tensor = model.visual.ln_post(x)
    return out


def windows(model: CLIP, tokens: Tensor, index: Tensor) -> Tensor:
    """Embeddings of windows; all other patches are dropped.

    Args:
        tokens: [B, 226, 192] from `patch_tokens`.
        index: patch indices, int64 [B, W, K] (per image) or [W, K] (for all images).

    Returns:
        [B, W, 256], `ln_post(CLS) @ proj`.
    """
    if index.dim() == 2:
        index = index.expand(len(tokens), -1, -1)
    count, per_image = index.shape[:2]
    rows = torch.arange(count)[:, None, None]
    patches = tokens[:, 1:][rows, index]
    cls = tokens[:, :1, None].expand(-1, per_image, -1, -1)
    packed = torch.cat([cls, patches], dim=2).flatten(0, 1)
    embedding: Tensor = blocks(model, packed)[:, 0] @ model.visual.proj
    return embedding.view(count, per_image, -1)


def _attention(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
    heads = attention.num_heads
    qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = (
        part.transpose(1, 2).flatten(0, 1)
        for part in qkv.view(*x.shape[:2], 3 * heads, -1).chunk(3, dim=2)
    )
    scale = q.shape[-1] ** -0.5
    weights = torch.softmax(torch.bmm(q * scale, k.transpose(1, 2)), dim=-1)
    mixed = torch.bmm(weights.to(v.dtype), v).view(len(x), heads, x.shape[1], -1)
    out: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return out
