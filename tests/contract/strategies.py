"""Hypothesis strategies for every message of the wire contract."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from contract.codec import MAX_COUNT
from contract.messages import (
    SCORED,
    AckMessage,
    CacheUse,
    CameraMessage,
    CameraState,
    DriftTest,
    DropMessage,
    EndOfStreamMessage,
    FrameMessage,
    Message,
    Outcome,
    ProcessMessage,
    ProcessState,
    Provenance,
    ReplyMessage,
    RequestMessage,
    ShadowVerdict,
    Times,
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
        frame_id=draw(st.integers(0, MAX_COUNT)),
        captured_ns=draw(counts),
        decoded_ns=draw(counts),
        deadline_ns=draw(maybe(counts)),
        source_pts_ns=draw(maybe(counts)),
        height_px=height_px,
        width_px=width_px,
        nbytes=height_px * width_px * 3,
        taint=draw(maybe(reasons)),
    )


times = st.builds(
    Times,
    captured_ns=counts,
    decoded_ns=counts,
    received_ns=counts,
    scored_ns=maybe(counts),
    emitted_ns=counts,
    deadline_ns=maybe(counts),
    source_pts_ns=maybe(counts),
    step_ns=maybe(counts),
)
provenances = st.builds(
    Provenance,
    memory_version=maybe(texts),
    model=maybe(texts),
    weights_sha256=maybe(texts),
    preset=maybe(texts),
)
drift_tests = st.builds(
    DriftTest, evidence=st.floats(0, 1e9), alarm=st.sampled_from([None, "higher", "lower"])
)
shadow_verdicts = st.builds(
    ShadowVerdict, version=texts, score=maybe(scores), outcome=st.sampled_from(Outcome)
)
cache_uses = st.builds(CacheUse, reused_fraction=scores, score_error=maybe(st.floats(0, 1)))


@st.composite
def verdicts(draw: st.DrawFn) -> VerdictMessage:
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
        p_value=draw(maybe(st.floats(1e-9, 1))),
        times=draw(times),
        provenance=draw(provenances),
        drift=draw(maybe(drift_tests)),
        shadow=draw(maybe(shadow_verdicts)),
        cache=draw(maybe(cache_uses)),
        picture=draw(st.booleans()),
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
