"""What is known of a plan before it starts -> the screen of a dry run."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from harness import wording
from harness.console.grid import INDENT, WARNING, Column, Grid, Note, printable, styled
from harness.console.preview import Preview
from harness.plan import Plan


def heading(plan: Plan) -> list[Text]:
    """The plan's name and its question; then whether its file claims something else by now."""
    question = styled(f"{plan.name}   {printable(plan.question)}")
    return [question] if plan.amended is None else [question, styled((wording.CHANGED, WARNING))]


def marked(facts: str, plan: Plan) -> Text:
    """A line of facts; of a rehearsal, with that at its end."""
    marker = wording.rehearsal(plan)
    return styled(printable(facts), " · ", (printable(marker), WARNING)) if marker else styled(printable(facts))


def dry_run(preview: Preview) -> RenderableType:
    """What `run` would do."""
    plan, power = preview.plan, preview.power
    notes = [(f"claim {place}", wording.claim(claim, preview.metrics), "") for place, claim in enumerate(plan.claims, 1)]
    if preview.levels is not None:
        notes.append(("looks", preview.levels, ""))
    if power is not None:
        notes.append(("power", wording.power(power), ""))
        if power.out_of_reach:
            notes.append(("WARNING", wording.out_of_reach(power), WARNING))
    if preview.command is not None:
        notes.append(("command", preview.command, ""))
    notes.append(("cost", cost(preview), ""))
    width = max(len(key) for key, _, _ in notes)
    return Group(
        *heading(plan),
        marked(" · ".join(wording.setting(plan)), plan),
        Text(),
        _variants(preview),
        Text(),
        *(Note(key, text, width, style) for key, text, style in notes),
        styled(f"{' ' * INDENT}nothing started; --json lists run ids"),
    )


def cost(preview: Preview) -> str:
    """The runs that are left, their epochs where configurations say how many, and the time they take where runs have shown it."""
    plan, records = preview.plan, preview.records
    waiting = [run for run in preview.asked if records[run.id].state in ("pending", "interrupted")]
    parts = [f"{wording.plural(len(waiting), 'run')} to train"]
    lengths = [wording.epochs(plan.variants[run.variant]) for run in waiting]
    known = [length for length in lengths if length is not None]
    if known and len(known) == len(lengths):
        left = sum(known) - sum(records[run.id].epoch for run in waiting)
        parts.append(wording.plural(max(0, left), "epoch"))
    took = [seconds for run in plan.runs if (seconds := records[run.id].seconds) and records[run.id].state == "completed"]
    if took and waiting:
        mean = sum(took) / len(took)
        parts.append(f"about {wording.clock(mean * len(waiting))} on 1 worker (measured here: {wording.clock(mean)} a run)")
    if waiting and len(preview.asked) < len(plan.runs):
        parts.append(f"up to {len(plan.runs) - len(preview.asked)} more at later looks")
    return ", ".join(parts)


def _variants(preview: Preview) -> Grid:
    plan, records, parameters = preview.plan, preview.records, preview.parameters
    states = {label: [records[run.id].state for run in preview.asked if run.variant == label] for label in plan.variants}
    failed = any(state == "failed" for found in states.values() for state in found)
    columns = [Column("variant", holds="labels"), *([Column("parameters", "right")] if parameters else [])]
    columns += [Column(name, "right") for name in ("seeds", "done", *(["failed"] if failed else []), "to do")]
    rows = []
    for label, found in states.items():
        row = [starred(label, plan), *([wording.count(parameters[label])] if parameters else []), str(wording.seeds(plan))]
        done = sum(state in ("completed", "diverged") for state in found)
        lost = found.count("failed")
        row += [str(done), *([str(lost)] if failed else []), str(len(found) - done - lost)]
        rows.append(row)
    return Grid(columns, rows)


def starred(label: str, plan: Plan) -> str:
    """A variant's label, with a star for the baseline where there is something to compare."""
    return f"{label} *" if label == plan.baseline and len(plan.variants) > 1 else label
