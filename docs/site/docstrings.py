"""Docstrings as this project writes them -> reStructuredText.

Code is in single backticks there; blocks of code are indented, without a mark; a constant or field is explained by the comment at
the end of its line; and names that only annotations need are imported for type checkers alone.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import tokenize
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import getLogger

LOGGER = getLogger(__name__)
PACKAGES = ("harness", "harness.analysis.statistics")  # every name in their `__all__` has to be on a page
CODE = re.compile(r"^    |\S   +\S", re.MULTILINE)  # indented, or in columns
NAME = re.compile(r"[\w.]+")
ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
BASES = ("model_config", "model_post_init")  # of every pydantic model


def convert(_app: Sphinx, what: str, _name: str, _found: Any, _options: Any, lines: list[str]) -> None:
    """Convert a docstring. That of a constant is that of its type, and is left out."""
    if what == "data":
        lines[:] = []
    paragraphs = groupby("\n".join(lines).split("\n\n"), lambda each: CODE.search(each) is not None)
    parts = [(code if coded else text)("\n\n".join(each)) for coded, each in paragraphs]
    lines[:] = "\n\n".join(parts).split("\n")


def code(paragraphs: str) -> str:
    """Code, or a table or tree in plain text."""
    return "::\n\n" + indent(paragraphs, "    ")


def text(paragraphs: str) -> str:
    """Prose: names in backticks may become links, other code stays as it is, and bars are only bars."""
    parts = paragraphs.split("`")
    parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
    parts[1::2] = [f"`{part}`" if NAME.fullmatch(part) else f"``{part}``" for part in parts[1::2]]
    return "".join(parts)


def explain(_app: Sphinx, domain: str, kind: str, content: addnodes.desc_content) -> None:
    """Give a constant or field without a text its comment."""
    if domain == "py" and kind in ("data", "attribute") and not content.children and content.parent is not None:
        signature = content.parent[0]
        if comment := comment_of(f"{signature['module']}.{signature['fullname']}"):  # type: ignore[index]
            parts = [(nodes.literal if place % 2 else nodes.Text)(part, part) for place, part in enumerate(comment.split("`"))]
            content += nodes.paragraph("", "", *parts)


def comment_of(name: str) -> str:
    """The comment at the end of the line that defines `module.CONSTANT`, `module.Class.field` or a field of its bases."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:-1]:
            owner = getattr(owner, part)
        owners = [owner] if isinstance(owner, ModuleType) else inspect.getmro(owner)
        return next((found for each in owners if (found := comments(each).get(parts[-1]))), "")
    return ""


@cache
def comments(owner: ModuleType | type) -> Mapping[str, str]:
    """Name -> comment, of the assignments in a module or class of ours that have one at the end of their last line."""
    module = owner if isinstance(owner, ModuleType) else sys.modules[owner.__module__]
    if not module.__name__.startswith("harness"):
        return {}
    path = Path(inspect.getfile(module))
    with path.open("rb") as file:
        by_line = {
            token.start[0]: token.string.lstrip("# ")
            for token in tokenize.tokenize(file.readline)
            if token.type == tokenize.COMMENT
        }
    tree: ast.AST = ast.parse(path.read_text())
    if isinstance(owner, type):
        tree = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == owner.__name__)
    found = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.end_lineno in by_line:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            found[ast.unparse(target)] = by_line[node.end_lineno]
    return found


def shorten(
    _app: Sphinx, what: str, _name: str, found: Any, _options: Any, arguments: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """No arguments for protocols and for classes whose fields are their arguments; aliases by their name, also inside types."""
    if what == "class" and ("__init__" not in vars(found) or is_dataclass(found) or getattr(found, "_is_protocol", False)):
        return "", None
    return arguments and ALIAS.sub(r"\1", arguments), returned


def skip_bases(_app: Sphinx, _what: str, name: str, *_: Any) -> bool | None:
    """Leave out what pydantic adds to each model."""
    return True if name in BASES else None


def import_for_annotations(_app: Sphinx) -> None:
    """Give modules the names that they import for type checkers, so that signatures show types as they are."""
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            getattr(sys.modules[package], name)
    for name, module in list(sys.modules.items()):
        if name.startswith("harness."):
            for statement in ast.parse(inspect.getsource(module)).body:
                if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
                    exec(ast.unparse(statement.body), module.__dict__)


def leave_undocumented(
    _app: Sphinx, _env: BuildEnvironment, node: addnodes.pending_xref, text: nodes.Element
) -> nodes.Element | None:
    """Text instead of a link for what no page describes: code in docstrings that is not a name, and types in signatures."""
    above, in_signature = node.parent, False
    while above is not None and not in_signature:
        above, in_signature = above.parent, isinstance(above, addnodes.desc_signature)
    return text if node.get("refdomain") == "py" and (node["reftype"] == "obj" or in_signature) else None


def check(_app: Sphinx, env: BuildEnvironment) -> None:
    """Warn, which ends the build, of public names without an entry; and if the build needed torch."""
    documented = env.domains["py"].objects  # type: ignore[attr-defined]
    for package in map(importlib.import_module, PACKAGES):
        for name in package.__all__:
            where = getattr(getattr(package, name), "__module__", "")
            if name != "statistics" and not {f"{package.__name__}.{name}", f"{where}.{name}"} & documented.keys():
                LOGGER.warning("%s.%s has no entry in docs/site/api", package.__name__, name)
    if "torch" in sys.modules:
        LOGGER.warning("building the site imported torch; it has to work without")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the conversion with Sphinx."""
    app.connect("builder-inited", import_for_annotations)
    app.connect("autodoc-process-docstring", convert)
    app.connect("object-description-transform", explain)
    app.connect("autodoc-process-signature", shorten)
    app.connect("autodoc-skip-member", skip_bases)
    app.connect("missing-reference", leave_undocumented)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
