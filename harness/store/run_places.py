"""A run id -> the plans that contain it, each with the variant, and the trials of searches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.experiment.plan import Plan
from harness.experiment.steps import known_steps
from harness.store.paths import Paths
from harness.store.trial_runs import Membership, memberships


@dataclass(frozen=True)
class InPlan:
    """A plan that contains the run. `variants`: its own, or those that need it as a `step`."""

    plan: str
    variants: tuple[str, ...]
    selects: bool  # the plan's results only choose what is compared
    step: str | None = None


@dataclass(frozen=True)
class RunPlaces:
    """Where a run belongs."""

    plans: tuple[InPlan, ...]
    trials: tuple[Membership, ...]

    @property
    def variants(self) -> tuple[str, ...]:
        """The labels of the run's variant, each once: plans may call it differently."""
        return tuple(dict.fromkeys(label for each in self.plans if each.step is None for label in each.variants))

    @property
    def named(self) -> list[str]:
        """The plans in words: `toys`; `toys (relu)` if plans call the variant differently; `toys (step pretrain of relu)`."""
        several = len(self.variants) > 1
        words = []
        for each in self.plans:
            labels = ", ".join(each.variants)
            about = f"step {each.step} of {labels}" if each.step is not None else labels if several else ""
            words.append(f"{each.plan} ({about})" if about else each.plan)
        return words

    @property
    def named_trials(self) -> list[str]:
        """The trials in words: `hunt trial 3`."""
        return [f"{each.study} trial {each.number}" for each in self.trials]

    @property
    def chooses(self) -> bool:
        """Whether the run was used to choose settings, and is evidence of no plan: its test metrics must not be shown."""
        return bool(self.trials or any(each.selects for each in self.plans)) and all(each.selects for each in self.plans)


def places_of(paths: Paths, plans: Iterable[Plan], run_id: str) -> RunPlaces:
    """Where the run belongs, by the given plans and the searches on disk."""
    found = []
    for plan in plans:
        selects = plan.selection is not None
        own = tuple(dict.fromkeys(run.variant for run in plan.runs if run.id == run_id))
        found += [InPlan(plan.name, own, selects)] if own else []
        step = known_steps(plan, of_programs=True).get(run_id)
        if step is not None:
            needing = tuple(dict.fromkeys(run.variant for run in step.needed_by))
            found.append(InPlan(plan.name, needing, selects, step.run.name))
    return RunPlaces(tuple(found), tuple(memberships(paths).get(run_id, ())))
