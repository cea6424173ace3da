"""Reading a PLC's register block, to see whether it is there. Nothing is ever written here."""

from __future__ import annotations

import logging

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from contract.config_sinks import Modbus
from contract.errors import FlawlineError
from sinks.plc.registers import NUM_WORDS


def read_block(settings: Modbus) -> list[int]:
    """The words of the block as the PLC holds them now, read by function 3.

    Raises:
        FlawlineError: nothing answers there, or the PLC does not let these registers be read.
    """
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    place = f"{settings.host}:{settings.port}"
    first = settings.base_register
    client = ModbusTcpClient(
        settings.host, port=settings.port, timeout=settings.timeout_s, retries=0
    )
    try:
        if not client.connect():  # type: ignore[no-untyped-call]
            raise FlawlineError(f"no PLC answers at {place}", "check host, port and cable")
        answer = client.read_holding_registers(first, count=NUM_WORDS, device_id=settings.device_id)
    except (ModbusException, OSError) as error:
        if isinstance(error, FlawlineError):
            raise
        raise FlawlineError(
            f"{place} is open, but device {settings.device_id} does not answer ({error})",
            "check device_id, and that it speaks Modbus TCP",
        ) from None
    finally:
        client.close()  # type: ignore[no-untyped-call]
    if answer.isError():
        raise FlawlineError(
            f"device {settings.device_id} at {place} does not let registers {first} to "
            f"{first + NUM_WORDS - 1} be read ({answer})",
            "check base_register, and the PLC's register map",
        )
    return list(answer.registers)
