"""A claim's nodes -> a `Claim`, checked against the design; positions of what is wrong are kept.

A claim in the YAML has one kind key (`improves: leaky_relu`); its siblings qualify it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.common.validation import suggestion, validate
from harness.common.yaml_nodes import Node
from harness.errors import Problem
from harness.experiment.claims import model
from harness.experiment.claims.kinds import ALL, DOSES, KINDS, Kind, Level
from harness.experiment.claims.model import (
    COMPARISONS,
    Claim,
    Factor,
    Setting,
    is_grid,
    level_names,
    members,
    named_levels,
    within,
)


def read_claim(node: Node, setting: Setting) -> tuple[Claim | None, list[Problem]]:
    """One claim's node -> a Claim, or None and every problem with it."""
    kinds = [key for key in node.entries if key in KINDS]
    if not node.entries:
        return None, [Problem(node.at, node.path, f"no claim; allowed: a mapping with one of {', '.join(KINDS)}")]
    if len(kinds) != 1:
        if kinds:
            what = f"two kinds, {kinds[0]} and {kinds[1]}; allowed: one a claim"
        else:
            other = next(iter(node.entries))
            what = f"no kind of claim; {suggestion(other, KINDS)}"
        return None, [Problem(node.at, node.path, what)]
    kind = kinds[0]
    parsed, problems = validate(KINDS[kind], node)
    if parsed is None:
        return None, problems
    reader = _Reader(kind, node, setting)
    return reader.claim(parsed), reader.problems


SHAPES: Mapping[str, Any] = {
    **dict.fromkeys(COMPARISONS, model.ComparisonClaim),
    "contrast": model.ContrastClaim,
    "best_in_range": model.RangeClaim,
    "declines_beyond": model.DeclineClaim,
    "no_proportional_gain": model.ProportionClaim,
    "at_least": model.ThresholdClaim,
    "at_most": model.ThresholdClaim,
}
WITH_MARGIN = (*COMPARISONS, "contrast", "best_in_range")


class _Reader:
    """One claim against its setting; collects problems."""

    def __init__(self, kind: str, node: Node, setting: Setting) -> None:
        self.kind, self.node, self.setting = kind, node, setting
        self.problems: list[Problem] = []

    def claim(self, parsed: Kind) -> Claim | None:
        """The claim, or None where something about it is wrong."""
        subject = getattr(parsed, self.kind)
        shared: dict[str, Any] = {"metric": self._metric(parsed), "failed_counts_as": parsed.failed_counts_as}
        where = self._where(parsed.where or {})
        factor = self._factor(parsed) if self.kind in DOSES else None
        made: dict[str, Any] = {}
        if self.kind in COMPARISONS:
            made["variants"], made["over"] = self._compared(subject, getattr(parsed, "over", None), where)
        elif self.kind == "contrast":
            self._each_once(subject, where)
            made = {
                "weights": {self._label(label): weight for label, weight in subject.items()},
                "sign": getattr(parsed, "sign", None),
            }
        elif self.kind in ("at_least", "at_most"):
            ((label, made["value"]),) = subject.items()
            made["variant"] = self._label(label)
        elif factor is not None:
            self._dose(subject, factor, where, getattr(parsed, "dose", None))
            made = {"factor": factor.name, "inside" if self.kind == "best_in_range" else "beyond": subject}
            made |= {"dose": getattr(parsed, "dose", None)} if self.kind == "no_proportional_gain" else {}
        for label in subject if isinstance(subject, Mapping) else ():
            self._known(label, self._child(self.kind, label), where)
        if self.kind in WITH_MARGIN:
            made["margin"] = self._margin(parsed, shared["metric"])
        if self.problems:
            return None
        claim: Claim = SHAPES[self.kind](kind=self.kind, where=where, **shared, **made)
        return claim

    def _problem(self, key: str, message: str, below: str | int | None = None) -> None:
        node = self._child(key, below) if below is not None else self.node.get(key)
        node = node or self.node
        self.problems.append(Problem(node.at, node.path, message))

    def _child(self, key: str, below: str | int) -> Node:
        node = self.node.get(key)
        if node is None:
            return self.node
        if isinstance(node.value, tuple) and isinstance(below, int):
            return node.value[below]
        return node.get(str(below)) or node

    def _label(self, label: str) -> str:
        """A label as the design writes it: in a grid, the levels may be named in any order."""
        return label if label in self.setting.levels else level_names(named_levels(label, self.setting.levels)) or label

    def _known(self, label: str, node: Node, where: Mapping[str, str]) -> None:
        levels = self.setting.levels
        if members(label, levels, where):
            return
        if members(label, levels, {}):
            message = f"{label!r} is not among the variants where {_slice(where)}; allowed: one that is, or another where:"
        elif (named := named_levels(label, levels)) and len(named) < len(self.setting.factors):
            meant = [name for name, own in levels.items() if within(own, named)]
            message = f"{label!r} names some of the factors, which means their mean in a grid only; {suggestion('', meant)}"
        else:
            levels_alone = [f"{factor.name}={level}" for factor in self.setting.factors for level in factor.levels]
            choices = [*self.setting.labels, *(levels_alone if is_grid(levels) else ())]
            message = f"no variant {label!r}; {suggestion(label, choices)}"
        self.problems.append(Problem(node.at, node.path, message))

    def _each_once(self, labels: Iterable[str], where: Mapping[str, str]) -> None:
        """In a grid, two labels may mean the same variants."""
        meant = [members(label, self.setting.levels, where) or label for label in labels]
        if len(set(meant)) < len(meant):
            self._problem(self.kind, "names a variant twice; allowed: each once")

    def _compared(
        self, subject: str | tuple[str, ...], over: str | None, where: Mapping[str, str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        levels = self.setting.levels
        if over is not None:
            self._known(over, self.node.get("over") or self.node, where)
            over = self._label(over)
        if subject == ALL:
            slice_ = [label for label in self.setting.labels if within(levels[label], where)]
            labels = tuple(label for label in slice_ if label not in members(over or self.setting.over[label], levels, {}))
            if not labels:
                among = f" among those where {_slice(where)}" if where else ""
                what = f"there is no other variant to compare{among}; allowed: an experiment with two variants or more"
                self._problem(self.kind, f"{what}{', or another where:' if where else ''}")
        else:
            labels = (subject,) if isinstance(subject, str) else subject
            for index, label in enumerate(labels):
                self._known(label, self._child(self.kind, index), where)
            self._each_once(labels, where)
            labels = tuple(map(self._label, labels))
        against = tuple(over or self._default_over(label) for label in labels)
        for label, reference in zip(labels, against, strict=True):
            meant, other = members(label, levels, where), members(reference, levels, where)
            if meant and meant == other:
                same = "itself" if label == reference else f"{reference!r}, which is the same here"
                self._problem(self.kind, f"{label!r} compared with {same}; allowed: another variant, or another over:")
            elif over is None and where and not other and members(reference, levels, {}):
                self._problem(self.kind, f"the baseline {reference!r} is outside where:; allowed: over: a variant inside it")
                break
        return labels, against

    def _default_over(self, label: str) -> str:
        """The baseline; of a label that names some factors of a grid, the baseline's levels of those."""
        over, levels = self.setting.over, self.setting.levels
        if label in over:
            return over[label]
        baseline = levels.get(next(iter(over.values()), ""), {})
        return level_names({factor: baseline[factor] for factor in named_levels(label, levels) if factor in baseline})

    def _metric(self, parsed: Kind) -> str:
        metric = parsed.metric or next(iter(self.setting.metrics))
        if metric not in self.setting.metrics:
            self._problem("metric", f"no metric {metric!r}; {suggestion(metric, self.setting.metrics)}")
        return metric

    def _margin(self, parsed: Kind, metric: str) -> float | None:
        margin: float | None = getattr(parsed, "margin", None)
        if margin is None and metric == next(iter(self.setting.metrics)):
            margin = self.setting.margin
        if margin is None:
            unit = self.setting.metrics[metric].unit if metric in self.setting.metrics else ""
            what = f"a difference{f' in {unit}' if unit else ''} below which it does not matter"
            self.problems.append(Problem(self.node.at, self.node.path, f"needs a margin for {metric}; allowed: margin: {what}"))
        return margin

    def _factor(self, parsed: Kind) -> Factor | None:
        names = [factor.name for factor in self.setting.factors]
        asked: str | None = getattr(parsed, "factor", None)
        if asked is None and len(names) == 1:
            return self.setting.factors[0]
        if asked in names:
            return self.setting.factors[names.index(asked)]
        if not names:
            self._problem(self.kind, "needs a factor; allowed: an experiment with factors:")
        elif asked is None:
            self._problem(self.kind, f"needs factor:, there are {len(names)}; allowed: {', '.join(names)}")
        else:
            self._problem("factor", f"no factor {asked!r}; {suggestion(asked, names)}")
        return None

    def _dose(self, subject: Any, factor: Factor, where: Mapping[str, str], dose: str | None) -> None:
        if factor.name in where:
            self._problem("where", f"{factor.name} is what the claim is about; allowed: the other factors", factor.name)
            return
        if any(value is None for value in factor.levels.values()):
            self._problem(self.kind, f"needs a factor of numbers; the levels of {factor.name} are {', '.join(factor.levels)}")
            return
        present = {own[factor.name] for own in self.setting.levels.values() if within(own, where)}
        by_level = {level: value for level, value in factor.levels.items() if level in present and value is not None}
        numbers = list(by_level.values())
        if dose is not None and dose not in self.setting.metrics:
            self._problem("dose", f"no metric {dose!r}; {suggestion(dose, self.setting.metrics)}")
        levels = (", ".join(by_level) or "none") + (f" where {_slice(where)}" if where else "")
        if self.kind == "best_in_range":
            inside = [value for value in numbers if subject[0] <= value <= subject[1]]
            if not inside or len(inside) == len(numbers):
                which = "no level lies" if not inside else "every level lies"
                self._problem(self.kind, f"{which} in the range; allowed: a range with some of the levels {levels}")
        elif self.kind == "declines_beyond":
            if sum(value >= subject for value in numbers) < 2:
                self._problem(self.kind, f"fewer than two levels from {subject:g} on; the levels are {levels}")
        elif subject not in numbers:
            self._problem(self.kind, f"{subject:g} is no level; allowed: {levels}")
        elif sum(value <= subject for value in numbers) < 2 or sum(value >= subject for value in numbers) < 2:
            self._problem(self.kind, f"needs two levels up to {subject:g} and two from it on; the levels are {levels}")

    def _where(self, where: Mapping[str, Level]) -> dict[str, str]:
        found = {}
        factors = {factor.name: factor for factor in self.setting.factors}
        for name, level in where.items():
            if name not in factors:
                self._problem("where", f"no factor {name!r}; {suggestion(name, factors)}", name)
                continue
            labels = factors[name].levels
            text = level_label(level)
            if text not in labels:
                self._problem("where", f"no level {text!r} of {name}; allowed: {', '.join(labels)}", name)
                continue
            found[name] = text
        return found


def _slice(where: Mapping[str, str]) -> str:
    return ", ".join(f"{factor} is {level}" for factor, level in where.items())


def level_label(value: Level) -> str:
    """A level as labels show it: floats without a trailing `.0`, YAML's words for null and booleans."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
