"""`tune:` -> the settings every variant may be tuned over, each checked as the configuration it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import Problem
from harness.experiment.compose import ConfigTree
from harness.experiment.designs import Draft
from harness.validation import suggestion
from harness.yamlfile import Entry, Node, plain

HELD_OUT = "data.validation_size"  # tuning sees a validation split, never test


def check_tuning(tune: Node, space: ConfigTree, tree: Node, drafts: Sequence[Draft]) -> list[Problem]:
    """Everything wrong with a `tune:` whose structure is right: unknown paths, impossible values, paths that the variants set."""
    problems: list[Problem] = []
    section = tune.get("space")
    paths: Mapping[str, Entry] = section.entries if section else {}
    known = [".".join(path) for path in space.shape.leaves()]
    taken = [key for draft in drafts for key, _ in draft.changes]
    for path, entry in paths.items():
        if path not in known:
            problems.append(Problem(entry.key_at, entry.node.path, f"unknown configuration path; {suggestion(path, known)}"))
            continue
        if rival := overlapping(path, taken):
            message = f"the variants set {rival} themselves; allowed: a path that they leave alone"
            problems.append(Problem(entry.key_at, entry.node.path, message))
        for level in entry.node.value if isinstance(entry.node.value, tuple) else ():
            _, wrong = space.validated(space.assign(tree, [(path, Entry(level.at, level))]))
            problems.extend(problem for problem in wrong if problem.path.startswith(level.path))
    held_out = plain(tree).get("data", {}).get("validation_size")
    if HELD_OUT in known and not held_out:
        message = f"tuning needs {HELD_OUT} above 0; allowed: a number of training images to hold out"
        problems.append(Problem(tune.at, tune.path, message))
    return problems


def overlapping(path: str, others: Sequence[str]) -> str | None:
    """The first of `others` that sets `path`, a part of it, or a block around it; None where none does."""
    return next((other for other in others if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.")), None)
