"""Finds scripts that may treat seed 0 as no seed: `if args.seed:` is false for 0, so the run would not be seeded."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from harness.tasks.command.inputs.words import named_files

SEED = re.compile(r"(random_|rng_|manual_|global_)?seed", re.IGNORECASE)
READERS = frozenset({"get", "getattr", "pop"})  # cfg.get("seed"), getattr(args, "seed", None)


def truth_tests(words: Sequence[str], directory: Path) -> Iterator[tuple[str, int]]:
    """Script and line of the first test of a seed's truth in each Python script that the command `words` names."""
    for name in _scripts(words, directory):
        if (line := _first_test(directory / name)) is not None:
            yield name, line


def _scripts(words: Sequence[str], directory: Path) -> Iterator[str]:
    yield from (name for name in named_files(words, directory) if name.endswith(".py"))
    for before, module in pairwise(words):
        if before == "-m":
            path = module.replace(".", "/")
            yield from named_files([f"{path}.py", f"{path}/__main__.py"], directory)


def _first_test(file: Path) -> int | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the program's code
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # not valid Python: the program shows the error
    tested = (expression for node in ast.walk(tree) for expression in _tested(node))
    return min((expression.lineno for expression in tested if _is_seed(expression)), default=None)


def _tested(node: ast.AST) -> list[ast.expr]:
    """The expressions whose truth `node` tests. The parts of `a and b` in a condition are found at their own node."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test):
            return [test, test.values[-1]] if isinstance(test, ast.BoolOp) else [test]
        case ast.BoolOp(values=values):
            return values[:-1]  # the last is the value, not a test, unless the whole is a condition
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return [operand]
        case _:
            return []


def _is_seed(expression: ast.expr) -> bool:
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return SEED.fullmatch(name) is not None
        case ast.NamedExpr(value=value):
            return _is_seed(value)
        case ast.Call(func=ast.Attribute(attr=function) | ast.Name(id=function), args=arguments) if function in READERS:
            named = (one.value for one in arguments if isinstance(one, ast.Constant) and isinstance(one.value, str))
            return any(map(SEED.fullmatch, named))
        case _:
            return False
