"""A real Modbus TCP server that stands for a PLC."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sinks.plc.registers import NUM_WORDS, RegisterBlock

NUM_REGISTERS = 200
WRITE_MULTIPLE = 16
READ_HOLDING = 3


class Write(NamedTuple):
    """The block after a write, and when that came, by the wall clock."""

    at_ns: int
    block: RegisterBlock


class PlcServer:
    """What was written to the PLC: every write, in order.

    Attributes:
        answer: an exception that it answers to writes; None: they went well.
        answers_after_taking: it takes what was written all the same.
    """

    def __init__(
        self, port: int, base_register: int, *, whole_blocks: bool, readable: bool
    ) -> None:
        self._whole_blocks = whole_blocks
        self._readable = readable
        self.port = port
        self.base_register = base_register
        self.writes: list[Write] = []
        self._written = threading.Condition()
        self._words = [0] * NUM_WORDS
        self.answer: ExcCodes | None = None
        self.answers_after_taking = True

    @property
    def block(self) -> RegisterBlock:
        """The registers as they are now."""
        return self.writes[-1].block if self.writes else RegisterBlock.of_words([0] * NUM_WORDS)

    @property
    def blocks(self) -> list[RegisterBlock]:
        """The block after every write."""
        return [write.block for write in self.writes]

    def wait_for(self, condition: Callable[[], bool], *, within_s: float) -> bool:
        """Whether `condition`, asked at every write, came true in time; at once when it does."""
        with self._written:
            return self._written.wait_for(condition, within_s)

    async def on_access(
        self,
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        current: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if function_code == READ_HOLDING and not self._readable:
            return ExcCodes.ILLEGAL_ADDRESS
        if function_code == WRITE_MULTIPLE and self._whole_blocks and count != NUM_WORDS:
            return ExcCodes.ILLEGAL_ADDRESS
        if function_code == WRITE_MULTIPLE and values and address == self.base_register:
            if self.answer is not None and not self.answers_after_taking:
                return self.answer
            self._words[: len(values)] = [int(value) for value in values]
            with self._written:
                self.writes.append(Write(time.time_ns(), RegisterBlock.of_words(self._words)))
                self._written.notify_all()
            return self.answer
        return None


@contextmanager
def plc_server(
    port: int = 0,
    *,
    base_register: int = 0,
    device_id: int = 1,
    whole_blocks: bool = False,
    readable: bool = True,
) -> Iterator[PlcServer]:
    """A PLC with `NUM_REGISTERS` holding registers on `port` of 127.0.0.1, 0 for a free one.

    Args:
        whole_blocks: it refuses writes of less than a block.
        readable: it lets itself be read.
    """
    plc = PlcServer(
        port or free_port(), base_register, whole_blocks=whole_blocks, readable=readable
    )
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(_start(plc, device_id))
    thread = threading.Thread(target=loop.run_forever, name="plc")
    thread.start()
    try:
        yield plc
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_let_transports_close())
        loop.close()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _start(plc: PlcServer, device_id: int) -> ModbusTcpServer:
    registers = SimData(0, count=NUM_REGISTERS, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(device_id, simdata=[registers], action=plc.on_access)
    server = ModbusTcpServer(device, address=("127.0.0.1", plc.port))
    await server.serve_forever(background=True)
    return server


async def _let_transports_close() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def _stop(server: ModbusTcpServer) -> None:
    await server.shutdown()  # type: ignore[no-untyped-call]
