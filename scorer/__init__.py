"""WinCLIP+ for streams: words and reference images in, scores and maps out.

Public, for use from Python:

- `WinClip`: `load` a model, `text_prototypes` of words, `enroll` good parts, `score` pictures;
- `ReferenceMemory`: what `enroll` makes;
- `Result`: what `score` finds, an anomaly score and an anomaly map per picture.

The rooms inside: `clip` (models and words), `windows` (pixels to features), `scoring` (features
to scores), `references` (memories on disk, thresholds), `serving` (the process), `evaluation`.
"""

# First of all: how torch is loaded cannot be changed afterwards.
import scorer.libraries  # noqa: F401
from scorer.scoring.memory import ReferenceMemory
from scorer.scoring.scoring import Result
from scorer.scoring.winclip import WinClip

__all__ = ["ReferenceMemory", "Result", "WinClip"]
