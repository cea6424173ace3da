"""torch, loaded as a scorer needs it: threads that wait sleep."""

from __future__ import annotations

import os
from importlib import import_module

from scorer.openmp import wait_asleep

wait_asleep(os.environ)
import_module("torch")
