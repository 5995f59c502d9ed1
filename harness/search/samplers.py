"""Study -> Optuna sampler, pruner and the suggested values of a trial."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.experiment.space import Categorical, Values
from harness.experiment.study import Study
from harness.search.trials import Trial

if TYPE_CHECKING:
    import optuna


def packages_of(study: Study) -> Sequence[str]:
    """The optional packages that give out the trials, by the names that are imported."""
    return ("optuna", "cmaes") if study.sampler == "cmaes" else ("optuna",)


def suggest(study: Study, trial: optuna.Trial) -> Values:
    """Suggest a value for every active parameter of a new trial."""
    values: dict[str, int | float | str] = {}
    for parameter in study.space:
        if not parameter.is_active(values):
            continue
        name = parameter.name
        if isinstance(parameter, Categorical):
            values[name] = trial.suggest_categorical(name, list(parameter.options))
        elif parameter.integer:
            step = 1 if parameter.step is None else int(parameter.step)
            values[name] = trial.suggest_int(name, int(parameter.low), int(parameter.high), step=step, log=parameter.log)
        else:
            values[name] = trial.suggest_float(name, parameter.low, parameter.high, step=parameter.step, log=parameter.log)
    return values


def sampler(study: Study, trials: Sequence[Trial]) -> optuna.samplers.BaseSampler:
    """The sampler of the next trial after `trials`.

    Seeded with the number of settings, which never falls: a single worker proposes the same however often it is stopped.
    """
    import optuna

    seed = int.from_bytes(hashlib.sha256(f"{study.name}/{_proposed(trials)}".encode()).digest()[:4])
    if study.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if study.sampler == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed)
    if study.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, group=any(parameter.when for parameter in study.space))


def pruner(study: Study) -> optuna.pruners.BasePruner:
    """Decides after each epoch whether to stop a trial."""
    import optuna

    pruners: Mapping[str, Any] = {
        "none": optuna.pruners.NopPruner,
        "median": lambda: optuna.pruners.MedianPruner(n_warmup_steps=study.prune_after),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=study.prune_after),
    }
    created: optuna.pruners.BasePruner = pruners[study.pruner]()
    return created


def _proposed(trials: Sequence[Trial]) -> int:
    """Number of settings proposed; a trial that continues another one, or was killed before it got values, adds none."""
    return sum(trial.follows is None and bool(trial.values) for trial in trials)
