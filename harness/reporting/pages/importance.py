"""Parameter importance of a search by PED-ANOVA."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from harness.experiment.space import Categorical, Range
from harness.experiment.study import Study
from harness.search.storage import quiet
from harness.search.trials import Trial

if TYPE_CHECKING:
    import optuna

LEAST = 20  # completed trials: a tenth of fewer is at most one
RARE = 2  # from so many completed trials on, Optuna estimates the distribution of a parameter


def importances(study: Study, trials: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Objective -> parameter -> share of 1, largest first; empty with fewer than LEAST completed trials or all of one value.

    Parameters that are `unknown` have no share.

    Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces" (2023), as
    Optuna computes it: the best tenth of the trials against all.
    """
    done = [trial for trial in trials if trial.state == "completed"]
    if len(done) < LEAST:
        return {}
    return {
        name: shares
        for name, goal in study.objectives.items()
        if len({trial.objectives[name] for trial in done}) > 1 and (shares := _of(study, done, name, goal))
    }


def unknown(study: Study, trials: Sequence[Trial]) -> tuple[str, ...]:
    """The parameters that hardly any completed trial has, because they exist under a condition: nothing is known of them."""
    done = [trial for trial in trials if trial.state == "completed"]
    return tuple(each.name for each in study.space if sum(each.name in trial.values for trial in done) < RARE)


def _of(study: Study, trials: Sequence[Trial], objective: str, goal: Literal["minimize", "maximize"]) -> dict[str, float]:
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    rare = unknown(study, trials)
    with quiet(), warnings.catch_warnings():
        # A parameter that all trials but one have is compared among these.
        warnings.filterwarnings("ignore", "Some regimes for parameter", UserWarning)
        copy = optuna.create_study(direction=goal)
        for trial in trials:
            own = [parameter for parameter in study.space if parameter.name in trial.values and parameter.name not in rare]
            copy.add_trial(
                optuna.trial.create_trial(
                    value=trial.objectives[objective],
                    params={parameter.name: trial.values[parameter.name] for parameter in own},
                    distributions={parameter.name: distribution(parameter) for parameter in own},
                )
            )
        found = get_param_importances(copy, evaluator=PedAnovaImportanceEvaluator())
    return {name: float(share) for name, share in sorted(found.items(), key=lambda item: (-item[1], item[0]))}


def distribution(parameter: Range | Categorical) -> optuna.distributions.BaseDistribution:
    """The Optuna distribution of a parameter."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Categorical):
        return CategoricalDistribution(list(parameter.options))
    low, high, step = parameter.low, parameter.high, parameter.step
    if parameter.integer:
        return IntDistribution(int(low), int(high), log=parameter.log, step=1 if step is None else int(step))
    return FloatDistribution(low, high, log=parameter.log, step=step)
