"""Write the generated parts of the documentation, or check that they are fresh.

python -m tools.docs            # writes
python -m tools.docs --check    # exit 1 and the difference if a page is stale
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from tools.docs import commands, configuration, events, modules, monitoring, plc, reasons, wiring
from tools.docs.page import Part, fill, names, stale

PAGES: Final = Path(__file__).parents[2] / "docs"
PARTS: Final[dict[str, Part]] = {
    "alerts": monitoring.alerts,
    "channels": wiring.channels,
    "commands": commands.commands,
    "configuration": configuration.sections,
    "delivery-reasons": reasons.delivery_reasons,
    "event-fields": events.fields,
    "exit-codes": commands.exit_codes,
    "folders": modules.folders,
    "metrics": monitoring.metrics,
    "plc-faults": plc.faults,
    "plc-outcomes": plc.outcomes,
    "plc-registers": plc.registers,
    "plc-settings": plc.settings,
    "plc-status": plc.status_bits,
    "reasons": reasons.reasons,
    "refusal-reasons": reasons.refusal_reasons,
}


def update(directory: Path, *, check: bool) -> list[str]:
    """Write the pages in `directory`, or only tell what is wrong with them: a text per trouble.

    Raises:
        MarkerError: naming the page.
    """
    troubles, used = [], Counter[str]()
    for path in sorted(directory.glob("*.md")):
        page = path.read_text("utf-8")
        used.update(names(page))
        try:
            fresh = fill(page, PARTS)
        except ValueError as error:
            troubles.append(f"{path.name}: {error}")
            continue
        if check:
            troubles += filter(None, [stale(page, fresh, name=f"docs/{path.name}")])
        else:
            path.write_text(fresh, "utf-8")
    troubles += [f"part {name} is on no page" for name in PARTS if not used[name]]
    return troubles


def main() -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    troubles = update(PAGES, check=parser.parse_args().check)
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    if troubles:
        print("error: the documentation is stale: run `python -m tools.docs`", file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
