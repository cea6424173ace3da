"""`flawline demo`: the main job on a rendered conveyor, with three real processes."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from contract.clock import SystemClock
from contract.config import Config
from contract.config_file import load_config
from contract.errors import EXIT_OK, EXIT_RECOVERABLE, FlawlineError, StorageError
from contract.image import list_images, read_image
from contract.messages import Outcome
from flawline.demo.summary import FalseRejects, Summary, summarise
from flawline.demo.truth import Finding, PartResult, Truth, false_frames, judge_parts
from flawline.station.stop import StopRequest
from flawline.station.supervisor import Supervisor, processes_of

if TYPE_CHECKING:
    from scorer.references.conformal import Calibration
    from sinks.store.event import Event

LINE = "rings"
CAMERA = "rings-top"
OBJECT = "ceramic ring"
FPS = 5.0
DEADLINE_S = 1.0
FALSE_REJECT_RATE = 0.02
DEFAULT_METRICS_PORT = 9464
CONFIG_NAME = "flawline.yaml"
MADE_BY_DEMO = "# made by flawline demo\n"
PRODUCTS = (CONFIG_NAME, "report.html", "heatmaps", "memories", "logs")
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
    console = Console(highlight=False, soft_wrap=True)
    _prepare(directory)
    if metrics_port is None:
        metrics_port = DEFAULT_METRICS_PORT if live else 0
    stop = StopRequest()
    with (
        as_file(files("flawline") / "assets" / "demo") as assets,
        tempfile.TemporaryDirectory(prefix="flawline-") as run_directory,
    ):
        truth = Truth.load(assets / "truth.json")
        stop_at = None if seconds is None else round(seconds * truth.fps)
        config_path = _configure(
            directory,
            truth,
            clip=assets / truth.clip,
            run_directory=Path(run_directory),
            live=live,
            metrics_port=metrics_port,
        )
        config = load_config(config_path)
        calibration = _teach(config, assets, console)
        with Supervisor(
            processes_of(config, config_path), log_directory=directory / "logs"
        ) as supervisor:
            supervisor.start(stopping=stop)
            if live:
                console.print(
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
                console=console,
            )
        if supervisor.failed:
            raise FlawlineError(
                f"ended with errors: {', '.join(supervisor.failed)}", f"see {directory / 'logs'}"
            )
        return _conclude(directory, config, truth, calibration, console)


def _prepare(directory: Path) -> None:
    """Empty `directory` of an earlier demo, and of nothing else."""
    config = directory / CONFIG_NAME
    try:
        mine = not config.exists() or config.read_text("utf-8").startswith(MADE_BY_DEMO)
        names = [name for name in PRODUCTS if (directory / name).exists()]
        if names and not (mine and config.exists()):
            raise StorageError(
                f"{directory} holds {names[0]}, which no demo made", "choose another --out"
            )
        for name in names:
            path = directory / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in directory.glob("events.db*"):
            path.unlink()
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"cannot write {directory}: {error.strerror}", "choose another --out"
        ) from None


def _configure(
    directory: Path, truth: Truth, *, clip: Path, run_directory: Path, live: bool, metrics_port: int
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
                        "fps": FPS,
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
    try:
        path.write_text(MADE_BY_DEMO + yaml.safe_dump(document, sort_keys=False), "utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}", "choose another --out"
        ) from None
    return path


def _teach(config: Config, assets: Path, console: Console) -> Calibration:
    """Enroll the references, then calibrate with more good frames, as a user would."""
    with console.status("loading the model and teaching the line"):
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
        manifest = calibrate(
            shelf,
            line,
            clock,
            taught.version,
            score_normal(model, line, shelf, taught.version, normal),
            false_reject_rate=FALSE_REJECT_RATE,
        )
    calibration = manifest.calibration
    assert calibration is not None
    console.print(
        f"line {LINE}: taught with {manifest.num_references} good parts; threshold "
        f"{manifest.fail_threshold:.4f} from {len(calibration.scores)} more good frames, for "
        f"{calibration.false_reject_rate:.1%} false rejects"
    )
    return calibration


def _watch(
    supervisor: Supervisor,
    config: Config,
    stop: StopRequest,
    *,
    expected: int | None,
    stop_at: int | None,
    console: Console,
) -> None:
    """Tend the processes and show how far the clip is, until its end or a signal.

    Args:
        supervisor: of the processes.
        config: where the store is.
        stop: the signal.
        expected: frames until the end, to show; None: endless.
        stop_at: end when the books hold so many decoded frames; those in flight are judged yet.
        console: where to show it.
    """
    from sinks.store.store import Store

    columns = (
        TextColumn("inspecting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames  {task.fields[found]}"),
        TimeElapsedColumn(),
    )
    told_s = time.monotonic()
    with (
        Store.open_existing(config.store_url) as store,
        Progress(*columns, console=console) as progress,
    ):
        task = progress.add_task("inspecting", total=expected, found="")
        while not stop.wait(TEND_S) and not supervisor.finished:
            supervisor.tend()
            books = store.books()
            decoded = sum(book.decoded for book in books)
            counts = sum((book.counts for book in books), Counter[Outcome]())
            found = "  ".join(f"{counts[o]} {o}" for o in Outcome if counts[o])
            progress.update(task, completed=decoded, found=found)
            if stop_at is not None and decoded >= stop_at:
                break
            if not console.is_terminal and time.monotonic() - told_s > 10:
                told_s = time.monotonic()
                console.print(f"{decoded} of {expected or 'endless'} frames  {found}")
        progress.update(task, found="closing the books")


def _conclude(
    directory: Path, config: Config, truth: Truth, calibration: Calibration, console: Console
) -> int:
    from flawline.demo.report import write_report
    from sinks.store.store import Store

    with Store.open_existing(config.store_url) as store:
        summary = summarise(list(store.audit()), events := list(store.events()))
    parts = judge_parts(events, truth, num_frames=summary.decoded)
    false = FalseRejects(
        calibration.false_reject_rate,
        calibration.false_reject_bound,
        len(calibration.scores),
        *false_frames(events, truth),
    )
    print_summary(summary, parts, false, truth, console)
    report = directory / "report.html"
    write_report(
        report,
        summary=summary,
        events=events,
        parts=parts,
        false_rejects=false,
        truth=truth,
        evidence_directory=config.evidence_directory,
    )
    console.print(f"report: {report}")
    return EXIT_OK if summary.balanced and _scored(events) else EXIT_RECOVERABLE


def _scored(events: list[Event]) -> bool:
    return any(event.anomaly_score is not None for event in events)


def print_summary(
    summary: Summary,
    parts: list[PartResult],
    false: FalseRejects,
    truth: Truth,
    console: Console,
) -> None:
    """The run in a screenful."""
    outcomes = "  ".join(f"{summary.outcomes[outcome]} {outcome}" for outcome in Outcome)
    findings = Counter(part.finding for part in parts)
    defective = sum(part.part.defect is not None for part in parts)
    console.print()
    cut = summary.decoded < truth.num_frames
    shown = (
        f" of the clip's {truth.num_frames}: parts that passed by then are judged" if cut else ""
    )
    console.print(f"frames decoded   {summary.decoded}{shown}")
    console.print(f"frames admitted  {summary.admitted} ({FPS:g} per second of {LINE})")
    console.print(f"outcomes         {outcomes}")
    for reason, frames in sorted(summary.unscored.items()):
        console.print(f"                 {frames} UNSCORED because {reason}")
    console.print(f"ledger balanced: {'yes' if summary.balanced else 'no'}")
    console.print(
        f"parts            {len(parts)} passed, {defective} of them defective: "
        f"{findings[Finding.TRUE_REJECT]} found, {findings[Finding.MISS]} missed"
    )
    console.print(
        f"                 {len(parts) - defective} good: {findings[Finding.TRUE_PASS]} passed, "
        f"{findings[Finding.FALSE_REJECT]} rejected falsely"
    )
    if findings[Finding.UNINSPECTED]:
        console.print(f"                 {findings[Finding.UNINSPECTED]} uninspected")
    missed = [part.part.defect or "" for part in parts if part.finding is Finding.MISS]
    if missed:
        console.print(f"                 missed: {', '.join(missed)}")
    console.print(
        f"false rejects    promised at most {false.promised:.1%} of good frames, with 95 % "
        f"confidence {false.bound:.1%} ({false.num_calibrated} frames to calibrate with)"
    )
    observed = f"{false.observed:.1%}: " if false.good else ""
    console.print(
        f"                 observed {observed}{false.failed} of {false.good} frames "
        "without a defect in view"
    )
    console.print(f"frames scored    {summary.scored_per_s:.1f} per second")
    table = Table("latency", "p50 ms", "p99 ms")
    for stage, p50_ms, p99_ms in summary.latency_ms:
        table.add_row(stage, f"{p50_ms:.1f}", f"{p99_ms:.1f}")
    console.print(table)
