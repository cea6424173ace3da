"""Webhooks and the event store, as far as they can be checked without connecting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contract.config import Config
from contract.errors import ConfigError
from flawline.checks.note import Note, error


def check_secrets(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Secrets that are not set."""
    for number, hook in enumerate(config.sinks.webhooks):
        if hook.secret_env is not None and not environ.get(hook.secret_env):
            yield error(
                ("sinks", "webhooks", number, "secret_env"),
                f"environment variable {hook.secret_env} is empty or not set: put the signing "
                "secret (whsec_...) there",
            )


def check_signers(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """Secrets that are set but cannot sign."""
    from sinks.mes.webhook import signer_of

    for number, hook in enumerate(config.sinks.webhooks):
        if hook.secret_env is None or not environ.get(hook.secret_env):
            continue
        try:
            signer_of(hook, environ)
        except ConfigError as problem:
            yield error(("sinks", "webhooks", number, "secret_env"), problem)


def check_store(config: Config, environ: Mapping[str, str]) -> Iterator[Note]:
    """A URL that is none, or whose driver is not installed."""
    from sinks.store.database import READ, Database

    try:
        Database(config.store_url, mode=READ).close()
    except ConfigError as problem:
        yield error(("sinks", "store_url"), problem)
