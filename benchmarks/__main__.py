"""`python -m benchmarks`, the same as `flawline bench`."""

from __future__ import annotations

import sys

from flawline.__main__ import main

if __name__ == "__main__":
    sys.argv[1:1] = ["bench"]
    main()
