"""Webhooks against a real HTTP server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from contract.clock import SystemClock
from contract.config_sinks import WebhookSettings
from contract.errors import ConfigError
from contract.messages import Outcome, ProcessMessage, VerdictMessage
from contract.redact import redact
from contract.telling import Telling, Told
from sinks.evidence.evidence import evidence_path
from sinks.fanout import Fanout
from sinks.mes.leftovers import Leftovers
from sinks.mes.webhook import MAX_WAIT_S, Webhook
from sinks.metrics.metrics import Metrics
from sinks.store.event import event_id
from tests.http_receiver import HANG, HttpReceiver, http_receiver
from tests.plc import free_port
from tests.sinks.kit import (
    arrival,
    camera,
    metrics,
    scorer_alive,
    until,
    value_of,
    verdict,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Hook:
    """A webhook sink at work."""

    sink: Webhook
    fanout: Fanout
    metrics: Metrics

    def tell(self, *headers: VerdictMessage) -> None:
        for header in headers:
            self.fanout.offer(arrival(header))

    def dropped(self, reason: str) -> float:
        return value_of(self.metrics, "sink_dropped_total", sink="mes", reason=reason)

    def errors(self, reason: str) -> float:
        return value_of(self.metrics, "sink_errors_total", sink="mes", reason=reason)


@contextmanager
def hook(
    url: str,
    *,
    environment: Mapping[str, str] | None = None,
    leftovers: Path | None = None,
    **fields: Any,
) -> Iterator[Hook]:
    """Deliver to `url`; without `leftovers` they cannot be written."""
    numbers = metrics()
    sink = Webhook(
        WebhookSettings(name="mes", url=url, **fields),
        environment=environment or {},
        evidence_path=evidence_path,
        leftovers=Leftovers(leftovers or Path("/proc/webhooks/mes.json")),
        clock=SystemClock(),
        metrics=numbers,
    )
    fanout = Fanout([sink], numbers)
    fanout.start()
    try:
        yield Hook(sink, fanout, numbers)
    finally:
        fanout.stop(10)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as receiver:
        yield receiver


def test_an_event_arrives_as_a_cloud_event(receiver: HttpReceiver) -> None:
    header = verdict(7, Outcome.FAIL, anomaly_score=0.75, picture=True)
    with hook(receiver.url) as it:
        it.fanout.offer(arrival(header).with_telling(Telling(name="gate", told=Told.FAIL)))
        until(lambda: receiver.requests)
    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert "webhook-signature" not in request.headers
    event = from_http_event(HTTPMessage(request.headers, request.body))
    assert event.get_id() == event_id(header.stream, 7, header.times.captured_ns)
    assert event.get_type() == "flawline.verdict"
    assert event.get_source() == "/flawline/station/belt/top"
    data = request.document["data"]
    assert (data["outcome"], data["frame_id"], data["anomaly_score"]) == ("FAIL", 7, 0.75)
    assert data["evidence"].startswith("belt/")
    assert (data["plc_name"], data["plc_told"]) == ("gate", "FAIL")
    assert data["captured_ns"] == header.times.captured_ns


def test_only_wanted_outcomes_are_sent(receiver: HttpReceiver) -> None:
    with hook(receiver.url, outcomes=["LATE"]) as it:
        it.tell(verdict(0), verdict(1, Outcome.FAIL), verdict(2, deadline_ns=1))
        until(lambda: receiver.requests)
    assert [request.document["data"]["frame_id"] for request in receiver.requests] == [2]


def test_a_restart_of_a_process_is_told_once(receiver: HttpReceiver) -> None:
    """Not what was before these sinks began, but for their own."""

    def restarted(process: str, **restarts: int) -> ProcessMessage:
        return scorer_alive(process=process, process_restarts=restarts)

    with hook(receiver.url, outcomes=["FAIL"]) as it:
        for message in (
            restarted("scorer", exited=1, hung=0),
            restarted("scorer", exited=1, hung=1),
            restarted("scorer", exited=1, hung=1),
            restarted("sinks", exited=0, hung=1),
            camera(3, process_restarts={"exited": 0, "hung": 0}),
            camera(3, process_restarts=None),
            camera(3, process_restarts={"exited": 1, "hung": 0}),
        ):
            it.sink.observe(message)
        until(lambda: len(receiver.requests) == 3)
    told = [request.document for request in receiver.requests]
    assert {document["type"] for document in told} == {"flawline.restart"}
    assert [(document["source"], document["data"]) for document in told] == [
        (
            f"/flawline/station/{process.replace(' ', '/')}",
            {"station": "station", "process": process, "restarts": restarts},
        )
        for process, restarts in (
            ("scorer", {"exited": 1, "hung": 1}),
            ("sinks", {"exited": 0, "hung": 1}),
            ("ingest top", {"exited": 1, "hung": 0}),
        )
    ]
    assert len({document["id"] for document in told}) == 3


def test_an_alarm_is_told_whatever_the_outcome(receiver: HttpReceiver) -> None:
    told: dict[str, Any] = {"drift_evidence": 1.5, "drift_alarm": "lower"}
    with hook(receiver.url, outcomes=["FAIL"], secret_env="S", environment={"S": SECRET}) as it:
        it.tell(verdict(0), verdict(1, **told), verdict(2, Outcome.FAIL, **told))
        until(lambda: len(receiver.requests) == 3)
    sent = [
        (request.document["type"], request.document["data"]["frame_id"])
        for request in receiver.requests
    ]
    assert sent == [("flawline.drift", 1), ("flawline.drift", 2), ("flawline.verdict", 2)]
    assert receiver.requests[0].document["data"]["drift_alarm"] == "lower"
    assert len({request.document["id"] for request in receiver.requests}) == 3
    for request in receiver.requests:
        standardwebhooks.Webhook(SECRET).verify(request.body, dict(request.headers))


def test_it_is_signed_and_the_id_stays_on_every_retry(receiver: HttpReceiver) -> None:
    receiver.answers += [503, 429]
    with hook(receiver.url, secret_env="S", environment={"S": SECRET}) as it:
        it.tell(verdict(0, Outcome.FAIL))
        until(lambda: len(receiver.requests) == 3)
        assert it.errors("status") == 2
    for request in receiver.requests:
        verified = standardwebhooks.Webhook(SECRET).verify(request.body, request.headers)
        assert verified["id"] == request.headers["webhook-id"]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert SECRET not in redact(f"the secret is {SECRET}")


@pytest.mark.parametrize("status", [400, 404, 410, 302])
def test_a_refusal_is_not_tried_again(receiver: HttpReceiver, status: int) -> None:
    receiver.answers += [status]
    with hook(receiver.url) as it:
        it.tell(verdict(0, Outcome.FAIL), verdict(1, Outcome.FAIL))
        until(lambda: len(receiver.requests) == 2)
        assert it.dropped("refused") == 1
    assert [request.document["data"]["frame_id"] for request in receiver.requests] == [0, 1]


def test_it_gives_up_after_max_attempts(receiver: HttpReceiver) -> None:
    receiver.answers += [500] * 2
    with hook(receiver.url, max_attempts=2) as it:
        it.tell(verdict(0, Outcome.FAIL), verdict(1, Outcome.FAIL))
        until(lambda: len(receiver.requests) == 3)
        assert it.dropped("attempts") == 1


def test_retry_after_is_respected(receiver: HttpReceiver) -> None:
    receiver.answers += [503]
    receiver.headers = {"Retry-After": "1"}
    with hook(receiver.url) as it:
        it.tell(verdict(0, Outcome.FAIL))
        until(lambda: len(receiver.requests) == 1)
        start_s = time.monotonic()
        until(lambda: len(receiver.requests) == 2)
        assert time.monotonic() - start_s >= 0.9


def test_retry_after_as_a_date_and_as_nonsense() -> None:
    with hook("http://127.0.0.1:9/") as it:
        wait_s = it.sink._retry_after_s(formatdate(time.time() + 20, usegmt=True))
        assert wait_s is not None
        assert 15 < wait_s <= 21
        assert it.sink._retry_after_s("999999") == MAX_WAIT_S
        assert it.sink._retry_after_s("soon") is None
        assert it.sink._retry_after_s(None) is None


def test_a_dead_receiver_is_tried_again_until_the_stop() -> None:
    with hook(f"http://127.0.0.1:{free_port()}/", max_attempts=100) as it:
        it.tell(verdict(0, Outcome.FAIL), verdict(1, Outcome.FAIL))
        until(lambda: it.errors("connection") >= 2)
    assert it.dropped("stopped") == 2


def test_a_hanging_receiver_times_out_and_the_stop_is_bounded(receiver: HttpReceiver) -> None:
    receiver.answers += [HANG] * 10
    with hook(receiver.url, timeout_s=0.2) as it:
        it.tell(*(verdict(n, Outcome.FAIL) for n in range(3)))
        until(lambda: it.errors("timeout") >= 2)
        start_s = time.monotonic()
    assert time.monotonic() - start_s < 4
    assert it.dropped("stopped") >= 1


def test_a_full_queue_is_counted(receiver: HttpReceiver) -> None:
    receiver.answers += [HANG]
    with hook(receiver.url, queue_size=2) as it:
        it.tell(verdict(0, Outcome.FAIL))
        until(lambda: receiver.requests)
        it.tell(*(verdict(n, Outcome.FAIL) for n in range(1, 6)))
        assert it.dropped("queue_full") == 3
        receiver.let_go()
        until(lambda: len(receiver.requests) == 3)


def test_what_is_queued_at_the_stop_is_still_sent(receiver: HttpReceiver) -> None:
    with hook(receiver.url) as it:
        it.tell(*(verdict(n, Outcome.FAIL) for n in range(20)))
    assert len(receiver.requests) == 20
    assert it.dropped("stopped") == 0


def test_what_cannot_be_sent_at_the_stop_is_sent_after_the_next_start(
    receiver: HttpReceiver, tmp_path: Path
) -> None:
    path = tmp_path / "webhooks" / "mes.json"
    down = f"http://127.0.0.1:{free_port()}/"
    for frames in (range(3), range(3, 6)):
        with hook(down, leftovers=path, max_attempts=100) as it:
            it.tell(*(verdict(n, Outcome.FAIL) for n in frames))
            until(lambda: it.errors("connection") >= 1)
        assert it.dropped("stopped") == 0
    with hook(receiver.url, leftovers=path) as it:
        it.tell(verdict(6, Outcome.FAIL))
        until(lambda: len(receiver.requests) == 7)
        until(lambda: not path.exists())
    found = [request.document["data"]["frame_id"] for request in receiver.requests]
    assert found == list(range(7))


def test_no_more_is_kept_than_fits_the_queue(receiver: HttpReceiver, tmp_path: Path) -> None:
    path = tmp_path / "mes.json"
    down = f"http://127.0.0.1:{free_port()}/"
    with hook(down, leftovers=path, max_attempts=100, queue_size=2) as it:
        it.tell(verdict(0, Outcome.FAIL))
        until(lambda: it.sink.pending() == 0)
        it.tell(verdict(1, Outcome.FAIL), verdict(2, Outcome.FAIL))
    assert it.dropped("stopped") == 1
    with hook(receiver.url, leftovers=path):
        until(lambda: len(receiver.requests) == 2)
    assert [request.document["data"]["frame_id"] for request in receiver.requests] == [1, 2]


@pytest.mark.parametrize("content", ["nonsense", "[1]", '[["id"]]'])
def test_a_damaged_file_of_leftovers_is_named_and_disturbs_nobody(
    receiver: HttpReceiver, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mes.json"
    path.write_text(content)
    with hook(receiver.url, leftovers=path) as it:
        it.tell(verdict(0, Outcome.FAIL))
        until(lambda: receiver.requests)
        assert it.errors("disk") == 1
    assert f"{path} holds no events" in caplog.text
    assert path.with_suffix(".damaged").read_text() == content


@pytest.mark.parametrize("value", [None, "", "whsec_", "whsec_x"])
def test_a_secret_that_is_none_is_a_configuration_error(value: str | None) -> None:
    environment = {} if value is None else {"MES_SECRET": value}
    with pytest.raises(ConfigError, match=r"webhook mes: .*MES_SECRET"):
        with hook("http://127.0.0.1:9/", secret_env="MES_SECRET", environment=environment):
            raise AssertionError("not reached")
