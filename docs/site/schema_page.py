"""harness/schema.json -> the tables of the experiment file: every key with its meaning, type and default."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

Schema = Mapping[str, Any]
PAGE = "docs/site/experiment-file"
HEAD = "| key | meaning | value | default |\n| --- | --- | --- | --- |\n"
NAMES = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "mapping"}
SCALAR = ({"string", "number", "boolean"}, {"string", "integer", "number", "boolean"})  # types that are together any single value
SPECIAL = re.compile(r"([*_<\\])")  # what Markdown reads as more than a character


def tables(schema: Schema) -> str:
    """Markdown: the keys of the file, then those of every mapping in it, in the order of their first use."""
    text = f"\n## Keys of the file\n\n{HEAD}{rows(schema)}"
    left = list(references(schema))
    for name in left:  # grows
        definition = schema["$defs"][name]
        if "oneOf" in definition:
            text += f"\n## {heading(name)}\n\n{claims(definition['oneOf'])}"
        else:
            text += f"\n## {heading(name)}\n\n{cell(definition.get('description', ''))}\n\n{HEAD}{rows(definition)}"
        left += [inner for inner in references(definition) if inner not in left]
    return text


def claims(kinds: Sequence[Schema]) -> str:
    """The keys that all kinds of claims have, then a table for the kinds that have the same further keys."""
    common = set.intersection(*({*kind["properties"]} for kind in kinds))
    alike: dict[str, dict[str, Schema]] = {}  # further rows -> the kinds with these
    for kind in kinds:
        own = kind["required"][0]  # the kind's name
        alike.setdefault(rows(kind, common | {own}), {})[own] = kind
    text = HEAD + rows(kinds[0], {*kinds[0]["properties"]} - common)
    for further, members in alike.items():
        each = "".join(rows(kind, {*kind["properties"]} - {name}) for name, kind in members.items())
        text += f"\n### {', '.join(f'`{name}`' for name in members)}\n\n{HEAD}{each}{further}"
    return text


def rows(schema: Schema, without: Iterable[str] = ()) -> str:
    """A row for each key. Keys with a dot are those of the blocks."""
    text = ""
    for name, value in schema["properties"].items():
        if "." not in name and name not in without:
            default = "required" if name in schema.get("required", ()) else default_of(value.get("default"))
            text += f"| `{name}` | {cell(value.get('description', ''))} | {cell(kind_of(value))} | {cell(default)} |\n"
    return text


def default_of(value: Any) -> str:
    """A default as YAML writes it; nothing for blocks, whose keys have their own."""
    return (
        ""
        if value is None or isinstance(value, Mapping) or value in ([], "")
        else f"`{value if isinstance(value, str) else json.dumps(value)}`"
    )


def kind_of(value: Schema) -> str:
    """The type of a value and its limits, in words."""
    if "$ref" in value:
        name = heading(value["$ref"].rpartition("/")[2])
        return f"[{name}](#{name.lower().replace(' ', '-')})"
    if "enum" in value or "const" in value:
        return ", ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    kinds = value.get("type")
    several = value.get("anyOf") or value.get("oneOf") or ([{"type": name} for name in kinds] if isinstance(kinds, list) else [])
    if several:
        return alternatives([each for each in several if each.get("type") != "null"])
    match kinds:
        case "array" if "prefixItems" in value:
            return f"[{', '.join(map(kind_of, value['prefixItems']))}]"
        case "array" if "items" in value:
            return f"list of {bracketed(kind_of(value['items']))}"
        case "object" if isinstance(value.get("additionalProperties"), Mapping):
            return f"mapping of names to {bracketed(kind_of(value['additionalProperties']))}"
        case str() as name:
            return f"{NAMES.get(name, name)}{limits(value)}"
    return "any value"


def alternatives(several: Sequence[Schema]) -> str:
    """Types of which a value has one."""
    single = [each for each in several if {*each} == {"type"} and isinstance(each["type"], str)]
    words = [kind_of(each) for each in several]
    if {each["type"] for each in single} in SCALAR:
        words = ["single value", *(kind_of(each) for each in several if each not in single)]
    return " or ".join(dict.fromkeys(words))


def bracketed(words: str) -> str:
    return f"({words})" if " or " in words else words


def limits(value: Schema) -> str:
    """The range of a number, such as ` from 1 to 1000`."""
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "and below"}
    return "".join(f" {word} {value[key]}" for key, word in words.items() if key in value)


def references(value: Any) -> Iterator[str]:
    """The names of the definitions that a schema refers to, each once, in its order."""
    text = json.dumps({key: inner for key, inner in value.items() if key != "$defs"})
    return iter(dict.fromkeys(re.findall(r'"\$ref": "#/\$defs/(\w+)"', text)))


def heading(name: str) -> str:
    """`ProgramStep` -> `Program step`."""
    return re.sub(r"(?<=[a-z])[A-Z](?=[a-z])", lambda letter: f" {letter[0].lower()}", name)


def cell(text: str) -> str:
    """Text in a table of Markdown: only code and links are more than characters."""
    parts = re.split(r"(`[^`]*`|\[[^]]*\]\(#[^)]*\))", text)
    return "".join(part if place % 2 else SPECIAL.sub(r"\\\1", part) for place, part in enumerate(parts)).replace("|", r"\|")


def add_tables(app: Sphinx, page: str, text: list[str]) -> None:
    """Append the tables to their page."""
    if page == PAGE:
        text[0] += tables(json.loads(Path(app.srcdir, "harness", "schema.json").read_text()))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the page with Sphinx."""
    app.connect("source-read", add_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
