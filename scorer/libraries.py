"""torch and open_clip, loaded as a scorer needs them: threads that wait sleep, and no compiler.

torch's compiler takes as long to load as torch. Nothing of a scorer needs it but `compile`, which
loads it then. torchvision would ask it something in functions that a scorer does not call. timm
loads it too, and open_clip is content without timm: it is for towers that a scorer refuses. A
program that wants such towers as well imports open_clip before it imports the scorer.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from scorer.openmp import wait_asleep

COMPILER: Final = "torch._dynamo.utils"


class OnDemand(ModuleType):
    """Stands in for the compiler's module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Whoever looks through all modules for the file that a function is from.
            raise AttributeError(name)
        return getattr(_real(), name)

    @staticmethod
    def is_compile_supported(device: str) -> bool:
        """What torchvision imports by name."""
        return bool(_real().is_compile_supported(device))


def _real() -> ModuleType:
    if isinstance(sys.modules.get(COMPILER), OnDemand):
        sys.modules.pop(COMPILER, None)
    return import_module(COMPILER)


@contextmanager
def without_compiler() -> Iterator[None]:
    """Meanwhile imports find a stand-in for the compiler, and no timm, unless they are loaded."""
    standing_in: dict[str, Any] = {COMPILER: OnDemand(COMPILER), "timm": None}
    put = {name: each for name, each in standing_in.items() if name not in sys.modules}
    sys.modules.update(put)
    try:
        yield
    finally:
        for name, each in put.items():
            if sys.modules.get(name) is each:
                sys.modules.pop(name, None)


@contextmanager
def without_collection() -> Iterator[None]:
    """Meanwhile nobody looks for garbage: modules leave none, and the search takes a fifth."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


wait_asleep(os.environ)
with without_collection():
    import_module("torch")
    with without_compiler():
        import_module("open_clip")
