"""Findings of a search -> what its report says in a line or a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from harness.experiment.plan import CONFIRMATION, stage_name
from harness.reporting import phrases
from harness.reporting.pages.page import lead
from harness.reporting.pages.searches.importance import LEAST
from harness.reporting.pages.searches.report_data import SearchFindings
from harness.reporting.pages.summary import device_word, hours
from harness.reporting.phrases.trials import aims, allowed, condition, edges, measured, tally
from harness.search.confirmation_plans import FINAL_SEED, TOP_SEED
from harness.search.trials import NEVER_MEASURED, Trial, stuck

OPTIMISTIC = "search values are optimistic"
NOTHING_BETTER = "The search's best is the base itself: nothing found beats it."


@dataclass(frozen=True)
class Headline:
    """What a search came to: a verdict's word or where it stands, a sentence, the runs it comes from."""

    word: str
    sentence: str
    ids: tuple[str, ...] = ()
    statement: str = ""  # what was claimed
    metric: str = ""  # of what
    final: str = ""  # the plan of the comparison, once it is there


def headline(findings: SearchFindings) -> Headline:
    """The verdict of the comparison with the base, or why there is none."""
    final, best, confirmed = findings.final, findings.subject.best, findings.confirmed
    if final is not None:
        told = lead(final)
        assert told is not None, "the comparison claims something"
        # Before its look the comparison has nothing to tell but that.
        said = (
            told["sentence"] if final.complete else f"{told['sentence']} {final.ended:,d} of {len(final.asked):,d} runs are in."
        )
        return Headline(told["word"], said, tuple(told["ids"]), told["statement"], phrases.label(final.metric), final.plan.name)
    if best is None:
        return Headline("waiting", "No trial has completed yet.")
    found = f"the best in the search is {_result(findings, best)}, the largest of many noisy values"
    found = found if findings.subject.goal == "maximize" else found.replace("largest", "least")
    if findings.stage == "base":
        ids = tuple(run_id for fresh in confirmed.top.values() for run_id in fresh.runs)
        return Headline("nothing better", NOTHING_BETTER, ids)
    if findings.stage == "again" and findings.top is not None:
        ended = sum(record.ended for record in findings.records.values())
        count = phrases.plural(len(findings.top.variants), "trial")
        again = f"the best {count} run again on fresh seeds, {ended:,d} of {len(findings.top.runs):,d} runs are in"
        return Headline("waiting", f"Not confirmed yet: {again}; {found}.", best.runs)
    if findings.stage == "elsewhere":
        plans = phrases.listed([stage_name(findings.study.name, stage) for stage in CONFIRMATION])
        return Headline("waiting", f"Not confirmed: {plans} are of other trials (--replan makes them anew); {found}.", best.runs)
    if findings.stage == "none":
        return Headline("exploratory", f"Not confirmed, as the search has no confirm: {found}.", best.runs)
    return Headline("waiting", f"Not confirmed yet: {found}.", best.runs)


def _result(findings: SearchFindings, trial: Trial) -> str:
    """`trial 24 with 53.90 points`."""
    metric = findings.metrics[findings.study.metric]
    return f"trial {trial.number} with {measured(trial.objectives[findings.study.metric], metric)}"


def banner(findings: SearchFindings) -> list[str]:
    """What a reader must see before anything else."""
    study = findings.study
    lines = [phrases.rehearsal(study)]
    if findings.over < study.trials:
        why = "BUDGET SPENT: " if findings.spent else ""
        lines.append(f"{why}{findings.over:,d} OF {study.trials:,d} TRIALS IN")
    if example := stuck(findings.trials):
        advice = "once mended: --retry failed" if example.retriable else NEVER_MEASURED
        lines.append(f"HELD: every trial failed in the same way ({example.reason}); {advice}")
    if findings.stage != "base" and (findings.final is None or not findings.final.complete):
        lines.append(f"NOT CONFIRMED{'' if findings.stage in ('none', 'elsewhere') else ' YET'}: {OPTIMISTIC}")
    return [line for line in lines if line]


def facts(findings: SearchFindings) -> list[str]:
    """The line above all: trials, cost, date."""
    seconds = findings.seconds + sum(record.seconds or 0.0 for record in findings.records.values())
    seconds += findings.final.cost.seconds if findings.final else 0.0
    parts = [f"{findings.over:,d}/{findings.study.trials:,d} trials"]
    parts += [hours(seconds, device_word(findings.study))] if seconds else []
    last = max((trial.ended for trial in findings.trials if trial.ended), default=None)
    last = findings.final.last if findings.final and findings.final.last else last
    return [*parts, *([last[:10]] if last else [])]


def counts(findings: SearchFindings) -> str:
    """How trials ended, and which do not count."""
    counted, rest = findings.counted, len(findings.trials) - len(findings.counted)
    going = len(counted) - findings.over
    parts = [part for part in (tally(counted), f"{going:,d} running" if going else "") if part]
    said = f"{phrases.plural(len(counted), 'trial')} of {findings.study.trials:,d}"
    said += f": {', '.join(parts)}." if parts else "."
    more = f" {rest:,d} more {'does' if rest == 1 else 'do'} not count: interrupted, tried again, or waiting."
    return said + (more if rest else "")


def saved(findings: SearchFindings) -> str:
    """What pruning saved; empty where nothing was pruned."""
    pruned = [trial for trial in findings.trials if trial.state == "pruned"]
    trained, whole = findings.epochs
    if not pruned:
        return ""
    done = [trial.epochs for trial in findings.trials if trial.state == "completed"]
    if not done:
        return f"{phrases.plural(len(pruned), 'trial')} pruned; what that saved is known once a trial has completed."
    each = sum(done) / len(done)
    length = f"{each:g}" if each == round(each) else f"{each:.1f} on average"
    share = 100 * (whole - trained) / whole if whole else 0.0
    own = phrases.plural(sum(trial.epochs for trial in pruned), "epoch")
    return (
        f"{phrases.plural(len(pruned), 'pruned trial')} trained {own}; completed ones took {length}. "
        f"In all {trained:,d} epochs were trained instead of {whole:,d}: pruning saved {share:.0f} %."
    )


def unimportant(findings: SearchFindings) -> str:
    """Why there is no importance; empty where there is."""
    if findings.importances:
        return ""
    done = len(findings.subject.completed)
    if done < LEAST:
        said = f"{phrases.plural(done, 'trial')} completed"
        return f"{said}; importance needs {LEAST} or more, as it compares the best tenth with all."
    return "All completed trials have the same value: there is nothing to tell parameters apart by."


def edge_flags(findings: SearchFindings) -> list[str]:
    """A sentence a parameter of the best trial that lies at the edge of its range."""
    return edges(findings.study, findings.best.values) if findings.best else []


def space(findings: SearchFindings) -> list[tuple[str, str]]:
    """Parameter, what values it may have."""
    found = []
    for parameter in findings.study.space:
        when = condition(findings.study, parameter)
        found.append((parameter.name, f"{allowed(parameter)}{f' (with {when})' if when else ''}"))
    return found


def study_facts(findings: SearchFindings) -> list[tuple[str, str]]:
    """Name, what the study is."""
    study = findings.study
    seeds = study.trial_seeds
    of_trials = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    found = [
        ("aim", aims(study)),
        ("sampler", study.sampler),
        ("pruner", study.pruner),
        ("seeds of trials", of_trials),
        ("tried first", phrases.plural(len(study.first), "setting")),
        *([("budget", hours(study.budget_s, device_word(study)))] if study.budget_s is not None else []),
        ("trials kept in", findings.kept),
    ]
    if study.confirm is not None:
        each = phrases.plural(study.confirm.seeds, "seed")
        again, against = _confirming_seeds(findings)
        first = f"the best {study.confirm.top} on {each} from {again}"
        found.insert(4, ("confirmed by", f"{first}, the winner against the base on {each} from {against}"))
    return found


def _confirming_seeds(findings: SearchFindings) -> tuple[int, int]:
    """The first seeds of the two confirming plans: a later confirmation uses fresh ones."""
    top, final = findings.top, findings.final
    again = top.runs[0].seed if top is not None else TOP_SEED
    against = top.selection.first_seed if top is not None and top.selection is not None else FINAL_SEED
    return again, final.plan.runs[0].seed if final is not None else against


def dashboard(findings: SearchFindings) -> str:
    """The command that opens the journal in optuna-dashboard; empty where the trials are in a database."""
    import shlex

    path = findings.store.paths.study(findings.study.name).journal
    return shlex.join(["optuna-dashboard", str(path)]) if path.exists() else ""
