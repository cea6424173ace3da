"""A station with a PLC that is hit by one fault after the other, and gets up again."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from contract.clock import NS_PER_S
from contract.errors import StorageError
from sinks.store.event import Event
from sinks.store.store import Store
from tests.integration.guarded import guarded_station
from tests.integration.station import DEADLINE_S, POLL_S, Station, ledger
from tests.pictures import save_shots
from tests.plc import PlcServer, Write, plc_server
from tests.soak.witness import deadline_ns, results, shows_pass

SUPERVISOR = "supervisor"
MODULES = {"guard": "sinks.plc", "ingest": "ingest", "sinks": "sinks", "scorer": "scorer"}
VICTIMS = (*MODULES, SUPERVISOR)
ORPHANS_END_S = 120.0
BOOKED_WITHIN_S = 60.0
LOOK_BACK_S = 600.0


class NotWell(Exception):
    """The station did not get up again, or did not do what was waited for."""


class Rig:
    """Use `rig()`.

    Attributes:
        small_disk: whether the station's data lie on a small file system of their own.
        kept: stores that were taken away from the station, for the witness.
    """

    def __init__(self, station: Station, plc: PlcServer, *, deadline_s: float) -> None:
        self.station = station
        self.plc = plc
        self.small_disk = station.config.data_directory.is_mount()
        self.kept: list[Path] = []
        self._deadline_s = deadline_s
        self._family: list[psutil.Process] = []
        self._first = 0

    @property
    def store_path(self) -> Path:
        return self.station.config.data_directory / "events.db"

    def process(self, victim: str) -> psutil.Process:
        """The process of a victim, once it runs."""
        self._family = self.station.supervisor.children()
        if victim == SUPERVISOR:
            return self.station.supervisor
        self.until(lambda: self.station.process_ids(MODULES[victim]), f"{victim} runs")
        return psutil.Process(self.station.process_ids(MODULES[victim])[0])

    def get_up(self) -> None:
        """Start the station if it has ended, and wait until all is well."""
        if self.station.has_ended:
            _, alive = psutil.wait_procs(self._family, timeout=ORPHANS_END_S)
            if alive:
                raise NotWell(f"outlived the supervisor: {[each.name() for each in alive]}")
            self.station.__enter__()
        since_ns = time.time_ns()
        self.until(self._is_whole, "every process runs, and there is a store")
        self.until(lambda: self._passed_since(since_ns), "a part passes that was seen since")

    def await_pass(self) -> None:
        """Return at the moment at which the PLC is told of a good part."""
        before = len(self.plc.writes)

        def told() -> bool:
            news = self.plc.writes[max(0, before - 1) :]
            return any(shows_pass(write.block) for write, _ in results(news))

        if not self.plc.wait_for(told, within_s=DEADLINE_S):
            raise NotWell("no part passed")

    def go_on(self, seconds: float) -> None:
        """Let the station run for so long, or until it ends."""
        until_s = time.monotonic() + seconds
        self.plc.wait_for(lambda: time.monotonic() >= until_s, within_s=seconds)

    def news(self) -> list[Write]:
        """What was written to the PLC since this was last asked, after the write before that."""
        first, self._first = self._first, len(self.plc.writes) - 1
        return self.plc.writes[first:]

    def settled(self, wrong: Callable[[list[Event]], list[str]]) -> list[str]:
        """What is `wrong` with the book once the newest results had time to come into it."""
        until_s = time.monotonic() + BOOKED_WITHIN_S
        while found := wrong(self._events()):
            if time.monotonic() > until_s:
                break
            self.go_on(POLL_S)
        return found

    def bury(self) -> None:
        """Kill what is left of a station that does not stop."""
        with suppress(psutil.NoSuchProcess):
            self._family += [self.station.supervisor, *self.station.supervisor.children()]
        for process in self._family:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _events(self) -> list[Event]:
        """What is booked of the newest frames, wherever the store is."""
        first_ns = time.time_ns() - round(LOOK_BACK_S * NS_PER_S)
        found: dict[str, Event] = {}
        for path in [*self.kept, self.store_path]:
            with suppress(StorageError), Store.open_existing(f"sqlite:///{path}") as store:
                found |= {event.event_id: event for event in store.events(since_ns=first_ns)}
        return list(found.values())

    def ledger_exit(self) -> int:
        """Of `flawline ledger`, once it says 0 or had time to."""
        until_s = time.monotonic() + BOOKED_WITHIN_S
        while code := ledger(self.station).returncode:
            if time.monotonic() > until_s:
                break
        return code

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until `condition`.

        Raises:
            NotWell: it does not come true.
        """
        until_s = time.monotonic() + DEADLINE_S
        while not condition():
            if self.station.has_ended or time.monotonic() > until_s:
                ended = "the station ended" if self.station.has_ended else "waited in vain"
                raise NotWell(f"{ended} before: {what}")
            self.go_on(POLL_S)

    def _is_whole(self) -> bool:
        running = all(self.station.process_ids(module) for module in MODULES.values())
        return running and self.store_path.exists()

    def _passed_since(self, since_ns: int) -> bool:
        return any(self._was_seen_since(write, since_ns) for write in self.plc.writes[-50:])

    def _was_seen_since(self, write: Write, since_ns: int) -> bool:
        until_ns = deadline_ns(write)
        seen_ns = until_ns and until_ns - round(self._deadline_s * NS_PER_S)
        return shows_pass(write.block) and bool(seen_ns and seen_ns > since_ns)


@contextmanager
def rig(*, deadline_s: float, small_disk_bytes: int | None, log: Path | None) -> Iterator[Rig]:
    """A station that runs, well.

    Args:
        small_disk_bytes: put its data on a file system of this size, which needs root.
        log: where what it printed is left.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp")))
        if small_disk_bytes:
            stack.enter_context(_small_disk(home / "data", small_disk_bytes))
        plc = stack.enter_context(plc_server())
        folder = save_shots(home / "shots", 6)
        station = guarded_station(home, folder, plc, deadline_s=deadline_s)
        if log is not None:
            stack.callback(lambda: shutil.copyfile(home / "log.txt", log))
        made = Rig(station, plc, deadline_s=deadline_s)
        stack.callback(made.bury)
        stack.enter_context(station)
        made.get_up()
        made.news()
        yield made


@contextmanager
def _small_disk(directory: Path, num_bytes: int) -> Iterator[None]:
    directory.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={num_bytes}", "tmpfs"]
    subprocess.run(["mount", *options, str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)
