"""WinCLIP+ for streams: words and reference images in, scores and maps out."""

from scorer.scoring.memory import ReferenceMemory
from scorer.scoring.scoring import Result
from scorer.scoring.winclip import WinClip

__all__ = ["ReferenceMemory", "Result", "WinClip"]
