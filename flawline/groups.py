"""Commands that stand in groups: `flawline config`, `models`, `memory`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flawline.options import DEFAULT_CONFIG, ConfigPath

config_app = typer.Typer(no_args_is_help=True, help="Check, explain and start configurations.")
models_app = typer.Typer(no_args_is_help=True, help="CLIP models and their weights.")
memory_app = typer.Typer(
    no_args_is_help=True,
    help="Reference memories: which one judges, a shadow beside it, going back.",
)


@config_app.command("check")
def config_check(path: Annotated[Path, typer.Argument(help="Configuration file (YAML).")]) -> None:
    """Check a configuration: every mistake with its line and what would be right."""
    from flawline.commands.config import check

    check(path)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from flawline.commands.config import print_schema

    print_schema()


@config_app.command("example")
def config_example() -> None:
    """Print a small configuration to start from."""
    from flawline.commands.config import print_example

    print_example()


@config_app.command("keys")
def config_keys(directory: Annotated[Path, typer.Argument(help="Empty folder.")]) -> None:
    """Make the keys that encrypt tcp connections between hosts."""
    from flawline.commands.config import make_keys

    make_keys(directory)


LineName = Annotated[str, typer.Option("--line", "-l", help="The line.")]


@memory_app.command("list")
def memory_list(line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """List a line's versions, which of them judge, and how a shadow would have judged."""
    from flawline.commands.memory import list_memories

    list_memories(config, line=line)


@memory_app.command("activate")
def memory_activate(
    version: Annotated[str, typer.Argument(help="Version, as `list` shows it.")],
    line: LineName,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """MemoryInUse by this version from now on; no frame is lost."""
    from flawline.commands.memory import point

    point(config, "activate", line=line, version=version)


@memory_app.command("shadow")
def memory_shadow(
    line: LineName,
    version: Annotated[
        str | None, typer.Argument(help="Version; without one, no shadow any more.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have a version judge beside the active one, without a say; `list` counts disagreements."""
    from flawline.commands.memory import point

    point(config, "shadow", line=line, version=version)


@memory_app.command("promote")
def memory_promote(line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """MemoryInUse by the shadow from now on."""
    from flawline.commands.memory import point

    point(config, "promote", line=line)


@memory_app.command("rollback")
def memory_rollback(line: LineName, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """MemoryInUse by the version that was active before; doing it twice returns."""
    from flawline.commands.memory import point

    point(config, "rollback", line=line)


@models_app.command("list")
def models_list(
    every: Annotated[bool, typer.Option("--all", help="All open_clip models and tags.")] = False,
) -> None:
    """List the models that Flawline can use."""
    from flawline.commands.models import list_models

    list_models(every=every)


@models_app.command("pull")
def models_pull(
    name: Annotated[str, typer.Argument(help="open_clip model name.")] = "ViT-B-16-plus-240",
    tag: Annotated[str, typer.Argument(help="Pretrained tag.")] = "laion400m_e32",
) -> None:
    """Download the weights of a model to this host, once."""
    from flawline.commands.models import pull_model

    pull_model(name, tag)


@models_app.command("verify")
def models_verify(
    name: Annotated[str, typer.Argument(help="Model name.")] = "flawline-mini",
    weights: Annotated[Path | None, typer.Option(help="Local weights file.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Expected SHA-256 of the file.")] = None,
) -> None:
    """Load a model's weights, score one picture with it, and print its SHA-256."""
    from flawline.commands.models import verify_model

    verify_model(name, weights=weights, sha256=sha256)
