"""The pipe between a process and its supervisor: newest beat, last words, nobody ever waits."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from contract.beat import Beat, BeatReader, BeatWriter

Pipe = tuple[BeatReader, BeatWriter]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    reader = BeatReader(reading)
    yield reader, BeatWriter(writing)
    reader.close()
    os.close(writing)


def test_the_newest_beat_is_told_once(pipe: Pipe) -> None:
    reader, writer = pipe
    assert reader.read() is None
    for done in range(3):
        writer.write(Beat(done=done, left=7, states={"top": "streaming"}))
    assert reader.read() == Beat(done=2, left=7, states={"top": "streaming"})
    assert reader.read() is None


def test_a_full_pipe_holds_nobody_up_and_what_comes_out_is_whole(pipe: Pipe) -> None:
    reader, writer = pipe
    for done in range(20_000):
        writer.write(Beat(done=done))
    newest = reader.read()
    assert newest is not None
    assert 0 < newest.done < 20_000
    writer.write(Beat(done=20_000))
    assert reader.read() == Beat(done=20_000)


def test_a_last_word_is_not_passed_over(pipe: Pipe) -> None:
    reader, writer = pipe
    writer.write(Beat(error="no such file"))
    writer.write(Beat(done=1))
    assert reader.read() == Beat(error="no such file")


def test_states_that_do_not_fit_are_left_out(pipe: Pipe) -> None:
    reader, writer = pipe
    writer.write(Beat(done=3, states={f"plc-{n}": "not connected" for n in range(1000)}))
    assert reader.read() == Beat(done=3)


def test_a_listener_that_is_gone_does_no_harm() -> None:
    reading, writing = os.pipe()
    writer = BeatWriter(writing)
    os.close(reading)
    writer.write(Beat(done=1))
    os.close(writing)
    BeatWriter(None).write(Beat(done=1))


def test_what_is_no_beat_says_nothing(pipe: Pipe) -> None:
    reading, writing = os.pipe()
    reader = BeatReader(reading)
    os.write(writing, b'ready\n{"done": -1}\n[]\n{"done": 5, "newer": 1}\n{"do')
    assert reader.read() == Beat(done=5)
    os.write(writing, b'ne": 6}\n')
    assert reader.read() == Beat(done=6)
    reader.close()
    os.close(writing)
