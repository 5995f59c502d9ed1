"""What verdicts need to know of an experiment or plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.verdicts.registration import Written
from harness.errors import InputError
from harness.experiment import Experiment
from harness.experiment.claims import Claim, DoseClaim, Factor
from harness.experiment.plan import Plan, task_of
from harness.tasks.protocol import Metric, result_metrics

if TYPE_CHECKING:
    from harness.analysis.statistics import Spending


@dataclass(frozen=True)
class Terms:
    """The registered claims, and the design that they refer to.

    `amended` are claims added to the file after runs had finished: they are judged, but do not decide when training stops.
    """

    labels: tuple[str, ...]
    baseline: str
    over: Mapping[str, str]  # label -> its reference, unless a claim has another
    looks: tuple[int, ...]
    spending: Spending
    drops_decided: bool  # later looks need only variants of open claims
    futility: float | None
    alpha: float
    claims: tuple[Claim, ...]
    amended: tuple[Claim, ...]
    factors: Mapping[str, Mapping[str, float | None]]
    levels: Mapping[str, Mapping[str, str]]
    metrics: Mapping[str, Metric]
    listed_seeds: tuple[int, ...] = ()  # in the order in which looks count them; empty: from the least
    written: Written | None = None  # when the claims were written; None: in no plan
    added: Written | None = None  # likewise for `amended`
    available: bool = False  # results that exist already: each comparison is over the seeds that both sides have
    loop: str | None = None  # of comparisons, that the plan is a member of
    unpaired: bool = False  # equal seeds of two variants have nothing in common: Welch's test

    def __post_init__(self) -> None:
        """Raises InputError for what needs pairs of runs, if they are unpaired."""
        if self.unpaired and len(self.looks) > 1 and not self.available:
            raise InputError("unpaired runs are judged once: the levels of several looks are those of tests over paired seeds")
        for place, claim in enumerate((*self.claims, *self.amended), 1) if self.unpaired else ():
            wrong = (
                "over cases, which its variants must have answered with the same seeds"
                if getattr(claim, "across", "") == "cases"
                else ""
            )
            if isinstance(claim, DoseClaim):
                wrong = f"about the levels of {claim.factor}, which are compared seed by seed"
            if wrong:
                advice = "leave the claim out, or judge the runs paired by seed"
                raise InputError(f"claim {place} ({claim.kind}) is {wrong}; unpaired runs cannot be judged so: {advice}")

    def factor(self, name: str) -> Factor:
        """The factor called `name`."""
        return Factor(name, self.factors[name])


def terms(experiment: Experiment | Plan | Terms) -> Terms:
    """The terms of an experiment or plan. Raises InputError if the task of a plan cannot be loaded."""
    if isinstance(experiment, Terms):
        return experiment
    if isinstance(experiment, Plan):
        amended = experiment.amended.claims if experiment.amended else ()
        return Terms(
            labels=tuple(experiment.variants),
            baseline=experiment.baseline,
            over=experiment.over,
            looks=experiment.looks,
            spending=experiment.spending,
            drops_decided=experiment.drops_decided,
            futility=experiment.futility,
            alpha=experiment.alpha,
            claims=experiment.claims,
            amended=tuple(claim for claim in amended if claim not in experiment.claims),
            factors=experiment.factors,
            levels=experiment.levels,
            metrics=result_metrics(task_of(experiment)),
            listed_seeds=experiment.listed_seeds,
            written=_written(experiment.created, experiment.known),
            added=_written(experiment.amended.at, experiment.amended.known) if experiment.amended else None,
            loop=experiment.loop.name if experiment.loop else None,
        )
    return Terms(
        labels=tuple(variant.label for variant in experiment.variants),
        baseline=experiment.baseline,
        over=experiment.over,
        looks=experiment.looks,
        spending="quadratic",
        drops_decided=True,
        futility=experiment.futility,
        alpha=experiment.alpha,
        claims=experiment.claims,
        amended=(),
        factors={factor.name: factor.levels for factor in experiment.factors},
        levels={variant.label: variant.levels for variant in experiment.variants},
        metrics=result_metrics(experiment.task),
        listed_seeds=experiment.listed_seeds,
    )


def _written(at: str, known: Iterable[str] | None) -> Written:
    return Written(at, None if known is None else frozenset(known))
