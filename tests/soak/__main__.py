"""The kill matrix: every fault, at random moments and at that of a PASS, on this machine.

    python -m tests.soak                            # ten shots of each, hours
    python -m tests.soak --shots 1 --only SIGKILL   # of the faults that match
    python -m tests.soak --minutes 30               # as far as it comes in this time

Ctrl-C ends it; the table of what was done so far is printed in any case.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from benchmarks.machine import machine
from tests.soak.matrix import Matrix, Shot, chosen, rounds
from tests.soak.table import markdown, told, write_csv

OUT = Path("build/soak")


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # each killed client fills a page
    faults = chosen(arguments.only)
    may_mount = os.geteuid() == 0
    left_out = [each for each in faults if each.needs_small_disk and not may_mount]
    faults = [each for each in faults if each not in left_out]
    for fault in left_out:
        print(f"left out: {fault.name} of {fault.victim} needs root, to mount a small file system")
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    shots: list[Shot] = []
    print(f"seed {arguments.seed}, deadline_s {arguments.deadline_s:g}; {_machine()}", flush=True)
    try:
        with Matrix(deadline_s=arguments.deadline_s, small_disk=may_mount, logs=out) as matrix:
            for fault, moment, delay_s in rounds(
                faults, shots=arguments.shots, seed=arguments.seed
            ):
                if time.monotonic() > arguments.minutes * 60 + arguments.start_s:
                    print(f"{arguments.minutes:g} minutes are over")
                    break
                shot = matrix.shoot(fault, moment, delay_s=delay_s)
                shots.append(shot)
                write_csv(out / "shots.csv", shots)
                print(f"{len(shots)}: {'holds' if shot.holds else 'BROKEN'}: {shot}", flush=True)
    except KeyboardInterrupt:
        print("interrupted")
    report = "\n".join([markdown(shots), "", *told(shots)]) if shots else "nothing was done"
    (out / "table.md").write_text(report + "\n")
    print(f"\n{report}\n\n{_machine()}; each shot is in {out / 'shots.csv'}")
    return 0 if shots and all(shot.holds for shot in shots) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shots", type=int, default=10, help="of each cell")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--only", default="", help="pattern for fault and victim")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin none after")
    parser.add_argument("--deadline-s", type=float, default=2.0, help="of the line")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.set_defaults(start_s=time.monotonic())
    return parser.parse_args()


def _machine() -> str:
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{'; '.join(f'{key}: {value}' for key, value in machine().items())}; load {load}"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
