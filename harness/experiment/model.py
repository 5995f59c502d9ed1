"""A validated experiment and its variants, as frozen values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from harness.experiment.claims import Claim, Factor
from harness.experiment.searching import Search
from harness.experiment.tuning import Tuning
from harness.tasks.command.model import Program
from harness.tasks.protocol import Task
from harness.tasks.resources import NOTHING, Resources

MAPPING = "<mapping>"  # the file of an experiment that was a mapping in Python


@dataclass(frozen=True)
class Variant:
    """One setting of the task: its label, its validated configuration, its level of each factor, and what its runs need."""

    label: str
    config: BaseModel
    levels: Mapping[str, str]
    resources: Resources = NOTHING


@dataclass(frozen=True)
class Experiment:
    """A validated experiment file or mapping. Reading it again gives an equal value."""

    path: Path  # of a mapping its name, which is not a file
    stem: str
    profile: str | None
    overrides: tuple[str, ...]  # the --set values that make it a rehearsal, as path=JSON, sorted
    question: str
    source: str | None
    tags: tuple[str, ...]
    task_name: str
    task: Task
    variants: tuple[Variant, ...]
    factors: tuple[Factor, ...]
    baseline: str
    over: Mapping[str, str]  # label -> default reference of comparisons
    looks: tuple[int, ...]
    margin: float | None
    alpha: float
    futility: float | None  # close a claim that is less likely than this to be decided by the last look
    claims: tuple[Claim, ...]
    tuning: Tuning | None
    search: Search | None
    program: Program | None = None  # if the task is a command
    folder: str | None = None  # of the task's module, if it is beside the file
    first_seed: int = 0
    from_mapping: bool = False
    shipped: bool = False  # comes with the package: a command line names it without its path
    listed_seeds: tuple[int, ...] = ()  # in the order of training; empty: counted up from the first
    evidence: bool = False  # the profile says that its results are
    scaled: Experiment | None = None  # the experiment that this one is a small version of
    commits: Mapping[str, str] = field(default_factory=dict)  # version of the code -> its commit, where it is known already

    @property
    def name(self) -> str:
        """The plan's name: `stem`, `stem@profile`, each with `+<6 hex>` of the --set values."""
        name = f"{self.stem}@{self.profile}" if self.profile else self.stem
        if self.overrides:
            name += "+" + hashlib.sha256("\n".join(self.overrides).encode()).hexdigest()[:6]
        return name

    @property
    def rehearsal(self) -> bool:
        """Made with --set, or with a profile that does not say that it is evidence."""
        return (self.profile is not None and not self.evidence) or bool(self.overrides)
