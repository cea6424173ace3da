"""Errors are also the builtin ones, and tell a supervisor whether to try again."""

from __future__ import annotations

import pytest

from contract import errors

KINDS: list[tuple[type[errors.FlawlineError], type[Exception], int]] = [
    (errors.FlawlineError, Exception, 1),
    (errors.ConfigError, ValueError, 2),
    (errors.WireError, ValueError, 1),
    (errors.SourceError, OSError, 1),
    (errors.SourceConfigError, OSError, 2),
    (errors.ImageError, ValueError, 1),
    (errors.ModelError, ValueError, 2),
    (errors.MemoryMismatch, ValueError, 2),
    (errors.AddressInUse, OSError, 1),
    (errors.StorageError, OSError, 1),
]


@pytest.mark.parametrize(("kind", "builtin", "exit_code"), KINDS)
def test_error(kind: type[errors.FlawlineError], builtin: type[Exception], exit_code: int) -> None:
    error = kind("belt.yaml is empty", "see the example")
    assert isinstance(error, builtin)
    assert error.exit_code == exit_code
    assert str(error) == "belt.yaml is empty: see the example"
    assert str(kind("belt.yaml is empty")) == "belt.yaml is empty"


def test_every_error_is_in_the_table() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.FlawlineError)
    }
    assert defined == {kind for kind, _, _ in KINDS}
