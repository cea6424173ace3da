"""Linear layers as fast as the processor allows, with what follows them fused in.

On a CPU PyTorch's own `F.linear` lays the weights out anew at each call, and oneDNN is reached for
half precision only. Here the weights are packed once, and oneDNN adds the bias and the residual or
applies GELU while the numbers are still in registers. It is the operator that PyTorch's compiler
emits for a frozen model; where it is missing, and on other devices, plain PyTorch runs.

A row of the result does not depend on the other rows, nor, from two rows on, on how many there
are: the window cache relies on it and the tests hold it to the bit.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

TYPICAL_ROWS: Final = 2896


class Linear:
    """y = x W' + b, then GELU if asked for; weights are packed for the CPU.

    Args:
        weight: (out, in).
        bias: (out,) or None.
        gelu: apply the exact (erf) GELU to y.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> None:
        self._weight = weight.detach()
        self._bias = None if bias is None else bias.detach()
        self._gelu = gelu
        self._packed = _pack(self._weight)

    def __call__(self, x: Tensor) -> Tensor:
        """(T, out) of (T, in)."""
        if self._packed is not None:
            fused: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self._packed, self._bias, "gelu" if self._gelu else "none", [], "none"
            )
            return fused
        y = F.linear(x, self._weight, self._bias)
        return F.gelu(y) if self._gelu else y

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        """`residual` + y, for a layer without GELU; (T, out)."""
        if self._packed is not None:
            added: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
                x, residual, self._packed, self._bias, "add"
            )
            return added
        return residual + F.linear(x, self._weight, self._bias)


def _pack(weight: Tensor) -> Tensor | None:
    """`weight` in oneDNN's own layout, or None where that is of no use."""
    if weight.device.type != "cpu" or weight.dtype not in _packable():
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), TYPICAL_ROWS)
    return packed


def _packable() -> tuple[torch.dtype, ...]:
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return ()
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return (torch.float32, torch.bfloat16)
    return (torch.float32,)
