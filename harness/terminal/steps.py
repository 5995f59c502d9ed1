"""The steps of a plan's runs on a terminal: how many runs they are, who shares them, and which are in training."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.experiment.plan import Plan, PlannedRun
from harness.experiment.steps import SharedStep, by_name, known_steps, plan_steps, step_runs
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.paths import Paths
from harness.store.records import Record, Store
from harness.tasks.command.task import CommandTask, command_task
from harness.tasks.protocol import Prepared, Task, parse_config
from harness.terminal.live import Event, last_lines
from harness.terminal.tables import STYLES, TerminalTable, styled
from harness.terminal.wrapping import printable

WORDS = {"failed": "FAILED", "diverged": "DIVERGED"}
FINISHED = ("completed", "failed", "diverged")
MOST_NAMED = 4  # steps in a line


@dataclass(frozen=True)
class CommandPreview:
    """A command that a plan will start: of a step, with the number of its runs and of the variants that share each."""

    command: str  # as its first run will start it
    step: str | None = None  # None: the program has one command
    runs: int = 0
    done: int = 0
    variants: int = 0  # that share each run; 1: not shared; 0: the runs of the plan itself

    @property
    def text(self) -> str:
        """For people."""
        if not self.variants:
            return self.command
        shared = f", each shared by {phrases.plural(self.variants, 'variant')}" if self.variants > 1 else ""
        done = f", {self.done} done" if self.done else ""
        return f"{phrases.plural(self.runs, 'run')}{shared}{done}; {self.command}"


def commands(store: Store, plan: Plan, requested: Sequence[PlannedRun]) -> tuple[CommandPreview, ...]:
    """What the `requested` runs of a program's plan will start, step by step; empty for other tasks."""
    if plan.program is None:
        return ()
    task, first = command_task(plan.program), plan.runs[0]
    config = parse_config(task, plan.variants[first.variant])
    found = []
    for name, steps in by_name(plan_steps(plan, task, requested)).items():
        run = steps[0].run
        each = {one.run.id: len({needed.variant for needed in one.needed_by}) for one in steps}
        done = sum(record.state == "completed" for record in store.records(each).values())
        line = _line(store, plan, run.task, run.config, run.spec.seed, run.spec.data, run.id)
        found.append(CommandPreview(line, name, len(steps), done, max(each.values())))
    own = next(reversed(plan.program.steps), None)
    line = _line(store, plan, task, config, first.seed, plan.data[first.variant], first.id)
    return (*found, CommandPreview(line, own, len(requested)))


def _line(store: Store, plan: Plan, task: Task, config: Any, seed: int, data: str, run_id: str) -> str:  # noqa: PLR0917
    folders = {each.name: store.paths.run(each.id).files for each in step_runs(task, config, seed, data)}
    prepared = task.prepared({name: Prepared(folder, {}) for name, folder in folders.items()})
    assert isinstance(prepared, CommandTask)
    return shlex.join(prepared.arguments(config, seed, plan.accelerator, store.paths.run(run_id).files))


def table(steps: Mapping[str, SharedStep], records: Mapping[str, Record]) -> TerminalTable:
    """One row per step: its runs by state."""
    columns = [Column("step", holds="labels"), *(Column(name, "right") for name in ("runs", "done", "running", "failed"))]
    rows = []
    for name, own in by_name(steps).items():
        states = [records[one.run.id].state for one in own]
        lost = sum(state in ("failed", "diverged") for state in states)
        counts = (len(states), states.count("completed"), states.count("running"), lost)
        rows.append([name, *(str(count) if count else phrases.NOTHING for count in counts)])
    return TerminalTable.of_rows(columns, rows, indent=0)


class StepProgress:
    """The steps of a plan in training."""

    def __init__(self, plan: Plan, paths: Paths) -> None:
        self.steps = known_steps(plan)
        self._paths, self._store = paths, Store(paths)
        self._states: dict[str, str] = {}  # run id of a step -> its state when it was last read
        self._took: dict[str, list[float]] = {}  # name of a step -> seconds of each run that has completed
        self._left: list[str] = []  # names of the steps that remain, one for each run

    def update(self, waiting: Collection[str]) -> list[Event]:
        """Lines about steps that have started or finished. `waiting`: the ids of the runs that are still to be trained."""
        events: list[Event] = []
        wanted = (run_id for run_id, step in self.steps.items() if any(run.id in waiting for run in step.needed_by))
        unfinished = [run_id for run_id in wanted if self._states.get(run_id) not in FINISHED]
        for run_id, record in self._store.records(unfinished).items():
            before = self._states.get(run_id)
            self._states[run_id] = record.state
            if record.state == "completed" and record.seconds:
                self._took.setdefault(self.steps[run_id].run.name, []).append(record.seconds)
            if record.state != before and (before is not None or record.state == "running"):
                events += self._event(self.steps[run_id], record)
        self._left = [self.steps[run_id].run.name for run_id in unfinished if self._states[run_id] not in FINISHED]
        return events

    @property
    def left_s(self) -> float:
        """Seconds that the remaining runs of steps take, as far as one of the same step has completed."""
        return sum(fmean(self._took[name]) for name in self._left if name in self._took)

    def training(self) -> str:
        """`step in training: pretrain seed 0`; empty without any."""
        names = [_name(self.steps[run_id]) for run_id, state in self._states.items() if state == "running"]
        if not names:
            return ""
        shown = names if len(names) <= MOST_NAMED else [*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"]
        return f"step{'s' * (len(names) > 1)} in training: {', '.join(shown)}"

    def _event(self, step: SharedStep, record: Record) -> list[Event]:
        place = printable(f"step {step.run.name}  seed {step.run.spec.seed}  ")
        if record.state == "running":
            return [Event([styled(place, f"started  {record.id}")], urgent=False)]
        if record.state == "completed":
            took = "" if record.seconds is None else phrases.clock(record.seconds)
            return [Event([styled(place, "  ".join(filter(None, ["completed", took, record.id])))], urgent=False)]
        if record.state not in WORDS:
            return []
        log, word = self._paths.run(record.id).log, WORDS[record.state]
        reason = f" {record.reason}" if record.reason else ""
        return [Event([styled(place, (word, STYLES[word]), printable(f"{reason}  {log}")), *last_lines(log)])]


def _name(step: SharedStep) -> str:
    return f"{step.run.name} seed {step.run.spec.seed}"
