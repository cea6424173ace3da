"""The reference memory: features of the good parts that a line was taught with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from contract.errors import MemoryMismatch


class Fingerprint(NamedTuple):
    """What features depend on: memories are only comparable under the same one."""

    model: str
    weights_sha256: str
    preset: str


@dataclass(frozen=True)
class ReferenceMemory:
    """Features of K reference images; every vector has length 1.

    Attributes:
        patches: (K * P, width) patch features.
        windows: per scale (K * W, D) window features.
        num_references: K.
        fingerprint: the model that made them.
    """

    patches: Tensor
    windows: tuple[Tensor, ...]
    num_references: int
    fingerprint: Fingerprint

    def require(self, fingerprint: Fingerprint) -> None:
        """Refuse to be used with another model.

        Raises:
            MemoryMismatch: naming what differs.
        """
        for field, mine, theirs in zip(
            Fingerprint._fields, self.fingerprint, fingerprint, strict=True
        ):
            if mine != theirs:
                raise MemoryMismatch(
                    f"the reference memory was made with {field} {mine[:16]}, this scorer has "
                    f"{theirs[:16]}",
                    "enroll the line again",
                )

    def without(self, index: int) -> ReferenceMemory:
        """The memory of all references but number `index`."""
        return ReferenceMemory(
            _without(self.patches, index, self.num_references),
            tuple(_without(scale, index, self.num_references) for scale in self.windows),
            self.num_references - 1,
            self.fingerprint,
        )


def _without(features: Tensor, index: int, num_references: int) -> Tensor:
    parts = list(features.reshape(num_references, -1, features.shape[-1]).unbind())
    del parts[index]
    return torch.cat(parts) if parts else features[:0]
