"""A plan, its records -> the screen before it starts."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from harness import wording
from harness.console.grid import INDENT, WARNING, Column, Grid, Note, printable, styled
from harness.plan import Plan
from harness.store.records import Record
from harness.task import Metric


def heading(plan: Plan) -> list[Text]:
    """The plan's name and its question; then whether its file claims something else by now."""
    question = styled(f"{plan.name}   {printable(plan.question)}")
    return [question] if plan.amended is None else [question, styled((wording.CHANGED, WARNING))]


def marked(facts: str, plan: Plan) -> Text:
    """A line of facts; of a rehearsal, with that at its end."""
    marker = wording.rehearsal(plan)
    return styled(printable(facts), " · ", (printable(marker), WARNING)) if marker else styled(printable(facts))


def dry_run(
    plan: Plan, records: Mapping[str, Record], parameters: Mapping[str, float], metrics: Mapping[str, Metric]
) -> RenderableType:
    """What `run` would do.

    `parameters` is a number a variant, empty where the task counts none; `metrics` are all that a claim may name.
    """
    notes = [(f"claim {place}", wording.claim(claim, metrics)) for place, claim in enumerate(plan.claims, 1)]
    notes.append(("cost", cost(plan, records)))
    width = max(len(key) for key, _ in notes)
    return Group(
        *heading(plan),
        marked(" · ".join(wording.setting(plan)), plan),
        Text(),
        _variants(plan, records, parameters),
        Text(),
        *(Note(key, text, width) for key, text in notes),
        styled(f"{' ' * INDENT}nothing started; --json lists run ids"),
    )


def cost(plan: Plan, records: Mapping[str, Record]) -> str:
    """The runs that are left, their epochs where configurations say how many, and the time they take where runs have shown it."""
    waiting = [run for run in plan.runs if records[run.id].state in ("pending", "interrupted")]
    parts = [f"{wording.plural(len(waiting), 'run')} to train"]
    lengths = [wording.epochs(plan.variants[run.variant]) for run in waiting]
    known = [length for length in lengths if length is not None]
    if known and len(known) == len(lengths):
        left = sum(known) - sum(records[run.id].epoch for run in waiting)
        parts.append(wording.plural(left, "epoch"))
    took = [seconds for run in plan.runs if (seconds := records[run.id].seconds) and records[run.id].state == "completed"]
    if took and waiting:
        mean = sum(took) / len(took)
        parts.append(f"about {wording.clock(mean * len(waiting))} on 1 worker (measured here: {wording.clock(mean)} a run)")
    return ", ".join(parts)


def _variants(plan: Plan, records: Mapping[str, Record], parameters: Mapping[str, float]) -> Grid:
    states = {label: [records[run.id].state for run in plan.runs if run.variant == label] for label in plan.variants}
    failed = any(state == "failed" for found in states.values() for state in found)
    columns = [Column("variant", holds="labels"), *([Column("parameters", "right")] if parameters else [])]
    columns += [Column(name, "right") for name in ("seeds", "done", *(["failed"] if failed else []), "to do")]
    rows = []
    for label, found in states.items():
        row = [starred(label, plan), *([wording.count(parameters[label])] if parameters else []), str(len(found))]
        done = sum(state in ("completed", "diverged") for state in found)
        lost = found.count("failed")
        row += [str(done), *([str(lost)] if failed else []), str(len(found) - done - lost)]
        rows.append(row)
    return Grid(columns, rows)


def starred(label: str, plan: Plan) -> str:
    """A variant's label, with a star for the baseline where there is something to compare."""
    return f"{label} *" if label == plan.baseline and len(plan.variants) > 1 else label
