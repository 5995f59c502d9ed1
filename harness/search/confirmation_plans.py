"""Study and trials -> the plans that confirm the winner.

A search's best value is the largest of many noisy ones, hence biased upwards. So the best trials run again on fresh seeds, and
the best mean is the winner; the winner and the base then run on further fresh seeds, as an ordinary experiment with an ordinary
claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.common.yaml_nodes import from_plain
from harness.errors import InputError, PlanChanged, Position
from harness.execution.recording import archive_plan
from harness.execution.stages import next_plan, resolve_plan, save_resolved_plan
from harness.execution.worker_loop import say
from harness.experiment.claims import Claim, Setting, digest, read_claim
from harness.experiment.plan import Plan, Selection, stage_name
from harness.experiment.study import Study, base_of, config_of, task_of
from harness.search.broker import check_current, exclusive
from harness.search.trials import Trial, ranked, trial_label
from harness.store import atomic
from harness.store.catalog import read_plan
from harness.store.holder import Holder
from harness.store.lease import Lease, SupersededError, Timing, Watch
from harness.store.records import Store
from harness.tasks.protocol import Task, result_metrics
from harness.tasks.resources import NOTHING, Resources

TOP_SEED, FINAL_SEED = 2000, 3000
BASE, WINNER = "base", "winner"


def label_of(trial: Trial) -> str:
    """The trial's variant name in a plan."""
    return trial_label(trial.number)


def top_plan(study: Study, trials: Iterable[Trial], earlier: Sequence[Plan] = ()) -> Plan | None:
    """The plan in which the best trials run again; its results select the winner, which is then compared with the base.

    `earlier`: archived plans of that name, whose seeds are not used again. None if the study has no confirmation or no trial
    completed. Raises InputError if the task cannot be loaded or no fresh seeds are left.
    """
    best = ranked(study, trials)
    if study.confirm is None or not best:
        return None
    task, top = task_of(study), best[: study.confirm.top]
    configs = {label_of(trial): config_of(study, task, trial.values) for trial in top}
    seeds, ordinal = study.confirm.seeds, len(earlier) + 1
    used = max((run.seed + 1 - TOP_SEED for plan in earlier for run in plan.runs), default=0)
    if used + seeds > FINAL_SEED - TOP_SEED:
        left = f"{ordinal - 1} earlier confirmations used {used} of {FINAL_SEED - TOP_SEED} seeds"
        raise InputError(f"{study.name}: {left}, but {seeds} more are needed; give the search another name")
    outline = Plan(
        **_shared(study),
        name=stage_name(study.name, "top"),
        stage="top",
        question=f"Which of the best trials is the best on fresh seeds? ({study.question}){_ordinal(ordinal)}",
        baseline=next(iter(configs)),
        looks=(seeds,),
        variants={label: config.model_dump(mode="json") for label, config in configs.items()},
        data={label: task.fingerprint(config) for label, config in configs.items()},
        resources=_resources(study, configs),
        levels={label: {} for label in configs},
        over=dict.fromkeys(configs, next(iter(configs))),
        runs=(),
        claims_digest=digest((), {}),
        selection=Selection(
            metric=study.metric,
            goal=study.objectives[study.metric],
            groups={WINNER: tuple(configs)},
            settings={},
            first_seed=FINAL_SEED + used,
            seeds=seeds,
            then=_final(study, task, seeds, ordinal),
        ),
    )
    return outline.with_runs(configs, range(TOP_SEED + used, TOP_SEED + used + seeds))


def begin_confirmation(store: Store, study: Study, trials: Sequence[Trial], replan: bool = False) -> Plan | None:
    """`top_plan`, saved; None: nothing to confirm.

    Uses the study as stored now, so that workers that started at different times agree. If the best trials, the number of seeds
    or, after a retry, the winner have changed, the old plan is archived and fresh seeds are used: evidence counts once. Raises
    InputError, StoreError.
    """
    watch = Watch(Timing(), Holder.here())
    while True:
        try:
            # The second of two workers finds the plan of the first and archives nothing.
            with exclusive(store.paths.study(study.name), watch) as own:
                return _begin(store, study, trials, replan, own)
        except SupersededError:  # slept so long that another process took over
            continue


def _begin(store: Store, study: Study, trials: Sequence[Trial], replan: bool, own: Lease) -> Plan | None:
    study = check_current(store.paths.study(study.name), study)
    requested = top_plan(study, trials, archived_plans(store, study))
    if requested is None:
        return None
    own.check()
    if not replan:
        why = _outdated(store, study, requested)
        if why is None:
            try:
                return save_resolved_plan(store, requested)
            except PlanChanged:  # not caused by a changed file
                why = "the best trials have changed"
        say(f"{why}: {requested.name} is replaced; the old plan is archived, its runs are kept")
    if store.load_plan(requested.name) is not None:
        own.check()
        archive_plan(store, requested.name)
    plan = top_plan(study, trials, archived_plans(store, study))
    return save_resolved_plan(store, plan) if plan is not None else None


def _outdated(store: Store, study: Study, requested: Plan) -> str | None:
    """Why the started confirmation of these trials cannot be resumed; None: it can, or none has started.

    More seeds could select another winner after evidence for the first was seen.
    """
    stored = store.load_plan(requested.name)
    records = store.records([run.id for run in stored.runs]) if stored is not None else {}
    if stored is None or all(record.state == "pending" for record in records.values()):
        return None
    if _seeds(stored) != _seeds(requested):  # not the looks: an older plan that was extended kept its own
        return "the number of seeds has changed"
    expected, started = next_plan(stored, records), store.load_plan(stage_name(study.name, "final"))
    if expected is None or started is None or expected.chosen == started.chosen:
        return None
    try:
        resolve_plan(store, expected)
    except PlanChanged:
        return "the winner has changed"
    return None


def _seeds(plan: Plan) -> int:
    return len({run.seed for run in plan.runs})


def archived_plans(store: Store, study: Study) -> list[Plan]:
    """The plans of earlier confirmations, oldest first. Raises StoreError."""
    found: list[Plan] = []
    while atomic.exists(path := store.paths.earlier_plan(stage_name(study.name, "top"), len(found) + 1)):
        found.append(read_plan(path))
    return found


def _final(study: Study, task: Task, seeds: int, ordinal: int) -> Plan:
    """The plan of winner against base, without runs; the winner has the base's configuration as a placeholder."""
    base = base_of(study, task)
    labels = (BASE, WINNER)
    claims = _claims(study, task, labels)
    registered = {"looks": (seeds,), "margin": study.margin, "alpha": study.alpha, "baseline": BASE}
    return Plan(
        **_shared(study),
        name=stage_name(study.name, "final"),
        stage="final",
        question=study.question + _ordinal(ordinal),
        source=study.source,
        baseline=BASE,
        looks=(seeds,),
        margin=study.margin,
        alpha=study.alpha,
        variants={label: base.model_dump(mode="json") for label in labels},
        data=dict.fromkeys(labels, study.data),
        resources=_resources(study, labels),
        levels={label: {} for label in labels},
        over=dict.fromkeys(labels, BASE),
        runs=(),
        claims=claims,
        claims_digest=digest(claims, registered),
    )


def _ordinal(number: int) -> str:
    """Marks a later confirmation: each further one is a further chance of a false positive."""
    return f" (confirmation {number} of this search, on fresh seeds)" if number > 1 else ""


def _claims(study: Study, task: Task, labels: Sequence[str]) -> tuple[Claim, ...]:
    setting = Setting(
        labels, dict.fromkeys(labels, BASE), (), {label: {} for label in labels}, result_metrics(task), study.margin
    )
    claim, problems = read_claim(from_plain({"improves": WINNER}, Position(study.file), "confirm"), setting)
    assert claim is not None, problems
    return (claim,)


def _resources(study: Study, labels: Iterable[str]) -> dict[str, Resources]:
    return {} if study.resources == NOTHING else dict.fromkeys(labels, study.resources)


def _shared(study: Study) -> dict[str, object]:
    task = ("task", "task_version", "program", "folder", "accelerator")
    return {
        name: getattr(study, name)
        for name in ("experiment", "profile", "evidence", "overrides", "tags", "scale", *task, "file", "created")
    }
