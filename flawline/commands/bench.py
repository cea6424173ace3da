"""`flawline bench`: what a frame costs on this machine."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from contract.errors import ConfigError


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
    from benchmarks.suite import SUITE, dump, measure, tell

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
    if as_json is not None:
        dump(document, as_json)
    else:
        tell(document, Console())
