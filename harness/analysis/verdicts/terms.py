"""An experiment or its plan -> the terms on which it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.experiment import Experiment
from harness.experiment.claims import Claim, Factor
from harness.experiment.plan import Plan, task_of
from harness.tasks.protocol import Metric, result_metrics


@dataclass(frozen=True)
class Terms:
    """What was registered, and the design that claims refer to.

    `amended` are claims that the file makes since runs were seen: judged too, but never counted when training may stop.
    """

    labels: tuple[str, ...]
    baseline: str
    over: Mapping[str, str]  # label -> what it is compared with unless a claim says otherwise
    looks: tuple[int, ...]
    alpha: float
    claims: tuple[Claim, ...]
    amended: tuple[Claim, ...]
    factors: Mapping[str, Mapping[str, float | None]]
    levels: Mapping[str, Mapping[str, str]]
    metrics: Mapping[str, Metric]

    def factor(self, name: str) -> Factor:
        """The factor called `name`."""
        return Factor(name, self.factors[name])


def terms(experiment: Experiment | Plan) -> Terms:
    """The terms. A plan is judged by what it registered first. Raises InputError when a plan's task cannot be loaded."""
    if isinstance(experiment, Plan):
        amended = experiment.amended.claims if experiment.amended else ()
        return Terms(
            labels=tuple(experiment.variants),
            baseline=experiment.baseline,
            over=experiment.over,
            looks=experiment.looks,
            alpha=experiment.alpha,
            claims=experiment.claims,
            amended=tuple(claim for claim in amended if claim not in experiment.claims),
            factors=experiment.factors,
            levels=experiment.levels,
            metrics=result_metrics(task_of(experiment)),
        )
    return Terms(
        labels=tuple(variant.label for variant in experiment.variants),
        baseline=experiment.baseline,
        over=experiment.over,
        looks=experiment.looks,
        alpha=experiment.alpha,
        claims=experiment.claims,
        amended=(),
        factors={factor.name: factor.levels for factor in experiment.factors},
        levels={variant.label: variant.levels for variant in experiment.variants},
        metrics=result_metrics(experiment.task),
    )
