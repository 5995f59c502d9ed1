"""Experiment -> its plan, trained by worker processes, with its report: what `harness run` and `harness compare` do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.common import choices, optional_packages
from harness.execution.machine.allocation import Request, allocated
from harness.execution.options import WorkerOptions
from harness.execution.planning import plan_experiment
from harness.execution.recording import save_plan
from harness.experiment import Experiment
from harness.experiment.load import as_experiment
from harness.experiment.resources import needed
from harness.launch.plan_supervisor import supervise_plan
from harness.launch.remaining import runs_left
from harness.store.records import Store
from harness.tasks.protocol import lacking_packages
from harness.terminal.shell import say

if TYPE_CHECKING:
    from harness.launch.outcome import PlanOutcome


def run_experiment(
    experiment: Experiment | str | Path | Mapping[str, Any],
    results: str | Path = "results",
    *,
    profile: str | None = None,
    name: str | None = None,
    device: choices.Device = "auto",
    seeds: int | None = None,
    first_seed: int | None = None,
    replan: bool = False,
    loop: str | None = None,
    workers: choices.Workers = 1,
    share_gpu: int = 1,
    options: WorkerOptions | None = None,
    show: Callable[[PlanOutcome], object] | None = None,
) -> PlanOutcome:
    """Plan, train the remaining runs in worker processes, show progress on stderr, write the report.

    `experiment`: also a path or a mapping with the keys of a file, with `profile` and `name` as in `load_experiment`.
    `loop`: the name of the loop of comparisons that the plan is a member of. `workers`: "auto" fills the machine.
    `share_gpu`: the number of runs that may share a GPU. The GPUs are leased: no other command on this machine takes them.
    `show` is called with the outcome before the report is written, which takes longer than the verdicts.
    A plan is complete once its claims are decided, even before its last look. A tuned experiment trains its tuning stage first.
    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their current step and keeps everything; a second one
    stops at once. Raises HarnessError for bad input, a missing package, a machine that is too small or in use, and an
    unusable results folder; failed runs are part of the outcome.
    """
    request = Request(workers, share_gpu)
    experiment = as_experiment(experiment, profile, name)
    options = options or WorkerOptions()
    options.check([variant.label for variant in experiment.variants])
    optional_packages.require(optional_packages.REPORTS, "verdicts and reports")
    store = Store.open(Path(results), create=False, must_exist=False)
    lacking = lacking_packages(experiment.task_name, experiment.task, [variant.config for variant in experiment.variants])
    if lacking is None:
        store = Store.open(Path(results))
    plan, replaces = plan_experiment(
        store, experiment, device, seeds, replan, first_seed=first_seed, loop=loop, joins=lacking is None
    )
    left = runs_left(store, plan, options)
    if lacking is not None and left:  # a finished plan needs no packages to be shown
        raise lacking
    with ExitStack() as mirrors:
        with allocated(needed(plan), options.device or plan.accelerator, request, left, say) as slots:
            save_plan(store, plan, replaces)
            outcome = supervise_plan(store, plan, options, slots, mirrors=mirrors, replan=replan)
        from harness.launch.conclusion import conclude  # only now: its import takes longer than starting the workers

        return conclude(store, outcome, show)
