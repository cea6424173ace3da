"""WinCLIP+ for streams: words and reference images in, scores and maps out."""

from scorer.memory import ReferenceMemory
from scorer.scoring import Result
from scorer.winclip import WinClip

__all__ = ["ReferenceMemory", "Result", "WinClip"]
