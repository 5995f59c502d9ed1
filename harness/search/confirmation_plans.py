"""A study and its trials -> the plans that confirm the winner, written down.

A search's best value is the largest of many noisy ones, so it is too good. The best trials run again on fresh seeds, of which the
best mean is the winner; the winner and the base run on fresh seeds again, as an ordinary experiment with an ordinary claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.common.yaml_nodes import from_plain
from harness.errors import InputError, PlanChanged, Position
from harness.execution.stages import next_plan, resolve_plan, save_resolved_plan
from harness.execution.worker_loop import say
from harness.experiment.claims import Claim, Setting, digest, read_claim
from harness.experiment.plan import Plan, Selection, stage_name
from harness.experiment.study import Study, base_of, config_of, task_of
from harness.search.broker import check_current, exclusive
from harness.search.trials import Trial, ranked
from harness.store import atomic
from harness.store.lease import Holder, Lease, SupersededError, Timing, Watch
from harness.store.records import Store
from harness.tasks.protocol import Task, result_metrics

TOP_SEED, FINAL_SEED = 2000, 3000
BASE, WINNER = "base", "winner"


def label_of(trial: Trial) -> str:
    """What a trial is called among the variants of a plan."""
    return f"trial {trial.number}"


def top_plan(study: Study, trials: Iterable[Trial], earlier: Sequence[Plan] = ()) -> Plan | None:
    """The plan in which the best trials run again; its results choose the winner, which goes on against the base.

    `earlier`: the plans of that name that were archived, whose seeds no later confirmation uses again. None where the study
    confirms nothing, or no trial completed. Raises InputError when the task cannot be loaded or no fresh seeds are left.
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
        raise InputError(f"{study.name}: {left}, and {seeds} more are asked for; give the search another name")
    outline = Plan(
        **_shared(study),
        name=stage_name(study.name, "top"),
        stage="top",
        question=f"Which of the best trials is the best on fresh seeds? ({study.question}){_ordinal(ordinal)}",
        baseline=next(iter(configs)),
        looks=(seeds,),
        variants={label: config.model_dump(mode="json") for label, config in configs.items()},
        data={label: task.fingerprint(config) for label, config in configs.items()},
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
    """The plan in which the best trials run again, written down; None where nothing is to be confirmed.

    What is confirmed is what the search asks for now, whenever `study` was read: workers that began at different times agree.
    Where it went on and found others to be the best, where another number of seeds is asked for, and where runs that were tried
    again made another trial the winner, the old plan is archived and fresh seeds are used: evidence counts once. Raises
    InputError, StoreError.
    """
    watch = Watch(Timing(), Holder.here())
    while True:
        try:
            # Of two workers that meet here the second one finds what the first one wrote, and archives nothing more.
            with exclusive(store.paths.study(study.name), watch) as own:
                return _begun(store, study, trials, replan, own)
        except SupersededError:  # slept for so long that another one went on here
            continue


def _begun(store: Store, study: Study, trials: Sequence[Trial], replan: bool, own: Lease) -> Plan | None:
    study = check_current(store.paths.study(study.name), study)
    asked = top_plan(study, trials, archived_plans(store, study))
    if asked is None:
        return None
    own.check()
    if not replan:
        why = _outdated(store, study, asked)
        if why is None:
            try:
                return save_resolved_plan(store, asked)
            except PlanChanged:  # nobody changed a file
                why = "the best trials are others than before"
        say(f"{why}: {asked.name} is made anew; the old plan is archived, its runs stay")
    if store.load_plan(asked.name) is not None:
        own.check()
        store.archive_plan(asked.name)
    anew = top_plan(study, trials, archived_plans(store, study))
    return save_resolved_plan(store, anew) if anew is not None else None


def _outdated(store: Store, study: Study, asked: Plan) -> str | None:
    """Why a confirmation of these trials that has begun cannot be gone on with; None: it can, or none has begun.

    More seeds may choose another winner, after evidence has been seen of the first.
    """
    stored = store.load_plan(asked.name)
    records = store.records([run.id for run in stored.runs]) if stored is not None else {}
    if stored is None or all(record.state == "pending" for record in records.values()):
        return None
    if _seeds(stored) != _seeds(asked):  # not the looks: an older plan was made longer and kept its own
        return "another number of seeds is asked for than before"
    then, begun = next_plan(stored, records), store.load_plan(stage_name(study.name, "final"))
    if then is None or begun is None or then.chosen == begun.chosen:
        return None
    try:
        resolve_plan(store, then)
    except PlanChanged:
        return "the winner is another than before"
    return None


def _seeds(plan: Plan) -> int:
    """How many there are."""
    return len({run.seed for run in plan.runs})


def archived_plans(store: Store, study: Study) -> list[Plan]:
    """The plans of earlier confirmations, archived, oldest first. Raises StoreError."""
    found: list[Plan] = []
    while (path := store.paths.earlier_plan(stage_name(study.name, "top"), len(found) + 1)).exists():
        found.append(atomic.read_json(path, Plan))
    return found


def _final(study: Study, task: Task, seeds: int, ordinal: int) -> Plan:
    """The plan of the winner against the base, without its runs; the winner stands in with the base's configuration."""
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
        levels={label: {} for label in labels},
        over=dict.fromkeys(labels, BASE),
        runs=(),
        claims=claims,
        claims_digest=digest(claims, registered),
    )


def _ordinal(number: int) -> str:
    """What readers are to know of a later confirmation: each further one is a further chance to find something."""
    return f" (confirmation {number} of this search, on fresh seeds)" if number > 1 else ""


def _claims(study: Study, task: Task, labels: Sequence[str]) -> tuple[Claim, ...]:
    setting = Setting(
        labels, dict.fromkeys(labels, BASE), (), {label: {} for label in labels}, result_metrics(task), study.margin
    )
    claim, problems = read_claim(from_plain({"improves": WINNER}, Position(study.file), "confirm"), setting)
    assert claim is not None, problems
    return (claim,)


def _shared(study: Study) -> dict[str, object]:
    task = ("task", "task_version", "program", "folder", "accelerator")
    return {name: getattr(study, name) for name in ("experiment", "profile", "overrides", *task, "file", "created")}
