"""The status of plans and runs: the overview, one plan, one run, and the difference between two runs."""

from __future__ import annotations

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
from harness.experiment.steps import SharedStep
from harness.reporting import phrases
from harness.reporting.phrases import NOTHING
from harness.reporting.tables.model import Column
from harness.slurm.queue import Queue
from harness.store import atomic
from harness.store.paths import Paths, RunPaths
from harness.store.records import Record
from harness.store.run_places import RunPlaces
from harness.tasks.protocol import Metric
from harness.terminal.choices import chosen
from harness.terminal.dry_run import heading
from harness.terminal.queue import table
from harness.terminal.steps import table as step_table
from harness.terminal.summary import claims, expected
from harness.terminal.tables import INDENT, WARNING, Line, Sentence, TerminalTable, styled
from harness.terminal.versions import code_lines
from harness.terminal.wrapping import printable

RESUMES = "resumes when started again"
ORDER = ("contradicted", "supported", "equivalent", "refuted", "inconclusive")


@dataclass(frozen=True)
class PlanStatus:
    """A plan with the number of runs in each state.

    `updated`: seconds since one of its files changed (None: nothing trained); `judgement`: None before the first look or
    without claims; `metrics`: all that claims may use.
    """

    plan: Plan
    counts: Counts
    updated: float | None
    judgement: Judgement | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    resumed: int = 0  # runs that the program resumed by itself
    steps: Mapping[str, SharedStep] = field(default_factory=dict)  # run id -> step; only for one plan
    of_steps: Mapping[str, Record] = field(default_factory=dict)  # their records


@dataclass(frozen=True)
class StatusRow:
    """A row of the overview: one `stage` of the experiment `family`."""

    family: str
    stage: str
    name: str
    done: str
    running: int
    waiting: int
    failed: int
    diverged: int
    result: str  # a plan's verdicts, a search's best
    updated: float | None


def row(status: PlanStatus) -> StatusRow:
    """A plan's row in the overview."""
    counts, waiting = status.counts, status.counts.pending + status.counts.interrupted
    done = f"{counts.done + counts.failed + counts.diverged}/{counts.total}"  # those that have finished, as of a search
    plan, numbers = status.plan, (counts.running, waiting, counts.failed, counts.diverged)
    return StatusRow(plan.family, plan.stage, plan.name, done, *numbers, verdicts(status), status.updated)


def overview(rows: Sequence[StatusRow]) -> RenderableType:
    """All plans and searches, one row each."""
    diverged = any(row.diverged for row in rows)
    headings = ["done", "running", "waiting", "failed", *(["diverged"] if diverged else [])]
    cells = []
    for row in rows:
        numbers = [row.running, row.waiting, row.failed, *([row.diverged] if diverged else [])]
        updated = NOTHING if row.updated is None else phrases.ago(row.updated)
        cells.append([row.name, row.done, *(dotted(number) for number in numbers), row.result, updated])
    numbers_of = [Column(name, "right") for name in headings]
    return TerminalTable.of_rows(
        [Column("experiment", holds="code"), *numbers_of, Column("verdicts", holds="remarks"), Column("updated")],
        cells,
        indent=0,
    )


def verdicts(status: PlanStatus) -> str:
    """Counts of verdicts: `1 supported, 1 refuted, RETROSPECTIVE: 1 supported`; a dot before the first decision."""
    judged = status.judgement.verdicts if status.judgement else ()
    closed = [verdict for verdict in judged if not verdict.open or verdict.verdict not in ("inconclusive", "waiting")]
    counted = ["file changed"] if status.plan.amended is not None else []
    counted += _counts(
        ["contradicted" if verdict.contradicted else verdict.verdict for verdict in closed if not verdict.retrospective]
    )
    if late := _counts([verdict.verdict for verdict in closed if verdict.retrospective]):
        counted.append(f"{phrases.RETROSPECTIVE}: {', '.join(late)}")
    return ", ".join(counted) or NOTHING


def _counts(words: Sequence[str]) -> list[str]:
    return [f"{words.count(word)} {word}" for word in ORDER if word in words]


def one_plan(status: PlanStatus, records: Mapping[str, Record], paths: Paths, queue: Queue | None = None) -> RenderableType:
    """One plan: counts, claims, every running, interrupted, diverged or failed run, its jobs, and the command to retry."""
    plan = status.plan
    lines: list[RenderableType] = [*map(Line, heading(plan))]
    stage, marker = phrases.stage(plan), phrases.rehearsal(plan)
    lines += [Line.of(stage)] if stage else []
    lines += [Line.of(marker, WARNING)] if marker else []
    lines += [Text(), *code_lines(plan), overview([row(status)])]
    if status.judgement is not None:
        lines += [Text(), claims(plan, records, status.judgement, status.metrics)]
    elif plan.claims:
        lines += [Text(), expected(plan, records)]
        lines += [Sentence(known, WARNING)] if (known := phrases.known_results(plan)) else []
    if status.resumed:
        flag = f"{phrases.plural(status.resumed, 'run')} {phrases.RESUMED} (by the program itself)"
        lines += [Text(), Line.of(flag, WARNING)]
    if plan.stage == "tuning" and (found := choices(plan, records)):
        lines.append(chosen(plan, found))
    if status.steps:
        lines += [Text(), step_table(status.steps, status.of_steps)]
    rows = []
    for state in ("running", "interrupted", "diverged", "failed"):
        for run_id, step in status.steps.items():
            if status.of_steps[run_id].state == state:
                cells = place_cells(state, status.of_steps[run_id], None, paths.run(run_id).log)
                rows.append([state, f"step {step.run.name} seed {step.run.spec.seed}", *cells])
        for run in plan.runs:
            if records[run.id].state == state:
                cells = place_cells(state, records[run.id], phrases.epochs(plan.variants[run.variant]), paths.run(run.id).log)
                rows.append([state, f"{run.variant} seed {run.seed}", *cells])
    if rows:
        columns = [Column("state", holds="states"), Column("run", holds="labels"), Column("where"), Column("more")]
        lines += [Text(), TerminalTable.of_rows(columns, rows, indent=0)]
    if queue is not None:
        labels = {run.id: f"{run.variant} seed {run.seed}" for run in plan.runs}
        lines += [Text(), *table(queue, records, labels)]
    retry = [state for state in ("failed", "diverged") if getattr(status.counts, state)]
    if retry:
        command = f"retry: {phrases.command(plan, paths.root)} {' '.join(f'--retry {state}' for state in retry)}"
        lines += [Text(), styled(printable(command))]
    report = paths.report(plan.name) / "index.html"
    writing = phrases.report_command(paths.root, plan.name)
    if plan.selection is None or atomic.is_file(report):
        lines += [
            Text(),
            styled(f"report  {report}" if atomic.is_file(report) else f"report  not written yet; write it with: {writing}"),
        ]
    return Group(*lines)


def place_cells(state: str, record: Record, length: int | None, log: Path) -> list[str]:
    """The columns `where` and `more` of a run of `length` epochs, or of a trial in `state` that trains this run."""
    place = epoch_of(record.epoch, length)
    if state == "running":
        beat = "" if record.beat_age_s is None else f"heartbeat {phrases.ago(record.beat_age_s)}"
        return [place, "   ".join(filter(None, [holder(record), beat]))]
    if state == "interrupted":
        return [place, RESUMES]
    return [f"{record.reason} at {place}" if record.reason else place, str(log)]


def holder(record: Record) -> str:
    """The worker that trains a run: host, process id, and cluster job if any."""
    return " ".join(filter(None, [f"{record.host}:{record.pid}", record.job and f"job {record.job}"]))


def epoch_of(epoch: int, length: int | None) -> str:
    return f"epoch {epoch}" if length is None else f"epoch {epoch}/{length}"


def dotted(number: int) -> str:
    """A count, with a dot for zero."""
    return str(number) if number else NOTHING


def one_run(
    record: Record,
    spec: Spec,
    places: RunPlaces,
    paths: RunPaths,
    url: str | None = None,
    *,
    resumed: bool = False,
) -> RenderableType:
    """One run: its result, places, W&B `url`, configuration and files; `resumed`: its program resumed it by itself."""
    facts = {
        "run": record.id,
        "state": " ".join(filter(None, [record.state, record.reason])),
        "error": record.error,
        "task": f"{spec.task} version {spec.version}",
        "seed": spec.seed,
        "data": spec.data,
        "variant": ", ".join(places.variants) or None,
        "plans": ", ".join(places.named) or "none",
        "searches": ", ".join(places.named_trials) or None,
        "epochs": record.epoch,
        "trained": None if record.seconds is None else phrases.clock(record.seconds),
        "finished": record.ended_at,
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
    """The existing files of a run."""
    return [file for file in atomic.matches(paths.folder, "*") if atomic.is_file(file)]


def two_runs(
    first: tuple[str, Spec], second: tuple[str, Spec], places: Sequence[RunPlaces], records: Sequence[Record]
) -> RenderableType:
    """What two runs are, and the difference between their specs, one row per key."""
    if first[0] == second[0]:
        return Line.of(f"{first[0]} and {second[0]} are the same run")
    lines: list[RenderableType] = []
    for (run_id, spec), place, record in zip((first, second), places, records, strict=True):
        parts = [", ".join([*place.named, *place.named_trials]) or "no plan", ", ".join(place.variants), f"seed {spec.seed}"]
        state = " ".join(filter(None, [record.state, record.reason]))
        lines.append(Line.of(f"{run_id}   {' · '.join(filter(None, [*parts, state]))}"))
    rows = [[key, plain(one), plain(other)] for key, (one, other) in spec_difference(first[1], second[1]).items()]
    if not rows:
        return Group(*lines, Text(), styled("no difference"))
    columns = [Column("setting", holds="labels"), Column(first[0]), Column(second[0])]
    return Group(*lines, Text(), TerminalTable.of_rows(columns, rows, indent=0))


def spec_difference(first: Spec, second: Spec) -> dict[str, tuple[Any, Any]]:
    """Dotted key -> the two values, for every part of the run ids that differs."""
    return config_difference(_identity(first), _identity(second))


def _identity(spec: Spec) -> dict[str, Any]:
    program = {f"task.{path}": value for path, value in flatten(spec.program or {}).items()}
    facts = {"task": spec.task, "version": spec.version, "seed": spec.seed, "data fingerprint": spec.data}
    return {**facts, **program, **spec.config}


def plain(value: Any) -> str:
    """A value as YAML on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(plain, value))}]" if isinstance(value, list | tuple) else str(value)


def _pairs(values: Mapping[str, Any]) -> list[RenderableType]:
    width = max(map(len, values), default=0)
    return [Line.of(f"{' ' * INDENT}{key:<{width}}   {plain(value)}", hang=INDENT + width + 3) for key, value in values.items()]
