"""`flawline bench`: what a frame costs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from contract.errors import ConfigError
from flawline.options import AsJson, give_json, require_json_target
from flawline.screen import Screen


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
    as_json: AsJson = None,
) -> None:
    """Measure what frames cost on this machine; contenders take turns, medians are told."""

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


def run_bench(
    names: list[str],
    *,
    model: str,
    weights: Path | None,
    dtype: str,
    rounds: int,
    frames: int,
    anomalib: Path | None,
    naive: bool,
    as_json: Path | None,
) -> None:
    """Measure and print; `names` empty: everything.

    Raises:
        ConfigError: no such measurement.
    """
    from benchmarks.suite import SUITE, measure, tell

    require_json_target(as_json)
    unknown = [name for name in names if name not in SUITE]
    if unknown:
        raise ConfigError(f"no measurement {unknown[0]!r}", f"one of {', '.join(SUITE)}")
    document = measure(
        names or list(SUITE),
        model=model,
        weights=weights,
        dtype=dtype,
        rounds=rounds,
        frames=frames,
        anomalib=anomalib,
        naive=naive,
    )
    if not give_json(document, as_json):
        tell(document, Screen())
