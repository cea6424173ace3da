"""A scorer starts without torch's compiler, and whoever needs it later gets it all the same."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json, sys
import scorer.__main__
slow = ("torch._dynamo", "timm", "sympy", "scipy.stats")
early = [name for name in slow if name in sys.modules]
import torch, torchvision.ops
box = torch.tensor([[0.0, 0.0, 0.0, 2.0, 2.0]])
aligned = torchvision.ops.roi_align(torch.ones(1, 1, 4, 4), box, 1)
limit = torch._dynamo.config.recompile_limit
import gc, timm
print(json.dumps([early, aligned.item(), limit, timm.is_model("vit_small_patch14_dinov2"),
                  gc.isenabled()]))
"""


def test_a_scorer_starts_without_what_it_does_not_use_and_has_it_when_it_does() -> None:
    told = subprocess.run(
        [sys.executable, "-P", "-c", CODE], capture_output=True, text=True, check=True
    ).stdout
    early, aligned, limit, timm_works, collects = json.loads(told)
    assert early == []
    assert aligned == 1.0
    assert limit > 0
    assert timm_works
    assert collects
