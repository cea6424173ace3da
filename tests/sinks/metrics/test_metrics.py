"""What Prometheus is told, scraped over real HTTP."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from contract.config_sinks import MetricsSettings
from contract.errors import AddressInUse, ConfigError
from contract.messages import CameraState, Outcome
from contract.reasons import DeliveryReason
from sinks.ledger.book import Book, Settled
from sinks.metrics.metrics import LATENCY_BUCKETS_S, Metrics
from sinks.metrics.roster import Cameras
from tests.fakes import FakeClock
from tests.sinks.kit import STREAM, arrival, camera, scorer_alive, value_of, verdict

LABELS = {"station": "station", "line": "belt", "camera": "top"}
NEXT = STREAM._replace(epoch=STREAM.epoch + 1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def numbers(clock: FakeClock) -> Metrics:
    return Metrics(clock=clock, version="1.2.3", roster=lambda: Cameras({STREAM[:3]}))


def _admitted(numbers: Metrics) -> float:
    return value_of(numbers, "admitted_frames_total", **LABELS)


def test_totals_are_right_after_lost_messages_and_a_restart_of_ingest(numbers: Metrics) -> None:
    for total in (10, 10, 25):
        numbers.observe(camera(total))
    assert _admitted(numbers) == 25
    numbers.observe(camera(3, stream=NEXT))
    numbers.observe(camera(27))
    numbers.observe(camera(5, stream=NEXT))
    numbers.observe(camera(26))
    assert _admitted(numbers) == 27 + 5
    assert value_of(numbers, "decoded_frames_total", **LABELS) == 32


def test_totals_are_not_counted_again_after_a_restart_of_the_sinks(numbers: Metrics) -> None:
    numbers.carry_on([Book(STREAM, opened_ns=0, decoded=100, admitted=90)])
    numbers.observe(camera(95, decoded=110))
    assert _admitted(numbers) == 5
    assert value_of(numbers, "decoded_frames_total", **LABELS) == 10


def test_outcomes_are_counted_as_booked(numbers: Metrics) -> None:
    numbers.booked(
        Counter(
            {Settled(STREAM, Outcome.UNSCORED, "lost"): 5, Settled(STREAM, Outcome.PASS, None): 2}
        ),
        contradictions={STREAM: 3},
        told_otherwise={STREAM: 4},
    )
    labels = LABELS | {"verdict": "UNSCORED", "reason": "lost"}
    assert value_of(numbers, "verdicts_total", **labels) == 5
    assert value_of(numbers, "ledger_contradictions_total", **LABELS) == 3
    assert value_of(numbers, "told_otherwise_total", **LABELS) == 4


def test_stages_are_differences_of_stamps(numbers: Metrics) -> None:
    ms = 1_000_000
    header = verdict(
        0,
        captured_ns=0,
        decoded_ns=10 * ms,
        received_ns=30 * ms,
        scored_ns=60 * ms,
        emitted_ns=100 * ms,
    )
    came = arrival(header)
    numbers.arrived(came)
    expected = {"decode": 0.01, "queue": 0.02, "score": 0.03}
    for stage, seconds in expected.items():
        labels = LABELS | {"stage": stage}
        assert value_of(numbers, "latency_seconds_sum", **labels) == pytest.approx(seconds)
    total_s = came.arrived_ns / 1e9
    labels = LABELS | {"stage": "total"}
    assert value_of(numbers, "latency_seconds_sum", **labels) == pytest.approx(total_s)
    assert value_of(numbers, "anomaly_score_count", **LABELS) == 1


def test_drift_is_told_per_line(numbers: Metrics) -> None:
    numbers.arrived(arrival(verdict(0, drift_evidence=0.25)))
    numbers.arrived(arrival(verdict(1)))
    line = {"station": "station", "line": "belt"}
    assert value_of(numbers, "drift_evidence", **line) == 0.25
    numbers.arrived(arrival(verdict(2, drift_evidence=1.5, drift_alarm="lower")))
    assert value_of(numbers, "drift_evidence", **line) == 1.5
    assert value_of(numbers, "drift_alarms_total", **line, direction="lower") == 1


def test_what_was_found_out_about_another_memory_is_over(numbers: Metrics) -> None:
    """Else the alert would go on when the next memory is not calibrated."""
    numbers.arrived(arrival(verdict(0, drift_evidence=1.5, memory_version="v1")))
    numbers.arrived(arrival(verdict(1, memory_version="v1")))
    assert numbers.registry.get_sample_value(
        "flawline_drift_evidence", {"station": "station", "line": "belt"}
    )
    numbers.arrived(arrival(verdict(2, memory_version="v2")))
    assert (
        numbers.registry.get_sample_value(
            "flawline_drift_evidence", {"station": "station", "line": "belt"}
        )
        is None
    )


def test_reuse_its_error_and_the_shadow_are_told(numbers: Metrics) -> None:
    shadowed: dict[str, Any] = {
        "shadow_version": "v2",
        "shadow_score": 0.6,
        "shadow_outcome": Outcome.FAIL,
    }
    numbers.arrived(arrival(verdict(0, reused_fraction=0.75, **shadowed)))
    numbers.arrived(arrival(verdict(1, reused_fraction=0.25, cache_score_error=0.004)))
    assert value_of(numbers, "reused_windows_fraction_sum", **LABELS) == 1.0
    assert value_of(numbers, "cache_score_error_count", **LABELS) == 1
    assert value_of(numbers, "cache_score_error_sum", **LABELS) == 0.004
    both = LABELS | {"verdict": "PASS", "shadow_verdict": "FAIL"}
    assert value_of(numbers, "shadow_frames_total", **both) == 1


def test_clocks_that_disagree_give_no_negative_latency(numbers: Metrics) -> None:
    numbers.arrived(arrival(verdict(0, decoded_ns=0)))
    assert value_of(numbers, "latency_seconds_sum", **LABELS, stage="decode") == 0


def test_life_is_worked_out_at_the_scrape(numbers: Metrics, clock: FakeClock) -> None:
    numbers.observe(camera(1, newest_frame_ns=clock.wall_ns()))
    numbers.observe(scorer_alive())
    assert value_of(numbers, "camera_up", **LABELS) == 1
    clock.advance(1.5)
    assert value_of(numbers, "camera_frame_age_seconds", **LABELS) == pytest.approx(1.5)
    clock.advance(1.0)
    assert value_of(numbers, "camera_up", **LABELS) == 0
    assert value_of(numbers, "heartbeat_age_seconds", stage="scorer") == pytest.approx(2.5)
    assert value_of(numbers, "heartbeat_age_seconds", stage="ingest") == pytest.approx(2.5)
    numbers.observe(camera(1, state=CameraState.STALLED))
    assert value_of(numbers, "camera_up", **LABELS) == 0
    assert value_of(numbers, "heartbeat_age_seconds", stage="ingest") == 0


def test_a_camera_that_a_reload_removed_is_gone_and_not_down(clock: FakeClock) -> None:
    cameras = [Cameras({STREAM[:3]})]
    numbers = Metrics(clock=clock, version="1.2.3", roster=lambda: cameras[-1])
    numbers.observe(camera(1, newest_frame_ns=clock.wall_ns()))
    cameras.append(Cameras(frozenset(), removed={STREAM[:3]}))
    assert value_of(numbers, "camera_up", **LABELS) == 1, "frames are coming yet"
    numbers.observe(camera(1, state=CameraState.ENDED))
    clock.advance(60.0)
    for name in ("flawline_camera_up", "flawline_camera_expected"):
        assert numbers.registry.get_sample_value(name, LABELS) is None
    cameras.append(cameras[0])
    assert numbers.registry.get_sample_value("flawline_camera_up", LABELS) == 0
    assert numbers.registry.get_sample_value("flawline_camera_expected", LABELS) == 1


def test_names_that_are_not_configured_are_no_labels(clock: FakeClock) -> None:
    """Who sends them could send any number."""
    numbers = Metrics(clock=clock, version="1.2.3", roster=lambda: Cameras(frozenset()))
    numbers.observe(camera(1, newest_frame_ns=clock.wall_ns()))
    numbers.carry_on([Book(STREAM, opened_ns=0, decoded=100, admitted=90)])
    odd = Settled(STREAM, Outcome.UNSCORED, "a_reason_of_nobody")
    numbers.booked(Counter({odd: 2}), contradictions={STREAM: 1}, told_otherwise={STREAM: 1})
    numbers.observe(scorer_alive(process_restarts={"exited": 1, "sent_by_nobody": 3}))
    for name in ("flawline_camera_up", "flawline_camera_expected"):
        assert numbers.registry.get_sample_value(name, LABELS) is None
    unknown = dict.fromkeys(LABELS, "unknown")
    assert value_of(numbers, "ledger_contradictions_total", **unknown) == 1
    assert value_of(numbers, "verdicts_total", **unknown, verdict="UNSCORED", reason="unknown") == 2
    text = generate_latest(numbers.registry).decode()
    assert "nobody" not in text


def test_a_scrape_has_every_name_and_only_the_agreed_labels(numbers: Metrics) -> None:
    numbers.observe(camera(1))
    numbers.observe(scorer_alive(process_restarts={"exited": 0, "hung": 1}))
    shadowed: dict[str, Any] = {
        "shadow_version": "v2",
        "shadow_score": 0.6,
        "shadow_outcome": Outcome.FAIL,
    }
    numbers.arrived(arrival(verdict(0, reused_fraction=0.5, cache_score_error=0.01, **shadowed)))
    numbers.arrived(arrival(verdict(1, drift_evidence=2.0, drift_alarm="higher")))
    numbers.booked(
        Counter({Settled(STREAM, Outcome.PASS, None): 1}),
        contradictions={STREAM: 1},
        told_otherwise={STREAM: 1},
    )
    numbers.dropped("mes", DeliveryReason.QUEUE_FULL)
    numbers.failed("mes", DeliveryReason.TIMEOUT)
    numbers.watch_queue("mes", lambda: 4)
    numbers.watch_clock("ingest top", lambda: 0.002)
    numbers.wire_error()
    numbers.stranger("status", "refused")
    numbers.open_frames(2)
    with numbers.serve(MetricsSettings(port=0)) as exporter:
        text = httpx.get(f"http://127.0.0.1:{exporter.port}/metrics", trust_env=False).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    ours = {name for name in families if name.startswith("flawline_")}
    assert ours == {
        "flawline_verdicts",
        "flawline_decoded_frames",
        "flawline_admitted_frames",
        "flawline_latency_seconds",
        "flawline_anomaly_score",
        "flawline_clock_offset_seconds",
        "flawline_clock_step_seconds",
        "flawline_reused_windows_fraction",
        "flawline_cache_score_error",
        "flawline_shadow_frames",
        "flawline_drift_evidence",
        "flawline_drift_alarms",
        "flawline_camera_up",
        "flawline_camera_expected",
        "flawline_camera_frame_age_seconds",
        "flawline_sink_queue_items",
        "flawline_pruned_rows",
        "flawline_sink_dropped",
        "flawline_sink_errors",
        "flawline_wire_errors",
        "flawline_unknown_messages",
        "flawline_process_wire_errors",
        "flawline_connections_refused",
        "flawline_ledger_open_frames",
        "flawline_ledger_contradictions",
        "flawline_told_otherwise",
        "flawline_heartbeat_age_seconds",
        "flawline_process_restarts",
        "flawline_pictures_dropped",
        "flawline_build_info",
    }
    agreed = {"station", "line", "camera", "verdict", "reason", "stage", "sink", "version", "le"}
    agreed |= {"shadow_verdict", "direction", "process", "channel", "standing"}
    used = {label for name in ours for sample in families[name].samples for label in sample.labels}
    assert used <= agreed
    bounds = {
        float(sample.labels["le"])
        for sample in families["flawline_latency_seconds"].samples
        if "le" in sample.labels
    }
    assert bounds == {*LATENCY_BUCKETS_S, float("inf")}


def test_restarts_are_those_of_the_supervisor(numbers: Metrics) -> None:
    """Totals, so that they need no memory of what was heard before."""

    def restarts(process: str, reason: str) -> float:
        return value_of(numbers, "process_restarts_total", process=process, reason=reason)

    numbers.observe(scorer_alive(process_restarts={"exited": 2, "hung": 0}))
    numbers.observe(scorer_alive(process_restarts={"exited": 2, "hung": 1}))
    numbers.observe(scorer_alive(process="sinks", process_restarts={"exited": 1, "hung": 0}))
    numbers.observe(camera(3, process_restarts={"exited": 0, "hung": 4}))
    numbers.observe(camera(4, process_restarts=None))
    assert restarts("scorer", "exited") == 2
    assert restarts("scorer", "hung") == 1
    assert restarts("sinks", "exited") == 1
    assert restarts("ingest top", "hung") == 4


def test_an_occupied_port_is_named(numbers: Metrics, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        with pytest.raises(AddressInUse, match=rf":{port}.*sinks\.metrics\.port"):
            with numbers.serve(MetricsSettings(port=port)):
                raise AssertionError("not reached")


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_an_address_of_another_host_is_a_configuration_error(numbers: Metrics, host: str) -> None:
    with pytest.raises(ConfigError, match=host):
        with numbers.serve(MetricsSettings(host=host, port=0)):
            raise AssertionError("not reached")
