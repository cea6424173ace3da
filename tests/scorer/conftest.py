"""Models that are loaded once."""

from __future__ import annotations

import pytest
import torch

from scorer import ReferenceMemory, WinClip
from tests.scorer.pictures import part

# The oracle runs thousands of small layers; on a busy machine threads that wait for each other
# make these many times slower.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mini() -> WinClip:
    """The bundled model with the paper's preset."""
    return WinClip.load()


@pytest.fixture(scope="session")
def mini_anomalib() -> WinClip:
    """The bundled model with anomalib's preset."""
    return WinClip.load(preset="anomalib")


@pytest.fixture(scope="session")
def memory(mini: WinClip) -> ReferenceMemory:
    """One good part in the eyes of the bundled model."""
    return mini.enroll([part(1)])


@pytest.fixture
def cuda() -> str:
    """A CUDA device, or the test is skipped."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return "cuda"
