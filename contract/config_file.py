"""From a YAML file to a checked configuration, with errors that point at the line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from contract.config import Config
from contract.documents import ConfigFinding, Severity
from contract.errors import ConfigError
from contract.redact import redact, redact_value

Location = tuple[int | str, ...]

# A hundred cameras take some 50 kB and 5,000 values.
MAX_BYTES = 256 << 10
MAX_VALUES = 50_000

# PyYAML lets some mistakes in tagged values through as they come: `!!int ""`, `!!bool perhaps`.
_YAML_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Places:
    """Where in a configuration file its keys are.

    Attributes:
        name: the file, as messages call it.
        lines: line of every key and item, from 1.
    """

    name: str
    lines: Mapping[Location, int]

    def finding(self, severity: Severity, location: Location, text: str) -> ConfigFinding:
        """`text` about the key at `location`, or about the nearest that the file has around it."""
        known = location
        while known and known not in self.lines:
            known = known[:-1]
        return ConfigFinding(
            severity=severity,
            file=self.name,
            line=self.lines.get(known) if known else None,
            key=redact(dotted(location)),
            text=redact(text),
        )


class ConfigMistakes(ConfigError):
    """Mistakes in a configuration file, all of them at once."""

    def __init__(self, findings: Sequence[ConfigFinding]) -> None:
        super().__init__("\n".join(str(each) for each in findings))
        self.findings = tuple(findings)


def load_config(path: Path) -> Config:
    """The configuration in `path`; relative paths in it count from its folder.

    Raises:
        ConfigError: naming the file, the line, the key and what would be right; all at once.
    """
    return locate_config(path)[0]


def locate_config(path: Path) -> tuple[Config, Places]:
    """The configuration in `path`, and where in it everything is.

    Raises:
        ConfigMistakes: as `load_config`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot read configuration {path}", reason) from error
    if len(content) > MAX_BYTES:
        raise ConfigError(
            f"configuration {path} is larger than {MAX_BYTES >> 10} kB", "is it the right file?"
        )
    return _parse(text, name=str(path), base=path.resolve().parent)


def parse_config(text: str, *, name: str, base: Path) -> Config:
    """The configuration in `text`, called `name` in errors.

    Raises:
        ConfigError: as `load_config`.
    """
    return _parse(text, name=name, base=base)[0]


def _parse(text: str, *, name: str, base: Path) -> tuple[Config, Places]:
    lines: dict[Location, int] = {}
    places = Places(name, lines)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _require_size(node, name)
        document = yaml.safe_load(text)
        duplicates: list[ConfigFinding] = []
        _index(node, (), lines, duplicates, name)
    except ConfigMistakes:
        raise
    except _YAML_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or type(error).__name__
        said = redact(f"not valid YAML: {problem}")
        line = mark.line + 1 if mark else None
        raise ConfigMistakes(
            [ConfigFinding(severity="error", file=name, line=line, text=said)]
        ) from None
    if node is None or not isinstance(document, Mapping):
        said = "empty, or not a mapping: see `flawline config example`"
        raise ConfigMistakes([ConfigFinding(severity="error", file=name, text=said)])
    if duplicates:
        raise ConfigMistakes(duplicates)
    try:
        return Config.model_validate(document, context={"base": base}), places
    except ValidationError as error:
        schema = Config.model_json_schema()
        details = error.errors(include_url=False, include_context=False)
        raise ConfigMistakes(
            [
                _describe(dict(detail), places, schema)
                for detail in details
                if not _follows_from_another(dict(detail), details)
            ]
        ) from None


def _require_size(node: yaml.Node | None, name: str) -> None:
    """Refuse a few lines of aliases that stand for millions of values.

    Raises:
        ConfigMistakes: more than `MAX_VALUES`, or a value that contains itself.
    """
    known: dict[int, int] = {}

    def size(each: yaml.Node) -> int:
        if id(each) not in known:
            known[id(each)] = MAX_VALUES + 1  # meeting it again inside itself is endless
            known[id(each)] = 1 + sum(map(size, _children(each)))
        return known[id(each)]

    if node is not None and size(node) > MAX_VALUES:
        said = f"more than {MAX_VALUES} values, with its aliases written out"
        raise ConfigMistakes([ConfigFinding(severity="error", file=name, text=said)])


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _index(
    node: yaml.Node | None,
    location: Location,
    lines: dict[Location, int],
    duplicates: list[ConfigFinding],
    name: str,
) -> None:
    """Note the line of every key and item in `lines`, and keys given twice in `duplicates`."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*location, str(key.value))
            if here in lines:
                duplicates.append(
                    ConfigFinding(
                        severity="error",
                        file=name,
                        line=key.start_mark.line + 1,
                        text=redact(f"{dotted(here)} is given twice, first on line {lines[here]}"),
                    )
                )
            lines[here] = key.start_mark.line + 1
            _index(value, here, lines, duplicates, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            here = (*location, index)
            lines[here] = value.start_mark.line + 1
            _index(value, here, lines, duplicates, name)


def _follows_from_another(detail: Mapping[str, Any], details: Sequence[Any]) -> bool:
    """Whether `detail` says a list is too short only because an item of it was refused."""
    location = tuple(detail["loc"])
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(location) and tuple(other["loc"])[: len(location)] == location
        for other in details
    )


def _describe(
    detail: Mapping[str, Any], places: Places, schema: Mapping[str, Any]
) -> ConfigFinding:
    location: Location = tuple(detail["loc"])
    if detail["type"] == "extra_forbidden":
        keys = _keys_at(schema, location[:-1])
        nearest = difflib.get_close_matches(str(location[-1]), keys, n=1, cutoff=0.5)
        remedy = f"did you mean {nearest[0]!r}?" if nearest else f"known keys: {', '.join(keys)}"
        return places.finding("error", location, f"unknown key: {remedy}")
    message = str(detail["msg"]).removeprefix("Value error, ")
    value = detail.get("input")
    if isinstance(value, str):
        value = redact_value(value)
    shown = f" (got {value!r})" if isinstance(value, str | int | float | bool) else ""
    return places.finding("error", location, f"{message}{shown}")


def _keys_at(schema: Mapping[str, Any], location: Sequence[int | str]) -> list[str]:
    """The keys that `schema` allows at `location`."""
    node: Mapping[str, Any] = _follow(schema, schema)
    for part in location:
        step = node.get("items", {}) if isinstance(part, int) else node["properties"].get(part, {})
        node = _follow(schema, step)
    return list(node.get("properties", {}))


def _follow(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    for option in node.get("anyOf", ()):
        if option.get("type") != "null":
            return _follow(schema, option)
    if "$ref" in node:
        found: Mapping[str, Any] = schema["$defs"][str(node["$ref"]).rsplit("/", 1)[-1]]
        return found
    return node


def dotted(location: Location) -> str:
    """A location as people write it.

    >>> dotted(("lines", 0, "mask"))
    'lines[0].mask'
    """
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
