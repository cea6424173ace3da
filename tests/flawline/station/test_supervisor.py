"""The supervisor with real child processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.errors import FlawlineError
from flawline.station.processes import ProcessSpec, Stage
from flawline.station.supervisor import Supervisor
from tests.fakes import FakeClock
from tests.sinks.kit import until as without_tending

DEADLINE_S = 30.0

READY = "import os, sys; os.write(int(sys.argv[sys.argv.index('--ready-fd') + 1]), b'ready\\n');"
UNTIL_TOLD = (
    "import signal; ends = {signal.SIGTERM}; signal.pthread_sigmask(signal.SIG_BLOCK, ends);"
)


BLOCKED = """
import os, signal, sys
ends = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, ends)
"""
BEATS = """
fd = next(int(b) for a, b in zip(sys.argv, sys.argv[1:]) if a == "--beat-fd")
done = told = 0
while told < NEEDS_SIGNALS:
    done += 1
    os.write(fd, b'{"done": %d, "states": {"top": "%s"}}\\n' % (done, sys.argv[-3].encode()))
    with open(TURNED, "ab") as turned:
        turned.write(b".")
    told += signal.sigtimedwait(ends, 0.02) is not None
"""


def spec(name: str, stage: Stage, code: str) -> ProcessSpec:
    return ProcessSpec(name, stage, ("-c", code))


def beats(
    name: str,
    stage: Stage,
    *,
    needs_signals: int = 1,
    reads: object = None,
    turned: Path = Path(os.devnull),
) -> ProcessSpec:
    """A process that tells how far it is until it was told to stop so often.

    `turned` grows by a byte after each time that it told.
    """
    beating = BEATS.replace("NEEDS_SIGNALS", str(needs_signals)).replace(
        "TURNED", repr(str(turned))
    )
    code = BLOCKED + READY + beating
    return ProcessSpec(name, stage, ("-c", code), hung_after_s=1.0, reads=reads)


def waits(name: str, stage: Stage, log: Path) -> ProcessSpec:
    """A process that is ready, waits for SIGTERM and writes its name to `log`."""
    up = f"open({str(log.with_name(name + '-up'))!r}, 'w').close();"
    end = f"open({str(log)!r}, 'a').write('{name} ')"
    return spec(name, stage, f"{UNTIL_TOLD}{READY}{up} signal.sigtimedwait(ends, 60); {end}")


def until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the condition was not met in time"
        supervisor.tend()


def test_stops_cameras_first_and_sinks_last(tmp_path: Path) -> None:
    log = tmp_path / "order"
    specs = (
        waits("sinks", Stage.SINKS, log),
        waits("scorer", Stage.SCORER, log),
        waits("ingest", Stage.INGEST, log),
    )
    with Supervisor(specs) as supervisor:
        supervisor.start()
        until(supervisor, lambda: len(list(tmp_path.glob("*-up"))) == 3)
    assert log.read_text().split() == ["ingest", "scorer", "sinks"]
    assert supervisor.failed == []


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    with Supervisor((waits("scorer", Stage.SCORER, tmp_path / "log"),)) as supervisor:
        supervisor.start()
        first = supervisor.process_ids()["scorer"]
        os.kill(first, 9)
        until(supervisor, lambda: supervisor.process_ids().get("scorer", first) != first)
        assert supervisor.restarts == 1


def test_a_process_that_was_ready_once_is_tried_again_and_again(tmp_path: Path) -> None:
    """Its second start fails early, as when something still holds its memory or its port."""
    starts = tmp_path / "starts"
    script = tmp_path / "scorer.py"
    script.write_text(
        f"""
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})
with open({str(starts)!r}, "a+") as starts:
    starts.write("x")
    starts.seek(0)
    if starts.read() != "x":
        sys.exit(1)
os.write(int(sys.argv[sys.argv.index("--ready-fd") + 1]), b"ready")
signal.sigtimedwait({{signal.SIGTERM}}, 60)
"""
    )
    child = ProcessSpec("scorer", Stage.SCORER, (str(script),))
    with Supervisor((child,)) as supervisor:
        supervisor.start()
        os.kill(supervisor.process_ids()["scorer"], 9)
        until(supervisor, lambda: len(starts.read_text()) >= 3)
        assert not supervisor.failed


def test_a_camera_that_cannot_work_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    specs = (
        spec("ingest bad", Stage.INGEST, "raise SystemExit(2)"),
        waits("ingest good", Stage.INGEST, tmp_path / "log"),
    )
    with Supervisor(specs) as supervisor:
        supervisor.start()
        until(supervisor, lambda: supervisor.failed == ["ingest bad"])
        assert "ingest good" in supervisor.process_ids()
        assert not supervisor.finished


FINISHED = (
    "import os, sys;"
    "os.write(int(sys.argv[sys.argv.index('--beat-fd') + 1]), b'{\"finished\": true}\\n');"
)


def test_finite_cameras_come_to_an_end() -> None:
    with Supervisor((spec("ingest", Stage.INGEST, READY + FINISHED),)) as supervisor:
        supervisor.start()
        until(supervisor, lambda: supervisor.finished)
    assert supervisor.failed == []


@pytest.mark.parametrize("stage", Stage)
def test_one_that_somebody_else_stopped_is_started_again(stage: Stage, tmp_path: Path) -> None:
    with Supervisor((waits("it", stage, tmp_path / "log"),)) as supervisor:
        supervisor.start()
        until(supervisor, (tmp_path / "it-up").exists)
        first = supervisor.process_ids()["it"]
        os.kill(first, signal.SIGTERM)
        until(supervisor, lambda: supervisor.process_ids().get("it", first) != first)
        assert not supervisor.finished or stage is not Stage.INGEST
        assert not supervisor.failed


def test_a_scorer_that_does_not_start_says_why(tmp_path: Path) -> None:
    bad = spec("scorer", Stage.SCORER, "import sys; sys.exit('weights are missing')")
    supervisor = Supervisor((bad,), log_directory=tmp_path)
    with (
        pytest.raises(FlawlineError, match=r"scorer did not start.*weights are missing"),
        supervisor,
    ):
        supervisor.start()


@pytest.mark.parametrize("stage", Stage)
def test_a_process_that_hangs_is_killed_started_again_and_told_so(stage: Stage) -> None:
    with Supervisor((beats("it", stage),)) as supervisor:
        supervisor.start()
        until(supervisor, lambda: supervisor.states()["it"].things == {"top": "--hung=0"})
        hung = supervisor.process_ids()["it"]
        os.kill(hung, signal.SIGSTOP)
        until(supervisor, lambda: supervisor.process_ids().get("it", hung) != hung)
        until(supervisor, lambda: supervisor.states()["it"].things == {"top": "--hung=1"})
        assert supervisor.restarts == 1
    assert not supervisor.failed


def test_one_that_turns_is_left_alone_while_the_supervisor_itself_was_away(tmp_path: Path) -> None:
    """What was told meanwhile is heard before anybody is called silent."""
    clock, turned = FakeClock(), tmp_path / "turned"
    child = beats("it", Stage.SCORER, turned=turned)

    def goes_on() -> None:
        """It told, and told again: one of the two was not heard yet. A killed one tells nothing."""
        before = turned.stat().st_size
        without_tending(lambda: turned.stat().st_size >= before + 2)

    with Supervisor((child,), clock=clock) as supervisor:
        supervisor.start()
        until(supervisor, lambda: bool(supervisor.states()["it"].things))
        clock.advance(child.hung_after_s * 2.5)
        goes_on()
        supervisor.tend()
        goes_on()
        supervisor.tend()
        assert supervisor.restarts == 0


def test_a_hurried_stop_tells_them_a_second_time() -> None:
    hurried: list[bool] = []
    supervisor = Supervisor(
        (beats("it", Stage.SCORER, needs_signals=2),),
        hurried=lambda: bool(hurried),
        on_turn=lambda: hurried.append(True),
    )
    with supervisor:
        supervisor.start()
        until(supervisor, lambda: bool(supervisor.states()["it"].things))
        hurried.clear()
    assert hurried, "the first signal alone did not end it"
    assert not supervisor.failed


def test_a_reload_touches_only_what_changed() -> None:
    before = [beats(f"ingest {name}", Stage.INGEST, reads=1) for name in "abc"]
    scorer, sinks = beats("scorer", Stage.SCORER, reads=1), beats("sinks", Stage.SINKS, reads=1)
    after = [
        before[0],
        beats("ingest b", Stage.INGEST, reads=2),
        beats("ingest d", Stage.INGEST, reads=1),
        beats("scorer", Stage.SCORER, reads=2),
        sinks,
    ]
    with Supervisor([*before, scorer, sinks]) as supervisor:
        supervisor.start()
        old = supervisor.process_ids()
        assert supervisor.reload(after) == [
            "ingest c: stopped",
            "scorer: restarted",
            "ingest b: restarted",
            "ingest d: started",
        ]
        new = supervisor.process_ids()
        assert new.keys() == {"ingest a", "ingest b", "ingest d", "scorer", "sinks"}
        assert {name for name in new if old.get(name) == new[name]} == {"ingest a", "sinks"}
        assert supervisor.reload(after) == []
        assert supervisor.restarts == 0, "these were wanted"
    assert not supervisor.failed


def test_a_reload_tries_a_camera_again_that_was_down(tmp_path: Path) -> None:
    cable = tmp_path / "cable"
    code = f"import os, sys; os.path.exists({str(cable)!r}) or sys.exit(2);{READY}{FINISHED}"
    camera = spec("ingest", Stage.INGEST, code)
    with Supervisor((camera,), log_directory=tmp_path / "logs") as supervisor:
        supervisor.start()
        until(supervisor, lambda: supervisor.failed == ["ingest"])
        assert supervisor.reload([camera]) == ["ingest: restarted"]
        until(supervisor, lambda: supervisor.failed == ["ingest"])
        cable.touch()
        assert supervisor.reload([camera]) == ["ingest: restarted"]
        until(supervisor, lambda: supervisor.finished)
        assert not supervisor.failed


def test_a_scorer_that_does_not_come_back_from_a_reload_leaves_the_others_running() -> None:
    good = beats("scorer", Stage.SCORER)
    others = [beats("ingest", Stage.INGEST), beats("sinks", Stage.SINKS)]
    with Supervisor([good, *others]) as supervisor:
        supervisor.start()
        [problem] = supervisor.reload(
            [spec("scorer", Stage.SCORER, "raise SystemExit(2)"), *others]
        )
        assert problem.startswith("problem: scorer did not start (exit code 2)")
        assert supervisor.process_ids().keys() == {"ingest", "sinks"}
        assert supervisor.reload([good, *others]) == ["scorer: restarted"]
        assert supervisor.process_ids().keys() == {"ingest", "scorer", "sinks"}


def test_a_scorer_that_may_heal_is_tried_again_after_a_reload(tmp_path: Path) -> None:
    room = tmp_path / "room"
    code = f"import os, sys; os.path.exists({str(room)!r}) or sys.exit(1);{UNTIL_TOLD}{READY}"
    needs_room = spec("scorer", Stage.SCORER, f"{code} signal.sigtimedwait(ends, 60)")
    with Supervisor([beats("scorer", Stage.SCORER)]) as supervisor:
        supervisor.start()
        [problem] = supervisor.reload([needs_room])
        assert problem.startswith("problem: scorer did not start (exit code 1)")
        assert supervisor.states()["scorer"].process == "starts again"
        room.touch()
        until(supervisor, lambda: supervisor.states()["scorer"].process == "running")
        assert not supervisor.failed


def test_the_last_word_of_a_process_is_kept() -> None:
    last_word = (
        "import os, sys; fd = int(sys.argv[sys.argv.index('--beat-fd') + 1]);"
        'os.write(fd, b\'{"error": "no such region"}\\n\'); sys.exit(2)'
    )
    with Supervisor((spec("ingest top", Stage.INGEST, last_word),)) as supervisor:
        supervisor.start()
        until(supervisor, lambda: supervisor.finished)
    assert supervisor.failures == [("ingest top", "no such region")]
