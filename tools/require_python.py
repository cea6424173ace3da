"""Say clearly when the Python that runs this is too old for Flawline, or has no venv module."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (this file runs before anything is installed)
    sys.exit("error: Flawline needs Python 3.11 or newer: make install PYTHON=python3.11")
try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    sys.exit("error: this Python has no venv module: apt-get install python3-venv")
