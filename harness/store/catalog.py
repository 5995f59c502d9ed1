"""Load, list, save and archive the plans and searches of a results folder (one JSON file each)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.errors import StoreError
from harness.experiment.plan import CONFIRMATION, Plan, stage_name
from harness.experiment.plan_base import PlanBase
from harness.experiment.plan_check import problems
from harness.experiment.study import Study
from harness.store import atomic
from harness.store.paths import NAME, Paths
from harness.store.seal import read_sealed, sealed_json

PlanBaseT = TypeVar("PlanBaseT", bound=PlanBase)


@dataclass(frozen=True)
class Catalog:
    """The plans and searches in the results folder `paths`. Other files are ignored."""

    paths: Paths

    def load_plan(self, name: str) -> Plan | None:
        """The plan `name`, or None. Raises StoreError if its file is damaged, contradicts itself or is from a newer version."""
        try:
            return read_plan(self.paths.plan(name))
        except FileNotFoundError:
            return None

    def load_study(self, name: str) -> Study | None:
        """The search `name`, or None. Raises StoreError if its file is damaged or from a newer version."""
        try:
            return read_sealed(self.paths.study(name).spec, Study)
        except FileNotFoundError:
            return None

    def plan_names(self) -> list[str]:
        """Every plan's name, sorted."""
        return _named(path.stem for path in atomic.matches(self.paths.plans, "*.json"))

    def study_names(self) -> list[str]:
        """Every search's name, sorted."""
        return _named(path.parent.name for path in atomic.matches(self.paths.studies, "*/search.json"))

    def load_plans(self) -> tuple[list[Plan], list[StoreError]]:
        """Every readable plan, sorted by name, and an error for each unreadable one."""
        return _load_each(self.plan_names(), self.load_plan, self.paths.plan, "the plan {0!r}; rename it to {0}.json")

    def load_studies(self) -> tuple[list[Study], list[StoreError]]:
        """Every readable search, sorted by name, and an error for each unreadable one."""
        return _load_each(
            self.study_names(),
            self.load_study,
            lambda name: self.paths.study(name).spec,
            "the search {0!r}; rename its folder to {0}",
        )

    def confirmation(self, study: Study) -> list[Plan]:
        """The existing plans that confirm the results of the search, in order. Raises StoreError."""
        plans = (self.load_plan(stage_name(study.name, stage)) for stage in CONFIRMATION)
        return [plan for plan in plans if plan is not None]

    def save_plan(self, plan: Plan) -> Path:
        """Write `plan`, replacing an earlier one of this name. Returns its path; raises StoreError."""
        path = self.paths.plan(plan.name)
        atomic.make_folder(path.parent)
        atomic.write_bytes(path, sealed_json(plan))
        return path

    def archive_plan(self, name: str) -> Path | None:
        """Move the plan `name` to plans/replaced/; its runs stay. Returns the new path; raises StoreError.

        None if there is no such plan: another worker may have archived it just before.
        """
        path, number = self.paths.plan(name), 1
        atomic.make_folder(self.paths.earlier_plan(name, number).parent)
        try:
            while not atomic.publish(self.paths.earlier_plan(name, number), atomic.read_bytes(path)):
                number += 1
        except FileNotFoundError:
            return None
        atomic.remove(path)
        return self.paths.earlier_plan(name, number)

    def archive_study(self, name: str) -> Path:
        """Move the search `name` and its trials to studies/replaced/; its runs stay. Returns the new path.

        No other process may write to it meanwhile. Raises StoreError.
        """
        folder, number = self.paths.study(name).folder, 1
        while atomic.exists(target := self.paths.earlier_study(name, number)):
            number += 1
        atomic.make_folder(target.parent)
        try:
            atomic.move(folder, target)
        except FileNotFoundError as error:
            raise atomic.unusable(folder, "be archived", error) from error
        return target


def read_plan(path: Path) -> Plan:
    """The plan in the file `path`. Raises FileNotFoundError; StoreError if it is damaged or contradicts itself."""
    plan = read_sealed(path, Plan)
    for problem in problems(plan):
        advice = "restore it from a copy, or move it elsewhere so that it is created again"
        raise StoreError(f"{path}: {problem}; {advice}")
    return plan


def _named(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if NAME.fullmatch(name))


def _load_each(
    names: Iterable[str], load: Callable[[str], PlanBaseT | None], path_of: Callable[[str], Path], holds: str
) -> tuple[list[PlanBaseT], list[StoreError]]:
    """`holds`: the end of the error message for a file whose content has another name, with {0} for that name."""
    found, errors = [], []
    for name in names:
        try:
            loaded = load(name)
            if loaded is not None and loaded.name != name:
                raise StoreError(f"{path_of(name)}: holds {holds.format(loaded.name)}, or move it elsewhere")
        except StoreError as error:
            errors.append(error)
        else:
            found += [loaded] if loaded is not None else []
    return found, errors
