"""Linear layers with what follows them fused in, in the faster of two ways.

On a CPU with AVX512 PyTorch's own `F.linear` lays the weights out anew at each call, and oneDNN is
reached for half precision only. There the weights are packed once, and oneDNN adds the bias and
the residual or applies GELU while the numbers are still in registers. It is the operator that
PyTorch's compiler emits for a frozen model. With AVX2 alone MKL's products were a fifth faster
than oneDNN's, so there, and on other devices, plain PyTorch runs.

A row of the result does not depend on the other rows, nor, from `MIN_ROWS` on, on how many there
are: the window cache relies on it and the tests hold it to the bit.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

TYPICAL_ROWS: Final = 2896
MIN_ROWS: Final = 16


class Linear:
    """y = x W' + b, then GELU if asked for; weights are packed for the CPU.

    Args:
        weight: (out, in).
        bias: (out,) or None.
        gelu: apply the exact (erf) GELU to y.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> None:
        self._bias = None if bias is None else bias.detach()
        self._gelu = gelu
        self._packed = _pack(weight.detach())
        self._weight = weight.detach() if self._packed is None else None

    def __call__(self, x: Tensor) -> Tensor:
        """(T, out) of (T, in)."""
        if self._packed is not None:
            fused: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self._packed, self._bias, "gelu" if self._gelu else "none", [], "none"
            )
            return fused
        y = self._plain(x)
        return F.gelu(y) if self._gelu else y

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        """`residual` + y, for a layer without GELU; (T, out)."""
        if self._packed is not None:
            added: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
                x, residual, self._packed, self._bias, "add"
            )
            return added
        return residual + self._plain(x)

    def _plain(self, x: Tensor) -> Tensor:
        assert self._weight is not None
        if x.device.type == "cpu" and len(x) < MIN_ROWS:
            # MKL has other kernels for a few rows, with other rounding.
            filled = F.pad(x, (0, 0, 0, MIN_ROWS - len(x)))
            return F.linear(filled, self._weight, self._bias)[: len(x)]
        return F.linear(x, self._weight, self._bias)


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
    return ()
