"""variants | factors | components -> drafts of variants: a label and changes of the configuration. Pure.

The changes keep their positions in the file, for error messages.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.common.yaml_nodes import Entry, Node

Changes = tuple[tuple[str, Entry], ...]


@dataclass(frozen=True)
class Level:
    """One level of a factor: its label, its changes, and its value if it is a number."""

    label: str
    changes: Changes
    number: float | None = None
    is_base: bool = False  # equals the base configuration


@dataclass(frozen=True)
class FactorDraft:
    """A factor under its short name, as in labels and claims."""

    name: str
    levels: tuple[Level, ...]
    at: Node


@dataclass(frozen=True)
class Draft:
    """A variant before its configuration is validated."""

    label: str
    changes: Changes
    at: Node
    levels: Mapping[str, str] = field(default_factory=dict)  # factor -> level label


def changes_of(patch: Node | None) -> Changes:
    """A patch's entries; none for an empty or null one."""
    return tuple(patch.entries.items()) if patch is not None else ()


def from_variants(variants: Node | None, file: Node) -> list[Draft]:
    """One draft for each variant; without variants the base alone, labelled `base`."""
    if variants is None:
        return [Draft("base", (), file)]
    return [Draft(label, changes_of(entry.node), entry.node) for label, entry in variants.entries.items()]


def _of_levels(chosen: Sequence[tuple[FactorDraft, Level]]) -> Draft:
    label = ", ".join(f"{factor.name}={level.label}" for factor, level in chosen)
    changes = tuple(change for _, level in chosen for change in level.changes)
    return Draft(label, changes, chosen[0][0].at, {factor.name: level.label for factor, level in chosen})


def grid(factors: Sequence[FactorDraft]) -> list[Draft]:
    """Every combination of levels, the last factor fastest."""
    choices = itertools.product(*([(factor, level) for level in factor.levels] for factor in factors))
    return [_of_levels(chosen) for chosen in choices]


def zipped(factors: Sequence[FactorDraft]) -> list[Draft]:
    """The first levels together, the second levels together, …; factors have equally many levels."""
    return [_of_levels(list(zip(factors, row, strict=True))) for row in zip(*(factor.levels for factor in factors), strict=True)]


def one_at_a_time(factors: Sequence[FactorDraft]) -> list[Draft]:
    """The base levels together, then each other level alone."""
    base = [(factor, next(level for level in factor.levels if level.is_base)) for factor in factors]
    drafts = [_of_levels(base)]
    for index, factor in enumerate(factors):
        for level in factor.levels:
            if not level.is_base:
                drafts.append(_of_levels([*base[:index], (factor, level), *base[index + 1 :]]))
    return drafts


def leave_one_out(components: Mapping[str, Entry]) -> list[Draft]:
    """`full`, then each component switched off alone."""
    first = next(iter(components.values())).node
    full = Draft("full", (), first)
    return [full, *(Draft(f"without {name}", changes_of(entry.node), entry.node) for name, entry in components.items())]


def add_one_in(components: Mapping[str, Entry]) -> list[Draft]:
    """`bare`, all components switched off, then each switched on alone."""
    first = next(iter(components.values())).node

    def without(kept: str | None) -> Changes:
        return tuple(change for name, entry in components.items() if name != kept for change in changes_of(entry.node))

    bare = Draft("bare", without(None), first)
    return [bare, *(Draft(f"only {name}", without(name), entry.node) for name, entry in components.items())]


def both(components: Mapping[str, Entry]) -> list[Draft]:
    """`leave_one_out` and `add_one_in` together."""
    return [*leave_one_out(components), *add_one_in(components)]


FACTOR_DESIGNS: Mapping[str, Callable[[Sequence[FactorDraft]], list[Draft]]] = {
    "grid": grid,
    "zip": zipped,
    "one_at_a_time": one_at_a_time,
}
COMPONENT_DESIGNS: Mapping[str, Callable[[Mapping[str, Entry]], list[Draft]]] = {
    "leave_one_out": leave_one_out,
    "add_one_in": add_one_in,
    "both": both,
}


def compared_with(label: str, labels: Sequence[str]) -> str:
    """The default reference of a variant in a components design; the label itself if there is none."""
    if label.startswith("without "):
        return "full"
    return "bare" if label != "bare" and "bare" in labels else label


def components_of(labels: Sequence[str]) -> dict[str, frozenset[str]]:
    """Label of each variant of a components design -> the components that are on; empty for other designs."""
    words = {label: label.partition(" ") for label in labels if label not in ("full", "bare")}
    if not words or not all(name and kind in ("without", "only") for kind, _, name in words.values()):
        return {}
    every = frozenset(name for _, _, name in words.values())
    on = {label: frozenset([name]) if kind == "only" else every - {name} for label, (kind, _, name) in words.items()}
    return {label: on.get(label, every if label == "full" else frozenset()) for label in labels}


def short_names(paths: Sequence[str]) -> list[str]:
    """Each path's shortest suffix that is unique among them: `model.dropout` -> `dropout`.

    A last `.name` is dropped, `schedule.name` -> `schedule`, unless that is another of the paths.
    """
    bare = [path.removesuffix(".name") for path in paths]
    bare = [short if bare.count(short) == 1 else path for short, path in zip(bare, paths, strict=True)]
    suffixes = [[path[start:] for start in reversed(_starts(path))] for path in bare]
    names = []
    for index, own in enumerate(suffixes):
        others = {suffix for place, other in enumerate(suffixes) if place != index for suffix in other}
        names.append(next((suffix for suffix in own if suffix not in others), own[-1]))
    return names


def _starts(path: str) -> list[int]:
    """Where the parts of a path start, divided by dots, in Hydra's groups by slashes; `name` alone is not one."""
    return [0, *(found.end() for found in re.finditer(r"[./](?!name\Z)", path))]
