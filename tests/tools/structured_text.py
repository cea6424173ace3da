"""Runs the structured text of the documentation, as far as that uses the language.

ST is close enough to Python that words can be exchanged line by line. What is not known here
becomes a syntax error or an unknown name, not another meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

CONVERSIONS: Final = ("WORD_TO_UDINT", "WORD_TO_ULINT", "UDINT_TO_UINT", "UDINT_TO_ULINT")
_COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)
_DECLARATIONS = re.compile(r"^VAR.*?^END_VAR$", re.DOTALL | re.MULTILINE)
_DECLARATION = re.compile(
    r"^\s*([\w, ]+?)\s*:\s*([\w.\[\] ]+?)\s*(?::=\s*(.+?))?\s*;\s*$", re.MULTILINE
)
_STATEMENT = re.compile(
    r"\s*(IF\b.*?\bTHEN\b|ELSIF\b.*?\bTHEN\b|ELSE\b|END_IF\b;?|[^;]+;)", re.DOTALL
)
_WORDS: Final = (
    (r"(\w+\[\d+\]) AND (\w+_BIT)", r"(\1 & \2)"),
    (r"16#([0-9A-F]+)", r"0x\1"),
    (r"T#(\d+)MS", r"\1"),
    (r"(?<![:<>])=", "=="),
    (r"<>", "!="),
    (r":=", "="),
    (r"\bAND\b", "and"),
    (r"\bOR\b", "or"),
    (r"\bNOT\b", "not"),
    (r"\bMOD\b", "%"),
    (r"\bTRUE\b", "True"),
    (r"\bFALSE\b", "False"),
)


@dataclass
class Ton:
    """TON, the on-delay timer of IEC 61131-3; times in milliseconds."""

    now_ms: Callable[[], int]
    Q: bool = False
    since_ms: int | None = None

    def __call__(self, *, IN: bool, PT: int) -> None:
        if not IN:
            self.since_ms, self.Q = None, False
            return
        self.since_ms = self.now_ms() if self.since_ms is None else self.since_ms
        self.Q = self.now_ms() - self.since_ms >= PT


@dataclass
class RTrig:
    """R_TRIG: true for one scan at a rising edge."""

    Q: bool = False
    before: bool = False

    def __call__(self, *, CLK: bool) -> None:
        self.Q, self.before = CLK and not self.before, CLK


@dataclass
class Program:
    """A function block from its source; `scan` runs its body once.

    Attributes:
        values: its variables by name.
        now_ms: the PLC's clock, which the caller advances.
    """

    source: str
    now_ms: int = 0
    values: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        text = _COMMENT.sub("", self.source)
        for block in _DECLARATIONS.findall(text):
            for names, kind, start in _DECLARATION.findall(block):
                for name in names.split(","):
                    self.values[name.strip()] = self._start(kind, start)
        body = _DECLARATIONS.sub("", text).split("\n", 1)[1].rsplit("END_FUNCTION_BLOCK", 1)[0]
        self._code = compile(_translated(body), "structured text", "exec")
        identity: Callable[[int], int] = int
        self.values |= dict.fromkeys(CONVERSIONS, identity)

    def scan(self, **inputs: Any) -> None:
        """Set inputs and run the body once."""
        self.values |= inputs
        exec(self._code, self.values)

    def _start(self, kind: str, start: str) -> Any:
        if kind == "TON":
            return Ton(lambda: self.now_ms)
        if kind == "R_TRIG":
            return RTrig()
        return eval(_exchanged(start)) if start else False if kind == "BOOL" else 0


def _translated(body: str) -> str:
    lines, depth = [], 0
    for statement in _STATEMENT.findall(body):
        text = " ".join(statement.split())
        if text.startswith("END_IF"):
            depth -= 1
        elif text.startswith(("IF", "ELSIF", "ELSE")):
            depth -= not text.startswith("IF")
            head = re.sub(r"^ELSIF", "elif", re.sub(r"^IF", "if", text.removesuffix("THEN")))
            lines.append("    " * depth + _exchanged(re.sub(r"^ELSE$", "else", head)).strip() + ":")
            depth += 1
        else:
            lines.append("    " * depth + _exchanged(text.rstrip(";")).strip())
    return "\n".join(lines)


def _exchanged(text: str) -> str:
    for pattern, replacement in _WORDS:
        text = re.sub(pattern, replacement, text)
    return text
