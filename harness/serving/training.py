"""A run that trains, or has trained -> what pages show of it: where, since when, how far, how fast, curve and log."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, StoreError
from harness.execution.time_left import epochs_left_s
from harness.experiment.plan import Plan, task_of
from harness.experiment.study import Study
from harness.experiment.study import task_of as task_of_study
from harness.reporting import phrases
from harness.reporting.figures.style import LineStyle, line_styles
from harness.serving.curve import curve, finite
from harness.serving.log_tail import log_tail
from harness.serving.members import Member, Members
from harness.store import atomic, lease
from harness.store.holder import Holder
from harness.store.newest_rows import newest_rows
from harness.store.paths import RunPaths
from harness.store.provenance import Provenance
from harness.store.records import Record, Store, rows_so_far
from harness.tasks.protocol import Metric, result_metrics, without_test_metrics

ROWS_OF_PACE = 5


@dataclass(frozen=True)
class Start:
    """The last start of a run. `device`: the model of its processor or accelerator; `gpus`: their numbers, if known here."""

    since: str  # ISO 8601, UTC
    device: str
    gpus: str


class Trainings:
    """What is shown of the runs in `store`. `members` tells what they belong to."""

    def __init__(self, store: Store, members: Members) -> None:
        self._store, self._members, self._here = store, members, Holder.here()
        self._metrics: dict[str, Mapping[str, Metric] | None] = {}  # by task; None: it cannot be loaded here
        self._starts: dict[str, tuple[object, Start]] = {}  # run -> who trains it and its epoch, and its start
        self._rows: dict[str, tuple[int, list[dict[str, Any]]]] = {}  # run -> number of rows, and the last of them

    def brief(self, record: Record) -> dict[str, Any]:
        """A row of the table of what trains now. Raises StoreError."""
        paths, members = self._store.paths.run(record.id), self._members.of(record.id)
        start = self._start(record, paths)
        epochs = self._epochs(members)
        rows = self._last_rows(record, paths)
        last = rows[-1] if rows else {}
        left = epochs_left_s(record.epoch, epochs, rows)
        return {
            "run": record.id,
            "of": members[0].of if members else "",
            "variant": members[0].variant if members else "",
            "seed": members[0].seed if members else None,
            "step": members[0].step if members else None,
            "also": [member.of for member in members[1:]],
            "state": record.state,
            "epoch": record.epoch,
            "epochs": epochs,
            "values": self._values(members, last),
            "speed": finite(last.get("samples_per_second")),
            "left_s": left if left is None else round(left, 1),
            "host": record.host,
            "pid": record.pid,
            "job": record.job,
            "since": start.since if start else None,
            "device": start.device if start else None,
            "gpus": start.gpus if start else "",
        }

    def whole(self, record: Record) -> dict[str, Any]:
        """The row, the curve and the end of the log. Raises StoreError."""
        paths, members = self._store.paths.run(record.id), self._members.of(record.id)
        rows = rows_so_far(paths, record)
        shown = self._visible(members, rows)
        try:
            log = log_tail(paths.log)
        except OSError as error:
            raise atomic.unusable(paths.log, "be read", error) from error
        return {
            **self.brief(record),
            "reason": record.reason,
            "error": record.error,
            "ended": record.ended_at,
            "chart": curve(
                record,
                shown,
                self._known(members) or {},
                members[0] if members else None,
                style=self._style(members),
                claimed={name for member in members for name in self._claimed(member)},
            ),
            "log": log,
        }

    def keep(self, running: set[str]) -> None:
        """Drop what is kept of runs other than these."""
        self._starts = {run: kept for run, kept in self._starts.items() if run in running}
        self._rows = {run: kept for run, kept in self._rows.items() if run in running}

    def _style(self, members: Sequence[Member]) -> LineStyle:
        """The line of the run's variant, in the colour that it has in the report."""
        loaded = self._members.plans.get(members[0].of) if members else None
        styles = line_styles(tuple(loaded.plan.variants)) if loaded else {}
        return styles[members[0].variant] if styles else line_styles([""])[""]

    def _visible(self, members: Sequence[Member], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float | None]]:
        """The finite numbers of the rows that may be shown: of runs used for a choice only, none measured on test images."""
        found = [{name: finite(value) for name, value in row.items() if isinstance(value, int | float)} for row in rows]
        if any(self._is_evidence(member) for member in members):
            return found
        known = self._known(members)
        hidden: set[str] = {name for row in found for name in row} - {
            name for row in found for name in without_test_metrics(dict.fromkeys(row, 0.0), known)
        }
        return [{name: value for name, value in row.items() if name not in hidden or name == "epoch"} for row in found]

    def _is_evidence(self, member: Member) -> bool:
        loaded = self._members.plans.get(member.of)
        return loaded is not None and loaded.plan.selection is None

    def _values(self, members: Sequence[Member], last: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The most important values of the last row, two at most."""
        known = self._known(members) or {}
        (shown,) = self._visible(members, [last])
        names = dict.fromkeys([*self._first_metrics(members), *known, "train_loss"])
        found = []
        for name in [name for name in names if shown.get(name) is not None][:2]:
            value, metric = shown[name], known.get(name, Metric("", "minimize"))
            assert value is not None
            text = phrases.number(value, phrases.decimals([value], metric))
            found.append({"label": phrases.label(name), "text": f"{text} {metric.unit}".rstrip()})
        return found

    def _first_metrics(self, members: Sequence[Member]) -> list[str]:
        """The metric that is chosen by."""
        for member in members:
            if (loaded := self._members.plans.get(member.of)) is not None and loaded.plan.selection is not None:
                return [loaded.plan.selection.metric]
            if (found := self._members.studies.get(member.of)) is not None:
                return [found[0].metric]
        return []

    def _claimed(self, member: Member) -> list[str]:
        base = self._base(member)
        return self._first_metrics([member]) + ([claim.metric for claim in base.claims] if isinstance(base, Plan) else [])

    def _known(self, members: Sequence[Member]) -> Mapping[str, Metric] | None:
        for member in members:
            base = self._base(member)
            if base is not None and member.step is None:
                key = f"{base.task} {base.folder} {base.name if base.program else ''}"
                if key not in self._metrics:
                    self._metrics[key] = _metrics(base)
                return self._metrics[key]
        return None

    def _base(self, member: Member) -> Plan | Study | None:
        if (loaded := self._members.plans.get(member.of)) is not None:
            return loaded.plan
        found = self._members.studies.get(member.of)
        return found[0] if found is not None else None

    def _epochs(self, members: Sequence[Member]) -> int | None:
        for member in members:
            base = self._base(member)
            if base is not None and member.step is None:
                return phrases.epochs(base.variants.get(member.variant, {}) if isinstance(base, Plan) else base.base)
        return None

    def _start(self, record: Record, paths: RunPaths) -> Start | None:
        """The last start of a run, read again at each epoch, as a holder writes it after it has taken the run; None: unknown."""
        key = (record.host, record.pid, record.epoch)
        if (kept := self._starts.get(record.id)) is not None and kept[0] == key:
            return kept[1]
        try:
            origin = atomic.read_json(paths.provenance, Provenance)
        except (FileNotFoundError, StoreError):
            return None
        last = origin.starts[-1]
        held = lease.newest(paths.folder) if record.state == "running" else None
        gpus = gpus_of(held.claim.holder, self._here) if held is not None and held.claim is not None else ""
        found = Start(last.started if isinstance(last, Provenance) else last.at, last.device, gpus)
        self._starts[record.id] = (key, found)
        return found

    def _last_rows(self, record: Record, paths: RunPaths) -> list[dict[str, Any]]:
        kept = self._rows.get(record.id)
        if kept is None or kept[0] != record.epoch:
            kept = self._rows[record.id] = (record.epoch, newest_rows(paths.metrics, ROWS_OF_PACE))
        return kept[1]


def gpus_of(holder: Holder, here: Holder) -> str:
    """The numbers of the GPUs that a process of this machine was given; empty if there are none, or it cannot be known."""
    if holder.machine != here.machine:
        return ""
    try:
        variables = Path(f"/proc/{holder.pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    name = b"CUDA_VISIBLE_DEVICES="
    found = next((os.fsdecode(each.removeprefix(name)) for each in variables if each.startswith(name)), "")
    return found if len(found) <= 60 and found.isprintable() else ""


def _metrics(base: Plan | Study) -> Mapping[str, Metric] | None:
    try:
        return result_metrics(task_of_study(base) if isinstance(base, Study) else task_of(base))
    except HarnessError:
        return None
