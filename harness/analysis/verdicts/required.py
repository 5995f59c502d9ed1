"""Whether verdicts meet what `--require` asks of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.verdicts.model import Judgement, Verdict
from harness.common.choices import Requirement
from harness.errors import InputError
from harness.experiment.claims import Claim

# Why a claim does not meet a requirement: its verdict is another one or missing, later seeds contradict it, or it is not known
# to be evidence, as it was added to the file later or written after its results.
Lack = Literal["verdict", "unfinished", "contradicted", "added", "retrospective", "unknown"]


@dataclass(frozen=True)
class Answer:
    """The claims of a plan against a requirement. `lacks`: one entry a claim, in their order, None where it is met."""

    requirement: Requirement
    lacks: tuple[Lack | None, ...]
    consistent: bool = True  # whether the files fit together; else no verdict can be trusted

    @property
    def met(self) -> bool:
        """Whether every claim meets it; there is at least one."""
        return self.consistent and bool(self.lacks) and not any(self.lacks)


def check(requirement: Requirement | None, name: str, claims: Sequence[Claim], *, rehearsal: bool) -> None:
    """Raises InputError if no verdict on what `name` claims can meet the requirement."""
    if requirement is None:
        return
    if not claims:
        raise InputError(f"--require {requirement}: {name} has no claims; add claims, or remove --require")
    if rehearsal:
        raise InputError(f"--require {requirement}: a rehearsal is not evidence; remove --profile and --set, or --require")


def answer(judgement: Judgement, requirement: Requirement, *, registered: bool = True, consistent: bool = True) -> Answer:
    """`supported`: every claim has that verdict, no later seeds contradict it, and it is evidence. `not-refuted`: no claim has
    been refuted, and no later look can change that.

    Evidence is a claim that the plan has held since before the results it is judged on were known, but for those of what it
    compares with: a baseline that was trained for an earlier comparison does not count against it. With `registered` false, as
    for results that exist already, a claim need not be evidence.
    """
    if requirement == "not-refuted":
        lacks = tuple(_not_refuted(verdict, judgement.finished) for verdict in judgement.verdicts)
    else:
        lacks = tuple(_supported(verdict, judgement.finished, registered) for verdict in judgement.verdicts)
    return Answer(requirement, lacks, consistent)


def _not_refuted(verdict: Verdict, finished: bool) -> Lack | None:
    if verdict.verdict == "refuted":
        return "verdict"
    return None if finished else "unfinished"


def _supported(verdict: Verdict, finished: bool, registered: bool) -> Lack | None:
    if verdict.verdict != "supported":
        return "verdict" if finished or not verdict.open else "unfinished"
    if verdict.contradicted:
        return "contradicted"
    found = verdict.registration
    if not registered or (found is not None and found.only and not found.added):
        return None
    if found is None:
        return "unknown"
    return "added" if found.added else "retrospective" if found.retrospective else None
