"""Findings of a search -> trials.csv: one row a trial, for spreadsheets and other programs."""

from __future__ import annotations

import csv
import io

from harness.reporting.pages.runs_csv import cell
from harness.reporting.pages.searches.report_data import SearchFindings

FIRST = ("number", "state")
LAST = ("epochs", "seconds", "runs", "reason", "follows")


def render(findings: SearchFindings) -> str:
    """The file's text: a line of names, then a line a trial, in their order.

    Between how a trial ended and what it cost stand its objectives, of a completed one, and its parameters. What there is none
    of is empty; runs are their ids with spaces between.
    """
    study = findings.study
    objectives, parameters = list(study.objectives), [parameter.name for parameter in study.space]
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(map(cell, (*FIRST, *objectives, *parameters, *LAST)))
    for trial in findings.trials:
        own = [*(trial.objectives.get(name) for name in objectives), *(trial.values.get(name) for name in parameters)]
        rest = (trial.epochs, trial.seconds, " ".join(trial.runs), trial.reason, trial.follows)
        table.writerow(map(cell, (trial.number, trial.state, *own, *rest)))
    return stream.getvalue()
