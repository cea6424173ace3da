"""A page with generated parts between markers. Pure.

<!-- generated: NAME -->
... made by the part called NAME ...
<!-- end -->
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping

_PART = re.compile(r"<!-- generated: (?P<name>[a-z-]+) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)
_MARKER = re.compile(r"^<!-- (?:generated: .*|end) -->$", re.MULTILINE)
SHOWN_LINES = 20

Part = Callable[[], str]


class MarkerError(ValueError):
    """Markers that do not pair, or name no part."""


def names(page: str) -> list[str]:
    """The parts that `page` holds, in order."""
    return [match["name"] for match in _PART.finditer(page)]


def fill(page: str, parts: Mapping[str, Part]) -> str:
    """`page` with each part as it should be.

    Raises:
        MarkerError: a marker without its partner, or an unknown name.
    """
    found = names(page)
    if len(_MARKER.findall(page)) != 2 * len(found):
        raise MarkerError("a marker has no partner")
    if unknown := [name for name in found if name not in parts]:
        raise MarkerError(f"no part {unknown[0]!r}: the parts are {', '.join(parts)}")
    return _PART.sub(lambda match: _filled(match["name"], parts[match["name"]]()), page)


def stale(page: str, fresh: str, *, name: str) -> str:
    """The first lines in which `page` differs from `fresh`; empty if it does not."""
    lines = difflib.unified_diff(
        page.splitlines(), fresh.splitlines(), name, "made from the code", lineterm="", n=0
    )
    return "\n".join(list(lines)[:SHOWN_LINES])


def _filled(name: str, text: str) -> str:
    return f"<!-- generated: {name} -->\n\n{text.strip()}\n\n<!-- end -->"
