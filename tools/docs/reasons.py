"""Why frames have no verdict and why outputs fail, from the table of reasons."""

from __future__ import annotations

from contract.reasons import DELIVERY_REASONS, REASONS, REFUSAL_REASONS
from tools.docs.markdown import code, sentence, table


def reasons() -> str:
    """A row per reason of a frame."""
    rows = [
        (
            code(reason.value),
            meaning.outcome.value,
            meaning.decided_by,
            sentence(meaning.text),
            sentence(meaning.remedy),
        )
        for reason, meaning in REASONS.items()
    ]
    return table(("reason", "outcome", "decided by", "what happened", "what to do"), rows)


def delivery_reasons() -> str:
    """A row per reason of an output."""
    rows = [
        (code(reason.value), sentence(meaning.text), sentence(meaning.remedy))
        for reason, meaning in DELIVERY_REASONS.items()
    ]
    return table(("reason", "what happened", "what to do"), rows)


def refusal_reasons() -> str:
    """A row per reason of a connection that was cut off."""
    rows = [
        (code(reason.value), sentence(meaning.text), sentence(meaning.remedy))
        for reason, meaning in REFUSAL_REASONS.items()
    ]
    return table(("reason", "what happened", "what to do"), rows)
