"""Claims and a frame of runs -> verdicts: `judge`; what it is given (`terms`), and what comes of it (`model`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.verdicts.model import Estimate, Judgement, Row, Table, Verdict, Word
from harness.analysis.verdicts.terms import Terms, terms

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.statistics import Levels
    from harness.experiment import Experiment
    from harness.experiment.plan import Plan

__all__ = ["Estimate", "Judgement", "Row", "Table", "Terms", "Verdict", "Word", "judge", "judgement", "table", "terms"]


def judge(experiment: Experiment | Plan, runs: pd.DataFrame, levels: Levels | None = None) -> tuple[Verdict, ...]:
    """One verdict a claim, in their order; see `judgement`."""
    return judgement(experiment, runs, levels).verdicts


def judgement(experiment: Experiment | Plan, runs: pd.DataFrame, levels: Levels | None = None) -> Judgement:
    """Where the looks stand, and a verdict a claim. Pure.

    `runs` has a row a run with variant, seed, state (completed, diverged, failed; anything else has not ended) and a column a
    metric, in the metric's unit; with a column id, verdicts name their runs. `levels` are the levels of the schedule of looks;
    None: those that ship, else simulated here.
    """
    from harness.analysis.verdicts.looks import Looks

    return Looks(terms(experiment), runs, levels).judgement()


def table(experiment: Experiment | Plan, runs: pd.DataFrame, metric: str | None = None, levels: Levels | None = None) -> Table:
    """A row a variant: n, mean and sd, and the difference from what it is compared with at the look in force. Pure.

    `runs` and `levels` as in `judgement`; `metric` defaults to the task's first. A row that no claim is about has no p value.
    """
    from harness.analysis.verdicts.looks import Looks
    from harness.analysis.verdicts.tables import tabulate

    return tabulate(Looks(terms(experiment), runs, levels), metric)
