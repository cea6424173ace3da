"""Write `flawline-mini.json` and `flawline-mini.safetensors` (fp16) from a training checkpoint."""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tools.mini.model import NAME, build, configuration
from tools.mini.vocabulary import build_vocabulary

ASSETS = Path("scorer/assets")


def export(
    state: dict[str, Tensor], vocabulary: Tensor, provenance: dict[str, str], folder: Path
) -> Path:
    """Write the configuration and the weights.

    Args:
        state: state dict of the open_clip model.
        vocabulary: int32 [V], BPE ids in ascending order.
        provenance: strings for the safetensors metadata.
        folder: where both files go.

    Returns:
        Path of the safetensors file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = configuration(len(vocabulary))
    (folder / f"{NAME}.json").write_text(json.dumps(config, indent=4) + "\n")
    tensors = {key: value.half().contiguous() for key, value in state.items()}
    path = folder / f"{NAME}.safetensors"
    save_file({**tensors, "vocabulary": vocabulary}, path, {"name": NAME, **provenance})
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="without it: random weights")
    parser.add_argument("--folder", type=Path, default=ASSETS)
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    args = parser.parse_args()
    vocabulary = build_vocabulary()
    if args.checkpoint is None:
        state = build(len(vocabulary), args.seed).state_dict()
        provenance = {"seed": str(args.seed), "images_seen": "0", "data": "none, random weights"}
    else:
        checkpoint = torch.load(args.checkpoint, weights_only=True)
        vocabulary, state = checkpoint["vocabulary"], checkpoint["model"]
        provenance = checkpoint["provenance"]
    path = export(state, vocabulary, provenance, args.folder)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {provenance}")


if __name__ == "__main__":
    main()
