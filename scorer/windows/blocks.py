"""One residual block of CLIP's vision transformer over tokens packed window by window."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorer.windows.linear import Linear


class Block:
    """A `ResidualAttentionBlock` of open_clip, taken apart so that tokens may come packed.

    Args:
        block: shared, not copied; its weights are packed anew.
        last: fewer tokens ask than are looked at, so queries stand apart from keys and values.
    """

    query: Linear
    key_value: Linear
    query_key_value: Linear

    def __init__(self, block: Any, *, last: bool = False) -> None:
        attention, mlp = block.attn, block.mlp
        width = attention.embed_dim
        self.heads = int(attention.num_heads)
        # Attention divides queries by the root of their length; here their weights are. With
        # lengths that are powers of four, such as CLIP's 64, not a bit changes.
        scale = torch.ones(3 * width, 1)
        scale[:width] = (width // self.heads) ** -0.5
        weight = attention.in_proj_weight * scale.to(attention.in_proj_weight)
        bias = attention.in_proj_bias * scale.squeeze(1).to(attention.in_proj_bias)
        self.ln_1, self.ln_2 = block.ln_1, block.ln_2
        if last:
            self.query = Linear(weight[:width], bias[:width])
            self.key_value = Linear(weight[width:], bias[width:])
        else:
            self.query_key_value = Linear(weight, bias)
        self._out = Linear(attention.out_proj.weight, attention.out_proj.bias)
        # open_clip has two activations: GELU is fused into the product, QuickGELU is its own.
        fused = isinstance(mlp.gelu, nn.GELU)
        self._up = Linear(mlp.c_fc.weight, mlp.c_fc.bias, gelu=fused)
        self._activation = nn.Identity() if fused else mlp.gelu
        self._down = Linear(mlp.c_proj.weight, mlp.c_proj.bias)
        self._scale_1, self._scale_2 = block.ls_1, block.ls_2

    def mix(self, x: Tensor, attended: Tensor) -> Tensor:
        """What follows the attention: output projection, residuals and MLP; all (T, width)."""
        x = _add(x, self._out, attended, self._scale_1)
        hidden = self._activation(self._up(self.ln_2(x)))
        return _add(x, self._down, hidden, self._scale_2)


def _add(residual: Tensor, layer: Linear, x: Tensor, scale: nn.Module) -> Tensor:
    if isinstance(scale, nn.Identity):
        return layer.plus(x, residual)
    scaled: Tensor = residual + scale(layer(x))
    return scaled


def attend(query: Tensor, key_value: Tensor, *, rows: int, heads: int, out: Tensor) -> None:
    """Multi-head attention within each of `rows` windows of equal length.

    Args:
        query: (rows * Q, width), scaled: the first Q tokens of each window ask.
        key_value: (rows * L, 2 * width).
        out: (rows * Q, width), written to.
    """
    shape = (rows, -1, heads, query.shape[-1] // heads)
    asking = query.reshape(shape).transpose(1, 2)
    key, value = (part.reshape(shape).transpose(1, 2) for part in key_value.chunk(2, dim=-1))
    if query.device.type == "cpu" and query.dtype != torch.float32:
        # Flash attention in half precision is slower on a CPU than two plain products.
        mixed = (asking @ key.transpose(-1, -2)).softmax(dim=-1) @ value
    else:
        mixed = F.scaled_dot_product_attention(asking, key, value, scale=1.0)
    out.view(shape).copy_(mixed.transpose(1, 2))
