"""The reference memory: features of the good parts that a line was taught with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from contract.errors import MemoryMismatch
from scorer.windows.features import Features, Wanted


class Fingerprint(NamedTuple):
    """What features depend on: memories are only comparable under the same one."""

    model: str
    weights_sha256: str
    preset: str

    def require(self, other: Fingerprint) -> None:
        """Refuse to be compared with features of `other`.

        Raises:
            MemoryMismatch: naming what differs.
        """
        for field, mine, theirs in zip(self._fields, self, other, strict=True):
            if mine != theirs:
                raise MemoryMismatch(
                    f"the reference memory was made with {field} {mine[:48]}, this scorer has "
                    f"{theirs[:48]}",
                    "enroll the line again",
                )


def fingerprint_of(
    model: str, weights_sha256: str, preset: str, association: tuple[str, str] | None = None
) -> Fingerprint:
    """The fingerprint of a CLIP model, or of one and the network that compares references.

    Args:
        association: that network's name and the SHA-256 of its weights.
    """
    if association is None:
        return Fingerprint(model, weights_sha256, preset)
    name, sha256 = association
    both = hashlib.sha256(f"{weights_sha256} {sha256}".encode()).hexdigest()
    return Fingerprint(f"{model} + {name}", both, preset)


class Bank(NamedTuple):
    """Features of one tile position, or of all of them; every vector has length 1.

    Attributes:
        patches: (R, width) patch features, reference by reference.
        windows: per scale (R_k, D) window features.
    """

    patches: Tensor
    windows: tuple[Tensor, ...]

    def to(self, like: Tensor) -> Bank:
        """This bank in the dtype and on the device of `like`."""
        return Bank(self.patches.to(like), tuple(each.to(like) for each in self.windows))


@dataclass(frozen=True)
class ReferenceMemory:
    """Features of K reference images.

    Attributes:
        banks: one per tile position, or a single one for all.
        num_references: K.
        fingerprint: the model that made them.
        num_tiles: T, tiles per reference image.
    """

    banks: tuple[Bank, ...]
    num_references: int
    fingerprint: Fingerprint
    num_tiles: int = 1

    def require(self, fingerprint: Fingerprint, *, num_tiles: int = 1) -> None:
        """Refuse to be used with another model or other tiles.

        Raises:
            MemoryMismatch: naming what differs.
        """
        self.fingerprint.require(fingerprint)
        if self.num_tiles != num_tiles:
            raise MemoryMismatch(
                f"the reference memory is of {self.num_tiles} tiles, the crop has {num_tiles}",
                "enroll the line again",
            )

    @classmethod
    def cat(cls, memories: list[ReferenceMemory]) -> ReferenceMemory:
        """The references of several memories of one model as one."""
        if len(memories) == 1:
            return memories[0]
        banks = tuple(
            Bank(
                torch.cat([bank.patches for bank in same]),
                tuple(
                    torch.cat(each) for each in zip(*(bank.windows for bank in same), strict=True)
                ),
            )
            for same in zip(*(memory.banks for memory in memories), strict=True)
        )
        num_references = sum(memory.num_references for memory in memories)
        return replace(memories[0], banks=banks, num_references=num_references)

    def to(self, like: Tensor) -> ReferenceMemory:
        """This memory in the dtype and on the device of `like`."""
        return replace(self, banks=tuple(bank.to(like) for bank in self.banks))

    def without(self, index: int) -> ReferenceMemory:
        """The memory of all references but number `index`."""
        banks = tuple(
            Bank(
                _without(bank.patches, index, self.num_references),
                tuple(_without(each, index, self.num_references) for each in bank.windows),
            )
            for bank in self.banks
        )
        return replace(self, banks=banks, num_references=self.num_references - 1)


def fill_banks(
    features: Features, wanted: Wanted, inside: Tensor, *, pooled: bool
) -> tuple[Bank, ...]:
    """Banks from the features of K reference crops of T tiles.

    Args:
        features: of K * T tiles, crop by crop.
        wanted: what was looked at in each of the T tiles.
        inside: bool (T, P): patches that count.
        pooled: one bank for all tiles instead of one for each.
    """
    num_tiles = len(inside)
    groups = [
        (each.reshape(-1, num_tiles, *each.shape[1:]), counts.to(each.device))
        for each, counts in zip(
            (features.patches, *features.windows), (inside, *wanted.windows), strict=True
        )
    ]
    if pooled:
        patches, *windows = [each[:, counts].flatten(0, 1) for each, counts in groups]
        return (Bank(patches, tuple(windows)),)
    banks = []
    for tile in range(num_tiles):
        patches, *windows = [each[:, tile, counts[tile]].flatten(0, 1) for each, counts in groups]
        banks.append(Bank(patches, tuple(windows)))
    return tuple(banks)


def _without(features: Tensor, index: int, num_references: int) -> Tensor:
    parts = list(features.reshape(num_references, -1, features.shape[-1]).unbind())
    del parts[index]
    return torch.cat(parts) if parts else features[:0]
