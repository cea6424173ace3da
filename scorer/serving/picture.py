"""The inspected crop as JPEG, for the verdicts that someone may want to look at."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from contract.image import Pixels
from contract.messages import Outcome

JPEG_QUALITY = 90


def wants_picture(outcome: Outcome, frame_id: int, *, pass_sample_fraction: float) -> bool:
    """Whether a verdict carries a picture: FAIL, REVIEW, and an even share of PASS."""
    if outcome in (Outcome.FAIL, Outcome.REVIEW):
        return True
    share = pass_sample_fraction
    return outcome is Outcome.PASS and int((frame_id + 1) * share) > int(frame_id * share)


def encode_jpeg(pixels: Pixels) -> bytes:
    """JPEG of (H, W, 3) uint8 RGB."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
