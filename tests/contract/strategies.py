"""Hypothesis strategies for every message of the wire contract."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from contract.messages import (
    SCORED,
    AckMessage,
    CameraMessage,
    CameraState,
    DropMessage,
    EndOfStreamMessage,
    FrameMessage,
    Message,
    Outcome,
    ProcessMessage,
    ProcessState,
    ReplyMessage,
    RequestMessage,
    VerdictMessage,
)

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)
reasons = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)
counts = st.integers(0, (1 << 63) - 1)
scores = st.floats(0, 1, allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


streams = st.fixed_dictionaries({"station": names, "line": names, "camera": names, "epoch": counts})


@st.composite
def frames(draw: st.DrawFn, max_px: int = 16384) -> FrameMessage:
    height_px, width_px = draw(st.integers(1, max_px)), draw(st.integers(1, max_px))
    return FrameMessage(
        **draw(streams),
        frame_id=draw(counts),
        captured_ns=draw(counts),
        decoded_ns=draw(counts),
        deadline_ns=draw(maybe(counts)),
        source_pts_ns=draw(maybe(counts)),
        height_px=height_px,
        width_px=width_px,
        nbytes=height_px * width_px * 3,
        taint=draw(maybe(reasons)),
    )


@st.composite
def verdicts(
    draw: st.DrawFn, map_shape: tuple[int, int] | None = None, jpeg_nbytes: int = 0
) -> VerdictMessage:
    outcome = draw(st.sampled_from(Outcome))
    scored = outcome in SCORED
    late = outcome is Outcome.LATE
    return VerdictMessage(
        **draw(streams),
        delivery_id=draw(counts),
        frame_id=draw(counts),
        outcome=outcome,
        reason=draw(maybe(reasons) if scored else reasons),
        anomaly_score=draw(scores if scored else maybe(scores) if late else st.none()),
        fail_threshold=draw(maybe(scores)),
        review_threshold=draw(maybe(scores)),
        captured_ns=draw(counts),
        decoded_ns=draw(counts),
        received_ns=draw(counts),
        scored_ns=draw(maybe(counts)),
        emitted_ns=draw(counts),
        deadline_ns=draw(maybe(counts)),
        source_pts_ns=draw(maybe(counts)),
        memory_version=draw(maybe(texts)),
        model=draw(maybe(texts)),
        weights_sha256=draw(maybe(texts)),
        preset=draw(maybe(texts)),
        map_shape=map_shape,
        jpeg_nbytes=jpeg_nbytes,
    )


@st.composite
def drops(draw: st.DrawFn) -> DropMessage:
    first, last = sorted(draw(st.tuples(counts, counts)))
    return DropMessage(
        **draw(streams), first_frame_id=first, last_frame_id=last, reason=draw(reasons)
    )


@st.composite
def cameras(draw: st.DrawFn) -> CameraMessage:
    return CameraMessage(
        **draw(streams),
        sent_ns=draw(counts),
        state=draw(st.sampled_from(CameraState)),
        decoded=draw(counts),
        admitted=draw(counts),
        sampled_out=draw(counts),
        stale=draw(counts),
        undecodable=draw(counts),
        restarts=draw(counts),
        newest_frame_ns=draw(maybe(counts)),
        live=draw(st.booleans()),
    )


@st.composite
def ends(draw: st.DrawFn) -> EndOfStreamMessage:
    return EndOfStreamMessage(
        **draw(streams),
        sent_ns=draw(counts),
        decoded=draw(counts),
        admitted=draw(counts),
        reason=draw(reasons),
    )


acks = st.builds(AckMessage, delivery_ids=st.lists(counts, max_size=20).map(tuple))
processes = st.builds(
    ProcessMessage,
    station=names,
    process=names,
    state=st.sampled_from(ProcessState),
    sent_ns=counts,
    version=texts,
    pending=counts,
    wire_errors=counts,
    frames_scored=counts,
)
requests = st.builds(
    RequestMessage,
    command=st.sampled_from(["status", "activate", "enroll"]),
    line=maybe(names),
    memory_version=maybe(texts),
    count=maybe(st.integers(1, 1000)),
    camera=maybe(names),
    interval_s=st.floats(0, 3600, allow_nan=False),
)
replies = st.builds(
    ReplyMessage,
    ok=st.booleans(),
    text=texts,
    memories=st.dictionaries(names, texts, max_size=3),
)

messages: st.SearchStrategy[Message] = st.one_of(
    frames(), verdicts(), acks, drops(), cameras(), ends(), processes, requests, replies
)
