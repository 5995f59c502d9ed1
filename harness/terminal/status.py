"""Where plans and runs stand: the table of all plans, one plan, one run, and how runs differ."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from harness.analysis.verdicts import Judgement
from harness.common.nested import config_difference, flatten
from harness.execution.schedule import Counts
from harness.execution.stages import choices
from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.reporting import phrases
from harness.reporting.phrases import NOTHING
from harness.reporting.tables.model import Column
from harness.slurm.queue import Queue
from harness.store.paths import Paths, RunPaths
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.terminal.choices import chosen
from harness.terminal.dry_run import heading
from harness.terminal.queue import table
from harness.terminal.summary import claims, expected
from harness.terminal.tables import INDENT, WARNING, TerminalTable, printable, styled

ORDER = ("supported", "equivalent", "refuted", "inconclusive")


@dataclass(frozen=True)
class PlanStatus:
    """A plan, how many of its runs are in each state, the seconds since one of its files changed (None: nothing trained), what
    its claims came to (None: it has none, or none is judged yet), and the metrics that those may name.
    """

    plan: Plan
    counts: Counts
    updated: float | None
    judgement: Judgement | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    resumed: int = 0  # runs with which a program went on by itself


@dataclass(frozen=True)
class StatusRow:
    """A line of the table of all plans and searches: a `stage` of the experiment called `family`."""

    family: str
    stage: str
    name: str
    done: str
    running: int
    waiting: int
    failed: int
    diverged: int
    came_to: str  # a plan's verdicts, a search's best
    updated: float | None


def row(standing: PlanStatus) -> StatusRow:
    """A plan's line."""
    counts, waiting = standing.counts, standing.counts.pending + standing.counts.interrupted
    done = f"{counts.done}/{counts.total}"
    plan, numbers = standing.plan, (counts.running, waiting, counts.failed, counts.diverged)
    return StatusRow(plan.family, plan.stage, plan.name, done, *numbers, verdicts(standing), standing.updated)


def overview(rows: Sequence[StatusRow]) -> RenderableType:
    """All plans and searches, a line each."""
    diverged = any(row.diverged for row in rows)
    headings = ["done", "running", "waiting", "failed", *(["diverged"] if diverged else [])]
    cells = []
    for row in rows:
        numbers = [row.running, row.waiting, row.failed, *([row.diverged] if diverged else [])]
        updated = NOTHING if row.updated is None else phrases.ago(row.updated)
        cells.append([row.name, row.done, *(dotted(number) for number in numbers), row.came_to, updated])
    numbers_of = [Column(name, "right") for name in headings]
    return TerminalTable.of_rows(
        [Column("experiment", holds="labels"), *numbers_of, Column("verdicts", holds="remarks"), Column("updated")],
        cells,
        indent=0,
    )


def verdicts(standing: PlanStatus) -> str:
    """How many claims came out how: `1 supported, 1 refuted`; a dot where none is decided or judged yet."""
    judged = standing.judgement.verdicts if standing.judgement else ()
    words = [verdict.verdict for verdict in judged if not verdict.open or verdict.verdict not in ("inconclusive", "waiting")]
    counted = ["claims changed"] if standing.plan.amended is not None else []
    counted += [f"{words.count(word)} {word}" for word in ORDER if word in words]
    return ", ".join(counted) or NOTHING


def one_plan(standing: PlanStatus, records: Mapping[str, Record], paths: Paths, queue: Queue | None = None) -> RenderableType:
    """One plan: counts and claims, then every run that is running, interrupted, diverged or failed, and what to do about it.

    `queue`: what a cluster was given for it.
    """
    plan = standing.plan
    lines: list[RenderableType] = [*heading(plan)]
    stage, marker = phrases.stage(plan), phrases.rehearsal(plan)
    lines += [styled(stage)] if stage else []
    lines += [styled((printable(marker), WARNING))] if marker else []
    lines += [Text(), overview([row(standing)])]
    if standing.judgement is not None:
        lines += [Text(), claims(plan, records, standing.judgement, standing.metrics)]
    elif plan.claims:
        lines += [Text(), expected(plan, records)]
    if standing.resumed:
        flag = f"{phrases.plural(standing.resumed, 'run')} {phrases.RESUMED} (by the program itself)"
        lines += [Text(), styled((flag, WARNING))]
    if plan.stage == "tuning" and (found := choices(plan, records)):
        lines.append(chosen(plan, found))
    rows = []
    for state in ("running", "interrupted", "diverged", "failed"):
        for run in plan.runs:
            if records[run.id].state == state:
                length = phrases.epochs(plan.variants[run.variant])
                rows.append([state, f"{run.variant} seed {run.seed}", *_where(records[run.id], length, paths.run(run.id))])
    if rows:
        columns = [Column("state", holds="states"), Column("run", holds="labels"), Column("where"), Column("more")]
        lines += [Text(), TerminalTable.of_rows(columns, rows, indent=0)]
    if queue is not None:
        labels = {run.id: f"{run.variant} seed {run.seed}" for run in plan.runs}
        lines += [Text(), *table(queue, records, labels)]
    retry = [state for state in ("failed", "diverged") if getattr(standing.counts, state)]
    if retry:
        again = f"again: {phrases.command(plan, paths.root)} {' '.join(f'--retry {state}' for state in retry)}"
        lines += [Text(), styled(printable(again))]
    report = paths.report(plan.name) / "index.html"
    writing = shlex.join(["harness", "report", plan.name, *phrases.results_option(paths.root)])
    if plan.selection is None or report.is_file():
        lines += [Text(), styled(f"report  {report}" if report.is_file() else f"report  none yet; write it with: {writing}")]
    return Group(*lines)


def _where(record: Record, length: int | None, paths: RunPaths) -> list[str]:
    """A run's place, and what helps a person to find or understand it."""
    place = epoch_of(record.epoch, length)
    if record.state == "running":
        beat = "" if record.beat_age_s is None else f"beat {phrases.ago(record.beat_age_s)}"
        return [place, "   ".join(filter(None, [holder(record), beat]))]
    if record.state == "interrupted":
        return [place, "goes on when it is run again"]
    return [f"{record.reason} at {place}" if record.reason else place, str(paths.log)]


def holder(record: Record) -> str:
    """Who trains a run: host, process, and the cluster's job where there is one."""
    return " ".join(filter(None, [f"{record.host}:{record.pid}", record.job and f"job {record.job}"]))


def epoch_of(epoch: int, length: int | None) -> str:
    return f"epoch {epoch}" if length is None else f"epoch {epoch}/{length}"


def dotted(number: int) -> str:
    """A count of which zero is the good news: a dot."""
    return str(number) if number else NOTHING


def one_run(  # noqa: PLR0917 - what is known of a run, each of it named
    record: Record,
    spec: Spec,
    plans: Sequence[str],
    paths: RunPaths,
    url: str | None = None,
    trials: Sequence[str] = (),
    *,
    resumed: bool = False,
) -> RenderableType:
    """One run: its record, its files and its whole configuration; the `trials` it is part of, `url` of its page in W&B; whether a
    program resumed it by itself.
    """
    facts = {
        "run": record.id,
        "state": " ".join(filter(None, [record.state, record.reason])),
        "error": record.error,
        "task": f"{spec.task} version {spec.version}",
        "seed": spec.seed,
        "data": spec.data,
        "plans": ", ".join(plans) or "none",
        "searches": ", ".join(trials) or None,
        "epochs": record.epoch,
        "trained": None if record.seconds is None else phrases.clock(record.seconds),
        "ended": record.ended_at,
        "trust": phrases.RESUMED if resumed else None,
        "trained by": holder(record) if record.state == "running" else None,
        "W&B": url,
    }
    files = [str(file) for file in files_of(paths)]
    return Group(
        *_pairs({key: value for key, value in facts.items() if value is not None}),
        Text(),
        *_pairs(record.metrics),
        Text(),
        *_pairs({f"task.{path}": value for path, value in flatten(spec.program or {}).items()}),
        *_pairs(flatten(spec.config)),
        Text(),
        *(styled(f"{' ' * INDENT}{file}") for file in files),
    )


def files_of(paths: RunPaths) -> list[Path]:
    """A run's files that are there."""
    return sorted(file for file in paths.folder.iterdir() if file.is_file()) if paths.folder.is_dir() else []


def two_runs(first: tuple[str, Spec], second: tuple[str, Spec]) -> RenderableType:
    """How the specs of two runs differ: a row a key."""
    rows = [[key, plain(one), plain(other)] for key, (one, other) in spec_difference(first[1], second[1]).items()]
    if not rows:
        return styled(f"{first[0]} and {second[0]} are the same run" if first[0] == second[0] else "no difference")
    return TerminalTable.of_rows([Column("key"), Column(first[0]), Column(second[0])], rows, indent=0)


def spec_difference(first: Spec, second: Spec) -> dict[str, tuple[Any, Any]]:
    """Dotted key -> the two values, for every part of the run ids that differs."""
    return config_difference(_identity(first), _identity(second))


def _identity(spec: Spec) -> dict[str, Any]:
    program = {f"task.{path}": value for path, value in flatten(spec.program or {}).items()}
    facts = {"task": spec.task, "version": spec.version, "seed": spec.seed, "data fingerprint": spec.data}
    return {**facts, **program, **spec.config}


def plain(value: Any) -> str:
    """A value as YAML would show it on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(plain, value))}]" if isinstance(value, list | tuple) else str(value)


def _pairs(values: Mapping[str, Any]) -> list[RenderableType]:
    width = max(map(len, values), default=0)
    return [styled(f"{' ' * INDENT}{key:<{width}}   {printable(plain(value))}") for key, value in values.items()]
