"""Findings of a search -> the rows of its report: trials, what was confirmed; each number with the runs it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import stdev
from textwrap import shorten

from harness.experiment.space import Value, shown
from harness.reporting import phrases
from harness.reporting.figures import Fresh
from harness.reporting.pages.number import Number
from harness.reporting.pages.searches.report_data import SearchFindings
from harness.reporting.phrases.trials import names, values
from harness.search.trials import Trial, front
from harness.tasks.protocol import Metric

REASON = 160  # characters of why a trial ended early


@dataclass(frozen=True)
class RunLink:
    """A run of a trial; without a folder there is nothing to link to."""

    id: str
    there: bool


@dataclass(frozen=True)
class TrialRow:
    """A trial. `parameters` and `objectives` are in the order of the study; empty where the trial has none."""

    number: int
    state: str
    best: bool  # on the front, of several objectives
    objectives: tuple[Number, ...]
    parameters: tuple[Number, ...]
    epochs: Number
    time: Number
    runs: tuple[RunLink, ...]
    reason: str


@dataclass(frozen=True)
class FreshRow:
    """A configuration that ran again: its value in the search, on fresh seeds, and on those of the comparison with the base."""

    name: str
    trial: int | None
    setting: str
    winner: bool
    searched: Number
    again: Number
    final: Number
    runs: tuple[RunLink, ...]


class SearchRows:
    """The rows of a search's findings."""

    def __init__(self, findings: SearchFindings) -> None:
        self.findings, self.study = findings, findings.study

    @cached_property
    def short(self) -> dict[str, str]:
        """Parameter -> what its column is called."""
        return names(self.study)

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """Of the objectives' columns."""
        return tuple(self.findings.subject.axis(name) for name in self.study.objectives)

    @cached_property
    def trials(self) -> tuple[TrialRow, ...]:
        """Every trial, in its order."""
        findings = self.findings
        follower = {trial.follows: trial.number for trial in findings.trials if trial.follows is not None}
        if len(self.study.objectives) > 1:
            best = {trial.number for trial in front(self.study, findings.trials)}
        else:
            best = {findings.best.number} if findings.best else set()
        return tuple(self._trial(trial, trial.number in best, follower.get(trial.number)) for trial in findings.trials)

    def _trial(self, trial: Trial, best: bool, follower: int | None) -> TrialRow:
        said = [trial.reason or ""]
        said += [f"goes on with trial {trial.follows}"] if trial.follows is not None else []
        if follower is not None:
            said.append(f"trial {follower} went on" if trial.state == "interrupted" else f"tried again as trial {follower}")
        time = phrases.clock(trial.seconds) if trial.seconds else ""
        return TrialRow(
            number=trial.number,
            state=trial.state,
            best=best,
            objectives=tuple(self.objective(trial, name) for name in self.study.objectives),
            parameters=tuple(self._parameter(trial.values.get(parameter.name)) for parameter in self.study.space),
            epochs=Number(f"{trial.epochs:,d}" if trial.epochs else "", trial.runs, trial.epochs or None),
            time=Number(time, trial.runs, trial.seconds or None),
            runs=self._links(trial.runs),
            reason=shorten("; ".join(filter(None, said)), REASON, placeholder=" …"),
        )

    def objective(self, trial: Trial, name: str) -> Number:
        """What a completed trial came to; nothing of another one."""
        if trial.state != "completed":
            return Number("")
        value = trial.objectives[name]
        return Number(phrases.number(value, self.findings.subject.places(name)), trial.runs, value)

    def _parameter(self, value: Value | None) -> Number:
        if value is None:
            return Number("")
        return Number(shown(value), (), None if isinstance(value, str) else float(value))

    def _links(self, ids: tuple[str, ...]) -> tuple[RunLink, ...]:
        return tuple(RunLink(run_id, self.findings.store.paths.run(run_id).folder.is_dir()) for run_id in ids)

    @cached_property
    def fresh(self) -> tuple[FreshRow, ...]:
        """What ran again, the best in the search first, then the base; empty before that."""
        found, confirmed = self.findings, self.findings.confirmed
        by_number = {trial.number: trial for trial in found.trials}
        rows = []
        for number, again in confirmed.top.items():
            won = number == confirmed.winner
            final = confirmed.final.get("winner", Fresh()) if won else Fresh()
            rows.append(self._fresh(f"trial {number}", by_number[number], again, final, winner=won))
        if "base" in confirmed.final:
            searched = by_number.get(-1 if found.subject.base is None else found.subject.base)
            rows.append(self._fresh("base", searched, Fresh(), confirmed.final["base"]))
        return tuple(rows)

    def _fresh(self, name: str, trial: Trial | None, again: Fresh, final: Fresh, winner: bool = False) -> FreshRow:
        return FreshRow(
            name=name,
            trial=trial.number if trial else None,
            setting=values(self.study, trial.values) if trial and name != "base" else "as the file has it",
            winner=winner,
            searched=self.objective(trial, self.study.metric) if trial else Number(""),
            again=self._mean(again),
            final=self._mean(final),
            runs=self._links((*again.runs, *final.runs)),
        )

    def _mean(self, fresh: Fresh) -> Number:
        if not fresh.values:
            return Number("")
        sd = stdev(fresh.values) if len(fresh.values) > 1 else math.nan
        return Number(phrases.spread(fresh.mean, sd, self.findings.subject.places()), fresh.runs, fresh.mean)

    @property
    def metric(self) -> Metric:
        """Of the first objective."""
        return self.findings.metrics[self.study.metric]
