"""The `flawline` command: one clear line and a non-zero exit when something is wrong."""

from __future__ import annotations

import sys
import traceback

from contract.errors import EXIT_OK, EXIT_RECOVERABLE, FlawlineError
from contract.redact import redact
from flawline.app import app
from flawline.screen import Screen


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of `flawline ARGUMENTS`."""
    debug = "--debug" in arguments
    trace = ""
    stderr = Screen(stderr=True)
    try:
        app(arguments, prog_name="flawline")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_OK
    except FlawlineError as error:
        text, code, trace = str(error), error.exit_code, traceback.format_exc()
    except Exception as error:  # noqa: BLE001  (the process boundary: told in one line)
        text = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
        code, trace = EXIT_RECOVERABLE, traceback.format_exc()
    if debug:
        stderr.say(redact(trace))
    stderr.complain("error", redact(text))
    return code


if __name__ == "__main__":
    main()
