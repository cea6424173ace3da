"""The table of commands. Each one imports what it needs when it is called."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from contract.process import configure_logging, software_version
from flawline.groups import config_app, memory_app, models_app
from flawline.options import (
    DEFAULT_CONFIG,
    AssociationModel,
    AssociationWeights,
    ConfigPath,
    Device,
    LanguageWeight,
    ModelName,
    PresetName,
    PretrainedTag,
    WeightsFile,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Visual inspection for conveyor lines: cameras in, verdicts out, in time for the gate.",
)
for name, group in (("config", config_app), ("models", models_app), ("memory", memory_app)):
    app.add_typer(group, name=name)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flawline {software_version()}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where errors come from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    configure_logging("flawline", "debug" if debug else "warning")
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    logging.getLogger("PIL").setLevel(logging.INFO)


@app.command()
def demo(
    directory: Annotated[
        Path, typer.Option("--out", help="Folder for report, store and heatmaps.")
    ] = Path("out/demo"),
    live: Annotated[
        bool, typer.Option("--live", help="Loop until Ctrl-C and keep /metrics up.")
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Port of /metrics; 9464 with --live, else free.", min=0, max=65535),
    ] = None,
) -> None:
    """Play a rendered conveyor clip through all processes and show what they found.

    Teaches the line from four good parts, inspects 60 seconds of belt as from a live camera, and
    compares the verdicts with the truth of the clip. Needs no camera, no network and no GPU.
    """
    from flawline.demo.demo import run_demo

    raise typer.Exit(run_demo(directory, live=live, metrics_port=metrics_port))


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML).")] = DEFAULT_CONFIG,
    log_level: Annotated[
        Literal["debug", "info", "warning"], typer.Option(help="How much the processes say.")
    ] = "info",
) -> None:
    """Run a station: start its processes, restart what falls over, stop cleanly on Ctrl-C.

    Ends by itself when every camera is a file or folder that came to its end.
    """
    from flawline.station.run import run_station

    raise typer.Exit(run_station(config, log_level=log_level))


@app.command()
def enroll(
    line: Annotated[str, typer.Option("--line", "-l", help="The line to teach.")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder with one to a few pictures of good parts."),
    ] = None,
    normal: Annotated[
        Path | None,
        typer.Option(help="With --images: folder with more good pictures, to set the threshold."),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option("--from", help="Camera of a running station to take good parts from."),
    ] = None,
    count: Annotated[int, typer.Option(help="With --from: how many frames.", min=1, max=64)] = 4,
    interval_s: Annotated[
        float, typer.Option(help="With --from: seconds between two frames.", min=0, max=3600)
    ] = 1.0,
    whole_picture: Annotated[
        bool,
        typer.Option(
            "--whole-picture",
            help="With --images: pictures show all that the camera sees; cut the region out.",
        ),
    ] = False,
    choose: Annotated[
        int | None,
        typer.Option(
            help="With --images: take only so many, those that cover the others best; pictures "
            "that are unlike all others are named and left out.",
            min=1,
            max=64,
        ),
    ] = None,
    coreset: Annotated[
        float,
        typer.Option(
            help="With --images and --normal: share of the references' features to keep, for "
            "hundreds of references.",
            min=0.001,
            max=1.0,
        ),
    ] = 1.0,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Teach a line with good parts; a running scorer follows without restart.

    Pictures show the inspected crop, at any resolution, unless --whole-picture is given.
    """
    from flawline.commands.enroll import enroll_from_camera, enroll_from_images

    if (images is None) == (camera is None):
        raise typer.BadParameter("give exactly one of --images DIR and --from CAMERA")
    if camera is not None and (normal is not None or whole_picture or choose is not None):
        raise typer.BadParameter("--normal, --choose and --whole-picture go with --images")
    if images is not None:
        enroll_from_images(
            config,
            line=line,
            directory=images,
            normal=normal,
            whole_picture=whole_picture,
            coreset=coreset,
            choose=choose,
        )
    elif camera is not None:
        enroll_from_camera(config, line=line, camera=camera, count=count, interval_s=interval_s)


@app.command()
def calibrate(
    line: Annotated[str, typer.Option("--line", "-l", help="The line to calibrate.")],
    normal: Annotated[
        Path | None,
        typer.Option(help="Folder with pictures of good parts that are not references."),
    ] = None,
    from_store: Annotated[
        float | None,
        typer.Option(
            help="Hours: use what the line scored in the last hours, all of it good parts.",
            min=0.01,
        ),
    ] = None,
    false_reject_rate: Annotated[
        float, typer.Option(help="Share of good frames that may FAIL.", min=1e-5, max=0.5)
    ] = 0.005,
    review_rate: Annotated[
        float | None,
        typer.Option(help="Share of good frames that may FAIL or REVIEW.", min=1e-5, max=0.5),
    ] = None,
    whole_picture: Annotated[
        bool,
        typer.Option(
            "--whole-picture",
            help="With --normal: pictures show all that the camera sees; cut the region out.",
        ),
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Set a line's thresholds so that at most a promised share of good frames is rejected.

    The promise holds for frames like those given: one per part, same product, light and camera. A
    running scorer follows without restart. Too few frames: it says how many are needed.
    """
    from flawline.commands.calibrate import run_calibrate

    if (normal is None) == (from_store is None):
        raise typer.BadParameter("give exactly one of --normal DIR and --from-store HOURS")
    if normal is None and whole_picture:
        raise typer.BadParameter("--whole-picture goes with --normal")
    run_calibrate(
        config,
        line=line,
        normal=normal,
        hours=from_store,
        whole_picture=whole_picture,
        false_reject_rate=false_reject_rate,
        review_rate=review_rate,
    )


@app.command()
def score(
    images: Annotated[list[Path], typer.Argument(help="Pictures to score.")],
    object_name: Annotated[
        str, typer.Option("--object", help="What they show, in a word or two.")
    ] = "object",
    reference: Annotated[
        Path | None, typer.Option(help="Folder with pictures of good parts (WinCLIP+).")
    ] = None,
    model: ModelName = "flawline-mini",
    weights: WeightsFile = None,
    pretrained: PretrainedTag = None,
    preset: PresetName = "paper",
    device: Device = "cpu",
    language_weight: LanguageWeight = None,
    association: AssociationModel = None,
    association_weights: AssociationWeights = None,
    heatmaps: Annotated[
        Path | None, typer.Option(help="Folder for a picture with heatmap per image.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score pictures by words alone, or against a few pictures of good parts.

    Without --reference the score says how anomalous the words find the picture (zero-shot). With
    it, a provisional threshold from the references themselves gives a verdict.
    """
    from flawline.commands.score import ScoreOptions, model_settings, score_images

    settings = model_settings(
        name=model,
        weights=weights,
        pretrained=pretrained,
        preset=preset,
        device=device,
        language_weight=language_weight,
        association=association,
        association_weights=association_weights,
    )
    chosen = ScoreOptions(object_name, reference, settings, heatmaps)
    raise typer.Exit(score_images(images, chosen, as_json=as_json))


@app.command()
def explain(
    image: Annotated[Path, typer.Argument(help="The picture.")],
    out: Annotated[Path, typer.Option(help="File to draw: .png, .svg or .pdf.")] = Path(
        "explanation.png"
    ),
    object_name: Annotated[
        str, typer.Option("--object", help="What it shows, in a word or two.")
    ] = "object",
    reference: Annotated[
        Path | None, typer.Option(help="Folder with pictures of good parts (WinCLIP+).")
    ] = None,
    model: ModelName = "flawline-mini",
    weights: WeightsFile = None,
    pretrained: PretrainedTag = None,
    preset: PresetName = "paper",
    device: Device = "cpu",
    language_weight: LanguageWeight = None,
    association: AssociationModel = None,
    association_weights: AssociationWeights = None,
) -> None:
    """Say and draw why a picture has its score: which window, scale, words and reference."""
    from flawline.commands.explain import ExplainOptions, run_explain
    from flawline.commands.score import model_settings

    settings = model_settings(
        name=model,
        weights=weights,
        pretrained=pretrained,
        preset=preset,
        device=device,
        language_weight=language_weight,
        association=association,
        association_weights=association_weights,
    )
    run_explain(ExplainOptions(image, object_name, reference, settings, out))


@app.command()
def evaluate(
    root: Annotated[
        Path, typer.Argument(help="MVTec-AD, VisA, or any folder in MVTec-AD's layout.")
    ],
    shots: Annotated[
        str, typer.Option(help="Numbers of references; 0 is by words alone.")
    ] = "0,1,2,4",
    seeds: Annotated[int, typer.Option(help="Choices of references.", min=1, max=100)] = 5,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category; may be given several times.")
    ] = None,
    model: ModelName = "flawline-mini",
    weights: WeightsFile = None,
    pretrained: PretrainedTag = None,
    preset: PresetName = "paper",
    device: Device = "cpu",
    language_weight: LanguageWeight = None,
    association: AssociationModel = None,
    association_weights: AssociationWeights = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write figures here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    ablate: Annotated[
        str | None,
        typer.Option(help="Instead, a table of the paper: table3, table5, table6 or table8."),
    ] = None,
) -> None:
    """Evaluate a model on labelled pictures: the figures of the paper, with their uncertainty.

    ROOT holds <category>/train/good, test/good and test/<defect>; masks in ground_truth/<defect>
    are optional. On all of MVTec-AD or VisA the published figures stand beside ours.
    """
    from flawline.commands.evaluate import EvaluateOptions, run_evaluate, shots_of
    from flawline.commands.score import model_settings

    settings = model_settings(
        name=model,
        weights=weights,
        pretrained=pretrained,
        preset=preset,
        device=device,
        language_weight=language_weight,
        association=association,
        association_weights=association_weights,
    )
    chosen = (root, tuple(category or ()), shots_of(shots), seeds, settings, as_json, report)
    if ablate is None:
        run_evaluate(EvaluateOptions(*chosen))
        return
    from flawline.commands.ablate import run_ablation

    run_ablation(ablate, EvaluateOptions(*chosen))


@app.command()
def ledger(
    config: ConfigPath = DEFAULT_CONFIG,
    store: Annotated[
        str | None, typer.Option(help="Store URL, instead of the configuration's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the book: every admitted frame and its one outcome. Exit 1 if it does not balance."""
    from flawline.commands.ledger import print_ledger

    raise typer.Exit(print_ledger(config, store_url=store, as_json=as_json))


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="speed, lines, tiles, references, shell, resident; none: all."),
    ] = None,
    model: Annotated[str, typer.Option(help="open_clip model name.")] = "flawline-mini",
    weights: Annotated[
        Path | None, typer.Option(help="Local weights file; other models: random without it.")
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="Where one type is measured; auto: the faster one here."),
    ] = "auto",
    rounds: Annotated[int, typer.Option(help="How often each is timed.", min=1, max=1000)] = 5,
    frames: Annotated[int, typer.Option(help="Frames of `resident`.", min=4)] = 2000,
    anomalib: Annotated[
        Path | None,
        typer.Option(help="Python of an environment with anomalib: tools/anomalib_env.sh."),
    ] = None,
    naive: Annotated[
        bool, typer.Option(help="Time one window at a time, too, which is slow.")
    ] = True,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Write JSON to this file; - prints it.")
    ] = None,
) -> None:
    """Measure what frames cost on this machine; contenders take turns, medians are told."""
    from flawline.commands.bench import run_bench

    run_bench(
        names or [],
        model=model,
        weights=weights,
        dtype=dtype,
        rounds=rounds,
        frames=frames,
        anomalib=anomalib,
        naive=naive,
        as_json=as_json,
    )
