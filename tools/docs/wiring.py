"""The channels between processes, from the channel table."""

from __future__ import annotations

from contract.channels import CHANNELS
from tools.docs.markdown import code, prose, table


def channels() -> str:
    """A row per channel."""
    rows = [
        (
            code(each.name),
            each.binds,
            ", ".join(each.connects),
            prose(each.carries),
            each.high_water_mark,
            prose(each.when_full),
        )
        for each in CHANNELS.values()
    ]
    return table(("channel", "listens", "connects", "carries", "queue", "when full"), rows)
