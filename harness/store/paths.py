"""Names of plans, runs and searches -> paths in the results folder. Owns every file name; does not access the disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import StoreError

RUN_ID = re.compile(r"[0-9a-f]{12}")
RUN_ID_START = re.compile(r"[0-9a-f]{6,12}")  # an unambiguous prefix, as commands accept it
MAX_SCHEDULE_CHARACTERS = 100  # in a file name
NAME = re.compile(r"[A-Za-z0-9_=,+ -][A-Za-z0-9_.=,+@ -]{0,159}")


@dataclass(frozen=True)
class RunPaths:
    """The files of one run."""

    folder: Path

    @cached_property
    def spec(self) -> Path:
        """What the run id is computed from."""
        return self.folder / "spec.json"

    @cached_property
    def provenance(self) -> Path:
        """Which code, machine and command produced the results."""
        return self.folder / "provenance.json"

    @cached_property
    def metrics(self) -> Path:
        """One JSON object per epoch."""
        return self.folder / "metrics.jsonl"

    @cached_property
    def checkpoint(self) -> Path:
        """The training state to resume from."""
        return self.folder / "checkpoint.pt"

    @cached_property
    def predictions(self) -> Path:
        """Arrays stored with the result."""
        return self.folder / "predictions.npz"

    @cached_property
    def result(self) -> Path:
        """The result; it exists if and only if the run has finished."""
        return self.folder / "result.json"

    @cached_property
    def log(self) -> Path:
        """The output of the training, and the traceback."""
        return self.folder / "log.txt"

    @cached_property
    def files(self) -> Path:
        """The files of the program, if the task is a command."""
        return self.folder / "files"

    @cached_property
    def cases(self) -> Path:
        """What a program that can resume has written to $HARNESS_CASES."""
        return self.folder / "cases.jsonl"

    @cached_property
    def root(self) -> Path:
        """The results folder."""
        return self.folder.parents[1]

    @cached_property
    def environments(self) -> Path:
        """Lists of installed packages, shared by all runs of the results folder."""
        return Paths(self.root).environments

    def lease(self, number: int) -> Path:
        """Which worker trains the run: the highest number is valid."""
        return self.folder / f"lease.{number}"

    def earlier_result(self, number: int) -> Path:
        """A result that was archived for a retry."""
        return self.folder / f"result.{number}.json"

    def earlier_provenance(self, number: int) -> Path:
        """The provenance of an archived result, if the retry started from the beginning."""
        return self.folder / f"provenance.{number}.json"


@dataclass(frozen=True)
class StudyPaths:
    """The files of one search."""

    folder: Path

    @property
    def spec(self) -> Path:
        """The study: space, objective, options."""
        return self.folder / "search.json"

    @property
    def journal(self) -> Path:
        """Optuna's journal of the trials."""
        return self.folder / "journal.log"

    @property
    def sampler_lease(self) -> Path:
        """The folder of the lease that a worker takes to ask the sampler for a trial."""
        return self.folder / "desk"

    @property
    def trials(self) -> Path:
        """One folder per trial, with its lease."""
        return self.folder / "trials"

    def trial(self, number: int) -> Path:
        """The folder with the lease of trial `number`."""
        return self.trials / str(number)

    def trial_runs(self, number: int) -> Path:
        """The runs of trial `number`."""
        return self.trial(number) / "runs.json"


@dataclass(frozen=True)
class Paths:
    """The folders of a results folder. Raises StoreError for names that would lead outside it."""

    root: Path

    @property
    def plans(self) -> Path:
        """One file per plan."""
        return self.root / "plans"

    @cached_property
    def runs(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def environments(self) -> Path:
        """Lists of installed packages, one file per list."""
        return self.root / "environments"

    @property
    def reports(self) -> Path:
        """One folder per report."""
        return self.root / "reports"

    @property
    def publication(self) -> Path:
        """What a published folder lacks on purpose; see `harness.store.publication`."""
        return self.root / "publication.json"

    @property
    def cache(self) -> Path:
        """Files that can be recreated."""
        return self.root / "cache"

    @property
    def frames(self) -> Path:
        """The finished runs as tables."""
        return self.cache / "frames" / "ended.arrow"

    def figures(self, name: str) -> Path:
        """What the figures of a report were drawn from; see `harness.reporting.pages.drawn_figures`."""
        return self.cache / "figures" / f"{safe_name(name)}.json"

    def notices(self, name: str) -> Path:
        """What workers of the plan `name` do, as hints for each other; see `harness.store.notices`."""
        return self.cache / "notices" / f"{safe_name(name)}.log"

    @property
    def wandb(self) -> Path:
        """Files of W&B, and the record of what was uploaded."""
        return self.root / "wandb"

    @property
    def code(self) -> Path:
        """The code that submitted workers run, one folder per version."""
        return self.root / "code"

    @property
    def checkouts(self) -> Path:
        """Versions of programs, checked out, one folder each; see `harness.tasks.command.code.place`."""
        return self.code / "checkouts"

    def submissions(self, name: str) -> Path:
        """Submissions to a cluster for the plan or search `name`, one folder each."""
        return self.root / "submissions" / safe_name(name)

    def delivery(self, run_id: str) -> Path:
        """What was uploaded to W&B for a run."""
        return self.wandb / "runs" / f"{self.run(run_id).folder.name}.json"

    def plan_delivery(self, name: str) -> Path:
        """What was uploaded to W&B for a plan."""
        return self.wandb / "plans" / f"{safe_name(name)}.json"

    @property
    def tracking_sessions(self) -> Path:
        """The commands that currently mirror their runs in W&B, one file each."""
        return self.wandb / "sessions"

    @property
    def studies(self) -> Path:
        """One folder per search."""
        return self.root / "studies"

    def study(self, name: str) -> StudyPaths:
        """The files of the search `name`."""
        return StudyPaths(self.studies / safe_name(name))

    def earlier_study(self, name: str, number: int) -> Path:
        """A replaced search."""
        return self.studies / "replaced" / f"{safe_name(name)}.{number}"

    def levels(self, looks: Sequence[int], spending: str) -> Path:
        """The simulated levels of a schedule of looks."""
        name = "-".join(map(str, looks))
        if len(name) > MAX_SCHEDULE_CHARACTERS:
            name = hashlib.sha256(name.encode()).hexdigest()[:12]
        return self.cache / "levels" / f"{name}{'' if spending == 'linear' else f'.{spending}'}.json"

    @property
    def ledger(self) -> Path:
        """The ledger: which claims, looks and results this folder has seen, in order."""
        return self.root / "ledger"

    @property
    def ledger_name(self) -> Path:
        """The name of this folder's own chain of entries; other chains came with merged results."""
        return self.ledger / "ledger.json"

    def ledger_chain(self, name: str) -> Path:
        """The folder of a chain of entries."""
        return self.ledger / safe_name(name)

    def plan(self, name: str) -> Path:
        """The file of the plan `name`."""
        return self.plans / f"{safe_name(name)}.json"

    def earlier_plan(self, name: str, number: int) -> Path:
        """A replaced plan."""
        return self.plans / "replaced" / f"{safe_name(name)}.{number}.json"

    def report(self, name: str) -> Path:
        """The folder of the report of the plan `name`."""
        return self.reports / safe_name(name)

    @property
    def exports(self) -> Path:
        """A folder for each plan, search or run that was exported."""
        return self.root / "exports"

    def export(self, name: str) -> Path:
        """The folder of the exports of the plan, search or run `name`, one folder per kind."""
        return self.exports / safe_name(name)

    def run(self, run_id: str) -> RunPaths:
        """The files of the run `run_id`."""
        if not RUN_ID.fullmatch(run_id):
            raise StoreError(f"invalid run id {run_id!r}; it must be 12 hexadecimal digits (0-9, a-f)")
        return RunPaths(self.runs / run_id)

    def worker_log(self, name: str, number: int) -> Path:
        """The output of child worker `number` of the plan `name`, apart from the logs of the runs."""
        return self.cache / "workers" / safe_name(name) / f"worker-{number}.log"


def safe_name(name: str) -> str:
    """`name`, if it is safe as a file name. Raises StoreError otherwise."""
    if not NAME.fullmatch(name):
        raise StoreError(f"invalid name {name!r}; allowed: at most 160 letters, digits and ' _.,=+-@', no leading dot")
    return name
