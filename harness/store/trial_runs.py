"""Which runs belong to which trial: files, as the storage of the trials may be a database that readers cannot reach."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from harness.errors import StoreError
from harness.store import atomic
from harness.store.paths import Paths, StudyPaths


class _TrialRuns(BaseModel):
    """studies/<name>/trials/<number>/runs.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    runs: tuple[str, ...]  # ids, seed by seed
    steps: tuple[str, ...] = ()  # ids of the steps of these runs, each once

    @model_serializer(mode="wrap")
    def _without_steps_if_there_are_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = dump(self)
        return found if self.steps else {"runs": found["runs"]}


@dataclass(frozen=True, order=True)
class Membership:
    """A trial that contains a run."""

    study: str
    number: int


def write_trial_runs(paths: StudyPaths, number: int, runs: Sequence[str], steps: Sequence[str] = ()) -> None:
    """Record the runs of trial `number`, and their steps. Raises StoreError."""
    atomic.make_folder(paths.trial(number))
    atomic.write_json(paths.trial_runs(number), _TrialRuns(runs=tuple(runs), steps=tuple(dict.fromkeys(steps))))


def read_trial_runs(paths: StudyPaths, number: int) -> tuple[str, ...] | None:
    """The ids of the runs of trial `number`, seed by seed; None without a file. Raises StoreError if it is unreadable."""
    try:
        return atomic.read_json(paths.trial_runs(number), _TrialRuns).runs
    except FileNotFoundError:
        return None


def trial_runs(paths: StudyPaths, number: int) -> tuple[str, ...]:
    """The ids of the runs of trial `number`, seed by seed; empty if the file is missing or unreadable."""
    try:
        return read_trial_runs(paths, number) or ()
    except StoreError:
        return ()


def trial_steps(paths: StudyPaths, number: int) -> tuple[str, ...]:
    """The ids of the steps of the runs of trial `number`; empty if there are none, or the file is missing or unreadable."""
    with suppress(FileNotFoundError, StoreError):
        return atomic.read_json(paths.trial_runs(number), _TrialRuns).steps
    return ()


def steps_of_trials(paths: Paths) -> dict[str, Membership]:
    """Run id of a step -> a trial that needs it, in any search, archived ones included and named by their folders."""
    found: dict[str, Membership] = {}
    for folder in (*atomic.matches(paths.studies, "*/trials"), *atomic.matches(paths.studies, "replaced/*/trials")):
        for number in (int(name) for name in atomic.names(folder) if name.isdecimal()):
            found |= dict.fromkeys(trial_steps(StudyPaths(folder.parent), number), Membership(folder.parent.name, number))
    return found


def memberships(paths: Paths, replaced: bool = False) -> dict[str, list[Membership]]:
    """Run id -> the trials that contain it; with `replaced` including archived searches, named by their folders.

    Unreadable files are ignored: they only add names to runs.
    """
    found: dict[str, list[Membership]] = {}
    folders = [
        *atomic.matches(paths.studies, "*/trials"),
        *(atomic.matches(paths.studies, "replaced/*/trials") if replaced else ()),
    ]
    for folder in sorted(folders):
        study = StudyPaths(folder.parent)
        for number in sorted(int(name) for name in atomic.names(folder) if name.isdecimal()):
            for run_id in trial_runs(study, number):
                found.setdefault(run_id, []).append(Membership(folder.parent.name, number))
    return found
