"""Modbus TCP to the PLC of one line: the newest result, and a heartbeat that means something.

Results are never queued. What cannot be written at once is merged, fail-safe, into what is
written next (see `indication`), so neither a slow PLC nor a broken cable makes anything old. What
came of telling each verdict is handed back, to be booked (see `results`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from contract.clock import NS_PER_MS, NS_PER_S, Clock
from contract.config import Line
from contract.config_sinks import Modbus
from contract.messages import Outcome, StatusMessage
from contract.process import Every
from contract.reasons import FAULTS, DeliveryReason, Fault
from sinks.arrival import Arrival
from sinks.metrics.metrics import Metrics
from sinks.plc.indication import Indication
from sinks.plc.line_health import LineHealth
from sinks.plc.registers import (
    NO_BITS,
    OUTCOME_CODES,
    UNKNOWN_CAMERA,
    RegisterBlock,
    Status,
)
from sinks.plc.results import Batch, Results

MAX_BACK_OFF_S = 1.0
COMPLAIN_S = 10.0
RESULT: Final = Status.PASS | Status.FAIL
NOT_DONE: Final = frozenset({1, 2, 3, 6, 10})
"""Exception codes of a write that was not begun; a gateway or a device that fails sends others."""

log = logging.getLogger(__name__)


class PlcError(OSError):
    """A write that the PLC did not take, or did not say so.

    Attributes:
        reason: label of the error counter: `connection` or `refused`.
        perhaps: it left, and no answer excludes that the PLC took it.
    """

    def __init__(self, text: str, *, reason: DeliveryReason, perhaps: bool = False) -> None:
        super().__init__(text)
        self.reason = reason
        self.perhaps = perhaps


@dataclass(frozen=True)
class _Standing:
    """The result that stands at the PLC, and what came of it when it was told."""

    result: Indication
    fault: Fault

    @property
    def outcome(self) -> Outcome:
        """A good or bad part that was told too late is LATE to the PLC, as it is no use."""
        return Outcome.LATE if self.fault in _NO_USE else self.result.outcome

    def bits(self, now_ns: int) -> Status:
        """The result bits at `now_ns`. What was told without any never gets one."""
        return NO_BITS if self.fault in _NO_USE else self.result.status(now_ns)


_NO_USE: Final = frozenset({Fault.RESULT_LATE, Fault.RESULT_WITHHELD})
_USEFUL: Final = frozenset({Fault.NONE, Fault.RESULT_WITHHELD})


class Plc:
    """The PLC of one line. `work` runs in a thread of its own.

    Args:
        note: keeps a judgement that is about to be told, so that it outlives this process.
        clock_step_s: by how much the host's clock is ahead of `clock`, which nobody can set: the
            PLC compares deadlines with the time that its hosts show.
    """

    def __init__(
        self,
        settings: Modbus,
        line: Line,
        *,
        note: Callable[[Arrival], None],
        clock_step_s: Callable[[], float],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self.name = settings.name
        self.line = settings.line
        self._settings = settings
        self._review_as = line.review_as
        self._note = note
        self._clock_step_s = clock_step_s
        assert line.deadline_s is not None  # the configuration demands it
        self._deadline_s = line.deadline_s
        self._clock = clock
        self._metrics = metrics
        self._cameras = {camera.name: place for place, camera in enumerate(line.cameras)}
        self._health = LineHealth(
            list(self._cameras),
            silence_s=settings.silence_s,
            fault_after_late=settings.fault_after_late,
            clock=clock,
        )
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._results = Results(clock, name=settings.name, hold_s=settings.hold_s)
        self._standing: _Standing | None = None
        self._sequence = 0
        self._given_up = False
        self._connected = False
        self._complain = Every(COMPLAIN_S, clock)
        self._said_connected: bool | None = None

    def tell(self, arrival: Arrival) -> None:
        """Take a verdict of the line; there is always room, because results merge."""
        arrival = arrival.due(self._deadline_s)
        header = arrival.header
        camera = self._cameras.get(header.camera, UNKNOWN_CAMERA)
        result = Indication.of(arrival, camera=camera, review_as=self._review_as)
        with self._lock:
            self._health.verdict(header, header.frame_id)
            self._results.add(arrival, result)
        self._wake.set()

    def concluded(self) -> list[Arrival]:
        """Verdicts that were told since the last call, or can not be told in time any more."""
        with self._lock:
            self._results.expire()
            return self._results.concluded()

    def give_up(self) -> None:
        """Tell no result any more, but that it stopped: all that were taken are `concluded`."""
        with self._lock:
            self._given_up = True
            self._results.give_up()

    @property
    def idle(self) -> bool:
        """Whether every verdict that was taken has been handed back."""
        with self._lock:
            return self._results.idle

    def observe(self, message: StatusMessage) -> None:
        """Take note of the health of cameras and scorer."""
        with self._lock:
            self._health.observe(message)

    def pending(self) -> int:
        with self._lock:
            return self._results.count

    @property
    def state(self) -> str:
        """How the PLC and its line are, in a word or two."""
        if not self._connected:
            return "not connected"
        with self._lock:
            fault = self._health.fault()
        return "online" if fault is Fault.NONE else f"fault {fault.name.lower()}"

    def work(self, stop: threading.Event) -> None:
        """Write results and heartbeats until `stop`, then say so to the PLC."""
        settings = self._settings
        client = ModbusTcpClient(
            settings.host, port=settings.port, timeout=settings.timeout_s, retries=0
        )
        beat_s = self._clock.monotonic_s()
        write = Retrying(
            retry=retry_if_exception_type(PlcError),
            wait=wait_random_exponential(multiplier=0.1, max=MAX_BACK_OFF_S),
            stop=stop_when_event_set(stop),
            sleep=sleep_using_event(stop),
            after=self._failed,
            retry_error_callback=lambda state: None,
        )
        try:
            while not stop.is_set():
                self._wake.wait(self._pause_s(beat_s))
                self._wake.clear()
                if self._clock.monotonic_s() >= beat_s:
                    beat_s = self._clock.monotonic_s() + settings.heartbeat_s
                    with self._lock:
                        self._health.beat()
                write(self._write, client, stop)
            self._say_stopped(client)
        finally:
            _close(client)

    def _pause_s(self, beat_s: float) -> float:
        """Until the next heartbeat, or a waiting result may replace the one that stands.

        Or until that one is over.
        """
        now_s, now_ns = self._clock.monotonic_s(), self._clock.wall_ns()
        with self._lock:
            due_s = [beat_s, self._results.due_s]
            if self._standing and self._standing.bits(now_ns):
                left_ns = self._standing.result.until_ns - now_ns
                due_s.append(now_s + (left_ns + 1) / NS_PER_S)
        return max(0.0, min(due for due in due_s if due is not None) - now_s)

    def _write(self, client: ModbusTcpClient, stop: threading.Event) -> None:
        """Write the state of this moment; on failure its results wait for the next write.

        After `stop` only that is told: what stood before a write without an answer must not come
        back.
        """
        if stop.is_set():
            return
        self._connect(client)
        with self._lock:
            now_ns = self._clock.wall_ns()
            ready = self._results.ready
            if ready and not ready.fault(now_ns):
                # Before the fault of useless results is asked for: this one ends it.
                self._health.useful()
            fault = Fault.STOPPED if self._given_up else self._health.fault()
            batch = self._results.take(fault, now_ns)
            standing = _Standing(batch.indication, batch.fault) if batch else self._standing
            sequence = self._sequence + (batch.count if batch else 0)
            block = self._block(standing, fault, sequence, now_ns)
        if batch is None:
            self._send(client, block)
        elif not self._tell(client, batch, block):
            return
        with self._lock:
            self._standing, self._sequence = standing, sequence

    def _tell(self, client: ModbusTcpClient, batch: Batch, block: RegisterBlock) -> bool:
        """Write `block`, which is the first to tell `batch`; False: it was too late for that."""
        perhaps = False
        try:
            for arrival in batch.newly_judged:
                self._note(arrival)
            if block.status & RESULT and not batch.indication.status(self._clock.wall_ns()):
                # The disk, or this process, stood still for so long.
                with self._lock:
                    self._results.put_back(batch, perhaps_told=False)
                self._wake.set()
                return False
            perhaps = True
            self._send(client, block)
        except BaseException as error:
            if isinstance(error, PlcError):
                perhaps = error.perhaps
            with self._lock:
                self._results.put_back(batch, perhaps_told=perhaps)
            raise
        with self._lock:
            self._results.told(batch, block.status)
            if batch.fault not in _USEFUL:
                self._health.useless(batch.count)
        return True

    def _block(
        self, standing: _Standing | None, fault: Fault, sequence: int, now_ns: int
    ) -> RegisterBlock:
        """The registers: a line with a fault never shows PASS or FAIL."""
        status = NO_BITS
        if fault is Fault.NONE:
            status = Status.ONLINE | (standing.bits(now_ns) if standing else NO_BITS)
        elif FAULTS[fault].raises_fault:
            status = Status.FAULT
        if standing is None:
            return RegisterBlock(
                status=status, fault=fault, heartbeat=self._health.heartbeat, sequence=sequence
            )
        return RegisterBlock(
            status=status,
            fault=fault or standing.fault,
            score=standing.result.score,
            outcome=OUTCOME_CODES[standing.outcome],
            frame_id=standing.result.frame_id,
            camera=standing.result.camera,
            deadline=self._deadline_ms(standing.result),
            heartbeat=self._health.heartbeat,
            sequence=sequence,
        )

    def _deadline_ms(self, result: Indication) -> int:
        return (result.until_ns + round(self._clock_step_s() * NS_PER_S)) // NS_PER_MS

    def _connect(self, client: ModbusTcpClient) -> None:
        try:
            connected = client.connect()  # type: ignore[no-untyped-call]
        except (ModbusException, OSError) as error:
            raise PlcError(str(error), reason=DeliveryReason.CONNECTION) from error
        if not connected:
            raise PlcError("no connection", reason=DeliveryReason.CONNECTION)

    def _send(self, client: ModbusTcpClient, block: RegisterBlock) -> None:
        settings = self._settings
        try:
            answer = client.write_registers(
                settings.base_register, block.words(), device_id=settings.device_id
            )
        except (ModbusException, OSError) as error:
            _close(client)
            raise PlcError(str(error), reason=DeliveryReason.CONNECTION, perhaps=True) from error
        if answer.isError():
            raise PlcError(
                f"registers {settings.base_register} to "
                f"{settings.base_register + len(block.words()) - 1} of device "
                f"{settings.device_id} refused ({answer})",
                reason=DeliveryReason.REFUSED,
                perhaps=answer.exception_code not in NOT_DONE,
            )
        self._connected = True
        if self._said_connected is not True:
            log.info("PLC %s: writing to %s:%d", self.name, settings.host, settings.port)
            self._said_connected = True

    def _failed(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, PlcError):
            self._metrics.failed(self.name, error.reason)
        if self._said_connected is not False and self._complain.due():
            self._said_connected = False
            log.error(
                "PLC %s at %s:%d: %s; trying again",
                self.name,
                self._settings.host,
                self._settings.port,
                error,
            )
        self._connected = False

    def _say_stopped(self, client: ModbusTcpClient) -> None:
        with self._lock:
            block = self._block(
                self._standing, Fault.STOPPED, self._sequence, self._clock.wall_ns()
            )
        try:
            self._connect(client)
            self._send(client, block)
        except PlcError as error:
            log.warning("PLC %s was not told of the stop: %s", self.name, error)


def _close(client: ModbusTcpClient) -> None:
    client.close()  # type: ignore[no-untyped-call]
