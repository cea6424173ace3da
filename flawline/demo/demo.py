"""`flawline demo`: the main job on a rendered conveyor, with three real processes."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from contract.clock import SystemClock
from contract.config import Config
from contract.config_file import load_config
from contract.errors import EXIT_OK, EXIT_RECOVERABLE, FlawlineError, StorageError
from contract.image import list_images, read_image
from contract.messages import Outcome
from flawline.demo.summary import FalseRejects, Summary, print_summary
from flawline.demo.truth import Truth, false_frames, judge_parts
from flawline.files import writing
from flawline.progress import bar
from flawline.reports.period import Period
from flawline.screen import Screen
from flawline.station.processes import processes_of
from flawline.station.stop import StopRequest
from flawline.station.supervisor import Supervisor

if TYPE_CHECKING:
    from scorer.references.conformal import Calibration

LINE = "rings"
CAMERA = "rings-top"
OBJECT = "ceramic ring"
FPS = 5.0
LOAD = 0.7  # Of the scorer's time; the rest is for bursts, as docs/install.md says for every line.
DEADLINE_S = 1.0
FALSE_REJECT_RATE = 0.02
DEFAULT_METRICS_PORT = 9464
CONFIG_NAME = "flawline.yaml"
MADE_BY_DEMO = "# made by flawline demo\n"
REPORT_NAME = "report.html"
PRODUCTS = (CONFIG_NAME, REPORT_NAME, "heatmaps", "memories", "logs", "epochs")
PATTERNS = ("events.db*", "report-*.html", "judged.journal", "clock.note")
TEND_S = 0.1


def run_demo(
    directory: Path, *, live: bool, metrics_port: int | None, seconds: float | None = None
) -> int:
    """Play the clip, print the summary, write the report; 0 if the run was sound.

    Args:
        directory: gets the report, the store and the heatmaps.
        live: loop until Ctrl-C.
        metrics_port: of /metrics; None: 9464 if `live`, else a free one.
        seconds: how much of the clip to show; None: all of it.

    Raises:
        StorageError: `directory` cannot be written or holds something else.
        FlawlineError: a process does not start.
    """
    screen = Screen()
    prepare(directory)
    if metrics_port is None:
        metrics_port = DEFAULT_METRICS_PORT if live else 0
    stop = StopRequest()
    with (
        as_file(files("flawline") / "assets" / "demo") as assets,
        tempfile.TemporaryDirectory(prefix="flawline-") as run_directory,
    ):
        truth = Truth.load(assets / "truth.json")
        stop_at = None if seconds is None else round(seconds * truth.fps)
        configure = partial(
            _configure,
            directory,
            truth,
            clip=assets / truth.clip,
            run_directory=Path(run_directory),
            live=live,
            metrics_port=metrics_port,
        )
        calibration, frame_s = _teach(load_config(configure(fps=FPS)), assets, screen)
        fps = affordable_fps(frame_s)
        _tell_speed(fps, frame_s, screen)
        config_path = configure(fps=fps)
        config = load_config(config_path)
        with Supervisor(
            processes_of(config, config_path),
            log_directory=directory / "logs",
            hurried=lambda: stop.hurried,
        ) as supervisor:
            supervisor.start(stopping=stop)
            if live:
                screen.say(
                    f"live: http://127.0.0.1:{metrics_port}/metrics, report after Ctrl-C"
                    if metrics_port
                    else f"live: the port of /metrics is in {directory / 'logs' / 'sinks.log'}"
                )
            _watch(
                supervisor,
                config,
                stop,
                expected=None if live else stop_at or truth.num_frames,
                stop_at=stop_at,
                screen=screen,
            )
        if supervisor.failed:
            raise FlawlineError(
                f"ended with errors: {', '.join(supervisor.failed)}", f"see {directory / 'logs'}"
            )
        return _conclude(directory, config, truth, calibration, screen)


def affordable_fps(frame_s: float) -> float:
    """Frames per second that a scorer keeps up with, of at most 5, in halves; at least a half.

    Args:
        frame_s: what scoring a frame takes.
    """
    return min(FPS, max(0.5, math.floor(2 * LOAD / frame_s) / 2))


def _tell_speed(fps: float, frame_s: float, screen: Screen) -> None:
    taken = f"a frame is scored in {1e3 * frame_s:.0f} ms here"
    if fps * frame_s > LOAD:
        screen.say(f"{taken}: too slow for this demo, frames will come LATE")
    elif fps < FPS:
        screen.say(
            f"{taken}: {fps:g} frames a second are inspected instead of {FPS:g}, which leaves "
            f"{1 - LOAD:.0%} of the time for bursts (docs/install.md, sizing)"
        )
    else:
        screen.say(f"{taken}: {fps:g} frames a second are inspected")


def prepare(directory: Path) -> None:
    """Empty `directory` of an earlier demo, and of nothing else."""
    config = directory / CONFIG_NAME
    with writing(directory, "choose another --out"):
        mine = not config.exists() or config.read_text("utf-8").startswith(MADE_BY_DEMO)
        names = [name for name in PRODUCTS if (directory / name).exists()]
        if names and not (mine and config.exists()):
            raise StorageError(
                f"{directory} holds {names[0]}, which no demo made", "choose another --out"
            )
        for name in names:
            path = directory / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for pattern in PATTERNS:
            for path in directory.glob(pattern):
                path.unlink()
        directory.mkdir(parents=True, exist_ok=True)


def _configure(
    directory: Path,
    truth: Truth,
    *,
    clip: Path,
    run_directory: Path,
    live: bool,
    metrics_port: int,
    fps: float,
) -> Path:
    path = directory / CONFIG_NAME
    document = {
        "version": 1,
        "station": "demo",
        "data_directory": str(directory.resolve()),
        "network": {"directory": str(run_directory)},
        "lines": [
            {
                "name": LINE,
                "object_name": OBJECT,
                "deadline_s": DEADLINE_S,
                "cameras": [
                    {
                        "name": CAMERA,
                        "source": str(clip.resolve()),
                        "fps": fps,
                        "pace": "live",
                        "loop": live,
                        "region": truth.region.model_dump(),
                    }
                ],
            }
        ],
        "scorer": {"model": {"name": "flawline-mini"}},
        "sinks": {"metrics": {"port": metrics_port}},
    }
    with writing(path, "choose another --out"):
        path.write_text(MADE_BY_DEMO + yaml.safe_dump(document, sort_keys=False), "utf-8")
    return path


def _teach(config: Config, assets: Path, screen: Screen) -> tuple[Calibration, float]:
    """Enroll the references, then calibrate with more good frames, as a user would.

    Returns:
        the calibration, and the seconds that scoring a frame took.
    """
    with screen.working("loading the model and teaching the line"):
        from scorer.references.calibration import calibrate, score_normal
        from scorer.references.enrolment import enroll
        from scorer.references.shelf import Shelf
        from scorer.scoring.winclip import load_model

        references, normal = (
            [read_image(path) for path in list_images(assets / name)]
            for name in ("references", "normal")
        )
        model, line, clock = load_model(config.scorer.model), config.line(LINE), SystemClock()
        shelf = Shelf(config.memory_directory)
        taught = enroll(model, line, references, shelf, clock)
        began_s = time.perf_counter()
        scores = score_normal(model, line, shelf, taught.version, normal)
        frame_s = (time.perf_counter() - began_s) / len(scores)
        manifest = calibrate(
            shelf,
            line,
            clock,
            taught.version,
            scores,
            dtype=model.backbone.dtype,
            false_reject_rate=FALSE_REJECT_RATE,
        )
    calibration = manifest.calibration
    assert calibration is not None
    screen.say(
        f"line {LINE}: taught with {manifest.num_references} good parts; threshold "
        f"{manifest.fail_threshold:.4f} from {len(calibration.scores)} more good frames, for "
        f"{calibration.false_reject_rate:.1%} false rejects"
    )
    return calibration, frame_s


def _watch(
    supervisor: Supervisor,
    config: Config,
    stop: StopRequest,
    *,
    expected: int | None,
    stop_at: int | None,
    screen: Screen,
) -> None:
    """Tend the processes and show how far the clip is, until its end or a signal.

    Args:
        supervisor: of the processes.
        config: where the store is.
        stop: the signal.
        expected: frames until the end, to show; None: endless.
        stop_at: end when the books hold so many decoded frames; those in flight are judged yet.
        screen: where to show it.
    """
    from sinks.store.store import Store

    with (
        Store.open_existing(config.store_url) as store,
        bar("inspecting", expected, screen) as show,
    ):
        while not stop.wait(TEND_S) and not supervisor.finished:
            supervisor.tend()
            books = store.books()
            decoded = sum(book.decoded for book in books)
            counts = sum((book.counts for book in books), Counter[Outcome]())
            show(decoded, "  ".join(f"{counts[each]} {each}" for each in Outcome if counts[each]))
            if stop_at is not None and decoded >= stop_at:
                break


def _conclude(
    directory: Path, config: Config, truth: Truth, calibration: Calibration, screen: Screen
) -> int:
    from flawline.demo.report import extras_of
    from flawline.reports.pages import write_pages
    from flawline.reports.reading import read_line
    from sinks.store.store import Store

    with Store.open_existing(config.store_url) as store:
        period = Period(0, SystemClock().wall_ns())
        report = read_line(store, config, LINE, period, written_ns=period.until_ns, running=False)
        events = list(store.events(line=LINE))
        decoded = sum(audit.book.decoded for audit in report.audits)
        parts = judge_parts(events, truth, num_frames=decoded)
        false = FalseRejects(
            calibration.false_reject_rate,
            calibration.false_reject_bound,
            len(calibration.scores),
            *false_frames(events, truth),
        )
        summary = Summary(report.digest, report.audits, parts, false, truth.num_frames)
        print_summary(
            summary, screen, pace=f"{config.line(LINE).cameras[0].fps:g} per second of {LINE}"
        )
        report = replace(
            report,
            period=Period(report.digest.first_ns or 0, (report.digest.last_ns or 0) + 1),
            embed=True,
            extras=extras_of(events, truth, parts, false),
        )
        index = write_pages(report, directory / REPORT_NAME)
    screen.say(f"report: {index}")
    scored = any(event.anomaly_score is not None for event in events)
    return EXIT_OK if summary.balanced and scored else EXIT_RECOVERABLE
