"""Searches and their trials -> the documents of `--json`: plain values, stable keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.experiment.study import Study
from harness.reporting.phrases.trials import edges
from harness.search.trials import Trial, counted, ranked


def trial_values(trial: Trial) -> dict[str, Any]:
    """A trial as JSON: what there is none of is null."""
    values = asdict(trial)
    return {
        **values,
        "values": dict(trial.values),
        "objectives": dict(trial.objectives),
        "curve": None if trial.curve is None else {str(epoch): value for epoch, value in trial.curve.items()},
    }


def search_values(study: Study, trials: Sequence[Trial]) -> dict[str, Any]:
    """A search with its counts and every trial, the best ones by number first."""
    best = ranked(study, trials)
    own = counted(trials)
    return {
        "name": study.name,
        "question": study.question,
        "rehearsal": study.rehearsal,
        "objectives": dict(study.objectives),
        "target": study.trials,
        "counts": {state: sum(trial.state == state for trial in own) for state in sorted({trial.state for trial in own})},
        "best": [trial.number for trial in best],
        "edges": edges(study, best[0].values) if best else [],
        "trials": [trial_values(trial) for trial in trials],
    }
