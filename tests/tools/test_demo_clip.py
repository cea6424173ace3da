"""The shipped clip, its truth and its pictures of good parts belong together."""

from __future__ import annotations

from tools.demo_check import check
from tools.demo_clip import ASSETS, SEED, make_truth


def test_clip_and_truth_agree() -> None:
    assert check(ASSETS, make_truth(SEED)) == []
