"""WinCLIP+ for streams: words and reference images in, scores and maps out."""

from scorer.memory import ReferenceMemory
from scorer.winclip import Result, WinClip

__all__ = ["ReferenceMemory", "Result", "WinClip"]
