"""`flawline demo`: the demo line, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
