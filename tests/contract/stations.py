"""Small configurations for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contract.config import Config


def station(home: Path, **network: Any) -> Config:
    """One line with one camera; sockets in `home` unless `network` says otherwise."""
    return Config.model_validate(
        {
            "data_directory": home / "data",
            "network": {"directory": home / "run", **network},
            "lines": [{"name": "belt", "cameras": [{"name": "cam", "source": "clip.mp4"}]}],
        },
        context={"base": home},
    )
