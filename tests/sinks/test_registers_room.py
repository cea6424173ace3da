"""Two PLC outputs are kept as far apart as a register block is long."""

from __future__ import annotations

from contract.config_sinks import MODBUS_WORDS
from sinks.registers import NUM_WORDS


def test_configuration_and_register_block_agree() -> None:
    assert MODBUS_WORDS == NUM_WORDS
