"""anomalib's WinCLIP in an environment of its own, asked over stdin and stdout.

Run by `benchmarks.rival` with the Python of that environment; imports nothing of Flawline.
Each request is a line of JSON, each answer too: {"do": "setup" | "score", ...}.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import torch
from anomalib.models.image.winclip import torch_model
from safetensors.torch import load_file


def setup(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The model with the weights, words and references that were asked for."""
    torch.set_num_threads(request["threads"])
    torch_model.PRETRAINED = None
    model = torch_model.WinClipModel().eval()
    model.clip.load_state_dict(load_file(request["weights"]))
    with torch.inference_mode():
        model.setup(request["object"], load_file(request["pixels"])["references"])
    names = ("anomalib", "open_clip_torch", "torch")
    return model, {"versions": {name: version(name) for name in names}}


def score(model: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Seconds for the images, their scores and their maps."""
    images = load_file(request["pixels"])["images"]
    start_s = time.perf_counter()
    with torch.inference_mode():
        found = model(images)
    took_s = time.perf_counter() - start_s
    return {
        "took_s": took_s,
        "scores": found.pred_score.tolist(),
        "maps": found.anomaly_map.tolist(),
    }


def main() -> None:
    """Answer until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    model = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "setup":
            model, answer = setup(request)
        else:
            answer = score(model, request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
