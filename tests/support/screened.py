"""Plans in every state, and their output on a terminal."""

from __future__ import annotations

import io

from examples import ACCURACY
from rich.console import Console, RenderableType

from harness.experiment.plan import Plan
from harness.store.records import Record

METRIC = ACCURACY["test_accuracy"]
CLAIM = {"kind": "improves", "metric": "test_accuracy", "variants": ["leaky_relu"], "over": ["relu"], "margin": 3.0}


def text(*renderables: RenderableType, width: int = 100) -> str:
    """The output on a terminal of `width`, without colours."""
    out = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    for renderable in renderables:
        out.print(renderable)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def completed(run_id: str, accuracy: float) -> Record:
    return Record(
        run_id, "completed", epoch=4, metrics={"test_accuracy": accuracy}, seconds=24.0, ended_at="2026-01-02T03:04:05+00:00"
    )


def some_records(plan: Plan) -> dict[str, Record]:
    """Two seeds in every state: those of the first variant finished, those of the second unfinished."""
    values = {
        "a00000000000": completed("a00000000000", 41.234),
        "b00000000000": completed("b00000000000", 42.0),
        "a00000000001": Record("a00000000001", "failed", reason="oom", error="out of memory", epoch=3),
        "b00000000001": Record("b00000000001", "running", epoch=2, host="gpu07", pid=4711, beat_age_s=8.0),
        "a00000000002": Record("a00000000002", "interrupted", epoch=3),
    }
    return {run.id: values.get(run.id, Record(run.id, "pending")) for run in plan.runs}


def colours(renderable: RenderableType) -> list[tuple[str, str]]:
    """Every coloured part of the output, with its style."""
    segments = Console(width=100, color_system="truecolor").render(renderable)
    return [(segment.text, str(segment.style)) for segment in segments if segment.style]


def terminal(width: int, height: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
