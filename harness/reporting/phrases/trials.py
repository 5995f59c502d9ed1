"""Text about searches and trials, shared by the terminal and reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.execution.stages import ChosenVariant
from harness.experiment.designs import short_names
from harness.experiment.plan import Plan
from harness.experiment.space import Categorical, Parameter, Range, Value, Values, shown
from harness.experiment.study import Study
from harness.reporting.phrases.numbers import count, decimals, figure, label, listed, number, plural
from harness.search.trials import Trial
from harness.tasks.protocol import Metric

EDGE = 0.02  # share of a range: a value this near to an end counts as at the edge
FINISHED_STATES = ("completed", "pruned", "diverged", "infeasible", "failed")


def names(study: Study) -> dict[str, str]:
    """Parameter -> short name."""
    return dict(zip((own := [parameter.name for parameter in study.space]), short_names(own), strict=True))


def values(study: Study, chosen: Values) -> str:
    """A trial's setting: `lr=0.031, dropout=0.1`."""
    short = names(study)
    return ", ".join(f"{short[name]}={shown(value)}" for name, value in chosen.items())


def measured(value: float, metric: Metric | None) -> str:
    """One objective's value with its unit: `84.20 %`; without a unit if `metric` is None."""
    if metric is None:
        return figure(float(f"{value:.4g}"))
    return f"{number(value, decimals([value], metric))} {metric.unit}".rstrip()


def objectives(study: Study, trial: Trial, metrics: Mapping[str, Metric]) -> str:
    """The objective values of a completed trial; all but the first with their name."""
    parts = []
    for name, value in trial.objectives.items():
        metric = metrics.get(name)
        exact = metric is not None and metric.unit == name
        named = f" {label(name)}" if name != study.metric and not exact else ""
        parts.append(f"{measured(value, metric)}{named}")
    return ", ".join(parts)


def allowed(parameter: Parameter) -> str:
    """The values of a parameter: `0.01 to 0.5, by factors`."""
    if isinstance(parameter, Categorical):
        return listed(list(parameter.options), "or")
    words = [f"{bound(parameter, parameter.low)} to {bound(parameter, parameter.high)}"]
    words += ["by factors"] if parameter.log else []
    words += ["whole numbers"] if parameter.integer else []
    words += [f"in steps of {shown(parameter.step)}"] if parameter.step is not None else []
    return ", ".join(words)


def bound(parameter: Range, value: float) -> str:
    """An end of a range."""
    return shown(int(value) if parameter.integer else value)


def condition(study: Study, parameter: Parameter) -> str:
    """When a parameter is active: `lookahead=on`; empty: always."""
    short = names(study)
    return ", ".join(f"{short.get(name, name)}={listed(list(options), 'or')}" for name, options in parameter.when.items())


def aims(study: Study) -> str:
    """Goals and constraints: `maximize validation accuracy; at most 5,000,000 parameters`."""
    wanted = listed([f"{goal} {label(name)}" for name, goal in study.objectives.items()])
    limits = [
        f"{word} {figure(bound)} {label(name)}"
        for name, limit in study.constraints.items()
        for word, bound in (("at most", limit.at_most), ("at least", limit.at_least))
        if bound is not None
    ]
    return "; ".join([wanted, *limits])


def edges(study: Study, chosen: Values) -> list[str]:
    """The values of a setting that lie at the end of their range: `lr=0.098`."""
    short = names(study)
    return [
        f"{short[parameter.name]}={shown(chosen[parameter.name])}"
        for parameter in study.space
        if isinstance(parameter, Range) and parameter.name in chosen and _at_edge(parameter, chosen[parameter.name])
    ]


def edge(whose: str, settings: Sequence[str]) -> str:
    """A sentence about settings at the edge of what was tried."""
    several = len(settings) > 1
    where = "lie at the edges of what was tried" if several else "lies at the edge of what was tried"
    return f"{whose}: {listed(settings)} {where}; {'better ones' if several else 'a better one'} may lie beyond"


def _at_edge(parameter: Range, value: Value) -> bool:
    assert not isinstance(value, str)
    low, high, place = float(parameter.low), float(parameter.high), float(value)
    if parameter.integer or parameter.step is not None:
        return place in (low, high)
    if parameter.log:
        low, high, place = math.log(low), math.log(high), math.log(place)
    return min(place - low, high - place) <= EDGE * (high - low)


def tally(trials: Sequence[Trial]) -> str:
    """Counts by state: `8 completed, 3 pruned, 1 failed`."""
    states = [trial.state for trial in trials]
    return ", ".join(f"{count(states.count(state))} {state}" for state in FINISHED_STATES if state in states)


def each(study: Study) -> str:
    """The size of a trial: `1 run each`."""
    return f"{plural(study.seeds, 'run')} each"


def tuned_edges(plan: Plan, choices: Sequence[ChosenVariant]) -> list[str]:
    """A sentence for each variant whose chosen setting lies at the edge of its range."""
    assert plan.selection is not None
    short = dict(zip((paths := list(next(iter(plan.selection.settings.values())))), short_names(paths), strict=True))
    at_edge = {choice.variant: [f"{short[path]}={shown(choice.settings[path])}" for path in choice.at_edge] for choice in choices}
    return [edge(variant, settings) for variant, settings in at_edge.items() if settings]
