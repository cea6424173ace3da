"""The guard of one PLC: clears a result that stands although the sinks are gone.

The sinks write the whole block at every heartbeat. If they are killed, stopped or wedged, what they
wrote last stands for ever, and a PASS may be among it. The guard is another process, reads the
block as the PLC holds it, and clears status bits that stand with a heartbeat that does not move.
It writes status and fault only, so that heartbeat and sequence stay those of the sinks, and it
stores, knows and decides nothing else: what breaks the sinks does not break it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from contract.beat import GUARDED
from contract.clock import Clock
from contract.config_sinks import Modbus
from contract.process import Every
from contract.progress import Progress
from contract.reasons import Fault
from sinks.plc.registers import NUM_WORDS, Status, offset_of

STANDS_PERIODS = 4
STOP_LIMIT_S = 10.0
STOP_BLIND_S = 2.0
COMPLAIN_S = 10.0
STUCK_S = 5.0
TRIES = 6  # of one look: to read, and to write in two ways, each once more
IDLE_S = 0.5  # between looks while there is nothing to guard
TRUSTED = Status.PASS | Status.FAIL | Status.REVIEW | Status.ONLINE

log = logging.getLogger(__name__)


class Stillness:
    """Whether the bits of a block are to be trusted any more. Pure.

    Args:
        limit_s: for how long heartbeat and sequence may both stand while bits are set.
    """

    def __init__(self, clock: Clock, *, limit_s: float) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._signs: tuple[int, int] | None = None
        self._since_s = 0.0

    def is_over(self, words: Sequence[int]) -> bool:
        """Whether the block with these words must be cleared."""
        signs = words[offset_of("heartbeat")], words[offset_of("sequence")]
        now_s = self._clock.monotonic_s()
        if signs != self._signs or not trusts(words):
            self._signs, self._since_s = signs, now_s
        return now_s - self._since_s >= self._limit_s

    def forget(self) -> None:
        """The block was not seen for a while: begin anew."""
        self._signs = None


def trusts(words: Sequence[int]) -> bool:
    """Whether bits of the block say that there is service, or a result."""
    return bool(words[offset_of("status")] & TRUSTED)


class Guard:
    """Guards one PLC. `work` runs in a thread of its own.

    Attributes:
        state: how it is, in a word or two.
        turns: how often it has tried to look.
    """

    def __init__(self, settings: Modbus, clock: Clock) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self.name = settings.name
        self.state = "not connected"
        self.turns = 0
        self._progress = Progress(clock)
        self._said = ""
        self._settings = settings
        self._clock = clock
        self._stillness = Stillness(clock, limit_s=STANDS_PERIODS * settings.heartbeat_s)
        self._complain = Every(COMPLAIN_S, clock)

    @property
    def is_stuck(self) -> bool:
        """Whether it takes longer for one look than all its time-outs together."""
        limit_s = STUCK_S + TRIES * self._settings.timeout_s
        return self._progress.stalled_s > limit_s

    def work(self, stop: threading.Event) -> None:
        """Look at every heartbeat until `stop`, and then until nothing is left to clear.

        Sinks that go on are left to it after a while, and so is a PLC that cannot be reached.
        """
        settings = self._settings
        client = ModbusTcpClient(
            settings.host, port=settings.port, timeout=settings.timeout_s, retries=0
        )
        stopped_s: float | None = None
        try:
            while True:
                safe = self._look(client)
                self.turns += 1
                self._progress.note(self.turns)
                if not stop.is_set():
                    stop.wait(max(settings.heartbeat_s, IDLE_S) if safe else settings.heartbeat_s)
                    continue
                now_s = self._clock.monotonic_s()
                stopped_s = stopped_s or now_s
                limit_s = STOP_LIMIT_S if self.state == GUARDED else STOP_BLIND_S
                if safe or now_s - stopped_s > limit_s:
                    return
                time.sleep(settings.heartbeat_s)
        finally:
            client.close()  # type: ignore[no-untyped-call]

    def _look(self, client: ModbusTcpClient) -> bool:
        """Look once, and clear what stands too long; whether nothing is left to clear."""
        try:
            words = self._read(client)
            self.state = GUARDED
            if self._said != GUARDED:
                self._said = GUARDED
                log.info("guard of %s: %s", self.name, GUARDED)
            if not trusts(words):
                # A PLC with one connection needs it for the sinks.
                client.close()  # type: ignore[no-untyped-call]
            if not self._stillness.is_over(words):
                return not trusts(words)
            self._clear(client, words)
        except (ModbusException, OSError) as error:
            client.close()  # type: ignore[no-untyped-call]
            self._stillness.forget()
            return self._fails(f"cannot be reached ({error})")
        except _Refused as error:
            return self._fails(str(error))
        log.error("PLC %s: the sinks gave no sign of life: result and ONLINE cleared", self.name)
        return True

    def _read(self, client: ModbusTcpClient) -> list[int]:
        """The words of the block. A connection may have been closed since the last answer."""
        settings = self._settings
        read = partial(
            client.read_holding_registers,
            settings.base_register,
            count=NUM_WORDS,
            device_id=settings.device_id,
        )
        try:
            answer = read()
        except (ModbusException, OSError):
            client.close()  # type: ignore[no-untyped-call]
            answer = read()
        if answer.isError():
            raise _Refused(f"refuses to be read ({answer})")
        if len(answer.registers) != NUM_WORDS:
            raise _Refused(f"answers with {len(answer.registers)} registers, not {NUM_WORDS}")
        return list(answer.registers)

    def _clear(self, client: ModbusTcpClient, words: Sequence[int]) -> None:
        """Write status and fault; the whole block to a PLC that takes nothing less."""
        cleared = [int(Status.FAULT), int(Fault.SINKS)]
        for block in (cleared, [*cleared, *words[len(cleared) :]]):
            if block is not cleared and self._read(client) != list(words):
                # The sinks came back: what stands is theirs, and an older sequence no news.
                return
            write = partial(
                client.write_registers,
                self._settings.base_register,
                block,
                device_id=self._settings.device_id,
            )
            try:
                answer = write()
            except (ModbusException, OSError):
                client.close()  # type: ignore[no-untyped-call]
                answer = write()
            if not answer.isError():
                return
        raise _Refused(f"refuses to be cleared ({answer})")

    def _fails(self, why: str) -> bool:
        self.state = why
        if self._said != why and self._complain.due():
            self._said = why
            log.warning("guard of %s: the PLC %s", self.name, why)
        return False


class _Refused(Exception):
    """The PLC answered that it does not do that."""
