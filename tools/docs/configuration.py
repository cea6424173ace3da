"""Every section and key of the configuration, from its JSON schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from contract.config import Config
from contract.messages import Name
from tools.docs.markdown import code, sentence, table

Schema = Mapping[str, Any]

HEADINGS: Final = ("key", "type", "default", "bounds", "meaning")
UNITS: Final = {
    "_s": "s",
    "_px": "px",
    "_bytes": "bytes",
    "_days": "days",
    "_levels": "grey levels",
    "fps": "frames/s",
}
TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
}
_NAME_PATTERN: Final = TypeAdapter(Name).json_schema()["pattern"]


class _Place(NamedTuple):
    """A section of the configuration: where it stands, and its schema."""

    path: str
    schema: Schema


def sections() -> str:
    """A heading and a table for each section."""
    schema = Config.model_json_schema()
    return "\n\n".join(_section(place, schema) for place in _walk("", schema, schema))


def _walk(path: str, section: Schema, root: Schema) -> Iterator[_Place]:
    yield _Place(path, section)
    for key, value in _properties(section):
        inner, many = _inner(value, root)
        if inner is not None:
            yield from _walk(f"{path}.{key}".removeprefix(".") + ("[]" * many), inner, root)


def _properties(section: Schema) -> list[tuple[str, Schema]]:
    """Keys with their schema, those that must be given first."""
    required = section.get("required", ())
    return sorted(section["properties"].items(), key=lambda each: each[0] not in required)


def _inner(value: Schema, root: Schema) -> tuple[Schema | None, bool]:
    """The section that `value` holds, if it holds one, and whether it holds many."""
    value = _without_null(value)
    many = value.get("type") == "array"
    reference = (value["items"] if many else value).get("$ref")
    if reference is None:
        return None, many
    found: Schema = root["$defs"][str(reference).rsplit("/", 1)[-1]]
    return found, many


def _without_null(value: Schema) -> Schema:
    options = [each for each in value.get("anyOf", ()) if each.get("type") != "null"]
    return {**value, **options[0]} if len(options) == 1 else value


def _section(place: _Place, root: Schema) -> str:
    required = place.schema.get("required", ())
    rows = [
        (code(key), *_row(value, key=key, required=key in required, root=root))
        for key, value in _properties(place.schema)
    ]
    title = f"### `{place.path}`" if place.path else "### The top of the file"
    return f"{title}\n\n{sentence(place.schema['description'])}\n\n{table(HEADINGS, rows)}"


def _row(value: Schema, *, key: str, required: bool, root: Schema) -> tuple[str, str, str, str]:
    section, many = _inner(value, root)
    default = "**required**" if required else _default(value)
    plain = _without_null(value)
    if section is not None:
        kind = "list of sections, below" if many else "section, below"
    else:
        kind = _type(plain)
        unit = next((unit for suffix, unit in UNITS.items() if key.endswith(suffix)), "")
        kind += f", {unit}" if unit else ""
    return kind, default, _bounds(plain), sentence(value["description"])


def _type(value: Schema) -> str:
    if "enum" in value:
        return " or ".join(code(each) for each in value["enum"])
    if "const" in value:
        return code(value["const"])
    if value["type"] == "array":
        items = value["items"]
        return f"list of {_type(items) if 'enum' in items else TYPES[items['type']] + 's'}"
    if value.get("pattern") == _NAME_PATTERN:
        return "name"
    return "path" if value.get("format") == "path" else TYPES[value["type"]]


def _default(value: Schema) -> str:
    if "default" not in value:
        return "its defaults"
    default = value["default"]
    if default is None or default == []:
        return "empty"
    if isinstance(default, list):
        return ", ".join(code(each) for each in default)
    return code(str(default).lower() if isinstance(default, bool) else default)


def _bounds(value: Schema) -> str:
    """The bounds in words."""
    pattern = value.get("pattern")
    if pattern is not None and pattern != _NAME_PATTERN:
        return f"matches {code(pattern)}"
    for low, high, thing in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        words = _range(value, low=low, high=high)
        if words:
            return f"{words}{thing}"
    return ""


def _range(value: Schema, *, low: str, high: str) -> str:
    least, most, above = value.get(low), value.get(high), value.get("exclusiveMinimum")
    if low == "minimum" and above is not None:
        return f"above {above:g}" + ("" if most is None else f", at most {_number(most)}")
    if least is not None and most is not None:
        return f"{_number(least)} to {_number(most)}"
    if least is not None:
        return f"at least {_number(least)}"
    return "" if most is None else f"at most {_number(most)}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
