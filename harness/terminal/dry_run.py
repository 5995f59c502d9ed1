"""The dry run of a plan: its data and its screen."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from harness.analysis.look_levels import describe_levels, levels_for
from harness.analysis.power import Power, power_of
from harness.errors import InputError, PackageError
from harness.execution.schedule import requested as requested_runs
from harness.execution.stages import next_plan, resolve_plan
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.records import Record, Store
from harness.tasks.command.remarks import remarks
from harness.tasks.command.seed_zero import truth_tests
from harness.tasks.command.task import command_task
from harness.tasks.protocol import Metric, Number, Task, broken_packages, lacking_packages, parse_config, result_metrics
from harness.terminal.program_inputs import Input, input_notes, inputs_of
from harness.terminal.steps import CommandPreview, commands
from harness.terminal.tables import WARNING, Line, Note, Sentence, TerminalTable, styled
from harness.terminal.time_basis import TimeBasis, time_basis
from harness.terminal.versions import code_lines
from harness.terminal.wrapping import printable


@dataclass(frozen=True)
class Preview:
    """A plan, the states of its runs, and its statistical power."""

    plan: Plan
    metrics: Mapping[str, Metric]  # all that claims may use
    records: Mapping[str, Record]
    requested: Sequence[PlannedRun]  # up to the current look
    parameters: Mapping[str, float]  # by variant; empty if the task reports none
    power: Power | None
    levels: str | None  # of the looks, if simulated
    commands: tuple[CommandPreview, ...] = ()  # if the task is a program, step by step
    inputs: tuple[Input, ...] = ()  # of the program
    remarks: tuple[str, ...] = ()  # warnings about the program
    missing: tuple[str, ...] = ()  # what runs need and this machine lacks
    basis: TimeBasis | None = None  # of an estimate of the time, if none of the plan's own runs has completed
    follows: Preview | None = None  # of the next stage; at the declared settings until this stage has chosen


def preview(store: Store, plan: Plan, sd: float | None = None) -> Preview:
    """The preview of a plan and of the stage that follows from its results. `sd`: see `power_of`.

    Levels of looks that are not shipped are simulated and cached. Raises StoreError, InputError, DataError.
    """
    task = task_of(plan)
    metrics, levels = result_metrics(task), levels_for(store, plan)
    records = store.records([run.id for run in plan.runs])
    configs = {label: parse_config(task, config) for label, config in plan.variants.items()}
    facts, unknown = facts_of(task, configs)
    lacking = lacking_packages(plan.task, task, configs.values()) or broken_packages(plan.task, task, configs.values()) or unknown
    requested = requested_runs(plan, records, levels)
    found = Preview(
        plan=plan,
        metrics=metrics,
        records=records,
        requested=requested,
        parameters={label: found["parameters"] for label, found in facts.items() if "parameters" in found},
        power=power_of(store, plan, metrics, levels, sd),
        levels=describe_levels(levels, plan.alpha),
        missing=(*missing_here(task, configs.values()), *([str(lacking)] if lacking else [])),
        basis=time_basis(store, plan, [plan.variants[run.variant] for run in requested]),
        **_of_program(store, plan, requested),
        follows=_following(store, plan, records, sd),
    )
    if sd is not None and (found.follows or found).power is None:
        raise InputError(f"--sd has no effect: {plan.name} compares no variants by a metric that varies; remove --sd")
    return found


def _of_program(store: Store, plan: Plan, requested: Sequence[PlannedRun]) -> dict[str, Any]:
    """The fields `commands`, `inputs` and `remarks`."""
    program = plan.program
    if program is None:
        return {}
    task = command_task(program)
    configs = [task.Config.model_validate_json(json.dumps(config)) for config in plan.variants.values()]  # lists become tuples
    started = commands(store, plan, requested)
    versions = task.by_version(configs)
    found: list[str] = []
    for placed, same in versions:
        data = [plan.data[label] for label, config in zip(plan.variants, configs, strict=True) if config in same]
        own = remarks(placed, data, [task.values(config) for config in same])
        found += [remark for remark in own if remark not in found]
    if any(run.seed == 0 for run in plan.runs):
        instead = "list other seeds" if plan.listed_seeds else "use seeds: {first: 1, ...}, or --first-seed 1"
        folders = [Path(placed.directory) for placed, _ in versions]
        tests = (test for each in started for folder in folders for test in truth_tests(shlex.split(each.command), folder))
        found += [f"seed 0 may mean no seed in {name} line {line}; {instead}" for name, line in dict.fromkeys(tests)]
    return {
        "commands": started,
        "inputs": inputs_of(task.counted(configs), [placed.directory for placed, _ in versions], program.left_out),
        "remarks": tuple(found),
    }


def _following(store: Store, plan: Plan, records: Mapping[str, Record], sd: float | None) -> Preview | None:
    if plan.selection is None:
        return None
    chosen = next_plan(plan, records)
    if chosen is not None:
        return preview(store, resolve_plan(store, chosen)[0], sd)
    selection, task = plan.selection, task_of(plan)
    configs = {label: parse_config(task, config) for label, config in selection.then.variants.items()}
    declared = selection.then.with_runs(configs, selection.seeds_of_then)
    expected = preview(store, declared, sd)
    # The actual runs depend on the choice: no state is known.
    pending = {run.id: Record(run.id, "pending") for run in declared.runs}
    return replace(expected, records=pending, requested=requested_runs(declared, pending))


def heading(plan: Plan) -> list[Text]:
    """The plan's name and question, its scale, its place in a loop; a warning if the claims in the file have changed."""
    lines = [styled(f"{plan.name}   {printable(plan.question)}")]
    lines += [styled(printable(size))] if (size := phrases.scale(plan)) else []
    lines += [styled(printable(loop))] if (loop := phrases.loop(plan)) else []
    return [*lines, *([] if plan.amended is None else [styled((phrases.CHANGED, WARNING))])]


def marked(facts: str, plan: Plan | Study) -> Text:
    """A line of facts, with the rehearsal mark at its end."""
    marker = phrases.rehearsal(plan)
    return styled(printable(facts), " · ", (printable(marker), WARNING)) if marker else styled(printable(facts))


def dry_run(preview: Preview) -> RenderableType:
    """What `run` would do: for a tuned experiment the tuning stage, then the evidence."""
    plan, follows = preview.follows.plan if preview.follows else preview.plan, preview.follows
    lines: list[RenderableType] = [
        *map(Line, heading(plan)),
        Line(marked(" · ".join(phrases.shared_settings(plan)), plan)),
        Text(),
        *code_lines(plan),
    ]
    if follows is None:
        lines += [_variants(preview), Text(), *_notes(preview)]
    else:
        assert preview.plan.selection is not None
        by = phrases.label(preview.plan.selection.metric)
        lines += [Sentence(f"{phrases.stage(preview.plan)}, by {by}"), _tuned(preview), Text(), Note("cost", cost(preview), 4)]
        settings = "at the chosen settings" if plan.chosen else "at each variant's best setting"
        measured = list(preview.records.values())
        lines += [Text(), Sentence(f"evidence, 2 of 2: {settings}"), _variants(follows), Text(), *_notes(follows, measured)]
    return Group(*lines, Sentence("nothing was started; --json lists run ids"))


def _notes(preview: Preview, measured: Sequence[Record] = ()) -> list[RenderableType]:
    """Claims, looks, power and cost; `measured`: see `cost`."""
    power = preview.power
    notes = [(f"claim {place}", phrases.claim(claim, preview.metrics), "") for place, claim in enumerate(preview.plan.claims, 1)]
    if known := phrases.known_results(preview.plan):
        notes.append(("WARNING", known + phrases.advice(preview.plan), WARNING))
    if preview.levels is not None:
        notes.append(("looks", preview.levels, ""))
    if power is not None:
        notes.append(("power", phrases.power(power), ""))
        if power.underpowered:
            notes.append(("WARNING", phrases.underpowered(power), WARNING))
    if any(getattr(claim, "across", "seeds") == "cases" for claim in preview.plan.claims):
        notes.append(("power", "across cases: unknown before it is seen how many cases differ", ""))
    notes += [("resources", needs, "")] if (needs := phrases.needs(preview.plan)) else []
    notes += [("command" if each.step is None else f"step {each.step}", each.text, "") for each in preview.commands]
    notes += [(key, text, "") for key, text in input_notes(preview.inputs)]
    notes += [("WARNING", remark, WARNING) for remark in (*preview.missing, *preview.remarks)]
    notes.append(("cost", ", ".join(filter(None, (cost(preview, measured), at_later_looks(preview)))), ""))
    width = max(len(key) for key, _, _ in notes)
    return [Note(key, text, width, style) for key, text, style in notes]


def _tuned(preview: Preview) -> TerminalTable:
    """One row per tuned variant: the number of settings and the progress of their runs."""
    plan, records = preview.plan, preview.records
    assert plan.selection is not None
    columns = [
        Column("variant", holds="labels"),
        *(Column(name, "right") for name in ("settings", "runs", "done", "failed", "to do")),
    ]
    rows = []
    for label, group in plan.selection.groups.items():
        states = [records[run.id].state for run in plan.runs if run.variant in group]
        done, lost = sum(state in ("completed", "diverged") for state in states), states.count("failed")
        rows.append([label, *map(str, (len(group), len(states), done, lost, len(states) - done - lost))])
    return TerminalTable.of_rows(columns, rows)


def cost(preview: Preview, measured: Sequence[Record] = ()) -> str:
    """The remaining runs, with epochs if the configurations state them and the time if it was measured.

    `measured`: other runs to estimate the time from, if none of the plan's own has completed.
    """
    plan, records = preview.plan, preview.records
    waiting = _waiting(preview)
    parts = [f"{phrases.plural(len(waiting), 'run')} to train"]
    lengths = [phrases.epochs(plan.variants[run.variant]) for run in waiting]
    known = [length for length in lengths if length is not None]
    if known and len(known) == len(lengths):
        left = sum(known) - sum(records[run.id].epoch for run in waiting)
        parts.append(phrases.plural(max(0, left), "epoch"))
    own = [records[run.id] for run in plan.runs]
    took = [record.seconds for record in own if record.seconds and record.state == "completed"]
    took = took or [record.seconds for record in measured if record.seconds and record.state == "completed"]
    if took and waiting:
        mean = sum(took) / len(took)
        parts.append(f"about {phrases.clock(mean * len(waiting))} on 1 worker (measured here: {phrases.clock(mean)} a run)")
    elif waiting and preview.basis is not None:
        parts.append(estimated(preview.basis, len(waiting)))
    return ", ".join(parts)


def at_later_looks(preview: Preview) -> str:
    """How many runs later looks may add; empty if no run waits for one."""
    beyond = len(preview.plan.runs) - len(preview.requested)
    return f"up to {beyond} more at later looks" if beyond and _waiting(preview) else ""


def _waiting(preview: Preview) -> list[PlannedRun]:
    return [run for run in preview.requested if preview.records[run.id].state in ("pending", "interrupted")]


def estimated(basis: TimeBasis, runs: int) -> str:
    """The time of so many runs and where it is from."""
    each = phrases.clock(basis.seconds)
    return f"about {phrases.clock(basis.seconds * runs)} on 1 worker ({each} a run, {basis.source})"


def facts_of(task: Task, configs: Mapping[str, Any]) -> tuple[dict[str, Mapping[str, Number]], PackageError | None]:
    """What the task says of each configuration; nothing, and the error, if a package that it needs is missing or broken."""
    try:
        return {label: task.describe(config) for label, config in configs.items()}, None
    except PackageError as error:
        return {}, error


def missing_here(task: Task, configs: Iterable[Any]) -> tuple[str, ...]:
    """What runs of these configurations need and this machine lacks, each once."""
    return tuple(dict.fromkeys(what for config in configs for what in task.missing(config)))


def _variants(preview: Preview) -> TerminalTable:
    plan, records, parameters = preview.plan, preview.records, preview.parameters
    states = {label: [records[run.id].state for run in preview.requested if run.variant == label] for label in plan.variants}
    failed = any(state == "failed" for found in states.values() for state in found)
    columns = [Column("variant", holds="labels"), *([Column("parameters", "right")] if parameters else [])]
    columns += [Column(name, "right") for name in ("seeds", "done", *(["failed"] if failed else []), "to do")]
    rows = []
    for label, found in states.items():
        row = [starred(label, plan), *([phrases.count(parameters[label])] if parameters else []), str(phrases.seeds(plan))]
        done = sum(state in ("completed", "diverged") for state in found)
        lost = found.count("failed")
        row += [str(done), *([str(lost)] if failed else []), str(len(found) - done - lost)]
        rows.append(row)
    return TerminalTable.of_rows(columns, rows)


def starred(label: str, plan: Plan) -> str:
    """A variant's label, with a star for the baseline of a comparison."""
    return f"{label} *" if label == plan.baseline and len(plan.variants) > 1 and plan.selection is None else label
