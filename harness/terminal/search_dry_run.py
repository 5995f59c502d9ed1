"""The dry run of a search: its data and its screen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from harness.common import optional_packages
from harness.common.nested import flatten
from harness.experiment.space import shown, values_of
from harness.experiment.study import Study, base_of, task_of
from harness.reporting import phrases
from harness.reporting.phrases import trials as words
from harness.reporting.tables.model import Column
from harness.search.samplers import packages_of
from harness.search.stored_trials import read_trials
from harness.search.trials import Trial, counted
from harness.store.atomic import exists
from harness.store.records import Store
from harness.tasks.command.remarks import remarks
from harness.tasks.command.task import command_task
from harness.tasks.protocol import Metric, broken_packages, lacking_packages, result_metrics
from harness.terminal.dry_run import estimated, facts_of, marked, missing_here
from harness.terminal.json_output import trial_values
from harness.terminal.program_inputs import Input, input_notes, inputs_of
from harness.terminal.tables import WARNING, Line, Note, Sentence, TerminalTable, styled
from harness.terminal.time_basis import TimeBasis, time_basis
from harness.terminal.wrapping import printable


@dataclass(frozen=True)
class SearchPreview:
    """A search and its trials so far."""

    study: Study
    metrics: Mapping[str, Metric]
    trials: Sequence[Trial]
    parameters: float | None  # of the base; None if the task reports none
    inputs: tuple[Input, ...] = ()  # of the program
    remarks: tuple[str, ...] = ()  # warnings about the program
    missing: tuple[str, ...] = ()  # what runs need and this machine lacks
    basis: TimeBasis | None = None  # of an estimate of the time, if no trial has finished

    @property
    def started(self) -> list[Trial]:
        """The trials that count towards the target."""
        return counted(self.trials)

    @property
    def left(self) -> int:
        """The number of trials still to start."""
        return max(0, self.study.trials - len(self.started))


def preview(store: Store, study: Study, url: str | None, restart: bool = False) -> SearchPreview:
    """The preview of a search; `restart` ignores the trials on disk. Raises StoreError, InputError, DataError."""
    task, paths = task_of(study), store.paths.study(study.name)
    trials = (read_trials(paths, study, url) if exists(paths.spec) and not restart else None) or []
    own = base_of(study, task)
    facts, unknown = facts_of(task, {study.name: own})
    of_task = lacking_packages(study.task, task, [own]) or broken_packages(study.task, task, [own]) or unknown
    lacking = [optional_packages.lacking(packages_of(study), "searches"), of_task]
    found: tuple[Input, ...] = ()
    warnings: tuple[str, ...] = ()
    if study.program is not None:
        program = command_task(study.program)
        base = program.Config.model_validate_json(json.dumps(study.base))  # lists become tuples
        found = inputs_of(program.counted([base]), [str(program.code_of(base))], study.program.left_out)
        warnings = tuple(remarks(program.placed(study.program, base), [study.data], [program.values(base)]))
    return SearchPreview(
        study,
        result_metrics(task),
        trials,
        facts.get(study.name, {}).get("parameters"),
        found,
        warnings,
        (*missing_here(task, [own]), *(str(error) for error in lacking if error is not None)),
        time_basis(store, study, [study.base]),
    )


def dry_run(preview: SearchPreview) -> RenderableType:
    """What `sweep` would do."""
    study = preview.study
    notes = [
        ("objective", words.aims(study)),
        ("sampler", _methods(study)),
        ("target", _target(preview)),
        ("first", _first(study)),
    ]
    notes += [("base", f"{phrases.count(preview.parameters)} parameters")] if preview.parameters is not None else []
    notes += [("resources", needs)] if (needs := phrases.needs(study)) else []
    notes += input_notes(preview.inputs)
    notes += [("cost", cost(preview)), ("confirm", confirmation(study))]
    warnings = [("WARNING", remark) for remark in (*preview.missing, *preview.remarks)]
    width = max(len(key) for key, _ in (*notes, *warnings))
    return Group(
        *map(Line, heading(study)),
        Line(marked(" · ".join(phrases.shared_settings(study)), study)),
        Text(),
        space(study),
        Text(),
        *(Note(key, text, width) for key, text in notes),
        *(Note(key, text, width, WARNING) for key, text in warnings),
        Sentence("nothing was started; --json prints the search"),
    )


def heading(study: Study) -> list[Text]:
    """The search's name and its question, and its scale."""
    size = phrases.scale(study)
    return [styled(f"{study.name}   {printable(study.question)}"), *([styled(printable(size))] if size else [])]


def space(study: Study) -> TerminalTable:
    """One row per parameter: its range and its value in the base."""
    base, short = flatten(study.base), words.names(study)
    conditional = any(parameter.when for parameter in study.space)
    columns = [Column("parameter", holds="labels"), Column("values", holds="labels"), Column("base")]
    columns += [Column("only where")] if conditional else []
    rows = []
    for parameter in study.space:
        value = values_of([parameter.model_copy(update={"when": {}})], base)
        own = phrases.NOTHING if value is None else shown(value[parameter.name])
        row = [short[parameter.name], words.allowed(parameter), own]
        rows.append([*row, words.condition(study, parameter) or phrases.NOTHING] if conditional else row)
    return TerminalTable.of_rows(columns, rows)


def document(preview: SearchPreview) -> dict[str, Any]:
    """The `--json` document: the search as it would be stored, and its trials so far."""
    return {
        **preview.study.model_dump(mode="json", by_alias=True),
        "parameters": preview.parameters,
        "inputs": [asdict(each) for each in preview.inputs],
        "remarks": list(preview.remarks),
        "missing": list(preview.missing),
        "time_basis": None if preview.basis is None else asdict(preview.basis),
        "left": preview.left,
        "tried": [trial_values(trial) for trial in preview.trials],
    }


def _methods(study: Study) -> str:
    return study.sampler if study.pruner == "none" else f"{study.sampler}; pruned early by {study.pruner}"


def _target(preview: SearchPreview) -> str:
    study = preview.study
    parts = [f"{phrases.plural(study.trials, 'trial')}, {words.each(study)}"]
    parts += [f"{len(preview.started)} started"] if preview.started else []
    parts += [f"no new ones after {phrases.clock(study.budget_s)} of training"] if study.budget_s is not None else []
    return "; ".join(parts)


def _first(study: Study) -> str:
    own = values_of(study.space, flatten(study.base))
    settings = [
        f"the base ({words.values(study, own)})" if dict(each) == own else words.values(study, each) for each in study.first
    ]
    outside = [] if own is not None else ["the base is outside the space and runs only in the confirmation"]
    return "; ".join([*settings, *outside])


def cost(preview: SearchPreview) -> str:
    """The remaining runs (at most), with epochs if the base states them and the time if it was measured."""
    study = preview.study
    runs = preview.left * study.seeds
    parts = [f"{'up to ' if study.pruner != 'none' else ''}{phrases.plural(runs, 'run')} to train"]
    length = phrases.epochs(study.base)
    parts += [phrases.plural(runs * length, "epoch")] if length is not None else []
    took = [trial.seconds for trial in preview.started if trial.finished and trial.seconds]
    if took and runs:
        mean = fmean(took)
        parts.append(f"about {phrases.clock(mean * preview.left)} on 1 worker (measured here: {phrases.clock(mean)} a trial)")
    elif runs and preview.basis is not None:
        parts.append(estimated(preview.basis, runs))
    return ", ".join(parts)


def confirmation(study: Study) -> str:
    """The runs that follow the trials."""
    if study.confirm is None:
        return "none: the result is not evidence"
    top, seeds = study.confirm.top, study.confirm.seeds
    best = f"the best {phrases.plural(top, 'trial')}" if top > 1 else "the best trial"
    runs = phrases.plural((top + 2) * seeds, "run")
    return f"{best} again on {seeds} fresh seeds, then the winner against the base on {seeds} others: {runs}"
