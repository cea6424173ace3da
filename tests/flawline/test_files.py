"""Files that commands write for people."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from contract.errors import StorageError
from flawline.files import require_folder, whole_document, write


def test_a_file_that_is_not_finished_does_not_take_the_place_of_the_last_one(
    tmp_path: Path,
) -> None:
    target = tmp_path / "week.csv"
    write(target, "whole\n")
    with pytest.raises(ZeroDivisionError), whole_document(target) as file:
        file.write("half")
        raise ZeroDivisionError
    assert target.read_text() == "whole\n"
    assert [path.name for path in tmp_path.iterdir()] == ["week.csv"]


def test_a_file_that_is_replaced_stays_open_to_whom_it_was(tmp_path: Path) -> None:
    target = tmp_path / "week.csv"
    write(target, "old\n")
    target.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(target)
    write(tmp_path / "link.csv", "new\n")
    assert (tmp_path / "link.csv").is_symlink()
    assert target.read_text() == "new\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_what_is_no_file_is_written_as_it_comes(tmp_path: Path) -> None:
    write(Path(os.devnull), "gone\n")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=write, args=(pipe, "through\n"))
    writer.start()
    assert pipe.read_text() == "through\n"
    writer.join(10)
    reading, writing = os.pipe()
    write(Path(f"/dev/fd/{writing}"), "through\n")
    assert os.read(reading, 100) == b"through\n"
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_a_folder_that_is_not_there_is_told_before_and_when_writing(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "week.csv"
    with pytest.raises(StorageError, match="there is no folder"):
        require_folder(target)
    with pytest.raises(StorageError, match=r"cannot write .*week.csv: No such file"):
        write(target, "text")
