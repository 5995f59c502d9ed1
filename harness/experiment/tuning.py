"""Reads the `tune:` section: every variant with every setting of the space, validated."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from harness.common.nested import flatten
from harness.common.validation import suggestion, validate
from harness.common.yaml_nodes import Entry, Node, plain
from harness.errors import Problem
from harness.experiment import file
from harness.experiment.claims import level_label
from harness.experiment.compose import ConfigTree
from harness.experiment.designs import Draft, short_names
from harness.tasks.command.code.version import CODE
from harness.tasks.identity import location_paths
from harness.tasks.protocol import Metric, Task, result_metrics, selection_metric

HELD_OUT = "data.validation_size"  # tuning and searches use a validation split, never test
MAX_CANDIDATES = 5000


@dataclass(frozen=True)
class Candidate:
    """A variant with one setting."""

    label: str
    variant: str
    values: Mapping[str, Any]  # dotted path -> value
    config: BaseModel


@dataclass(frozen=True)
class Tuning:
    """The tuning of the variants: all get the same settings and seeds."""

    metric: str
    goal: str
    seeds: int
    space: Mapping[str, tuple[Any, ...]]  # dotted path -> values
    candidates: tuple[Candidate, ...]  # variant by variant, each in the order of the space


def read_tuning(
    tune: Node, tree: ConfigTree, base_tree: Node, drafts: Sequence[Draft], task: Task
) -> tuple[Tuning | None, list[Problem]]:
    """The tuning of the variants `drafts`, or None and the problems."""
    section, _ = validate(file.Tune, tune)
    space = tune.get("space")
    if section is None or space is None:
        return None, []  # reported with the file's structure
    problems = _paths(space, tree, base_tree, drafts)
    problems.extend(check_held_out(tune, tree, base_tree, "tuning"))
    problems.extend(_check_equal_held_out(tree, base_tree, drafts))
    metrics = result_metrics(task)
    metric = section.metric or selection_metric(task)
    if metric is None:
        problems.append(Problem(tune.at, tune.path, "metric missing, and the task has no validation metric; add metric:"))
    elif section.metric is not None:
        problems.extend(check_selectable(metric, metrics, tune.entries["metric"].node))
    count = len(drafts) * math.prod(len(values) for values in section.space.values())
    if count > MAX_CANDIDATES:
        message = f"{count:,} settings over all variants; use at most {MAX_CANDIDATES:,}"
        problems.append(Problem(space.at, space.path, message))
    if problems or metric is None:
        return None, problems
    candidates = [found for draft in drafts for found in _candidates(draft, space, tree, base_tree, problems)]
    if problems:
        return None, problems
    return Tuning(metric, metrics[metric].goal, section.seeds, section.space, tuple(candidates)), []


def check_held_out(section: Node, tree: ConfigTree, base_tree: Node, what: str) -> list[Problem]:
    """A problem if the task can hold out a validation split and does not."""
    if _can_hold_out(tree) and not plain(base_tree).get("data", {}).get("validation_size"):
        message = f"{what} needs {HELD_OUT} above 0; set it to the number of training images to hold out"
        return [Problem(section.at, section.path, message)]
    return []


def check_held_out_unchanged(paths: Sequence[str], tree: ConfigTree, entry: Entry) -> list[Problem]:
    """A problem if a parameter sets the number of held-out images: compared trials must use the same images."""
    if not _can_hold_out(tree) or tree.overlapping(HELD_OUT, paths) is None:
        return []
    message = f"sets {HELD_OUT}, but all compared settings must use the same images; set it in config"
    return [Problem(entry.key_at, entry.node.path, message)]


def check_no_resources(paths: Sequence[str], tree: ConfigTree, entry: Entry) -> list[Problem]:
    """A problem if a parameter sets what runs need of a machine: all trials run on workers of one size."""
    found = next((path for path in paths if tree.is_request(path)), None)
    if found is None:
        return []
    message = f"sets {found}, which is equal for all compared settings; set it in resources, or in variants"
    return [Problem(entry.key_at, entry.node.path, message)]


def check_no_version(paths: Sequence[str], tree: ConfigTree, entry: Entry) -> list[Problem]:
    """A problem if a parameter sets the version of the code: a version is a variant, not a setting to choose."""
    if CODE not in paths or CODE not in location_paths(tree.model):
        return []
    message = "sets the version of the code, which cannot be chosen by results; compare versions as variants"
    return [Problem(entry.key_at, entry.node.path, message)]


def _can_hold_out(tree: ConfigTree) -> bool:
    """Whether the task has the block `data` with this key: a program may have a setting of this name, with its own meaning."""
    return len(tree.paths.get(HELD_OUT, ())) > 1


def check_selectable(name: str, metrics: Mapping[str, Metric], at: Node) -> list[Problem]:
    """Problems of a metric that chooses settings: it does not exist, or is not measured on the validation split."""
    allowed = [other for other, metric in metrics.items() if metric.split in ("validation", None)]
    if name not in metrics:
        return [Problem(at.at, at.path, f"no metric {name!r}; {suggestion(name, allowed)}")]
    if name not in allowed:
        seen = metrics[name].split
        message = f"{name} is measured on the {seen} split, which must not choose settings; choose from: {', '.join(allowed)}"
        return [Problem(at.at, at.path, message)]
    return []


def _check_equal_held_out(tree: ConfigTree, base_tree: Node, drafts: Sequence[Draft]) -> list[Problem]:
    """Problems of variants that hold out another number of images than the base: their metrics would not be comparable."""
    problems = []
    own = _held_out(tree, base_tree) if _can_hold_out(tree) else None
    for draft in drafts:
        size = _held_out(tree, tree.assign(base_tree, draft.changes))
        if own is not None and size is not None and size != own:
            message = f"variant {draft.label!r} has {HELD_OUT} {size}; use {own}, as in config, for all tuned variants"
            problems.append(Problem(draft.at.at, draft.at.path, message))
    return problems


def _held_out(tree: ConfigTree, values: Node) -> Any:
    config, _ = tree.validated(values)
    return None if config is None else flatten(config.model_dump(mode="json")).get(HELD_OUT)


def _paths(space: Node, tree: ConfigTree, base_tree: Node, drafts: Sequence[Draft]) -> list[Problem]:
    """Unknown paths, paths that the variants set, values that the configuration refuses or that stand there twice."""
    problems: list[Problem] = []
    known = tree.paths
    taken = [key for draft in drafts for key, _ in draft.changes]
    for path, entry in space.entries.items():
        if path not in known:
            problems.append(Problem(entry.key_at, entry.node.path, f"unknown configuration path; {suggestion(path, known)}"))
            continue
        problems.extend(check_held_out_unchanged([path], tree, entry))
        problems.extend(check_no_version([path], tree, entry))
        problems.extend(check_no_resources([path], tree, entry))
        if rival := tree.overlapping(path, taken):
            message = f"the variants set {rival}; use a path that they do not set"
            problems.append(Problem(entry.key_at, entry.node.path, message))
        seen: set[str] = set()
        for level in entry.node.value if isinstance(entry.node.value, tuple) else ():
            _, wrong = tree.validated(tree.assign(base_tree, [(path, Entry(level.at, level))]))
            problems.extend(problem for problem in wrong if problem.path.startswith(level.path))
            label = level_label(plain(level))
            if label in seen:
                problems.append(Problem(level.at, level.path, f"{label} twice; use each value once"))
            seen.add(label)
    return problems


def _candidates(draft: Draft, space: Node, tree: ConfigTree, base_tree: Node, problems: list[Problem]) -> list[Candidate]:
    """One variant under every combination of values, the last path fastest."""
    names = short_names(list(space.entries))
    lists = [entry.node.value if isinstance(entry.node.value, tuple) else () for entry in space.entries.values()]
    found = []
    for nodes in itertools.product(*lists):
        changes = [(path, Entry(node.at, node)) for path, node in zip(space.entries, nodes, strict=True)]
        config, wrong = tree.validated(tree.assign(base_tree, [*draft.changes, *changes]))
        setting = ", ".join(f"{name}={level_label(plain(node))}" for name, node in zip(names, nodes, strict=True))
        if config is None:
            reasons = "; ".join(sorted({problem.message for problem in wrong}))
            problems.append(Problem(space.at, space.path, f"variant {draft.label!r} with {setting}: {reasons}"))
            continue
        label = f"{draft.label}, {setting}"
        if not re.fullmatch(file.LABEL, label):
            words = f"{file.LABEL_WORDS}, the setting included"
            problems.append(Problem(space.at, space.path, f"invalid label {label!r}; use {words}"))
        found.append(Candidate(label, draft.label, {path: plain(entry.node) for path, entry in changes}, config))
    return found
