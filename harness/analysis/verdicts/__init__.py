"""Judge claims from a data frame of runs: `judge`, its input (`terms`) and its results (`model`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.verdicts.model import Estimate, Judgement, Row, Table, Verdict, Word
from harness.analysis.verdicts.registration import Registered
from harness.analysis.verdicts.terms import Terms, terms

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.statistics import Levels
    from harness.experiment import Experiment
    from harness.experiment.plan import Plan
    from harness.store.cases import CaseSource

__all__ = [
    "Estimate",
    "Judgement",
    "Registered",
    "Row",
    "Table",
    "Terms",
    "Verdict",
    "Word",
    "judge",
    "judgement",
    "table",
    "terms",
]


def judge(
    experiment: Experiment | Plan | Terms, runs: pd.DataFrame, levels: Levels | None = None, cases: CaseSource | None = None
) -> tuple[Verdict, ...]:
    """One verdict per claim, in order; see `judgement`."""
    return judgement(experiment, runs, levels, cases).verdicts


def judgement(
    experiment: Experiment | Plan | Terms, runs: pd.DataFrame, levels: Levels | None = None, cases: CaseSource | None = None
) -> Judgement:
    """The state of the looks and one verdict per claim. Pure.

    `runs` has one row per run with variant, seed, state (completed, diverged, failed; others are unfinished) and one column per
    metric, in its unit; with a column id, verdicts list their runs. `levels` are the levels of the schedule of looks;
    None: the shipped ones, else simulated here. `cases` gives the cases of a run by its id, for claims across cases (then `runs`
    needs ids): such as `harness.load_cases()`. Raises InputError if it is missing.
    """
    from harness.analysis.verdicts.looks import Looks

    return Looks(terms(experiment), runs, levels, cases).judgement()


def table(
    experiment: Experiment | Plan | Terms,
    runs: pd.DataFrame,
    metric: str | None = None,
    levels: Levels | None = None,
    cases: CaseSource | None = None,
) -> Table:
    """One row per variant: n, mean and sd, and the difference from its reference at the current look. Pure.

    `runs`, `levels` and `cases` as in `judgement`; `metric` defaults to the first of the task. A row without a claim has no p.
    """
    from harness.analysis.verdicts.looks import Looks
    from harness.analysis.verdicts.tables import tabulate

    return tabulate(Looks(terms(experiment), runs, levels, cases), metric)
