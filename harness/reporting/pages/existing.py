"""The data of a report about results that exist already."""

from __future__ import annotations

from pathlib import Path

from harness.errors import InputError, StoreError
from harness.execution.schedule import Counts
from harness.existing.results import ExistingResults
from harness.reporting.pages.cost import Cost
from harness.reporting.pages.flags import flags
from harness.reporting.pages.report_data import ReportData

MARK = b'"existing": {'  # in verdicts.json of such a report


def gather_existing(found: ExistingResults, folder: Path) -> ReportData:
    """The report of `found`, to be written to `folder`."""
    plan, judged = found.plan, found.judgement
    states = [found.records[run.id].state for run in plan.runs]
    diverged = states.count("diverged")
    trust = flags(plan, plan.runs, found.records, {}, judged, metrics=found.metrics)
    return ReportData(
        store=None,
        plan=plan,
        metrics=found.metrics,
        declared=tuple(found.metrics),
        records=found.records,
        requested=plan.runs,
        counts=Counts(len(states), len(states) - diverged, running=0, pending=0, interrupted=0, diverged=diverged, failed=0),
        runs=found.arranged.runs,
        judgement=judged,
        levels={plan.looks[0]: plan.alpha},
        looks=found.looks,
        tables=found.tables,
        images={},
        images_missing="",
        images_altered=(),
        origins={},
        flags=trust,
        cost=Cost({}, dict.fromkeys(plan.variants, 0.0)),
        tuning=None,
        search=None,
        last=None,
        folder=folder,
        results=folder,
        existing=found,
    )


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier report of this kind. Raises InputError, StoreError."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--into {folder}: is a file; choose a folder")
    if not folder.is_dir():
        return
    try:
        if {path.name for path in folder.iterdir()} <= {"figures"}:  # empty, or written before verdicts.json
            return
        own = MARK in (folder / "verdicts.json").read_bytes()
    except FileNotFoundError:
        own = False
    except OSError as error:
        raise StoreError(f"{folder}: cannot be read: {error.strerror}") from error
    if not own:
        raise InputError(f"--into {folder}: contains other files, such as the report of an experiment; choose another folder")
