"""The kill matrix in short: what must hold on any machine, however slow. `make soak` is the long.

Each shot is taken at the moment of a PASS, and the next one at the same station.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.faults import FAULTS, Fault
from tests.soak.matrix import Matrix, Moment
from tests.soak.table import markdown

CELLS = {
    "SIGKILL": ("guard", "ingest", "sinks", "scorer", "supervisor"),
    "SIGSTOP 10 s": ("sinks",),
    "SIGTERM": ("sinks",),
    "deleted": ("store",),
}
CHOSEN = [each for each in FAULTS if each.victim in CELLS.get(each.name, ())]

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    logs = tmp_path_factory.mktemp("logs")
    with Matrix(deadline_s=9.0, small_disk=False, logs=logs) as made:
        yield made
    for path in sorted(Path(logs).iterdir()):
        print(path.name, path.read_text(), sep="\n")


@pytest.mark.parametrize("fault", CHOSEN, ids=lambda each: f"{each.name} of {each.victim}")
def test_what_passed_is_booked_and_nothing_stands(fault: Fault, matrix: Matrix) -> None:
    shot = matrix.shoot(fault, Moment.OF_A_PASS, delay_s=0.0)
    print(markdown([shot]))
    assert shot.passes, "the PLC was told of no good part"
    assert shot.trouble == "", "the station gets up again"
    assert shot.told_otherwise == ()
    assert shot.ledger_exit == 0
    assert not shot.stands
