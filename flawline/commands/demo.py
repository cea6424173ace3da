"""`flawline demo`: the demo line, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contract.errors import ConfigError


def demo(
    directory: Annotated[
        Path, typer.Option("--out", help="Folder for report, store and heatmaps.")
    ] = Path("out/demo"),
    live: Annotated[
        bool, typer.Option("--live", help="Loop until Ctrl-C and keep /metrics up.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(help="Inspect only so much of the clip, from its start.", min=5, max=60),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Port of /metrics; 9464 with --live, else free.", min=0, max=65535),
    ] = None,
) -> None:
    """Play a rendered conveyor clip through all processes and show what they found.

    Teaches the line from four good parts, inspects 60 seconds of belt as from a live camera, and
    compares the verdicts with the truth of the clip. Needs no camera, no network and no GPU.
    With --seconds it teaches as much but inspects less, and judges the parts that passed entirely.
    """
    if live and seconds is not None:
        raise ConfigError("--live goes on until Ctrl-C", "leave --live or --seconds out")
    from flawline.demo.demo import run_demo

    raise typer.Exit(run_demo(directory, live=live, seconds=seconds, metrics_port=metrics_port))
