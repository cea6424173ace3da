"""A process to start from tests: `python process_body.py BODY CONFIG [shell options]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from threading import Event

from contract.config import Config
from contract.errors import ConfigError, SourceError
from contract.process import Shell, run_process


def returns(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    shell.ready()


def may_heal(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    raise SourceError("rtsp://admin:hunter2@cam/1 does not answer", "check the cable")


def will_not_heal(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    raise ConfigError("no such thing", "set another")


def crashes(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    raise ZeroDivisionError("on rtsp://admin:hunter2@cam/1")


def serves(shell: Shell, config: Config, arguments: argparse.Namespace) -> None:
    """Works until it is told to stop, then says so."""
    never = Event()
    shell.ready()
    shell.ready()
    while not shell.stopping:
        never.wait(0.02)
    print("drained", flush=True)


BODIES: dict[str, Callable[[Shell, Config, argparse.Namespace], None]] = {
    body.__name__: body for body in (returns, may_heal, will_not_heal, crashes, serves)
}

if __name__ == "__main__":
    sys.exit(run_process("tester", BODIES[sys.argv[1]], sys.argv[2:]))
