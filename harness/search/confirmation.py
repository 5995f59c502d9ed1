"""A search that is over -> the plan of its best trials, written down."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import PlanChanged
from harness.execution.stages import begin, following, settle
from harness.execution.trainer import say
from harness.experiment.plan import Plan, stage_name
from harness.experiment.study import Study
from harness.search.confirmation_plans import top_plan
from harness.search.place import alone, check_current
from harness.search.trials import Trial
from harness.store import atomic
from harness.store.lease import Holder, Lease, SupersededError, Timing, Watch
from harness.store.records import Store


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
            with alone(store.paths.study(study.name), watch) as own:
                return _begun(store, study, trials, replan, own)
        except SupersededError:  # slept for so long that another one went on here
            continue


def _begun(store: Store, study: Study, trials: Sequence[Trial], replan: bool, own: Lease) -> Plan | None:
    study = check_current(store.paths.study(study.name), study)
    asked = top_plan(study, trials, earlier(store, study))
    if asked is None:
        return None
    own.check()
    if not replan:
        why = _outdated(store, study, asked)
        if why is None:
            try:
                return begin(store, asked)
            except PlanChanged:  # nobody changed a file
                why = "the best trials are others than before"
        say(f"{why}: {asked.name} is made anew; the old plan is archived, its runs stay")
    if store.load_plan(asked.name) is not None:
        own.check()
        store.archive_plan(asked.name)
    anew = top_plan(study, trials, earlier(store, study))
    return begin(store, anew) if anew is not None else None


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
    then, begun = following(stored, records), store.load_plan(stage_name(study.name, "final"))
    if then is None or begun is None or then.chosen == begun.chosen:
        return None
    try:
        settle(store, then)
    except PlanChanged:
        return "the winner is another than before"
    return None


def _seeds(plan: Plan) -> int:
    """How many there are."""
    return len({run.seed for run in plan.runs})


def earlier(store: Store, study: Study) -> list[Plan]:
    """The plans of earlier confirmations, archived, oldest first. Raises StoreError."""
    name, found = stage_name(study.name, "top"), list[Plan]()
    while (path := store.paths.earlier_plan(name, len(found) + 1)).exists():
        found.append(atomic.read_json(path, Plan))
    return found
