"""What a step takes: a line in tokens, learned at warm-up, corrected by experience. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

LEARNING_RATE = 0.2


@dataclass(frozen=True)
class Cost:
    """Time of a step: `scale * (batch_ns + token_ns * tokens)`.

    Attributes:
        batch_ns: what a step takes however small it is.
        token_ns: what each token adds.
        scale: how much slower steps turned out than at warm-up; 1 is as fast.
    """

    batch_ns: float = 0.0
    token_ns: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(cls, small: tuple[int, float], large: tuple[int, float]) -> Self:
        """The line through two measurements (tokens, ns); neither part is negative.

        >>> Cost.fit((100, 300.0), (200, 500.0))
        Cost(batch_ns=100.0, token_ns=2.0, scale=1.0)
        """
        (few, short_ns), (many, long_ns) = small, large
        if many <= few:
            return cls(token_ns=short_ns / few)
        token_ns = max(0.0, long_ns - short_ns) / (many - few)
        if token_ns * few > short_ns:
            return cls(token_ns=long_ns / many)
        return cls(short_ns - token_ns * few, token_ns)

    def step_ns(self, num_tokens: int) -> int:
        """What a step of `num_tokens` will take, in ns."""
        return int(self.scale * (self.batch_ns + self.token_ns * num_tokens))

    def learn(self, num_tokens: int, took_ns: float, *, rate: float = LEARNING_RATE) -> Cost:
        """Corrected by a step that took `took_ns`; `rate` 1: this step alone is believed."""
        expected_ns = self.batch_ns + self.token_ns * num_tokens
        if expected_ns <= 0:
            return replace(self, token_ns=took_ns / max(1, num_tokens))
        scale = self.scale + rate * (took_ns / expected_ns - self.scale)
        return replace(self, scale=scale)
