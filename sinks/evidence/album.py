"""A folder of pictures with a limit on age and size: `<line>/<YYYY-MM-DD>/<name>.jpg`.

The folder is walked once, at the start; after that each day's size is known, and only the oldest
day is listed when something has to go. Files that do not fit the pattern are left alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from contract.clock import NS_PER_S
from contract.files import whole

RESERVE_BYTES = 512 << 20
RESERVE_SHARE = 0.02

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Album:
    """Raises OSError from every method when the disk does not play along."""

    def __init__(self, directory: Path, *, max_bytes: int, max_age_s: float) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._days: defaultdict[str, dict[Path, int]] = defaultdict(dict)
        for day in directory.glob("*/*/"):
            if _DAY.fullmatch(day.name):
                self._days[day.name][day] = sum(size for _, size, _ in _pictures(day))

    @property
    def total_bytes(self) -> int:
        """Bytes of all pictures, as far as this process knows."""
        return sum(sum(folders.values()) for folders in self._days.values())

    def put(self, relative: str, picture: bytes) -> Path:
        """Write `picture` at `relative`, whole or not at all; its path."""
        path = self._directory / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as draft:
            draft.write_bytes(picture)
        folders = self._days[path.parent.name]
        folders[path.parent] = folders.get(path.parent, 0) + len(picture)
        return path

    def tidy(self, now_ns: int | None, *, limit: int) -> int:
        """Delete up to `limit` pictures, oldest first; how many.

        Those go that are too old, too many, or in the way of the event store on a full disk.

        Args:
            now_ns: None: none is too old, because nobody knows what time it is.
        """
        oldest_s, oldest_day = 0.0, ""
        if now_ns is not None:
            oldest_s = now_ns / NS_PER_S - self._max_age_s
            oldest_day = datetime.fromtimestamp(oldest_s, UTC).strftime("%Y-%m-%d")
        num_deleted = 0
        for day in sorted(self._days):
            excess_bytes = max(self.total_bytes - self._max_bytes, self._missing_bytes())
            if num_deleted >= limit or (excess_bytes <= 0 and day > oldest_day):
                break
            for written_s, size, path in self._recount(day):
                if num_deleted >= limit or (excess_bytes <= 0 and written_s >= oldest_s):
                    break
                path.unlink(missing_ok=True)
                self._days[day][path.parent] -= size
                excess_bytes -= size
                num_deleted += 1
            self._forget_empty(day)
        return num_deleted

    def _missing_bytes(self) -> int:
        """Bytes that the disk lacks of its reserve, below 0 if it has more."""
        disk = shutil.disk_usage(self._directory)
        return min(RESERVE_BYTES, round(disk.total * RESERVE_SHARE)) - disk.free

    def _recount(self, day: str) -> list[tuple[float, int, Path]]:
        """The pictures of `day`, oldest first; its sizes are put right by the way."""
        found = []
        for folder in self._days[day]:
            pictures = _pictures(folder)
            self._days[day][folder] = sum(size for _, size, _ in pictures)
            found += pictures
        return sorted(found)

    def _forget_empty(self, day: str) -> None:
        for folder in list(self._days[day]):
            if not _pictures(folder):
                del self._days[day][folder]
                with contextlib.suppress(OSError):
                    folder.rmdir()
        if not self._days[day]:
            del self._days[day]


def _pictures(folder: Path) -> list[tuple[float, int, Path]]:
    """Time written (s), size and path of each picture in `folder`."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".jpg") and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                found.append((status.st_mtime, status.st_size, Path(entry.path)))
    return found
