"""`harness register`: writes the plans of several experiments, with their claims, before any of them is trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.common import cli_options
from harness.errors import InputError
from harness.terminal import completion
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.experiment import Experiment
    from harness.experiment.plan import Plan

Experiments = Annotated[
    list[str],
    typer.Argument(
        metavar="EXPERIMENT",
        help="paths of YAML files, or names that harness list shows",
        autocompletion=completion.completer(completion.experiments),
    ),
]


def register(
    *,
    experiments: Experiments,
    profile: completion.Profile = None,
    settings: cli_options.Settings = None,
    replan: cli_options.Replan = False,
    device: cli_options.Device = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Register the claims of experiments before any of them is trained. Writes their plans, trains nothing.

    Experiments that share runs, such as those of one baseline, need this: a
    claim is retrospective if a result that it is judged on was known when its
    plan was written. Of a tuned experiment the tuning is planned; its claims,
    like that of a search, are registered once the settings are chosen.

    Examples:
      harness register experiments/small/*.yaml
      harness register dropout_sweep label_smoothing lookahead --profile smoke

    Exit codes:
      0   every plan is written; a search has none yet, which is said
      2   bad input or usage; nothing was written
    """
    from harness.execution.planning import plan_experiment
    from harness.execution.recording import save_plan
    from harness.store.lookup import named_experiment
    from harness.store.records import Store
    from harness.terminal import shell

    loaded = _distinct([named_experiment(name, results, profile=profile, settings=settings or ()) for name in experiments])
    searches = [one.name for one in loaded if one.search is not None]
    others = [one for one in loaded if one.search is None]
    before = Store.open(results, create=False, must_exist=False)
    for one in others:
        plan_experiment(before, one, device, replan=replan)
    store, plans = Store.open(results), []
    for one in others:
        # Again: workers may have finished runs since, whose results are known now.
        plan, replaces = plan_experiment(store, one, device, replan=replan)
        save_plan(store, plan, replaces)
        plans.append(plan)
    if as_json:
        shell.show_json({"plans": [_document(plan) for plan in plans], "searches": searches})
        return
    for plan in plans:
        shell.show(*_lines(plan))
    for name in searches:
        shell.say(f"{name} is a search: its claim is registered when its winner is found")


def _distinct(experiments: list[Experiment]) -> list[Experiment]:
    """Each once. Raises InputError if two have the same name, as the plan of one would replace that of the other."""
    found: dict[str, Experiment] = {}
    for one in experiments:
        other = found.setdefault(one.name, one)
        if not other.path.samefile(one.path):
            raise InputError(f"{other.path} and {one.path} have the same name, {one.name}; rename one of them")
    return list(found.values())


def _lines(plan: Plan) -> list[Any]:
    """What is registered of a plan, and a warning if results of its runs are known."""
    from harness.reporting import phrases
    from harness.terminal.tables import WARNING, Line

    evidence = plan.selection.then if plan.selection else plan
    claims = phrases.plural(len(evidence.claims), "claim")
    runs = f"{'up to ' if len(plan.looks) > 1 else ''}{phrases.plural(len(plan.runs), 'run')}"
    later = ", registered once the settings are chosen" if plan.selection else ""
    known = phrases.known_results(plan)
    return [Line.of(f"{plan.name}   {claims}{later}, {runs}"), *([Line.of(f"  {known}", WARNING)] if known else [])]


def _document(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "claims": len(plan.claims),
        "runs": len(plan.runs),
        "known": len(plan.known or ()),
        "stage": plan.stage,
        "claims_digest": plan.claims_digest,
    }


main = main_of(register)


if __name__ == "__main__":
    sys.exit(main())
