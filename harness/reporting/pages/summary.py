"""Findings -> what a report says in a line: the banner, the line above all, how many runs are where."""

from __future__ import annotations

from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.pages.report_data import Findings

HELD = "HELD BY A FAILED RUN: no look until it is tried again (--retry failed)"


def banner(findings: Findings) -> list[str]:
    """What a reader must see before anything else."""
    missing = None if findings.complete else f"{findings.ended:,d} OF {len(findings.asked):,d} RUNS IN"
    held = HELD if findings.judgement.holding else None
    lines = (phrases.rehearsal(findings.plan), missing, held, phrases.amended(findings.plan, findings.metrics))
    return [line for line in lines if line]


def facts(findings: Findings) -> list[str]:
    """The line above all: runs, seeds, cost, date."""
    seeds = len({run.seed for run in findings.asked})
    parts = [f"{findings.ended:,d}/{len(findings.asked):,d} runs", phrases.plural(seeds, "seed")]
    parts += [hours(findings.cost.seconds, device_word(findings.plan))] if findings.cost.seconds else []
    return [*parts, *([findings.last[:10]] if findings.last else [])]


def standing(findings: Findings) -> str:
    """How many runs are where, states without any left out."""
    counts = findings.counts
    states = {
        "completed": counts.done,
        "running": counts.running,
        "waiting": counts.pending + counts.interrupted,
        "failed": counts.failed,
        "diverged": counts.diverged,
    }
    parts = [f"{count:,d} {state}" for state, count in states.items() if count]
    later = "of later looks were not needed" if findings.complete else "wait for later looks"
    beyond = f" Another {counts.beyond:,d} {later}." if counts.beyond else ""
    return f"{phrases.plural(counts.total, 'run')} asked for: {', '.join(parts)}.{beyond}"


def untroubled(findings: Findings) -> str:
    """What stands in the place of flags where there are none."""
    if not findings.origins:
        return "Nothing to flag: no run has started."
    return "Nothing stands out: same code, devices, precision and packages throughout."


def images_missing(findings: Findings) -> str:
    """A sentence on the intervals for new images that there are not; empty where none is missing."""
    if not findings.images_missing:
        return ""
    return f"{'Not every' if findings.images else 'No'} interval for new images can be told: {findings.images_missing}."


def device_word(plan: Plan | Study) -> str:
    """What an hour of the accelerator is called."""
    return "GPU " if plan.accelerator == "cuda" else "CPU "


def hours(seconds: float, device: str = "") -> str:
    """`3.1 GPU h`; under an hour `25 CPU min`."""
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} {device}h"
    return f"{max(seconds / 60, 0.1):.{0 if seconds >= 600 else 1}f} {device}min"
