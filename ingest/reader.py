"""The reader thread: opens the source, feeds the intake, and opens it again after an outage."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing

from contract.errors import SourceConfigError, SourceError
from ingest.intake import Intake
from ingest.picture import Picture, Stream
from ingest.reconnect import Action, Reconnect, Reopen, Signal
from ingest.session import Session

log = logging.getLogger(__name__)


class Reader(threading.Thread):
    """Reads a source to its end, or a live one until `stop` is called.

    An exception ends the thread and is kept in `failure`. The thread is a daemon because PyAV
    cannot interrupt a read of a silent camera before its time-out.

    Args:
        open_source: opens the source anew.
        intake: is given what the source yields.
        reconnect: what to do when a live source ends or fails, which is an outage.
    """

    def __init__(
        self,
        session: Session,
        *,
        open_source: Callable[[], Stream],
        intake: Intake,
        reconnect: Reconnect,
    ) -> None:
        super().__init__(name=f"reader of {session.camera.name}", daemon=True)
        self.failure: BaseException | None = None
        self._camera = session.camera.name
        self._stopping = session.stopping
        self._slot = session.slot
        self._tally = session.tally
        self._read = self._read_for_ever if session.kind.live else self._read_once
        self._open_source = open_source
        self._intake = intake
        self._reconnect = reconnect

    def stop(self) -> None:
        """Ask the thread to end; from here on nothing more is admitted."""
        self._stopping.set()
        self._slot.close()

    def run(self) -> None:
        """Read until the end, a stop or a failure."""
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            self.failure = error
        finally:
            self._slot.close()

    def _read_for_ever(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read_once()
                loss = "the stream ended"
            except SourceConfigError:
                raise
            except SourceError as error:
                loss = str(error)
            if not self._stopping.is_set():
                self._perform(self._on(Signal.LOST), loss)

    def _read_once(self) -> None:
        self._intake.opening()
        with closing(self._open_source()) as items:
            for item in items:
                if self._stopping.is_set():
                    return
                self._intake.take(item)
                if isinstance(item, Picture):
                    self._on(Signal.FRAME)

    def _on(self, signal: Signal) -> Action:
        action = self._reconnect.on(signal)
        self._tally.state = self._reconnect.state
        self._tally.restarts = self._reconnect.restarts
        return action

    def _perform(self, action: Action, loss: str) -> None:
        if isinstance(action, Reopen):
            log.warning("camera %s: %s; next try in %.1f s", self._camera, loss, action.after_s)
            self._stopping.wait(action.after_s)
