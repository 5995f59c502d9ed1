"""Text about plans and searches, shared by the terminal, figures and reports."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import takewhile
from math import isnan
from pathlib import Path
from typing import Any

from harness.analysis.verdicts import Judgement, Row, Table
from harness.existing.plan import ExistingPlan
from harness.experiment.model import MAPPING
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting.phrases.claims import claim
from harness.reporting.phrases.estimates import confidence
from harness.reporting.phrases.numbers import coverage, figure, listed, margin, plural, small
from harness.store.paths import Paths
from harness.tasks.command.steps import last
from harness.tasks.protocol import Metric

CHANGED = "FILE CHANGED AFTER RUNS HAD STARTED"
RESUMED = "resumed, not bit-exact"  # of runs that a program resumed from its own files
NO_CLAIM = "exploratory: these differences were not claimed"


def epochs(config: Mapping[str, Any]) -> int | None:
    """The number of epochs in a configuration (`training.epochs` or `epochs`); None without one."""
    training = config.get("training")
    value = training.get("epochs") if isinstance(training, Mapping) else config.get("epochs")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def shared_settings(plan: Plan | Study) -> tuple[str, ...]:
    """What all variants share: task, data set, epochs, precision, accelerator."""
    configs = [plan.base] if isinstance(plan, Study) else list(plan.variants.values())

    def shared(block: str, key: str) -> Any:
        values = {repr(config[block][key]): config[block][key] for config in configs if key in (config.get(block) or {})}
        return next(iter(values.values())) if len(values) == 1 else None

    if isinstance(plan, ExistingPlan):
        return (plan.task,)
    lengths = {epochs(config) for config in configs} - {None}
    length = plural(lengths.pop() or 0, "epoch") if len(lengths) == 1 else None
    parts = (trained(plan), shared("data", "dataset"), length, shared("training", "precision"), plan.accelerator)
    return tuple(str(part) for part in parts if part is not None)


def trained(plan: Plan | Study) -> str:
    """The task's name, or the program without its options; of several steps the last."""
    if plan.program is None:
        return plan.task
    words = last(plan.program).command.replace("{python}", "python").split()
    return " ".join(takewhile(lambda word: not word.startswith("-") and "{" not in word, words)) or plan.task


def rehearsal(plan: Plan | Study) -> str | None:
    """Why the results of a plan or a search are not evidence; None if they are."""
    if not plan.rehearsal:
        return None
    reasons = [f"profile {plan.profile}"] if plan.profile and not plan.evidence else []
    reasons += [f"--set {override}" for override in plan.overrides]
    return f"REHEARSAL: {', '.join(reasons)}, not evidence"


def stage(plan: Plan) -> str | None:
    """The plan's stage and size; None for an experiment with a single stage."""
    if plan.stage == "evidence":
        return "evidence, 2 of 2" if plan.chosen is not None else None
    if plan.stage == "final":
        return "confirmation, 2 of 2: the winner against the base, on fresh seeds"
    if plan.stage == "top":
        return f"confirmation, 1 of 2: the best {plural(len(plan.variants), 'trial')} x {plural(seeds(plan), 'fresh seed')}"
    assert plan.selection is not None
    sizes = {len(group) for group in plan.selection.groups.values()}
    settings = f"{plural(len(plan.selection.groups), 'variant')} x {plural(max(sizes), 'setting')}"
    return f"tuning, 1 of 2: {settings} x {plural(seeds(plan), 'seed')}"


def loop(plan: Plan) -> str:
    """`comparison 7 of the loop 'chain', at level 0.0031 of 0.05`; empty for a plan that is in no loop."""
    if plan.loop is None:
        return ""
    return f"comparison {plan.loop.number:,d} of the loop {plan.loop.name!r}, at level {small(plan.alpha)} of {plan.loop.alpha:g}"


def seeds(plan: Plan) -> int:
    """The number of seeds of each variant; of existing results, of all together."""
    if isinstance(plan, ExistingPlan):
        return len(plan.listed_seeds)
    return len({run.seed for run in plan.runs})


def command(plan: Plan | Study, results: Path) -> str:
    """The shell command that reproduces the plan or search in the folder `results`; without a file, that continues it."""
    if isinstance(plan, ExistingPlan):
        return plan.command
    searched = isinstance(plan, Study) or plan.confirms
    if plan.file == MAPPING:
        paths = Paths(results)
        stored = paths.study(plan.name).spec if isinstance(plan, Study) else paths.plan(plan.name)
        return shlex.join(["harness", "worker", str(stored)])
    words = ["harness", "sweep" if searched else "run", plan.file or f"experiments/{plan.experiment}.yaml"]
    words += ["--profile", plan.profile] if plan.profile else []
    for override in plan.overrides:
        words += ["--set", override]
    if isinstance(plan, Plan) and not searched:
        words += ["--seeds", str(seeds(plan))] if seeds(plan) > max(plan.looks) else []
        words += _first_seed(plan)
    return shlex.join([*words, "--device", plan.accelerator, *results_option(results)])


def _first_seed(plan: Plan) -> list[str]:
    """The --first-seed option; empty for seeds from 0 and those that the file lists."""
    evidence, first = (plan, plan.runs[0].seed) if plan.selection is None else (plan.selection.then, plan.selection.first_seed)
    return ["--first-seed", str(first)] if first and not evidence.listed_seeds else []


def report_command(results: Path, *names: str) -> str:
    """What writes the reports of these plans and searches; without names, of all."""
    return shlex.join(["harness", "report", *names, *results_option(results)])


def results_option(results: Path) -> list[str]:
    """The --results option; empty for the default folder."""
    return [] if results == Path("results") else ["--results", str(results)]


def table_note(plan: Plan, table: Table, unit: str) -> str:
    """The one-line note below the table of a metric whose unit is `unit`."""
    if len(plan.variants) == 1:
        if any(row.cases for row in table.rows):
            return "n counts cases"
        return "± is sd over seeds"
    if not table.seeds:
        first = min((*plan.looks, seeds(plan)))
        return f"± is sd over seeds; no difference is shown until {plural(first, 'seed')} of every variant have finished"
    parts = [f"the first {table.seeds} of {seeds(plan)} seeds"] if table.seeds < seeds(plan) else []
    parts += [later] if (later := added_seeds(plan, table)) else []
    compared = [row for row in table.rows if row.over is not None]
    over_cases = [row for row in compared if row.cases]
    unpaired = any(row.runs for row in compared)
    how = "paired by seed" if len(over_cases) < len(compared) else "paired by case"
    how = "unpaired (Welch's t test)" if unpaired else how
    parts.append(how)
    if over_cases:
        which = f" of {', '.join(row.variant for row in over_cases)}" if len(over_cases) < len(compared) else ""
        parts.append(f"n counts cases{which}")
    parts += (
        [f"± is sd over {'runs' if unpaired else 'seeds'}"]
        if any(not isnan(row.sd) for row in table.rows) or not over_cases
        else []
    )
    if any(not isnan(row.p) for row in compared):
        bounds = [row.variant for row in compared if row.bound and not isnan(row.p)]
        parts.append(
            "p corrected for all hypotheses of the plan" + (f", of {listed(bounds)} that of the bound" if bounds else "")
        )
    if len(plan.looks) > 1 and table.level < plan.alpha:
        several = ", but for its row alone" if len(compared) > 1 else ""
        parts.append(f"each interval holds at every look, {coverage(plan.alpha)} over the looks{several}")
    elif sum(row.interval is not None for row in compared) > 1:
        parts.append("each interval is for its row alone")
    earlier = [f"{row.variant} {closed}" for row in compared if (closed := earlier_look(row, table))]
    parts += [f"claims closed at an earlier look: {', '.join(earlier)}"] if earlier else []
    fewer = [row for row in compared if not row.runs and row.pairs < (row.seeds or table.seeds) - row.absent]
    parts += (
        [f"fewer pairs, as runs failed or diverged: {', '.join(f'{row.variant} {row.pairs}' for row in fewer)}"] if fewer else []
    )
    shared = [f"{row.variant} {row.pairs}" for row in compared if row.absent and row not in fewer]
    parts += [f"over the seeds that both variants have: {', '.join(shared)}"] if shared else []
    size = declared_margin(plan, table.metric)
    parts += [margin(size, unit)] if size else []
    if exploratory := [row.variant for row in compared if not row.claimed]:
        parts.append(f"exploratory: {', '.join(exploratory)}" if len(exploratory) < len(compared) else NO_CLAIM)
    return "; ".join(parts)


def earlier_look(row: Row, table: Table) -> str:
    """`3 seeds, 99.3 % interval`: of a row whose claims were closed before the table's look; empty for others."""
    if row.over is None or not 0 < row.seeds < table.seeds:
        return ""
    return f"{plural(row.seeds, 'seed')}, {confidence(row.level)}"


def runs_not_needed(plan: Plan, judgement: Judgement) -> int:
    """The number of planned runs that the looks did not request; 0 while training may still continue."""
    if not judgement.finished or seeds(plan) > plan.looks[-1] or min(judgement.horizons.values()) >= plan.looks[-1]:
        return 0
    requested = {label: frozenset(plan.first_seeds(n)) for label, n in judgement.horizons.items()}
    return sum(run.seed not in requested[run.variant] for run in plan.runs)


def not_needed(plan: Plan, judgement: Judgement) -> str:
    """`61 of 140 runs were not needed`; empty if none was saved, or if training may still continue."""
    saved = runs_not_needed(plan, judgement)
    verb = "was" if saved == 1 else "were"
    return f"{saved:,d} of {plural(len(plan.runs), 'run')} {verb} not needed" if saved else ""


def as_chosen(plan: Plan, tuning_seeds: int | None = None) -> str:
    """What the claims of a plan with chosen settings are about; empty for others. `tuning_seeds`: if known.

    `variants as tuned with 2 seeds each`.
    """
    if plan.chosen is None:
        return ""
    if plan.confirms:
        return "the winner as found by the search"
    return "variants as tuned" if tuning_seeds is None else f"variants as tuned with {plural(tuning_seeds, 'seed')} each"


def added_seeds(plan: Plan, table: Table) -> str:
    """A note on seeds beyond the last look; empty without any."""
    last = max(plan.looks)
    if table.seeds <= last:
        return ""
    note = f"{plural(table.seeds - last, 'seed')} added after the last look; the intervals do not account for that"
    return f"{note}; verdicts and their p values use the first {last}" if plan.claims else note


def declared_margin(plan: Plan, metric: str) -> float | None:
    """The margin of a metric if its claims agree on one; without any claim the file's, which is for the first metric."""
    claimed = {getattr(each, "margin", None) for each in plan.claims if each.metric == metric}
    sizes = (claimed if plan.claims else {plan.margin}) - {None, 0.0}
    return sizes.pop() if len(sizes) == 1 else None


def amendment(plan: Plan, metrics: Mapping[str, Metric]) -> str | None:
    """What the experiment file contains now if it differs from what was registered."""
    now = plan.amended
    if now is None:
        return None
    wording = [f"{place}. {claim(each, metrics)}" for place, each in enumerate(now.claims, 1)] or ["no claims"]
    wording += [
        f"{name} {setting_text(new)} (registered: {setting_text(old)})"
        for name, old, new in (
            ("looks", plan.looks, now.looks),
            ("margin", plan.margin, now.margin),
            ("alpha", plan.alpha, now.alpha),
            ("baseline", plan.baseline, now.baseline),
        )
        if old != new
    ]
    return f"{CHANGED}: registered as below; the file now has: {'; '.join(wording)}"


def setting_text(value: Sequence[int] | str | float | None) -> str:
    """A setting that affects verdicts, as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return ", ".join(map(str, value))
    return "none" if value is None else figure(value)
