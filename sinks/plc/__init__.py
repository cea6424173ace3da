"""What the PLC is told: what a verdict is worth to it, the register block, the pulse, Modbus.

Nothing here waits for the store or for another output.
"""
