"""The screen: whatever comes from outside is printed as it is, and never as markup."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

WIDTH_IN_FILES = 160


class Screen(Console):
    """A console on which `[front]` and `:bug:` in a name are just that.

    Tables are wide enough in a file, where nobody sees a window's edge.

    Args:
        stderr: for what is said about the work rather than its result.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal:
            self.width = WIDTH_IN_FILES

    def render_str(self, text: str, **options: Any) -> Text:
        """As rich does, without what would move the cursor or cannot be encoded."""
        return super().render_str(printable(text), **options)

    def say(self, text: str, *, style: str = "", end: str = "\n") -> None:
        """Print `text` as lines that the terminal breaks, so that paths can be copied."""
        self.print(text, style=style, end=end, soft_wrap=True)

    def complain(self, severity: str, text: str) -> None:
        """One line that begins with `error` or `warning`."""
        self.say(f"{severity}:", style=_STYLES.get(severity, ""), end=" ")
        self.say(text)

    def working(self, text: str) -> Status:
        """A spinner with `text` while something is under way; nothing in a file."""
        return self.status(Text(printable(text)))


def printable(text: str) -> str:
    """`text` with a mark for each character that is not to be shown.

    >>> printable("p[front]\\x1b[2J.png")
    'p[front]\ufffd[2J.png'
    """
    return "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text)


_STYLES = {"error": "bold red", "warning": "bold yellow"}
