"""Names -> places in the results folder. Owns every file name; touches no disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StoreError

RUN_ID = re.compile(r"[0-9a-f]{12}")
RUN_ID_START = re.compile(r"[0-9a-f]{6,12}")  # what a command takes for one
LONGEST_SCHEDULE = 100  # characters in a file's name
NAME = re.compile(r"[A-Za-z0-9_=,+ -][A-Za-z0-9_.=,+@ -]{0,159}")


@dataclass(frozen=True)
class RunPaths:
    """The files of one run."""

    folder: Path

    @property
    def spec(self) -> Path:
        """What made the run id."""
        return self.folder / "spec.json"

    @property
    def provenance(self) -> Path:
        """Which code, machine and command made the numbers."""
        return self.folder / "provenance.json"

    @property
    def metrics(self) -> Path:
        """One object an epoch."""
        return self.folder / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The place from which training goes on."""
        return self.folder / "checkpoint.pt"

    @property
    def predictions(self) -> Path:
        """The arrays kept beside the result."""
        return self.folder / "predictions.npz"

    @property
    def result(self) -> Path:
        """How the run ended; its presence means that it did."""
        return self.folder / "result.json"

    @property
    def log(self) -> Path:
        """What was printed while training, and the traceback."""
        return self.folder / "log.txt"

    @property
    def files(self) -> Path:
        """The program's own files, where a command is trained."""
        return self.folder / "files"

    def lease(self, number: int) -> Path:
        """Who trains the run now: the highest number holds."""
        return self.folder / f"lease.{number}"

    def earlier_result(self, number: int) -> Path:
        """An ending that was set aside for a retry."""
        return self.folder / f"result.{number}.json"

    def earlier_provenance(self, number: int) -> Path:
        """Which code and machine came to an ending that was set aside, where the retry began afresh."""
        return self.folder / f"provenance.{number}.json"


@dataclass(frozen=True)
class StudyPaths:
    """The files of one search."""

    folder: Path

    @property
    def spec(self) -> Path:
        """What is searched."""
        return self.folder / "search.json"

    @property
    def journal(self) -> Path:
        """Optuna's own record of the trials."""
        return self.folder / "journal.log"

    @property
    def desk(self) -> Path:
        """Where the lease lies of whoever gives out trials right now."""
        return self.folder / "desk"

    @property
    def trials(self) -> Path:
        """The trials' leases, a folder each."""
        return self.folder / "trials"

    def trial(self, number: int) -> Path:
        """Where the lease lies of whoever trains trial `number`."""
        return self.trials / str(number)

    def trial_runs(self, number: int) -> Path:
        """Which runs trial `number` is made of."""
        return self.trial(number) / "runs.json"


@dataclass(frozen=True)
class Paths:
    """The folders of a results folder. Names that could leave it raise StoreError."""

    root: Path

    @property
    def plans(self) -> Path:
        """Plans, one file each."""
        return self.root / "plans"

    @property
    def runs(self) -> Path:
        """Runs, one folder each."""
        return self.root / "runs"

    @property
    def reports(self) -> Path:
        """Reports, one folder each."""
        return self.root / "reports"

    @property
    def cache(self) -> Path:
        """What can be rebuilt."""
        return self.root / "cache"

    @property
    def frames(self) -> Path:
        """What was read of the runs that have ended, as tables."""
        return self.cache / "frames" / "ended.arrow"

    @property
    def wandb(self) -> Path:
        """W&B's own files, and what is known to have arrived there."""
        return self.root / "wandb"

    @property
    def code(self) -> Path:
        """The code that submitted workers run, one folder a version."""
        return self.root / "code"

    def submissions(self, name: str) -> Path:
        """What was submitted to a cluster for the plan or search `name`, one folder a time."""
        return self.root / "submissions" / plain(name)

    def delivery(self, run_id: str) -> Path:
        """What of a run has arrived at W&B."""
        return self.wandb / "runs" / f"{self.run(run_id).folder.name}.json"

    @property
    def tracking_sessions(self) -> Path:
        """Which commands have their runs mirrored in W&B now, one file each."""
        return self.wandb / "sessions"

    @property
    def studies(self) -> Path:
        """Searches, one folder each."""
        return self.root / "studies"

    def study(self, name: str) -> StudyPaths:
        """The files of the search `name`."""
        return StudyPaths(self.studies / plain(name))

    def earlier_study(self, name: str, number: int) -> Path:
        """A search that another one replaced."""
        return self.studies / "replaced" / f"{plain(name)}.{number}"

    def levels(self, looks: Sequence[int]) -> Path:
        """The levels that were simulated for a schedule of looks."""
        name = "-".join(map(str, looks))
        if len(name) > LONGEST_SCHEDULE:
            name = hashlib.sha256(name.encode()).hexdigest()[:12]
        return self.cache / "levels" / f"{name}.json"

    def plan(self, name: str) -> Path:
        """The file of the plan `name`."""
        return self.plans / f"{plain(name)}.json"

    def earlier_plan(self, name: str, number: int) -> Path:
        """A plan that another one replaced."""
        return self.plans / "replaced" / f"{plain(name)}.{number}.json"

    def report(self, name: str) -> Path:
        """The folder of the report of the plan `name`."""
        return self.reports / plain(name)

    def run(self, run_id: str) -> RunPaths:
        """The files of the run `run_id`."""
        if not RUN_ID.fullmatch(run_id):
            raise StoreError(f"{run_id!r} is no run id; allowed: 12 of the digits 0-9 a-f")
        return RunPaths(self.runs / run_id)

    def worker_log(self, name: str, number: int) -> Path:
        """What child worker `number` of the plan `name` printed beside the runs' own logs."""
        return self.cache / "workers" / plain(name) / f"worker-{number}.log"


def plain(name: str) -> str:
    """`name` itself, if it names a file inside a folder and nothing else; StoreError otherwise."""
    if not NAME.fullmatch(name):
        raise StoreError(f"{name!r} cannot name a file; allowed: letters, digits and ' _.,=+-@', at most 160, no leading dot")
    return name
