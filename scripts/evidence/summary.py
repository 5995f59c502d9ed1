"""Records and standings -> the document evidence.json and the text summary.txt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evidence.budget import Step
from evidence.checks import is_training_possible
from evidence.experiments import Standing
from harness.common.durations import spelled

WORDS = {"passed": "passed", "failed": "FAILED", "not possible": "not possible", "measured": "measured"}


@dataclass
class Progress:
    """What is known at the moment. `undone`: steps with the reason; `problems`: experiments that could not go on, by plan."""

    machine: Mapping[str, Any]
    records: list[Mapping[str, Any]] = field(default_factory=list)
    undone: list[tuple[Step, str]] = field(default_factory=list)
    standings: Sequence[Standing] = ()
    problems: dict[str, str] = field(default_factory=dict)
    verified: str | None = None  # what `harness verify` found; None: not looked at
    seconds: float = 0.0  # of all sessions together
    workers: int = 1

    @property
    def failures(self) -> list[str]:
        """What makes the exit code 1."""
        checks = [f"{record['name']}: {record['reason']}" for record in self.records if record["state"] == "failed"]
        runs = [f"{each.plan}: {each.failed} runs failed" for each in self.standings if each.failed]
        verified = [f"harness verify: {self.verified}"] if self.verified else []
        return [*checks, *(f"{plan}: {reason}" for plan, reason in self.problems.items()), *runs, *verified]

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self.undone and not any(each.runs for each in self.standings)


def document(progress: Progress, extra: Mapping[str, Any]) -> dict[str, Any]:
    """evidence.json; `extra` is added to it."""
    return {
        "schema": 1,
        "rehearsal": progress.machine["rehearsal"],
        "machine": dict(progress.machine),
        "seconds": round(progress.seconds, 1),
        "workers": progress.workers,
        "steps": [
            {key: record[key] for key in ("kind", "name", "state", "reason", "seconds", "at")} for record in progress.records
        ],
        "undone_steps": [{"name": step.name, "reason": reason} for step, reason in progress.undone],
        "experiments": [{"epochs": each.entry.epochs, **_without_entry(each)} for each in progress.standings],
        "problems": progress.problems,
        "failures": progress.failures,
        "complete": progress.complete,
        **extra,
    }


def text(progress: Progress) -> str:
    """summary.txt, which is also printed."""
    machine = progress.machine
    lines = []
    if machine["rehearsal"]:
        lines.append(f"REHEARSAL on {machine['device']}: tiny sizes; no figure here says anything about a GPU")
    about = [f"{machine['device']}: {machine['model']}", f"torch {machine['torch']}"]
    about += [f"CUDA {machine['cuda']}"] if machine["cuda"] else []
    about += [f"driver {machine['driver']}"] if machine["driver"] else []
    lines += [
        ", ".join(about),
        f"commit {machine['commit']}, code {machine['code'][:12]}",
        f"time used: {_length(progress.seconds)}",
    ]
    lines += ["", *(f"{_state(record)} {record['name']}{_because(record)}{_figures(record)}" for record in progress.records)]
    lines += [f"not done      {step.name}: {reason}" for step, reason in progress.undone]
    lines.append("")
    lines += [_experiment(each, progress.problems.get(each.plan)) for each in progress.standings]
    if not all(map(is_training_possible, progress.records)):
        lines.append("nothing was trained: training is impossible here")
    lines += ["", *(f"FAILED: {failure}" for failure in progress.failures)]
    lines.append("everything is done" if progress.complete else "not complete: the same command continues")
    return "\n".join(lines) + "\n"


def line(record: Mapping[str, Any]) -> str:
    """How a check or benchmark ended, for the screen."""
    return f"{_state(record)} {record['name']} ({_length(record['seconds'])}){_because(record)}{_figures(record)}"


def _state(record: Mapping[str, Any]) -> str:
    return f"{WORDS[record['state']]:<13}"


def _because(record: Mapping[str, Any]) -> str:
    return f": {record['reason']}" if record["reason"] else ""


def _figures(record: Mapping[str, Any]) -> str:
    """The figures in words, of those kinds that have short ones."""
    figures = record["figures"]
    said: list[str] = []
    match record["name"]:
        case "tests":
            said = [f"{figures['passed']} of {figures['tests']} tests passed"] if figures else []
        case "steps":
            said = [
                f"{precision} {way} {1000 * each['step_seconds']:.2f} ms a step"
                for precision, ways in figures.items()
                for way, each in ways.items()
                if each["error"] is None
            ]
        case "resume":
            places = [f"epoch {epoch + 1}, step {step}" for epoch, step in figures.get("killed_at", ())]
            said = [f"killed in {' and '.join(places)}, {'the same' if figures['same'] else 'other'} bits"] if figures else []
        case _ if "figures" in figures:
            measured = figures["figures"]
            ratio = "{median:.2f} ({lowest:.2f} to {highest:.2f}) times as fast as".format(**measured["ratio"])
            if "processes" in measured:
                said = [f"{measured['samples_per_second_of_all']:,.0f} samples/s, {ratio} one process"]
            else:
                said = [f"{measured['harness_samples_per_second']:,.0f} samples/s, {ratio} the plain loop"]
    return f"; {', '.join(said)}" if said else ""


def _experiment(each: Standing, problem: str | None) -> str:
    if problem is not None:
        return f"stopped       {each.plan}: {problem}"
    if not each.runs:
        return f"done          {each.plan}"
    took = "" if each.seconds is None else f", {_length(each.seconds)} each"
    later = f", at most {each.later} later" if each.later else ""
    kind = "trials" if each.entry.search else "runs"
    return f"not complete  {each.plan}: {each.runs} {kind} to the next look{took}{later}"


def _without_entry(standing: Standing) -> dict[str, Any]:
    return {key: value for key, value in asdict(standing).items() if key != "entry"}


def _length(seconds: float) -> str:
    return spelled(round(seconds))
