"""What a person may claim: one pydantic model a kind, and a claim's nodes -> a `Claim` checked against the design.

A claim in the YAML has one kind key (`improves: leaky_relu`); its siblings qualify it. Positions of what is wrong are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.errors import Problem
from harness.task import Metric
from harness.validation import suggestion, validate
from harness.yamlfile import Node

Label = Annotated[str, Field(min_length=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Level = str | int | float | bool | None


class _Kind(BaseModel):
    """What every claim may say beside its kind key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    metric: Label | None = Field(None, description="default: the task's first metric")
    where: Mapping[str, Level] | None = Field(None, description="a slice of a grid: factor -> level")
    failed_counts_as: Finite | None = Field(None, description="the metric's value for a failed or diverged run")


class _Comparison(_Kind):
    over: Label | None = Field(None, description="default: the baseline")
    margin: float | None = Field(None, gt=0, description="a difference below this does not matter; default: the file's")


Variants = Label | Annotated[tuple[Label, ...], Field(min_length=1)]


class Improves(_Comparison):
    improves: Variants


class Worsens(_Comparison):
    worsens: Variants


class Equivalent(_Comparison):
    equivalent: Variants


class NoGain(_Comparison):
    no_gain: Variants


class NoLoss(_Comparison):
    no_loss: Variants


class Contrast(_Kind):
    contrast: Annotated[Mapping[Label, Finite], Field(min_length=2, description="variant -> weight; the weights sum to 0")]
    sign: Literal["positive", "negative", "negligible"] = Field(alias="is")
    margin: float | None = Field(None, gt=0)

    @field_validator("contrast")
    @classmethod
    def _weights_sum_to_zero(cls, value: Mapping[str, float]) -> Mapping[str, float]:
        if abs(sum(value.values())) > 1e-9 or not any(value.values()):
            raise ValueError(f"the weights sum to {sum(value.values()):g}; allowed: weights, not all 0, that sum to 0")
        return value


class BestInRange(_Kind):
    best_in_range: tuple[Finite, Finite]
    factor: Label | None = None
    margin: float | None = Field(None, ge=0)

    @field_validator("best_in_range")
    @classmethod
    def _least_first(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"[{value[0]:g}, {value[1]:g}] is out of order; allowed: the least first")
        return value


class DeclinesBeyond(_Kind):
    declines_beyond: Finite
    factor: Label | None = None


class NoProportionalGain(_Kind):
    no_proportional_gain: Finite
    factor: Label | None = None
    dose: Label | None = Field(
        None, description="a result's number to take as the dose, such as parameters; default: the factor's levels"
    )


class AtLeast(_Kind):
    at_least: Annotated[Mapping[Label, Finite], Field(min_length=1, max_length=1)]


class AtMost(_Kind):
    at_most: Annotated[Mapping[Label, Finite], Field(min_length=1, max_length=1)]


KINDS: Mapping[str, type[_Kind]] = {
    "improves": Improves,
    "worsens": Worsens,
    "equivalent": Equivalent,
    "no_gain": NoGain,
    "no_loss": NoLoss,
    "best_in_range": BestInRange,
    "declines_beyond": DeclinesBeyond,
    "no_proportional_gain": NoProportionalGain,
    "at_least": AtLeast,
    "at_most": AtMost,
    "contrast": Contrast,
}
ALL = "all"  # stands for every variant but the one compared with; no variant may be called so
COMPARISONS = ("improves", "worsens", "equivalent", "no_gain", "no_loss")
DOSES = ("best_in_range", "declines_beyond", "no_proportional_gain")


@dataclass(frozen=True)
class Claim:
    """A checked claim with every default written out; `value` is the kind's own: labels, a range, a level, weights."""

    kind: str
    metric: str
    variants: tuple[str, ...] = ()  # comparisons: the labels claimed about
    over: tuple[str, ...] = ()  # comparisons: what each of them is compared with
    joint: bool = False  # comparisons: a list, one verdict for all
    margin: float | None = None
    factor: str | None = None
    dose: str | None = None
    value: Any = None
    sign: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)  # factor -> level's label
    failed_counts_as: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON values; fields that do not apply are left out."""
        empty: tuple[object, ...] = ((), {})
        given = {
            key: value for key, value in asdict(self).items() if value is not None and value is not False and value not in empty
        }
        return {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}


@dataclass(frozen=True)
class Factor:
    """A factor as claims see it: level label -> its number (None for a level that is no number)."""

    name: str
    levels: Mapping[str, float | None]


@dataclass(frozen=True)
class Setting:
    """What a claim may refer to: the design's labels and levels, the metrics, the file's margin."""

    labels: Sequence[str]
    over: Mapping[str, str]  # label -> the default it is compared with
    factors: Sequence[Factor]
    metrics: Mapping[str, Metric]
    margin: float | None


def digest(claims: Sequence[Mapping[str, Any]], registered: Mapping[str, Any]) -> str:
    """SHA-256 (first 12 hex digits) over the claims and what was registered with them (looks, margin, alpha, baseline)."""
    text = json.dumps([list(claims), dict(registered)], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


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
    claim = reader.claim(parsed)
    return (None, reader.problems) if reader.problems else (claim, [])


class _Reader:
    """One claim against its setting; collects problems."""

    def __init__(self, kind: str, node: Node, setting: Setting) -> None:
        self.kind, self.node, self.setting = kind, node, setting
        self.problems: list[Problem] = []

    def claim(self, parsed: _Kind) -> Claim:
        subject = getattr(parsed, self.kind)
        metric = self._metric(parsed)
        factor = self._factor(parsed) if self.kind in DOSES else None
        variants: tuple[str, ...] = ()
        over: tuple[str, ...] = ()
        if self.kind in COMPARISONS:
            variants, over = self._compared(subject, getattr(parsed, "over", None))
        elif self.kind in ("at_least", "at_most", "contrast"):
            for label in subject:
                self._known(label, self._child(self.kind, label))
        elif factor is not None:
            self._dose(subject, factor, getattr(parsed, "dose", None))
        value = None if self.kind in COMPARISONS else dict(subject) if isinstance(subject, Mapping) else subject
        return Claim(
            kind=self.kind,
            metric=metric,
            variants=variants,
            over=over,
            joint=self.kind in COMPARISONS and not isinstance(subject, str),
            margin=self._margin(parsed, metric),
            factor=factor.name if factor else None,
            dose=getattr(parsed, "dose", None),
            value=value,
            sign=getattr(parsed, "sign", None),
            where=self._where(parsed.where or {}),
            failed_counts_as=parsed.failed_counts_as,
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

    def _known(self, label: str, node: Node) -> None:
        if label not in self.setting.labels:
            self.problems.append(Problem(node.at, node.path, f"no variant {label!r}; {suggestion(label, self.setting.labels)}"))

    def _compared(self, subject: str | tuple[str, ...], over: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if over is not None:
            self._known(over, self.node.get("over") or self.node)
        if subject == ALL:
            labels = tuple(label for label in self.setting.labels if label != (over or self.setting.over[label]))
        else:
            labels = (subject,) if isinstance(subject, str) else subject
            for index, label in enumerate(labels):
                self._known(label, self._child(self.kind, index))
            if len(set(labels)) < len(labels):
                self._problem(self.kind, "names a variant twice; allowed: each once")
        if not labels:
            self._problem(self.kind, "there is no other variant to compare; allowed: an experiment with two variants or more")
        against = tuple(over or self.setting.over.get(label, "") for label in labels)
        for label, reference in zip(labels, against, strict=True):
            if label == reference:
                self._problem(self.kind, f"{label!r} compared with itself; allowed: another variant, or another over:")
        return labels, against

    def _metric(self, parsed: _Kind) -> str:
        metric = parsed.metric or next(iter(self.setting.metrics))
        if metric not in self.setting.metrics:
            self._problem("metric", f"no metric {metric!r}; {suggestion(metric, self.setting.metrics)}")
        return metric

    def _margin(self, parsed: _Kind, metric: str) -> float | None:
        if self.kind not in (*COMPARISONS, "contrast", "best_in_range"):
            return None
        margin: float | None = getattr(parsed, "margin", None)
        if margin is None and metric == next(iter(self.setting.metrics)):
            margin = self.setting.margin
        if margin is None:
            unit = self.setting.metrics[metric].unit if metric in self.setting.metrics else ""
            what = f"a difference{f' in {unit}' if unit else ''} below which it does not matter"
            self.problems.append(Problem(self.node.at, self.node.path, f"needs a margin for {metric}; allowed: margin: {what}"))
        return margin

    def _factor(self, parsed: _Kind) -> Factor | None:
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

    def _dose(self, subject: Any, factor: Factor, dose: str | None) -> None:
        numbers = [value for value in factor.levels.values() if value is not None]
        if len(numbers) < len(factor.levels):
            self._problem(self.kind, f"needs a factor of numbers; the levels of {factor.name} are {', '.join(factor.levels)}")
            return
        if dose is not None and dose not in self.setting.metrics:
            self._problem("dose", f"no metric {dose!r}; {suggestion(dose, self.setting.metrics)}")
        levels = ", ".join(factor.levels)
        if self.kind == "best_in_range":
            inside = [value for value in numbers if subject[0] <= value <= subject[1]]
            if not inside or len(inside) == len(numbers):
                where = "no level lies" if not inside else "every level lies"
                self._problem(self.kind, f"{where} in the range; allowed: a range with some of the levels {levels}")
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
            found[name] = text
        return found


def level_label(value: Level) -> str:
    """A level as labels show it: floats without a trailing `.0`, YAML's words for null and booleans."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
