"""The caption of the table for a paper: what n, ± and bold mean, the test and its correction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isnan

from harness.analysis.verdicts import Row, Table
from harness.existing.plan import ExistingPlan
from harness.experiment.plan import Plan
from harness.reporting.phrases.estimates import confidence
from harness.reporting.phrases.numbers import axis, label, listed, plural
from harness.reporting.phrases.plans import added_seeds, earlier_look
from harness.tasks.protocol import Metric

ARROWS = {"maximize": "↑", "minimize": "↓"}
BETTER = {"maximize": "higher", "minimize": "lower"}


def better_heading(name: str, metric: Metric) -> str:
    """`test accuracy (%) ↑`: the arrow points to what is better."""
    return f"{axis(name, metric.unit)} {ARROWS[metric.goal]}"


def paper_note(
    plan: Plan,
    tables: Sequence[Table],
    best: Mapping[str, str | None],
    goals: Collection[str],
    *,
    claimed: bool,
    compared: bool,
    counted: bool,
) -> str:
    """Sentences on n, ±, differences, what is bold and why.

    `tables` and `best`: by metric; `goals`: of the metrics. `claimed`: the plan has claims; `counted`: n is a column; `compared`:
    differences are.
    """
    rows = tables[0].rows
    parts = [
        _sample(tables, counted),
        ", ".join(f"{arrow}: {BETTER[goal]} is better" for goal, arrow in ARROWS.items() if goal in goals),
    ]
    if len(plan.variants) > 1:
        parts += [_differences(plan, tables[0])] if compared else [f"Baseline: {plan.baseline}"]
        parts.append(_bold(plan, tables[0], best, claimed))
    parts += [f"{note[:1].upper()}{note[1:]}"] if (note := added_seeds(plan, tables[0])) else []
    earlier = [f"{row.variant} {closed}" for row in rows if (closed := earlier_look(row, tables[0]))]
    parts += [f"Claims closed at an earlier look: {', '.join(earlier)}"] if earlier else []
    return ". ".join(parts)


def _sample(tables: Sequence[Table], counted: bool) -> str:
    """n, and what ± is."""
    rows = [row for table in tables for row in table.rows]
    what = "runs" if any(row.runs for row in rows) else "seeds"
    over_cases = any(row.cases for row in rows)
    spread = "" if all(isnan(row.sd) for row in rows) else f", ± standard deviation over {what}"
    if counted:
        return f"Mean{spread}; n counts {'cases' if over_cases else f'completed {_runs(what)}'}"
    (n,) = {row.cases or row.n for row in rows} if len({row.cases or row.n for row in rows}) == 1 else (0,)
    size = f" of n = {plural(n, 'case' if over_cases else what.removesuffix('s'))}" if n else ""
    return f"Mean{size}{spread}"


def _runs(what: str) -> str:
    return "runs" if what == "runs" else "runs, one a seed"


def _differences(plan: Plan, table: Table) -> str:
    compared = [row for row in table.rows if row.over is not None]
    own = [row.variant for row in compared if row.over != plan.baseline]
    references = f"{plan.baseline}, or the variant that the row names" if own else plan.baseline
    return (
        f"Differences are from {references}, {_pairing(compared)}, with {confidence(table.level)}s of the t distribution, "
        "each for its row alone"
    )


def _pairing(rows: Sequence[Row]) -> str:
    if any(row.runs for row in rows):
        return "unpaired"
    return "paired by case" if rows and all(row.cases for row in rows) else "paired by seed"


def _tests(rows: Sequence[Row]) -> str:
    if any(row.runs for row in rows):
        return "Welch's t tests"
    return "tests over cases" if any(row.cases for row in rows) else "two-sided paired t tests over seeds"


def _bold(plan: Plan, table: Table, best: Mapping[str, str | None], claimed: bool) -> str:
    """The rule, and the test with its correction."""
    if not claimed:
        return "No value is bold, as no comparison was claimed: the differences are exploratory"
    looks = f", at looks after {listed([str(look) for look in plan.looks])} seeds" if len(plan.looks) > 1 else ""
    correction = f"one weighted closed test (Bonferroni, Holm) for all claims of the plan, at α = {plan.alpha:g}{looks}"
    tests = f"({_tests(table.rows)}, corrected by {correction})"
    names = [name for name, label_of in best.items() if label_of is not None]
    if plan.rehearsal:
        return "No value is bold, as a rehearsal is not evidence"
    if isinstance(plan, ExistingPlan):
        return "No value is bold, as the claims were written after the results were known"
    if not names:
        return f"No value is bold, as no registered claims show the best value to be better than every other {tests}"
    which = "" if len(names) == len(best) else f", here of {listed([label(name) for name in names])}"
    return f"Bold: the best value, where registered claims show it to be better than every other{which} {tests}"
