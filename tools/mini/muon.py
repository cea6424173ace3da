"""Muon: momentum steps made orthogonal, for the matrices of transformer blocks.

`torch.optim.Muon` does its Newton-Schulz iteration in bfloat16, which processors without such
instructions emulate: there it took two thirds of a training step. This one stays in float32.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.775, 2.0315)
ITERATIONS = 5
MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """Jordan 2024 with the step size and decay of Liu et al. 2025 (arXiv:2502.16982).

    Args:
        params: matrices only.
        lr: learning rate on the scale of AdamW's.
        weight_decay: decoupled, as in AdamW.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One step on every parameter that has a gradient."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                momentum = state.setdefault("momentum", torch.zeros_like(matrix))
                momentum.lerp_(matrix.grad, 1 - MOMENTUM)
                update = orthogonal(matrix.grad.lerp(momentum, MOMENTUM))
                size = 0.2 * max(matrix.shape) ** 0.5
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the orthogonal polar factor of a matrix [M, N]: singular values become 0.7..1.2.

    Those far below the others stay smaller.
    """
    a, b, c = COEFFICIENTS
    x = matrix / (matrix.norm() + 1e-7)
    flat: Tensor = x if x.shape[0] <= x.shape[1] else x.T
    for _ in range(ITERATIONS):
        gram = flat @ flat.T
        flat = a * flat + torch.addmm(b * gram, gram, gram, alpha=c) @ flat
    return flat if x.shape[0] <= x.shape[1] else flat.T
