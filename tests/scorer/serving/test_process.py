"""`python -m scorer` among real sockets: one verdict for each frame, whatever happens."""

from __future__ import annotations

import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import zmq
from PIL import Image

from contract.clock import NS_PER_S
from contract.codec import Frame, decode, encode, encode_frame
from contract.config_file import load_config
from contract.errors import FlawlineError
from contract.messages import Outcome, ProcessState, ReplyMessage, StreamKey, VerdictMessage
from contract.sockets import endpoint_of
from scorer.references.enrolment import enroll
from scorer.references.shelf import Shelf
from scorer.scoring.winclip import load_model
from scorer.windows.precision import PRECISION
from tests.fakes import FakeClock
from tests.scorer.frames import frame
from tests.scorer.pictures import part, picture
from tests.scorer.running import RunningScorer, until_deadline, write_config
from tests.scorer.shelves import LATER

GOOD, OTHER = part(1), picture(3)


@contextmanager
def taught_station(dtype: str, *, mask: str | None = None) -> Iterator[Path]:
    """A station whose line `bottles` was taught with one good part; `cans` knows none."""
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as home:
        path = write_config(Path(home), dtype=dtype, mask=mask)
        config = load_config(path)
        shelf = Shelf(config.memory_directory)
        model = load_model(config.scorer.model)
        enroll(model, config.line("bottles"), [GOOD], shelf, FakeClock())
        yield path


@pytest.fixture(scope="module")
def config_path() -> Iterator[Path]:
    with taught_station("auto") as path:
        yield path


@pytest.fixture(scope="module")
def scorer(config_path: Path) -> Iterator[RunningScorer]:
    with RunningScorer(config_path) as running:
        yield running


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def typed_scorer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningScorer]:
    """A scorer in each type that `auto` may choose, whatever this processor is made for.

    Its lines look at the edge of the part only: emulated, whole pictures would take minutes.
    """
    mask = np.zeros((240, 240), np.uint8)
    mask[96:144, 176:224] = 255
    path = tmp_path_factory.mktemp("mask") / "edge.png"
    Image.fromarray(mask).save(path)
    with taught_station(request.param, mask=str(path)) as station:
        with RunningScorer(station) as running:
            yield running


@pytest.fixture(scope="module")
def frame_ids() -> Iterator[int]:
    """Ids that no frame of this module had before."""
    return count()


def by_frame(verdicts: list[VerdictMessage]) -> dict[tuple[StreamKey, int], VerdictMessage]:
    """Verdicts by frame; fails if a frame has two."""
    found = {(each.stream, each.frame_id): each for each in verdicts}
    assert len(found) == len(verdicts)
    return found


def key(sent: Frame) -> tuple[StreamKey, int]:
    return sent.header.stream, sent.header.frame_id


def test_one_verdict_for_each_frame_of_two_lines(
    typed_scorer: RunningScorer, frame_ids: Iterator[int]
) -> None:
    frames = [
        frame(next(frame_ids), line=line, pixels=pixels, taint=taint)
        for line, pixels, taint in [
            ("bottles", GOOD, None),
            ("cans", GOOD, None),
            ("bottles", OTHER, None),
            ("bottles", GOOD, "corrupt_packet"),
            ("spoons", GOOD, None),
            ("bottles", GOOD[:120], None),
            ("bottles", GOOD, None),
        ]
    ]
    verdicts = by_frame(typed_scorer.judge(frames))
    headers = [verdicts[key(sent)] for sent in frames]
    assert [(each.outcome, each.reason) for each in headers if each.line != "bottles"] == [
        (Outcome.UNSCORED, "no_reference"),
        (Outcome.UNSCORED, "unknown_line"),
    ]
    assert [each.outcome for each in headers if each.line == "bottles"] == [
        Outcome.PASS,
        headers[2].outcome,
        Outcome.INVALID,
        Outcome.UNSCORED,
        Outcome.PASS,
    ]
    good, other = verdicts[key(frames[0])], verdicts[key(frames[2])]
    assert good.anomaly_score is not None
    assert other.anomaly_score is not None
    rounding = PRECISION[typed_scorer.config.scorer.model.dtype]
    assert good.anomaly_score < rounding < other.anomaly_score
    assert (other.outcome is Outcome.FAIL) == other.picture
    assert good.provenance.model == "flawline-mini"
    assert good.times.scored_ns is not None
    assert good.times.received_ns <= good.times.scored_ns <= good.times.emitted_ns


def test_the_picture_of_a_bad_part_follows_its_verdict(
    scorer: RunningScorer, frame_ids: Iterator[int]
) -> None:
    sent = frame(next(frame_ids), pixels=255 - GOOD)
    (verdict,) = scorer.judge([sent])
    assert verdict.outcome is Outcome.FAIL
    assert verdict.picture
    while (evidence := scorer.picture()).header.verdict.frame_id != verdict.frame_id:
        pass
    assert evidence.header.verdict.anomaly_score == verdict.anomaly_score
    assert evidence.anomaly_map.shape == (15, 15)
    assert float(evidence.anomaly_map.max()) == pytest.approx(verdict.anomaly_score)
    with Image.open(BytesIO(evidence.jpeg)) as image:
        assert np.abs(np.asarray(image).astype(int) - sent.pixels).mean() < 4


def test_a_frame_that_is_old_does_not_pass_because_its_clock_is_ahead(
    scorer: RunningScorer, frame_ids: Iterator[int]
) -> None:
    """A deadline of one second; nine seconds old, by a clock that is 60 s ahead."""
    captured_ns = time.time_ns() + 51 * NS_PER_S
    sent = frame(
        next(frame_ids),
        pixels=GOOD,
        captured_ns=captured_ns,
        decoded_ns=captured_ns,
        deadline_ns=captured_ns + NS_PER_S,
    )
    (verdict,) = scorer.judge([sent])
    assert (verdict.outcome, verdict.reason) == (Outcome.INVALID, "clock")
    assert verdict.anomaly_score is None


def test_heartbeats(scorer: RunningScorer) -> None:
    first = scorer.status(lambda message: message.state is ProcessState.READY)
    assert (first.station, first.process) == ("hall-1", "scorer")
    later = scorer.status(lambda message: message.sent_ns > first.sent_ns)
    assert later.frames_scored >= first.frames_scored


def test_what_is_not_acknowledged_is_sent_again(
    scorer: RunningScorer, frame_ids: Iterator[int]
) -> None:
    sent = frame(next(frame_ids), pixels=GOOD)
    scorer.send(*encode_frame(sent))
    first = scorer.receive()
    again = scorer.receive()
    assert again == first
    scorer.acknowledge(again.delivery_id)
    scorer.status(lambda message: message.pending == 0)


def test_malformed_frames_are_counted_and_survived(
    scorer: RunningScorer, frame_ids: Iterator[int]
) -> None:
    before = scorer.status(lambda message: True).wire_errors
    good = encode_frame(frame(next(frame_ids), pixels=GOOD))
    scorer.send(b"junk")
    scorer.send(b"junk", good[1])
    scorer.send(good[0], b"too short")
    scorer.send(good[0])
    scorer.send(*good, b"too many")
    scorer.send(encode(ReplyMessage(ok=True)), good[1])
    scorer.status(lambda message: message.wire_errors == before + 6)
    assert len(scorer.judge([frame(next(frame_ids), pixels=GOOD)])) == 1


def test_status_tells_the_active_memories(scorer: RunningScorer, config_path: Path) -> None:
    shelf = Shelf(load_config(config_path).memory_directory)
    reply = scorer.ask("status")
    assert reply.memories == {"bottles": shelf.active("bottles"), "cans": ""}


@pytest.mark.parametrize(
    ("command", "values", "said"),
    [
        ("activate", {"line": "spoons"}, "no line spoons: the lines are bottles, cans"),
        ("activate", {}, "no line None"),
        (
            "activate",
            {"line": "bottles", "memory_version": "v9"},
            "bottles has no reference memory v9: it has: ",
        ),
        ("enroll", {"line": "cans"}, "enroll needs a count"),
        ("enroll", {"line": "cans", "count": 1, "camera": "rear"}, "no camera rear"),
    ],
)
def test_a_command_that_makes_no_sense(
    scorer: RunningScorer, command: str, values: dict[str, str], said: str
) -> None:
    with pytest.raises(FlawlineError, match=said):
        scorer.ask(command, **values)


@pytest.mark.parametrize(
    "question",
    [[b"junk"], [b""], [encode(ReplyMessage(ok=True))], [b"two", b"parts"], [b"a", b"b", b"c"]],
    ids=["junk", "empty", "reply", "two parts", "three parts"],
)
def test_a_question_that_is_none_is_answered_and_survived(
    scorer: RunningScorer, question: list[bytes]
) -> None:
    with scorer.asking() as socket:
        socket.send_multipart(question)
        reply = decode(socket.recv())
    assert isinstance(reply, ReplyMessage)
    assert not reply.ok
    assert scorer.ask("status").ok


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ, zmq.PUSH, zmq.SUB])
@pytest.mark.parametrize(
    "parts",
    [[b"x"], [b""], [b"", b""], [b"", b"junk"], [b"x", b"", b"junk"], [b"\xff" * 100_000]],
    ids=["one byte", "nothing", "empty", "junk", "odd envelope", "large"],
)
def test_a_peer_of_another_kind_on_the_control_channel_is_survived(
    scorer: RunningScorer, kind: int, parts: list[bytes]
) -> None:
    """What has no envelope is nobody's question: it gets no answer, and disturbs no other."""
    with zmq.Context() as context, context.socket(kind) as peer:
        peer.linger = 2000
        peer.connect(endpoint_of(scorer.config, "control"))
        if kind == zmq.SUB:
            peer.subscribe(b"".join(parts))
        else:
            peer.send_multipart(parts)
        assert scorer.ask("status").ok
    assert scorer.ask("status").ok


def save_another(shelf: Shelf, **changes: object) -> str:
    """Save the active memory of `bottles` once more, with `changes`; the active version."""
    active = shelf.active("bottles")
    assert active is not None
    memory, described = shelf.load("bottles", active)
    shelf.save(memory, described.model_copy(update=changes))
    return active


def test_a_memory_that_does_not_fit_is_refused_and_the_active_one_stays(
    scorer: RunningScorer, config_path: Path, frame_ids: Iterator[int]
) -> None:
    shelf = Shelf(load_config(config_path).memory_directory)
    active = save_another(shelf, version="other-preset", preset="anomalib")
    with pytest.raises(FlawlineError, match="made with preset anomalib, this scorer has paper"):
        scorer.ask("activate", line="bottles", memory_version="other-preset")
    assert shelf.active("bottles") == active
    (verdict,) = scorer.judge([frame(next(frame_ids), pixels=GOOD)])
    assert verdict.provenance.memory_version == active


def test_a_memory_made_while_streaming_loses_no_frame(
    scorer: RunningScorer, config_path: Path, frame_ids: Iterator[int]
) -> None:
    shelf = Shelf(load_config(config_path).memory_directory)
    before = save_another(shelf, version=LATER)

    def activate_after_four(judged: int) -> None:
        if judged == 4:
            reply = scorer.ask("activate", line="bottles", memory_version=LATER)
            assert reply.memories["bottles"] == LATER

    frames = [frame(next(frame_ids), pixels=GOOD) for _ in range(12)]
    verdicts = scorer.judge(frames, between=activate_after_four)
    assert set(by_frame(verdicts)) == {key(sent) for sent in frames}
    versions = Counter(verdict.provenance.memory_version for verdict in verdicts)
    assert set(versions) == {before, LATER}
    assert {verdict.outcome for verdict in verdicts} == {Outcome.PASS}


def test_shadow_promotion_and_going_back_while_streaming_lose_no_frame(
    scorer: RunningScorer, config_path: Path, frame_ids: Iterator[int]
) -> None:
    shelf = Shelf(load_config(config_path).memory_directory)
    strict = "20270101T000000Z-57e1c7ed"
    before = save_another(shelf, version=strict, fail_threshold=0.0)
    with pytest.raises(FlawlineError, match="bottles has no shadow memory"):
        scorer.ask("promote", line="bottles")

    def act(judged: int) -> None:
        if judged == 4:
            scorer.ask("shadow", line="bottles", memory_version=strict)
        elif judged == 8:
            shadows = scorer.ask("status").shadows
            assert shadows is not None
            assert shadows["bottles"].disagreements["PASS->FAIL"] > 0
            assert scorer.ask("promote", line="bottles").memories["bottles"] == strict
        elif judged == 12:
            assert scorer.ask("rollback", line="bottles").memories["bottles"] == before

    frames = [frame(next(frame_ids), pixels=GOOD) for _ in range(18)]
    verdicts = scorer.judge(frames, between=act)
    assert set(by_frame(verdicts)) == {key(sent) for sent in frames}
    outcomes = {verdict.provenance.memory_version: verdict.outcome for verdict in verdicts}
    assert outcomes == {before: Outcome.PASS, strict: Outcome.FAIL}
    assert {verdict.shadow and verdict.shadow.outcome for verdict in verdicts} == {
        None,
        Outcome.FAIL,
    }
    assert shelf.shadowing("bottles") is None


def test_a_line_is_taught_from_its_stream(
    typed_scorer: RunningScorer, frame_ids: Iterator[int]
) -> None:
    reply = typed_scorer.ask("enroll", line="cans", count=2, interval_s=0)
    assert reply.text == "line cans: 0 of 2 frames"
    with pytest.raises(FlawlineError, match="under way"):
        typed_scorer.ask("enroll", line="cans", count=2)
    verdicts = typed_scorer.judge(
        [frame(next(frame_ids), line="cans", pixels=part(seed)) for seed in (1, 2)]
    )
    assert {verdict.reason for verdict in verdicts} == {"no_reference"}
    for _ in until_deadline("a memory for cans"):
        reply = typed_scorer.ask("status")
        if reply.enrolment == "done":
            break
    version = reply.memories["cans"]
    told, references, sheet, *warnings = reply.text.splitlines()
    assert told.startswith(f"line cans: enrolled {version}, FAIL from ")
    assert references.count("cans-top #") == 2
    assert Path(sheet.removeprefix("contact sheet: ")).stat().st_size > 1000
    assert [warning for warning in warnings if "rests on 2 picture(s)" in warning]
    assert [warning for warning in warnings if "only 0 more frame(s) came" in warning]
    (verdict,) = typed_scorer.judge([frame(next(frame_ids), line="cans", pixels=part(1))])
    assert verdict.outcome is Outcome.PASS
    assert verdict.provenance.memory_version == reply.memories["cans"]


def test_sigterm_drains(scorer: RunningScorer, frame_ids: Iterator[int]) -> None:
    """The last test of this process: what was sent before the end still gets its verdict."""
    frames = [frame(next(frame_ids), pixels=GOOD) for _ in range(3)]
    for sent in frames:
        scorer.send(*encode_frame(sent))
    scorer.process.send_signal(signal.SIGTERM)
    verdicts = [scorer.receive() for _ in frames]
    scorer.acknowledge(*(verdict.delivery_id for verdict in verdicts))
    assert set(by_frame(verdicts)) == {key(sent) for sent in frames}
    assert scorer.process.wait(60) == 0
    assert "Traceback" not in scorer.log()
