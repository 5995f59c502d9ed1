"""Validates YAML nodes against a pydantic model; each problem has line and column.

The allowed values in messages come from the model's JSON schema, so messages cannot disagree with the model.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.common.yaml_nodes import Node, join, plain
from harness.errors import Problem

M = TypeVar("M", bound=BaseModel)
Schema = Mapping[str, Any]
MOST_CHOICES = 30


def validate(model: type[M], node: Node) -> tuple[M | None, list[Problem]]:
    """The validated value, or None and the problems, at most one for each place."""
    value = plain(node)
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        shape = shape_of(model)
        found = [_problem(details, node, value, shape) for details in error.errors(include_url=False)]
        # Other members of a union, and lists with too few valid entries, report problems above the actual one.
        above = {tuple(parts[:length]) for parts, _ in found for length in range(len(parts))}
        kept = [problem for parts, problem in found if tuple(parts) not in above]
        return None, list({(problem.at, problem.path): problem for problem in reversed(kept)}.values())[::-1]


class Shape:
    """The JSON schema of a model: what is allowed at each path of a value."""

    def __init__(self, schema: Schema) -> None:
        self.root = schema

    def at(self, path: Iterable[str | int], value: Any = None) -> Schema | None:
        """The schema at `path`, None where nothing is allowed; `value`, the data at the root, decides unions tagged by a key."""
        schema: Schema | None = self.root
        for part in path:
            schema = self._step(self._chosen(schema, value), part) if schema is not None else None
            value = _below(value, part)
        return self._chosen(schema, value) if schema is not None else None

    def tags(self, path: Iterable[str | int]) -> tuple[str, Mapping[str, frozenset[str]]] | None:
        """For a union tagged by a key: that key, and the keys each tag has. None where there is no such union."""
        schema = self.root
        for part in path:
            following = self._step(self._resolve(schema), part)
            if following is None:
                return None
            schema = following
        schema = self._resolve(schema)
        if "discriminator" not in schema:
            return None
        mapping = schema["discriminator"]["mapping"]
        keys = {tag: frozenset(self._resolve({"$ref": ref})["properties"]) for tag, ref in mapping.items()}
        return schema["discriminator"]["propertyName"], keys

    def keys(self, path: Iterable[str | int], value: Any = None) -> list[str]:
        """The keys allowed in the mapping at `path`."""
        schema = self.at(path, value) or {}
        return [key for option in self.options(schema) for key in option.get("properties", {})]

    def allowed(self, schema: Schema) -> str:
        """The values that `schema` allows, in words."""
        return " or ".join(dict.fromkeys(self._words(option) for option in self.options(schema)))

    def anywhere(self, path: Iterable[str]) -> list[Schema]:
        """The schemas at `path` under any member of the unions on the way, each once."""
        schemas = [self.root]
        for part in path:
            options = [option for schema in schemas for option in self.options(schema)]
            schemas = [option["properties"][part] for option in options if part in option.get("properties", {})]
        return [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]

    def leaves(self) -> list[tuple[str, ...]]:
        """Every path that holds a value and every block above it, of all tags together."""
        found: dict[tuple[str, ...], None] = {}

        def walk(schema: Schema, path: tuple[str, ...]) -> None:
            for option in self.options(self._resolve(schema)):
                for key, below in option.get("properties", {}).items():
                    found[(*path, key)] = None
                    walk(below, (*path, key))

        walk(self.root, ())
        return list(found)

    @cached_property
    def paths(self) -> Mapping[str, tuple[str, ...]]:
        """Each of `leaves`, dotted -> its keys."""
        return {".".join(path): path for path in self.leaves()}

    def _resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def options(self, schema: Schema) -> list[Schema]:
        """The alternatives of a union, or the schema alone."""
        schema = self._resolve(schema)
        parts = schema.get("anyOf") or schema.get("oneOf")
        return [option for part in parts for option in self.options(part)] if parts else [schema]

    def _chosen(self, schema: Schema, value: Any) -> Schema:
        schema = self._resolve(schema)
        if "discriminator" in schema and isinstance(value, Mapping):
            tag = value.get(schema["discriminator"]["propertyName"])
            if isinstance(tag, str) and tag in schema["discriminator"]["mapping"]:
                return self._resolve({"$ref": schema["discriminator"]["mapping"][tag]})
        return schema

    def _step(self, schema: Schema, part: str | int) -> Schema | None:
        for option in self.options(schema):
            if isinstance(part, int):
                items = [*option.get("prefixItems", ())]
                if part < len(items):
                    return items[part]  # type: ignore[no-any-return]
                if "items" in option:
                    return option["items"]  # type: ignore[no-any-return]
            elif part in option.get("properties", {}):
                return option["properties"][part]  # type: ignore[no-any-return]
            elif isinstance(option.get("additionalProperties"), Mapping):
                return option["additionalProperties"]  # type: ignore[no-any-return]
        return None

    def _words(self, schema: Schema) -> str:
        schema = self._resolve(schema)
        if "enum" in schema:
            return ", ".join(str(choice) for choice in schema["enum"])
        if "const" in schema:
            return str(schema["const"])
        kind = schema.get("type")
        if kind == "array":
            if "prefixItems" in schema:
                return f"a list of {len(schema['prefixItems'])}, each {self.allowed(schema['prefixItems'][0])}"
            least, most = schema.get("minItems"), schema.get("maxItems")
            count = f" of {least or 0} to {most}" if most else f" of {least} or more" if least else ""
            return f"a list{count}, each entry {self.allowed(schema.get('items', {}))}"
        if kind == "object":
            keys = list(schema.get("properties", {}))
            least, most = schema.get("minProperties"), schema.get("maxProperties")
            count = f" of {least}" if least and least == most else f" of {least} or more" if least else ""
            return f"a mapping with {', '.join(keys)}" if keys else f"a mapping{count}"
        nouns = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "text", "null": "null"}
        examples = f" such as {', '.join(map(str, schema['examples']))}" if "examples" in schema else ""
        return nouns.get(str(kind), "a value") + _range(schema) + examples


@cache
def shape_of(model: type[BaseModel]) -> Shape:
    """The shape of a model, built once."""
    return Shape(model.model_json_schema())


def suggestion(word: str, choices: Iterable[str]) -> str:
    """`did you mean x?` if a choice is similar, else `choose from: …`."""
    choices = list(choices)
    if not choices:
        return "there are none"
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    shown = [f"'{choice}'" if "," in choice else choice for choice in choices[:MOST_CHOICES]]
    more = f" and {len(choices) - MOST_CHOICES} more" if len(choices) > MOST_CHOICES else ""
    return f"choose from: {', '.join(shown)}{more}"


def show(value: Any) -> str:
    """A value as a message shows it: text in quotes, YAML's words for null and booleans, long ones cut."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{…}" if value else "{}"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    text = f"[{text[1:-1].rstrip(',')}]" if isinstance(value, tuple) else text
    return text if len(text) <= 60 else f"{text[:57]}..."


def _problem(details: ErrorDetails, root: Node, value: Any, shape: Shape) -> tuple[list[str | int], Problem]:
    """The place in the data (`value`, read from `root`), as keys and indices, and the problem there."""
    node, at, path = root, root.at, root.path
    parts: list[str | int] = []
    for part in details["loc"]:
        if isinstance(part, str) and part in node.entries:
            entry = node.entries[part]
            node, at, path = entry.node, entry.key_at, entry.node.path
        elif isinstance(part, int) and isinstance(node.value, tuple) and part < len(node.value):
            node = node.value[part]
            at, path = node.at, node.path
        else:
            continue  # the tag or type of a union: not part of the data
        parts.append(part)
    wrong = plain(node)
    match details["type"]:
        case "extra_forbidden":
            keys = shape.keys(parts[:-1], value)
            dotted = [f"{parts[-1]}.{key}" for key in wrong] if isinstance(wrong, Mapping) else []
            one = next((key for key in dotted if key in keys), None)  # a setting of a program with a dot in its name
            what = f"unknown key; {f'write {one} as one key' if one else _meant(str(parts[-1]), parts[:-1], shape, value)}"
            return parts, Problem(at, path, what)
        case "missing":
            key = str(details["loc"][-1])
            schema = shape.at([*parts, key], value)
            what = f"missing; {_expected(shape.options(schema), shape.allowed(schema)) if schema else 'expected a value'}"
            return [*parts, key], Problem(node.at, join(path, key), what)
        case "value_error" | "assertion_error":
            return parts, Problem(node.at, path, str(details["ctx"]["error"]))
        case "union_tag_invalid" | "union_tag_not_found":
            return parts, _tag_problem(node, shape.tags(parts) or ("name", {}))
    schema = shape.at(parts, value) or {}
    options = shape.options(schema)
    what = f"{show(wrong)} is out of range" if _is_out_of_range(wrong, options) else f"invalid value {show(wrong)}"
    what += f"; {_close(wrong, options)}{_expected(options, shape.allowed(schema))}{_quoted(node, options)}"
    return parts, Problem(node.at, path, what)


def _meant(key: str, block: Sequence[str | int], shape: Shape, value: Any) -> str:
    """What may be meant by an unknown key: the same one in a block beside it, or a similar one."""
    keys = shape.keys(block, value)
    inside = [name for name in keys if key in shape.keys([*block, name], value)]
    return f"did you mean {inside[0]}.{key}?" if len(inside) == 1 else suggestion(key, keys)


def _tag_problem(node: Node, tags: tuple[str, Mapping[str, frozenset[str]]]) -> Problem:
    key, choices = tags
    tag = node.get(key)
    if tag is None:
        return Problem(node.at, join(node.path, key), f"missing; choose from: {', '.join(choices)}")
    return Problem(tag.at, tag.path, f"invalid value {show(plain(tag))}; {suggestion(str(tag.value), choices)}")


def _is_out_of_range(value: Any, options: list[Schema]) -> bool:
    kinds = {option.get("type") for option in options}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and bool(kinds & {"integer", "number"}) and not ("integer" in kinds and isinstance(value, float))


def _expected(options: list[Schema], allowed: str) -> str:
    choices = all("enum" in option or "const" in option for option in options)
    return f"choose from: {allowed}" if choices else f"expected {allowed}"


def _close(value: Any, options: list[Schema]) -> str:
    choices = [str(choice) for option in options for choice in option.get("enum", [])]
    close = difflib.get_close_matches(value, choices, n=1, cutoff=0.6) if isinstance(value, str) else []
    return f"did you mean {close[0]}? " if close else ""


def _quoted(node: Node, options: list[Schema]) -> str:
    """What to write where text is allowed and stands without quotes, so that YAML reads it as something else."""
    written = node.written or ("" if node.value is None else str(node.value))
    texts = any(option.get("type") == "string" and not {"enum", "const"} & option.keys() for option in options)
    numbers = any(option.get("type") in ("integer", "number", "boolean") for option in options)
    if not texts or numbers or isinstance(node.value, str | tuple | Mapping) or not written:
        return ""
    return f"; quote it: '{written}'"


def _below(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    return value[part] if isinstance(value, tuple) and isinstance(part, int) and part < len(value) else None


def _range(schema: Schema) -> str:
    words = ""
    for key, word in (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("exclusiveMaximum", "below")):
        if key in schema:
            number = repr(schema[key]).removesuffix(".0")
            words += f"{' and' if words and word == 'below' else ''} {word} {number}"
    return words
