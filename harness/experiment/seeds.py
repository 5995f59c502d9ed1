"""Experiment and options -> the seeds of its plan."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import InputError, Position, Problem
from harness.experiment.file import MAX_SEEDS, TUNING_SEED
from harness.experiment.model import Experiment


def planned_seeds(experiment: Experiment, seeds: int | None, first_seed: int | None) -> Sequence[int]:
    """The seeds to plan, in order. Raises InputError, which names the option, if the experiment cannot have them."""
    first, listed = experiment.first_seed if first_seed is None else first_seed, experiment.listed_seeds
    if listed and first_seed is not None:
        raise _refused("--first-seed", f"{experiment.path} lists its seeds; change seeds: {{values: [...]}} there")
    last = experiment.looks[-1]
    count = last if seeds is None else seeds
    if count < last:
        allowed = f"must be at least {last} (for fewer, which is another experiment, use a profile)"
        raise _refused("--seeds", f"{count} is less than in {experiment.path}; {allowed}")
    if listed:
        if count > last:
            advice = f"add {count - last} to seeds: {{values: [...]}}"
            raise _refused("--seeds", f"{count} is more than the {last} seeds that {experiment.path} lists; {advice}")
        return listed
    end, why = (MAX_SEEDS, "") if experiment.tuning is None else (TUNING_SEED, ", where the seeds of the tuning start")
    if last > (most := end - first):
        raise _refused("--first-seed", f"{first} is out of range; must be at most {end - last} for {last} seeds{why}")
    if count > most:
        start = f", as the first seed is {first}" if first else ""
        raise _refused("--seeds", f"{count} is out of range; must be at most {most}{start}{why}")
    return range(first, first + count)


def _refused(option: str, message: str) -> InputError:
    return InputError([Problem(Position(option), "", message)])
