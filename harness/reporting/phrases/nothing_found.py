"""Text about a search that ended without a result: what happened to its trials, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from harness.experiment.model import MAPPING
from harness.experiment.places import is_shipped
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting.phrases.numbers import count, listed, plural
from harness.reporting.phrases.plans import command, results_option
from harness.search.nothing_found import Ending, NothingFound
from harness.search.trials import NEVER_MEASURED
from harness.store.records import Record

NOTHING_FOUND, NOTHING_CONFIRMED = "nothing found", "nothing confirmed"
ENDED = {"diverged": "diverged", "failed": "failed", "infeasible": "out of bounds", "pruned": "pruned"}


def happened(found: NothingFound) -> str:
    """`all 10 trials diverged`, or `of 10 trials 6 diverged and 4 were out of bounds`."""
    if len(found.endings) == 1 and found.trials == 1:
        return f"the only trial {_verb(found.endings[0], 1)}"
    if len(found.endings) == 1:
        return f"all {count(found.trials)} trials {_verb(found.endings[0], found.trials)}"
    parts = [f"{count(ending.count)} {_verb(ending, ending.count)}" for ending in found.endings]
    return f"of {plural(found.trials, 'trial')} {listed(parts)}"


def examples(found: NothingFound) -> list[str]:
    """A line for each way in which trials ended: `trial 0 diverged (train_loss is not finite); its log: …/log.txt`."""
    lines = []
    for ending in found.endings:
        reason = f" ({ending.example.reason})" if ending.example.reason else ""
        log = "" if ending.log is None else f"; its log: {ending.log}"
        lines.append(f"trial {ending.example.number} {_verb(ending, 1)}{reason}{log}")
    return lines


def remedies(found: NothingFound, results: Path) -> list[str]:
    """What to do, a sentence for each way in which trials ended; the last one says how to continue with the same space."""
    study = found.study
    if study.file == MAPPING:
        where, again, further = "the mapping", "run_search(…, replan=True)", f"run_search(…, trials={2 * study.trials})"
    else:
        own = command(study, results)
        where = study.file or f"experiments/{study.experiment}.yaml"
        if is_shipped(study.file):
            where = f"your own copy of {study.file} (harness init DIR --experiment {study.file} makes one)"
        again, further = f"{own} --replan", f"{own} --trials {2 * study.trials}"
    advice = {
        "diverged": f"narrow the space in {where} to settings that train, such as lower learning rates",
        "infeasible": f"narrow the space in {where} to what its constraints and the task allow, or relax the constraints",
        "pruned": f"set pruner: none or a higher prune_after in {where}",
    }
    lines = []
    for ending in found.endings:
        if ending.state != "failed":
            lines.append(f"{advice[ending.state]}, then: {again}")
        elif ending.example.retriable:
            lines.append(f"after fixing the cause: {command(study, results)} --retry failed")
        else:
            lines.append(NEVER_MEASURED)
    if found.trials >= study.trials and any(ending.state != "failed" for ending in found.endings):
        lines.append(f"or search the same space further: {further}")
    return lines


def unconfirmed(top: Plan, records: Mapping[str, Record]) -> str:
    """`none of the best 3 trials completed all its runs on fresh seeds: 7 of 9 runs diverged`."""
    lost = sum(record.state == "diverged" for record in records.values())
    number = len(top.variants)
    who = f"none of the best {number} trials" if number > 1 else "the best trial"
    verb = "has" if number > 1 else "has not"
    runs = f"{count(lost)} of {plural(len(records), 'run')} diverged"
    return f"{who} {verb} a value for every fresh seed: {runs}"


def unconfirmed_remedies(searched: Study | Plan, results: Path) -> list[str]:
    """What to do after that; `searched`: the search, or the plan of its best trials."""
    again = command(searched, results)
    return [
        f"continue the search, which then confirms the best of all trials: {again} --trials NUMBER",
        f"or train the diverged runs again: {again} --retry diverged",
    ]


def held(name: str, records: Mapping[str, Record], results: Path) -> str:
    """Why the confirmation cannot select a winner; empty: no run has failed."""
    failed = sum(record.state == "failed" for record in records.values())
    if not failed:
        return ""
    see = shlex.join(["harness", "status", name, *results_option(results)])
    advice = "after fixing the cause, repeat the command with --retry failed"
    return f"{count(failed)} of {plural(len(records), 'run')} on fresh seeds failed (see: {see}); {advice}"


def _verb(ending: Ending, number: int) -> str:
    """`diverged`, `were out of bounds`."""
    word = ENDED.get(ending.state, ending.state)
    passive = ending.state in ("infeasible", "pruned")
    return f"{'were' if number > 1 else 'was'} {word}" if passive else word
