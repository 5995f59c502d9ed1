"""Reads the design of an experiment file into drafts of variants and factors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from harness.common.validation import suggestion
from harness.common.yaml_nodes import Entry, Node, plain
from harness.errors import Problem
from harness.experiment import designs
from harness.experiment.claims import Factor, level_label
from harness.experiment.compose import Composed, ConfigTree
from harness.experiment.designs import Draft, FactorDraft, Level
from harness.experiment.file import DESIGN_KEYS, MAX_VARIANTS
from harness.tasks.identity import identity

NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?", re.ASCII)


def draft_variants(
    composed: Composed, space: ConfigTree, tree: Node, base: BaseModel | None, problems: list[Problem]
) -> tuple[list[Draft], list[Factor]]:
    """The variants' drafts and the factors of a composed file; appends to `problems`."""
    fields = composed.fields
    present = [key for key in DESIGN_KEYS if key in fields and fields[key].node.entries]
    if len(present) > 1:
        at = fields[present[1]].key_at
        problems.append(Problem(at, present[1], f"{present[1]} beside {present[0]}; use one of {', '.join(DESIGN_KEYS)}"))
        return [], []
    kind = present[0] if present else "variants"
    design = fields.get("design")
    chosen = design.node.value if design and isinstance(design.node.value, str) else None
    if kind == "variants":
        if design is not None:
            message = "variants take no design; remove it, or use factors or components"
            problems.append(Problem(design.key_at, "design", message))
        return designs.from_variants(fields["variants"].node if present else None, composed.root), []
    section = fields[kind].node
    if kind == "components":
        return _components(section, chosen, design, problems), []
    reader = _Factors(space, tree, base, problems)
    drafts = [
        reader.factor(name, key, entry) for name, (key, entry) in zip(_names(section), section.entries.items(), strict=True)
    ]
    factors = [
        Factor(draft.name, {level.label: level.number for level in draft.levels}, path)
        for draft, path in zip(drafts, section.entries, strict=True)
    ]
    if any(not draft.levels for draft in drafts) or _overlap(drafts, space, problems):
        return [], factors
    return _combined(drafts, chosen, design, section, problems), factors


def _overlap(drafts: Sequence[FactorDraft], space: ConfigTree, problems: list[Problem]) -> bool:
    """Whether two factors set the same path, or one sets part of a block that another sets; labels of levels would be wrong."""
    before: dict[str, str] = {}
    found = False
    for draft in drafts:
        own = dict.fromkeys(key for level in draft.levels for key, _ in level.changes)
        for key in own:
            if rival := space.overlapping(key, before):
                message = f"sets {key}, and {before[rival]} sets {rival}; use different paths"
                problems.append(Problem(draft.at.at, draft.at.path, message))
                found = True
                break
        before |= dict.fromkeys(own, draft.name)
    return found


def _names(section: Node) -> list[str]:
    return designs.short_names(list(section.entries))


def _components(section: Node, chosen: str | None, design: Entry | None, problems: list[Problem]) -> list[Draft]:
    allowed = ", ".join(designs.COMPONENT_DESIGNS)
    if chosen is None or chosen not in designs.COMPONENT_DESIGNS:
        at = design.node if design else section
        what = f"invalid design {chosen!r} for components" if design else "missing"
        problems.append(Problem(at.at, "design", f"{what}; choose from: {allowed}"))
        return []
    if chosen == "both" and len(section.entries) < 3:
        message = f"both needs at least 3 components, not {len(section.entries)}; use leave_one_out or add_one_in"
        problems.append(Problem((design.node if design else section).at, "design", message))
        return []
    return designs.COMPONENT_DESIGNS[chosen](section.entries)


def _combined(
    drafts: Sequence[FactorDraft], chosen: str | None, design: Entry | None, section: Node, problems: list[Problem]
) -> list[Draft]:
    allowed = ", ".join(designs.FACTOR_DESIGNS)
    if chosen is None and len(drafts) == 1:
        chosen = "grid"
    if chosen is None or chosen not in designs.FACTOR_DESIGNS:
        at = design.node if design else section
        what = f"invalid design {chosen!r} for factors" if design else f"missing for {len(drafts)} factors"
        problems.append(Problem(at.at, "design", f"{what}; choose from: {allowed}"))
        return []
    lengths = {draft.name: len(draft.levels) for draft in drafts}
    if chosen == "zip" and len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        problems.append(Problem(section.at, section.path, f"zip needs equally many levels in each factor; {counts}"))
        return []
    if chosen == "one_at_a_time":
        lacking = [draft for draft in drafts if not any(level.is_base for level in draft.levels)]
        for draft in lacking:
            message = f"one_at_a_time needs the base value among the levels; add the value of {draft.name} in config"
            problems.append(Problem(draft.at.at, draft.at.path, message))
        if lacking:
            return []
    if chosen == "grid" and math.prod(lengths.values()) > MAX_VARIANTS:
        message = f"a grid of {math.prod(lengths.values()):,} variants; use at most {MAX_VARIANTS}"
        problems.append(Problem(section.at, section.path, message))
        return []
    return designs.FACTOR_DESIGNS[chosen](drafts)


class _Factors:
    """Reads factors. A level's label comes from its validated value."""

    def __init__(self, space: ConfigTree, tree: Node, base: BaseModel | None, problems: list[Problem]) -> None:
        self.space, self.tree, self.base, self.problems = space, tree, base, problems

    def factor(self, name: str, key: str, entry: Entry) -> FactorDraft:
        node = entry.node
        if isinstance(node.value, Mapping):
            if not node.value:
                self.problems.append(Problem(node.at, node.path, "no levels; expected a list of values, or named levels"))
            return FactorDraft(name, tuple(self._named(label, level) for label, level in node.value.items()), node)
        if not isinstance(node.value, tuple):
            return FactorDraft(name, (), node)  # reported with the file's structure
        known = self.space.paths
        if key not in known:
            self.problems.append(Problem(entry.key_at, node.path, f"unknown configuration path; {suggestion(key, known)}"))
            return FactorDraft(name, (), node)
        if not node.value:
            self.problems.append(Problem(node.at, node.path, "no levels; expected a list of values, or named levels"))
        levels = [self._level(key, item) for item in node.value]
        seen: dict[str, Node] = {}
        for level, item in zip(levels, node.value, strict=True):
            if level is not None and level.label in seen:
                self.problems.append(Problem(item.at, item.path, f"{level.label} twice; {_distinct(item)}"))
            elif level is not None:
                seen[level.label] = item
        return FactorDraft(name, tuple(level for level in levels if level is not None), node)

    def _level(self, key: str, item: Node) -> Level | None:
        if isinstance(item.value, Mapping):
            example = "{width: {half: {model.widths: [32, 64, 128]}}}"
            self.problems.append(Problem(item.at, item.path, f"a mapping as a level; use named levels, such as {example}"))
            return None
        changes = ((key, Entry(item.at, item)),)
        config, problems = self.space.validated(self.space.assign(self.tree, changes))
        self.problems.extend(p for p in problems if p.path.startswith(item.path))
        if config is not None and self.space.changes_results(key):
            value = _value_at(config, self.space.parts(key))
        else:
            value = plain(item)
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        return Level(level_label(value), changes, number, self._is_base(config))

    def _named(self, label: str, entry: Entry) -> Level:
        changes = self.space.by_request(designs.changes_of(entry.node))
        config, problems = self.space.validated(self.space.assign(self.tree, changes))
        self.problems.extend(p for p in problems if p.path.startswith(entry.node.path))
        number = float(label) if NUMBER.fullmatch(label) else None
        return Level(label, changes, number, self._is_base(config))

    def _is_base(self, config: BaseModel | None) -> bool:
        return config is not None and self.base is not None and identity(config) == identity(self.base)


def _distinct(item: Node) -> str:
    """What to do about a level whose label is taken: lists that differ may have one label."""
    return "use named levels if the lists differ" if isinstance(item.value, tuple) else "use each level once"


def _value_at(config: BaseModel, parts: Sequence[str]) -> Any:
    value: Any = config
    for part in parts:
        value = getattr(value, part)
    return value
