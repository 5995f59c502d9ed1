"""Names on the command line -> plans, searches and runs of a results folder; an unknown name lists near ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.common.near_names import meant, near
from harness.errors import InputError
from harness.experiment.places import find, written
from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.paths import RUN_ID
from harness.store.records import Store

if TYPE_CHECKING:
    from harness.experiment import Experiment

LIKE_A_RUN = re.compile(r"[0-9A-Za-z]{6,14}")  # a run id, perhaps mistyped
LISTED = 20


def stored_plan(store: Store, name: str) -> Plan:
    """The plan that `name` (a plan, or the path of its experiment) refers to. Raises InputError with the choices."""
    wanted = plan_name(name)
    plan = store.load_plan(wanted) if wanted in store.plan_names() else None
    if plan is None:
        raise unknown_name(store, name, searches=False)
    return plan


def plan_name(argument: str) -> str:
    """Command-line argument -> name of the plan: `experiments/x.yaml` and `experiments/x.yaml@smoke` give `x` and `x@smoke`."""
    path, at, profile = argument.partition("@")
    if path.endswith((".yaml", ".yml")):
        path = Path(path).stem
    return f"{path}{at}{profile}"


def unknown_name(store: Store, name: str, *, searches: bool = True, runs: bool = False) -> InputError:
    """The error for a name that is none of the plans, `searches` and `runs` in the store; lists near names."""
    wanted, root = plan_name(name), store.paths.root
    known = [*store.plan_names(), *(store.study_names() if searches else ())]
    kinds = ["plan", *(["search"] if searches else []), *(["run"] if runs else [])]
    what = f"{', '.join(kinds[:-1])} or {kinds[-1]}" if len(kinds) > 1 else kinds[0]
    # The name of the experiment alone most often means one of its profiles.
    found = [other for other in known if other.startswith((f"{wanted}@", f"{wanted}+", f"{wanted}."))] or near(wanted, known)
    if not found and runs and LIKE_A_RUN.fullmatch(name):
        found = _near_runs(store, name)
    experiment, at, profile = wanted.partition("@")
    file = find(experiment)
    if found:
        advice = meant(found)
    elif known:
        advice = f"choose from: {', '.join(sorted(known)[:LISTED])}"
    elif file is None:
        advice = "it has no plans; create one with: harness run NAME (harness list shows the names)"
    else:
        advice = f"it has no plans; create one with: harness {_command(file)} {written(file)}{at}{profile}"
    if known and wanted.isprintable() and file is not None:
        advice += f"; {written(file)} has not been started there: harness {_command(file)} {wanted}"
    return InputError(f"no {what} {wanted!r} in {root}; {advice}")


def find_run(store: Store, start: str, *, damaged: bool = False) -> str:
    """The run on disk whose id starts with `start`; `damaged`: also without a spec. Raises InputError if none or several do."""
    folders = atomic.matches(store.paths.runs, f"{start}*" if damaged else f"{start}*/spec.json")
    names = [path.name if damaged else path.parent.name for path in folders]
    found = sorted(name for name in names if RUN_ID.fullmatch(name))
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"ambiguous run id {start!r}; choose from: {', '.join(found[:10])}")
    close = _near_runs(store, start)
    advice = meant(close) if close else "harness status PLAN --json lists run ids"
    raise InputError(f"no run {start!r} in {store.paths.runs}; {advice}")


def named_experiment(target: str, results: Path, **options: Any) -> Experiment:
    """`load_experiment` with `options`; an unknown name also lists near plans and searches in `results`, with their files."""
    from harness.experiment.load import UnknownExperimentError, load_experiment

    try:
        return load_experiment(target, **options)
    except UnknownExperimentError as error:
        lines = _made_from(Store.open(results, create=False, must_exist=False), error.name)
        raise InputError("; ".join([str(error), *lines])) from error


def _made_from(store: Store, name: str) -> list[str]:
    """`results has the plan x, made from y.yaml` for plans and searches of a similar name."""
    wanted = plan_name(name)
    lines = []
    for kind, known in (("plan", store.plan_names()), ("search", store.study_names())):
        for each in near(wanted, known, 1):
            loaded = store.load_plan(each) if kind == "plan" else store.load_study(each)
            if loaded is not None and loaded.file:
                lines.append(f"{store.paths.root} has the {kind} {each}, made from {loaded.file}")
    return lines


def _near_runs(store: Store, start: str) -> list[str]:
    """Ids of runs that start with something similar."""
    names = [name for name in atomic.names(store.paths.runs) if RUN_ID.fullmatch(name)]
    by_start = {name[: len(start)]: name for name in names}
    return [by_start[each] for each in near(start, by_start)]


def _command(file: Path) -> str:
    """What starts an experiment: `run`, or `sweep` if the file says that it is a search."""
    try:
        return "sweep" if re.search(r"^search:", file.read_text(errors="replace"), re.MULTILINE) else "run"
    except (OSError, ValueError):
        return "run"
