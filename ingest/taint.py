"""Whether a decoded frame can be trusted: what went wrong must never look like a defect."""

from __future__ import annotations

from contract.reasons import Reason
from ingest.picture import Picture


class Taint:
    """Judges each frame by what happened since the last keyframe.

    After an undecodable packet, and from a frame the decoder calls corrupt, frames are tainted
    until the next clean keyframe. A frame of another size than the first of the epoch is always
    tainted: the line was taught with the first size.

    Args:
        one_size: whether pictures of another size are suspect at all.
    """

    def __init__(self, *, one_size: bool) -> None:
        self._one_size = one_size
        self._size_px: tuple[int, int] | None = None
        self._reason: Reason | None = None

    def reopened(self) -> None:
        """The source was opened (again): a new decoder remembers no damage."""
        self._reason = None

    def damaged(self) -> None:
        """A packet could not be decoded."""
        self._reason = Reason.DECODE_ERROR

    def judge(self, picture: Picture) -> Reason | None:
        """Why `picture` cannot be trusted; None if it can."""
        if picture.corrupt:
            self._reason = Reason.CORRUPT
        elif picture.keyframe:
            self._reason = None
        size_px = (picture.width_px, picture.height_px)
        self._size_px = self._size_px or size_px
        if self._one_size and size_px != self._size_px:
            return Reason.SIZE_CHANGED
        return self._reason
