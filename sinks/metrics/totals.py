"""Running totals that start again with each epoch, as growth. Pure."""

from __future__ import annotations

from contract.messages import StreamKey

REMEMBERED_EPOCHS = 4


class Totals:
    """How much `decoded` and `admitted` grew since the last message that got through.

    >>> totals = Totals()
    >>> stream = StreamKey("station", "line", "camera", 1)
    >>> totals.decoded(stream, 10), totals.decoded(stream, 12), totals.decoded(stream, 12)
    (10, 2, 0)
    """

    def __init__(self) -> None:
        self._decoded: dict[tuple[str, str, str], dict[int, int]] = {}
        self._admitted: dict[tuple[str, str, str], dict[int, int]] = {}

    def decoded(self, stream: StreamKey, total: int) -> int:
        """Growth of the decoded frames of `stream`."""
        return _growth(self._decoded.setdefault(stream[:3], {}), stream.epoch, total)

    def admitted(self, stream: StreamKey, total: int) -> int:
        """Growth of the admitted frames of `stream`."""
        return _growth(self._admitted.setdefault(stream[:3], {}), stream.epoch, total)


def _growth(epochs: dict[int, int], epoch: int, total: int) -> int:
    """Growth since the last total of `epoch`; a message that was overtaken counts nothing."""
    before = epochs.get(epoch, 0)
    epochs[epoch] = max(before, total)
    if len(epochs) > REMEMBERED_EPOCHS:
        del epochs[min(epochs)]
    return max(0, total - before)
