"""Reads a claim and checks it against the design.

A claim in the YAML has one kind key (`improves: leaky_relu`); its other keys qualify it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import TypeAdapter

from harness.common.validation import suggestion, validate
from harness.common.yaml_nodes import Node
from harness.errors import Problem
from harness.experiment.claims import kinds
from harness.experiment.claims.kinds import ALL, KINDS, ClaimInput, Level, Levels
from harness.experiment.claims.model import (
    Claim,
    Factor,
    Setting,
    is_grid,
    level_names,
    members,
    named_levels,
    within,
)
from harness.tasks.protocol import RESULT_METRICS

CLAIM: TypeAdapter[Claim] = TypeAdapter(Claim)


def read_claim(node: Node, setting: Setting) -> tuple[Claim | None, list[Problem]]:
    """One claim's node -> a Claim, or None and every problem with it."""
    kinds = [key for key in node.entries if key in KINDS]
    if not node.entries:
        return None, [Problem(node.at, node.path, f"not a claim; expected a mapping with one of {', '.join(KINDS)}")]
    if len(kinds) != 1:
        if kinds:
            what = f"two kinds, {kinds[0]} and {kinds[1]}; use one in each claim"
        else:
            other = next(iter(node.entries))
            what = f"no kind of claim; {suggestion(other, KINDS)}"
        return None, [Problem(node.at, node.path, what)]
    kind = kinds[0]
    given, problems = validate(KINDS[kind], node)
    if given is None:
        return None, problems
    reader = _Reader(kind, node, setting)
    return reader.claim(given), reader.problems


class _Reader:
    """Checks one claim; collects problems."""

    def __init__(self, kind: str, node: Node, setting: Setting) -> None:
        self.kind, self.node, self.setting = kind, node, setting
        self.problems: list[Problem] = []

    def claim(self, given: ClaimInput) -> Claim | None:
        """The claim, or None if there are problems."""
        metric, where = self._metric(given), self._where(given.where or {})
        fields = {"kind": self.kind, "metric": metric, "where": where, "failed_counts_as": given.failed_counts_as}
        fields |= self._own(given, where)
        if getattr(given, "across", "seeds") == "cases":
            fields["across"] = "cases"
            self._check_cases(metric, given)
        if "margin" in type(given).model_fields:
            fields["margin"] = self._margin(given, metric)
        return None if self.problems else CLAIM.validate_python(fields)

    def _own(self, given: ClaimInput, where: Mapping[str, str]) -> dict[str, Any]:
        """The fields specific to this kind, except the margin."""
        match given:
            case kinds.Comparison():
                variants, over = self._compared(getattr(given, self.kind), given.over, where)
                return {"variants": variants, "over": over}
            case kinds.Contrast(contrast=weights):
                self._check_distinct(weights, where)
                self._check_labels(weights, where)
                return {"weights": {self._label(label): weight for label, weight in weights.items()}, "sign": given.sign}
            case kinds.AtLeast(at_least=bound) | kinds.AtMost(at_most=bound):
                self._check_labels(bound, where)
                ((label, value),) = bound.items()
                return {"variant": self._label(label), "value": value}
            case kinds.BestInRange(best_in_range=inside):
                return {"factor": self._factor(given.factor, where, partial(_range_wrong, inside)), "inside": inside}
            case kinds.DeclinesBeyond(declines_beyond=beyond):
                return {"factor": self._factor(given.factor, where, partial(_decline_wrong, beyond)), "beyond": beyond}
            case kinds.NoProportionalGain(no_proportional_gain=beyond, dose=dose):
                if dose is not None and dose not in self.setting.metrics:
                    self._problem("dose", f"no metric {dose!r}; {suggestion(dose, self.setting.metrics)}")
                factor = self._factor(given.factor, where, partial(_proportion_wrong, beyond))
                return {"factor": factor, "beyond": beyond, "dose": dose}
        raise AssertionError(given)

    def _check_cases(self, metric: str, given: ClaimInput) -> None:
        known = self.setting.by_cases
        own = self.setting.metrics.get(metric)
        if metric in RESULT_METRICS or metric.endswith("_fluctuation") or (own is not None and own.exact):
            self._problem("across", f"{metric} has no cases; use a metric that the program measures by cases")
        elif known is not None and metric in self.setting.metrics and metric not in known:
            advice = f"it has another source; {suggestion('', known)}" if known else "every metric has another source"
            self._problem("across", f"{metric} is not measured by cases: {advice}")
        if given.failed_counts_as is not None:
            self._problem("failed_counts_as", "is not possible with across: cases, as a failed run has no cases; remove it")
        if len(self.setting.looks) > 1:
            self._problem(
                "across", "claims across cases are judged once; use a number of seeds instead of looks, such as seeds: 1"
            )

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
        """A label with its levels in the order of the design; of some levels outside a grid, the one variant that has them."""
        levels = self.setting.levels
        if label in levels:
            return label
        named = self._levels_in(label)
        if named and not is_grid(levels) and len(meant := self._having(named)) == 1:
            return meant[0]
        return level_names(named) or label

    def _levels_in(self, label: str) -> Mapping[str, str]:
        """Factor -> level that a label names; factors may also be called by their paths: model.lr=0.1 for lr=0.1."""
        levels = self.setting.levels
        path_of = {factor.name: factor.path for factor in self.setting.factors}
        by_path = {name: {path_of[factor]: level for factor, level in own.items()} for name, own in levels.items()}
        for spelling in (label, _numbers_as_levels(label)):
            if named := named_levels(spelling, levels):
                return named
            if found := named_levels(spelling, by_path):
                return {factor: found[path] for factor, path in path_of.items() if path in found}
        return {}

    def _having(self, named: Mapping[str, str]) -> list[str]:
        """The variants that have these levels."""
        return [name for name, own in self.setting.levels.items() if within(own, named)]

    def _check_label(self, label: str, node: Node, where: Mapping[str, str]) -> None:
        levels, resolved = self.setting.levels, self._label(label)
        if members(resolved, levels, where):
            return
        if members(resolved, levels, {}):
            message = f"{label!r} is not among the variants where {_slice(where)}; use one of these, or change where:"
        elif (named := self._levels_in(label)) and len(meant := self._having(named)) > 1:
            message = f"{label!r} is ambiguous: {len(meant)} variants have it, and this is not a grid; {suggestion('', meant)}"
        else:
            levels_alone = [f"{factor.name}={level}" for factor in self.setting.factors for level in factor.levels]
            choices = [*self.setting.labels, *(levels_alone if is_grid(levels) else ())]
            message = f"no variant {label!r}; {suggestion(label, choices)}"
        self.problems.append(Problem(node.at, node.path, message))

    def _check_labels(self, labels: Iterable[str], where: Mapping[str, str]) -> None:
        for label in labels:
            self._check_label(label, self._child(self.kind, label), where)

    def _check_distinct(self, labels: Iterable[str], where: Mapping[str, str]) -> None:
        """Two labels in a grid may mean the same variants."""
        meant = [members(self._label(label), self.setting.levels, where) or label for label in labels]
        if len(set(meant)) < len(meant):
            self._problem(self.kind, "names a variant twice; remove one")

    def _compared(
        self, subject: str | tuple[str, ...], over: str | None, where: Mapping[str, str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        levels = self.setting.levels
        if over in ("cases", "seeds") and not members(over, levels, {}):
            self._problem("over", f"no variant {over!r}; to test over the {over}, use across: {over}")
            return (), ()
        if over is not None:
            self._check_label(over, self.node.get("over") or self.node, where)
            over = self._label(over)
        if subject == ALL:
            slice_ = [label for label in self.setting.labels if within(levels[label], where)]
            labels = tuple(label for label in slice_ if label not in members(over or self.setting.over[label], levels, {}))
            if not labels:
                among = f" among those where {_slice(where)}" if where else ""
                what = f"no other variant to compare{among}; add variants"
                self._problem(self.kind, f"{what}{', or change where:' if where else ''}")
        else:
            labels = (subject,) if isinstance(subject, str) else subject
            for index, label in enumerate(labels):
                self._check_label(label, self._child(self.kind, index), where)
            self._check_distinct(labels, where)
            labels = tuple(map(self._label, labels))
        against = tuple(over or self._default_over(label) for label in labels)
        for label, reference in zip(labels, against, strict=True):
            meant, other = members(label, levels, where), members(reference, levels, where)
            if meant and meant == other:
                same = "itself" if label == reference else f"{reference!r}, which is the same here"
                self._problem(self.kind, f"{label!r} compared with {same}; change the variant, or over:")
            elif over is None and where and not other and members(reference, levels, {}):
                self._problem(self.kind, f"the baseline {reference!r} is outside where:; set over: to a variant inside it")
                break
        return labels, against

    def _default_over(self, label: str) -> str:
        """The baseline; for a label that names some factors of a grid, the baseline's levels of these factors."""
        over, levels = self.setting.over, self.setting.levels
        if label in over:
            return over[label]
        baseline = levels.get(next(iter(over.values()), ""), {})
        return level_names({factor: baseline[factor] for factor in named_levels(label, levels) if factor in baseline})

    def _metric(self, given: ClaimInput) -> str:
        metric = given.metric or next(iter(self.setting.metrics))
        if metric not in self.setting.metrics:
            self._problem("metric", f"no metric {metric!r}; {suggestion(metric, self.setting.metrics)}")
        return metric

    def _margin(self, given: ClaimInput, metric: str) -> float | None:
        margin: float | None = getattr(given, "margin", None)
        if margin is None and metric == next(iter(self.setting.metrics)):
            margin = self.setting.margin
        if margin is None:
            unit = self.setting.metrics[metric].unit if metric in self.setting.metrics else ""
            what = f"the smallest difference that matters{f', in {unit}' if unit else ''}"
            self.problems.append(Problem(self.node.at, self.node.path, f"needs a margin for {metric}; add margin: {what}"))
        return margin

    def _factor(self, name: str | None, where: Mapping[str, str], wrong: Callable[[Sequence[float]], str]) -> str | None:
        """The name of the claim's factor, checked with `wrong` on its numbers in the slice; None if there is no such factor."""
        factor = self._named(name)
        if factor is None:
            return None
        if factor.name in where:
            self._problem("where", f"{factor.name} is the factor of the claim; use other factors", factor.name)
        elif any(value is None for value in factor.levels.values()):
            self._problem(self.kind, f"needs a numeric factor; the levels of {factor.name} are {', '.join(factor.levels)}")
        else:
            present = {own[factor.name] for own in self.setting.levels.values() if within(own, where)}
            doses = {level: value for level, value in factor.levels.items() if level in present and value is not None}
            if what := wrong(list(doses.values())):
                levels = (", ".join(doses) or "none") + (f" where {_slice(where)}" if where else "")
                self._problem(self.kind, f"{what} {levels}")
        return factor.name

    def _named(self, name: str | None) -> Factor | None:
        """The factor called `name`, or the only one."""
        factors = {factor.name: factor for factor in self.setting.factors}
        if name is None and len(factors) == 1:
            return next(iter(factors.values()))
        name = None if name is None else self._short(name)
        if not factors:
            self._problem(self.kind, "needs a factor; use factors: in the experiment")
        elif name is None:
            self._problem(self.kind, f"needs factor:, because there are {len(factors)}; choose from: {', '.join(factors)}")
        elif name not in factors:
            self._problem("factor", f"no factor {name!r}; {suggestion(name, factors)}")
        return factors.get(name or "")

    def _short(self, name: str) -> str:
        """The name of the factor with this path; any other name as it is."""
        return next((factor.name for factor in self.setting.factors if factor.path == name), name)

    def _where(self, where: Mapping[str, Level]) -> dict[str, str]:
        found = {}
        factors = {factor.name: factor for factor in self.setting.factors}
        for key, level in where.items():
            name = self._short(key)
            if name not in factors:
                self._problem("where", f"no factor {name!r}; {suggestion(name, factors)}", name)
                continue
            labels = factors[name].levels
            text = level_label(level)
            if text not in labels:
                self._problem("where", f"{name} has no level {text!r}; choose from: {', '.join(labels)}", key)
                continue
            found[name] = text
        return found


# The problem of a dose claim, as text to which the levels are appended; empty: no problem.


def _range_wrong(inside: tuple[float, float], doses: Sequence[float]) -> str:
    count = sum(inside[0] <= dose <= inside[1] for dose in doses)
    if 0 < count < len(doses):
        return ""
    return f"{'every' if count else 'no'} level is in the range; use a range that contains some of the levels"


def _decline_wrong(beyond: float, doses: Sequence[float]) -> str:
    few = sum(dose >= beyond for dose in doses) < 2
    return f"fewer than two levels from {beyond:g} on; the levels are" if few else ""


def _proportion_wrong(beyond: float, doses: Sequence[float]) -> str:
    if beyond not in doses:
        return f"{beyond:g} is not a level; choose from:"
    few = sum(dose <= beyond for dose in doses) < 2 or sum(dose >= beyond for dose in doses) < 2
    return f"needs two levels up to {beyond:g} and two from there on; the levels are" if few else ""


def _numbers_as_levels(label: str) -> str:
    """A label with its numbers and lists as in labels of variants: lr=1.0, layers=[64,64] -> lr=1, layers=64-64."""

    def level(text: str) -> str:
        try:
            return level_label(float(text))
        except ValueError:
            return text

    def levels(found: re.Match[str]) -> str:
        if not found[0].startswith("["):
            return level(found[0])
        return "-".join(level(item.strip()) for item in found[0][1:-1].split(",")) or "empty"

    return re.sub(r"(?<==)(?:\[[^\]]*\]|[^,=]+)", levels, label)


def _slice(where: Mapping[str, str]) -> str:
    return ", ".join(f"{factor} is {level}" for factor, level in where.items())


def level_label(value: Levels | list[Level]) -> str:
    """A level as in labels: floats without a trailing `.0`, YAML's words for null and booleans, lists as 64-64."""
    if isinstance(value, tuple | list):
        return "-".join(map(level_label, value)) or "empty"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
