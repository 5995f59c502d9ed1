"""The modules that make the site: the navigation, the reference of the experiment file, docstrings."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _site_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    yield
    for name in ("navigation", "schema_page", "docstrings"):
        sys.modules.pop(name, None)


def test_a_page_that_no_group_names_is_a_guide() -> None:
    from navigation import grouped

    found = grouped(["docs/cli", "docs/of-someone-else", "docs/coming-from/hydra", "docs/coming-from/lightning", "docs/search"])
    assert found["Guides"] == ["docs/search", "docs/of-someone-else"]
    assert found["Coming from"] == ["docs/coming-from/hydra", "docs/coming-from/lightning"]
    assert found["Start"] == []


def test_the_reference_of_the_experiment_file_has_every_key_of_the_schema() -> None:
    from schema_page import tables

    schema = json.loads((ROOT / "harness" / "schema.json").read_text())
    rows = re.findall(r"^\| `([^`]+)` \|", tables(schema), re.MULTILINE)
    blocks = [schema, *schema["$defs"].values(), *schema["$defs"]["Claim"]["oneOf"]]
    keys = {key for block in blocks for key in block.get("properties", {}) if "." not in key}
    assert set(rows) == keys


def test_every_key_of_an_experiment_file_says_what_it_means() -> None:
    schema = json.loads((ROOT / "harness" / "schema.json").read_text())
    blocks = {"": schema, **schema["$defs"], **{kind["title"]: kind for kind in schema["$defs"]["Claim"]["oneOf"]}}
    keys = {f"{block}.{key}": value for block, found in blocks.items() for key, value in found.get("properties", {}).items()}
    own = {
        name: value for name, value in keys.items() if name.count(".") == 1 and "const" not in value
    }  # const: the block's name
    assert len(own) > 100
    assert [name for name, value in own.items() if not value.get("description")] == []


def test_the_reference_shows_types_limits_and_defaults() -> None:
    from schema_page import tables

    schema = {
        "properties": {
            "n": {"type": "integer", "minimum": 1, "default": 2, "description": "how *many*"},
            "rate": {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, {"type": "null"}]},
            "mode": {"enum": ["a", "b"], "default": "a"},
            "values": {
                "type": "array",
                "items": {"anyOf": [{"type": kind} for kind in ("boolean", "integer", "number", "string")]},
            },
            "inner": {"$ref": "#/$defs/OneBlock", "default": {"x": 1}},
        },
        "required": ["values"],
        "$defs": {"OneBlock": {"properties": {"x": {"type": ["string", "null"]}}}},
    }
    lines = tables(schema).splitlines()
    assert lines[5:10] == [
        r"| `n` | how \*many\* | whole number from 1 | `2` |",
        "| `rate` |  | number above 0 and below 1 |  |",
        "| `mode` |  | `a`, `b` | `a` |",
        "| `values` |  | list of single value | required |",
        "| `inner` |  | [One block](#one-block) |  |",
    ]
    assert lines[11] == "## One block"
    assert lines[-1] == "| `x` |  | text |  |"


def test_code_in_docstrings_stays_code_and_names_may_become_links() -> None:
    from docstrings import convert

    lines = ["A `name` of |x| in `a=1`:", "", "    first()", "", "    second()", "", "Tree   in columns"]
    convert(None, "function", "", None, None, lines)
    shown = [
        "A `name` of \\|x\\| in ``a=1``:",
        "",
        "::",
        "",
        "        first()",
        "",
        "        second()",
        "",
        "    Tree   in columns",
    ]
    assert lines == shown


def test_the_comment_of_a_field_explains_it() -> None:
    from docstrings import comment_of

    assert comment_of("harness.analysis.statistics.Paired.sd") == "ddof 1"
    assert comment_of("harness.errors.EXIT_NOT_MET").startswith("of commands with --require")
    assert comment_of("harness.errors.EXIT_OK") == ""
