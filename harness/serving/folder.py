"""A results folder as the server sees it: JSON documents of what is there now, each with a tag that changes with it.

It is looked at when somebody asks, at most once a second for all who ask. That the folder is away is a message in the
documents; what was known stays until it is back.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.common import results_root
from harness.errors import HarnessError, StoreError
from harness.serving.files import tag_of
from harness.serving.members import Members
from harness.serving.progress import PlanProgress, Progress, SearchProgress, report_stamps
from harness.serving.run_index import RunIndex
from harness.serving.training import Trainings
from harness.store import atomic
from harness.store.records import Store

EVERY_S = 1.0
MOST_PROBLEMS = 20  # that are listed
MOST_TRAINING = 500  # runs in the table of what trains now


@dataclass(frozen=True)
class Document:
    """JSON, and its tag."""

    data: bytes
    tag: str

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Document:
        """`content` as JSON."""
        data = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        return cls(data, tag_of(data))


class Folder:
    """The results folder `root`, which exists. For several threads."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.root, self._clock = root, clock
        self._lock = threading.RLock()
        self._next = clock()
        self._open()
        self._state = Document.of({})
        self._rows: list[dict[str, Any]] = []  # of what trains now
        self._problem = ""
        self._unreadable: list[str] = []  # of what trains now

    @property
    def store(self) -> Store:
        """The store; another one after the folder was replaced."""
        return self._store

    def state(self) -> Document:
        """Plans, searches, what trains now, and problems."""
        with self._lock:
            self._look()
            return self._state

    def stamps(self) -> Mapping[str, str]:
        """Plan or search -> what its report is made of; "": of the scoreboard. None of what cannot be read now."""
        with self._lock:
            self._look()
            return self._stamps

    def health(self) -> tuple[str, int]:
        """Why the folder could not be read when it was last looked at (empty: it could), and how many runs train."""
        with self._lock:
            self._look()
            return self._problem, sum(1 for _ in self._index.running())

    def run(self, run_id: str) -> Document | None:
        """A run: its state, curve and the end of its log, or why they cannot be read; None: it has not begun."""
        with self._lock:
            self._look(run_id)
            record = self._index.records.get(run_id)
            problem = self._index.problems.get(run_id, "")
            try:
                if record is not None:
                    return Document.of({**self._trainings.whole(record), "problem": ""})
            except HarnessError as error:
                problem = str(error)
            return Document.of({"run": run_id, "problem": problem}) if problem else None

    def _open(self) -> None:
        results_root.forget(self.root)
        self._store = Store.open(self.root, create=False)
        self._place = self.root.stat().st_ino
        self._index, self._members = RunIndex(self._store, self._clock), Members(self._store)
        self._trainings = Trainings(self._store, self._members)
        self._plans: dict[str, PlanProgress] = {}
        self._searches: dict[str, SearchProgress] = {}
        self._progress: dict[str, Progress] = {}
        self._stamps: Mapping[str, str] = {}

    def _look(self, *urgent: str) -> None:
        """Look at the folder, unless that was just done; `urgent` runs are read before others."""
        if self._clock() < self._next and not any(run_id in self._index.unread for run_id in urgent):
            return
        try:
            self._reopen_if_replaced()
            self._refresh(urgent)
            self._rows, self._problem = self._training(), ""
        except HarnessError as error:
            self._problem = str(error)
        except OSError as error:
            self._problem = str(atomic.unusable(self.root, "be read", error))
        self._next = self._clock() + EVERY_S
        problems = [*self._members.problems.values(), *self._index.problems.values(), *self._unreadable]
        self._state = Document.of(
            {
                "folder": str(self.root.resolve()),
                "host": socket.gethostname(),
                "problem": self._problem,
                "problems": problems[:MOST_PROBLEMS],
                "more_problems": max(0, len(problems) - MOST_PROBLEMS),
                "unread": len(self._index.unread),
                "training": self._rows,
                "more_training": max(0, sum(1 for _ in self._index.running()) - MOST_TRAINING),
                "progress": [_shown(each) for each in self._progress.values()],
            }
        )

    def _reopen_if_replaced(self) -> None:
        """A server may show whatever is in the folder's place; only writers must not take one for another."""
        found = self.root.stat() if self.root.exists() else None
        if found is not None and found.st_ino != self._place:
            self._open()

    def _refresh(self, urgent: tuple[str, ...]) -> None:
        changed, renewed = self._index.look(urgent), self._members.look()
        for name in renewed:
            self._plans.pop(name, None)
            self._searches.pop(name, None)
            self._progress.pop(name, None)
        for name, loaded in self._members.plans.items():
            if name not in self._plans:
                self._plans[name] = PlanProgress(self._store, loaded)
            if name not in self._progress or not changed.isdisjoint(loaded.members):
                records = self._index.of(run.id for run in loaded.plan.runs)
                self._progress[name] = self._plans[name].of(records)
        for name, (study, _) in self._members.studies.items():
            if name not in self._searches:
                self._searches[name] = SearchProgress(self._store, study, self._clock)
            ended = [run_id for run_id in self._members.runs_of_search(name) if self._finished(run_id)]
            self._progress[name] = self._searches[name].of(ended, self._progress)
        self._stamps = {} if self._index.unread else report_stamps(self._progress)

    def _finished(self, run_id: str) -> bool:
        record = self._index.records.get(run_id)
        return record is not None and record.finished

    def _training(self) -> list[dict[str, Any]]:
        running = list(self._index.running())
        self._trainings.keep({record.id for record in running})
        rows, self._unreadable = [], []
        for record in running[:MOST_TRAINING]:
            try:
                rows.append(self._trainings.brief(record))
            except StoreError as error:  # the other runs are shown
                if atomic.is_transient(error):
                    raise
                self._unreadable.append(str(error))
        return sorted(rows, key=lambda row: (row["of"], row["variant"], row["seed"] or 0, row["run"]))


def _shown(progress: Progress) -> dict[str, Any]:
    """A plan or search in the document."""
    fields = (
        "name",
        "kind",
        "stage",
        "question",
        "rehearsal",
        "total",
        "done",
        "running",
        "failed",
        "diverged",
        "beyond",
        "report",
    )
    return {**{name: getattr(progress, name) for name in fields}, "problem": progress.problem}
