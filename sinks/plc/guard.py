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

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from contract.clock import Clock
from contract.config_sinks import Modbus
from contract.reasons import Fault
from sinks.plc.registers import NUM_WORDS, Status, offset_of

STANDS_PERIODS = 4
STOP_LIMIT_S = 10.0
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
        if signs != self._signs:
            self._signs, self._since_s = signs, now_s
        return trusts(words) and now_s - self._since_s >= self._limit_s

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
        looks: how often it has seen the block.
    """

    def __init__(self, settings: Modbus, clock: Clock) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self.name = settings.name
        self.state = "not connected"
        self.looks = 0
        self._settings = settings
        self._clock = clock
        self._stillness = Stillness(clock, limit_s=STANDS_PERIODS * settings.heartbeat_s)

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
                if stop.is_set():
                    stopped_s = stopped_s or self._clock.monotonic_s()
                    if safe or self._clock.monotonic_s() - stopped_s > STOP_LIMIT_S:
                        return
                    time.sleep(settings.heartbeat_s)
                else:
                    stop.wait(settings.heartbeat_s)
        finally:
            client.close()  # type: ignore[no-untyped-call]

    def _look(self, client: ModbusTcpClient) -> bool:
        """Look once, and clear what stands too long; whether nothing is left to clear."""
        settings = self._settings
        try:
            answer = client.read_holding_registers(
                settings.base_register, count=NUM_WORDS, device_id=settings.device_id
            )
            if answer.isError():
                return self._blind(f"refuses to be read ({answer})")
            self.looks += 1
            words = answer.registers
            self._seen("guarded")
            if not self._stillness.is_over(words):
                return not trusts(words)
            cleared = client.write_registers(
                settings.base_register,
                [Status.FAULT, Fault.SINKS],
                device_id=settings.device_id,
            )
            if cleared.isError():
                return self._blind(f"refuses to be cleared ({cleared})")
        except (ModbusException, OSError) as error:
            client.close()  # type: ignore[no-untyped-call]
            return self._blind(f"cannot be reached ({error})")
        log.error("PLC %s: the sinks gave no sign of life: result and ONLINE cleared", self.name)
        return True

    def _blind(self, why: str) -> bool:
        self._stillness.forget()
        self._seen(f"PLC {why}")
        return False

    def _seen(self, state: str) -> None:
        if state != self.state:
            level = logging.INFO if state == "guarded" else logging.WARNING
            log.log(level, "guard of %s: %s", self.name, state)
            self.state = state
