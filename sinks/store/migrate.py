"""The version of a store's schema: brought up to date, or refused."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from contract.errors import EXIT_PERMANENT, StorageError

_FOLDER = Path(__file__).parent / "migrations"


class SchemaError(StorageError):
    """The store has a schema that this software cannot use; a restart will not help."""

    exit_code = EXIT_PERMANENT


def upgrade(connection: Connection, *, where: str) -> None:
    """Bring the store at `where` to this software's schema.

    Raises:
        SchemaError: the store was written by newer software.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings = _settings(connection)
    _refuse_newer(connection, settings, where)
    command.upgrade(settings, "head")


def check(connection: Connection, *, where: str) -> None:
    """Make sure that the store at `where` can be read as it is.

    Raises:
        SchemaError: it holds no store, or one of newer or older software.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings = _settings(connection)
    revision = _refuse_newer(connection, settings, where)
    head = ScriptDirectory.from_config(settings).get_current_head()
    if revision is None:
        raise SchemaError(f"{where} is not a Flawline event store", "check data_directory")
    if revision != head:
        raise SchemaError(
            f"{where} has schema {revision}, this software needs {head}",
            "start the sinks once to bring it up to date",
        )


def _refuse_newer(connection: Connection, settings: Config, where: str) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(settings)
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaError(
            f"{where} has schema {revision}, which is newer than this software "
            f"({scripts.get_current_head()})",
            "install the software that wrote it, or set sinks.store_url to another store",
        )
    return revision


def _settings(connection: Connection) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings
