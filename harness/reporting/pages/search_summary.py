"""What the report of a search says in a line or a sentence."""

from __future__ import annotations

from dataclasses import replace

from harness.experiment.plan import CONFIRMATION, stage_name
from harness.reporting import phrases
from harness.reporting.pages import summary
from harness.reporting.pages.importance import LEAST
from harness.reporting.pages.search_data import SearchReportData
from harness.reporting.pages.summary import Headline, device_word, hours
from harness.reporting.phrases.trials import aims, allowed, condition, edges, measured, tally
from harness.search.confirmation_plans import FINAL_SEED, TOP_SEED
from harness.search.trials import NEVER_MEASURED, Trial, stuck

OPTIMISTIC = "search values are optimistic"
NOTHING_BETTER = "The search's best is the base itself: nothing found beats it."


def headline(report: SearchReportData) -> Headline:
    """The verdict of the comparison with the base, or why there is none."""
    final, best, confirmed = report.final, report.subject.best, report.confirmed
    if final is not None:
        told = summary.headline(final)
        assert told is not None, "the comparison claims something"
        # Before its look the comparison has nothing to tell but that.
        so_far = "" if final.complete else f" {final.ended:,d} of {len(final.asked):,d} runs are in."
        return replace(told, sentence=f"{told.sentence}{so_far}", final=final.plan.name)
    if best is None:
        return Headline("waiting", "No trial has completed yet.")
    found = f"the best in the search is {_result(report, best)}, the largest of many noisy values"
    found = found if report.subject.goal == "maximize" else found.replace("largest", "least")
    if report.stage == "base":
        ids = tuple(run_id for fresh in confirmed.top.values() for run_id in fresh.runs)
        return Headline("nothing better", NOTHING_BETTER, ids)
    if report.stage == "again" and report.top is not None:
        ended = sum(record.finished for record in report.records.values())
        count = phrases.plural(len(report.top.variants), "trial")
        again = f"the best {count} run again on fresh seeds, {ended:,d} of {len(report.top.runs):,d} runs are in"
        return Headline("waiting", f"Not confirmed yet: {again}; {found}.", best.runs)
    if report.stage == "elsewhere":
        plans = phrases.listed([stage_name(report.study.name, stage) for stage in CONFIRMATION])
        return Headline("waiting", f"Not confirmed: {plans} are of other trials (--replan makes them anew); {found}.", best.runs)
    if report.stage == "none":
        return Headline("exploratory", f"Not confirmed, as the search has no confirm: {found}.", best.runs)
    return Headline("waiting", f"Not confirmed yet: {found}.", best.runs)


def _result(report: SearchReportData, trial: Trial) -> str:
    """`trial 24 with 53.90 points`."""
    metric = report.metrics[report.study.metric]
    return f"trial {trial.number} with {measured(trial.objectives[report.study.metric], metric)}"


def banner(report: SearchReportData) -> list[str]:
    """What a reader must see before anything else."""
    study = report.study
    lines = [phrases.rehearsal(study)]
    if report.over < study.trials:
        why = "BUDGET SPENT: " if report.spent else ""
        lines.append(f"{why}{report.over:,d} OF {study.trials:,d} TRIALS IN")
    if example := stuck(report.trials):
        advice = "after fixing the cause: --retry failed" if example.retriable else NEVER_MEASURED
        lines.append(f"HELD: every trial failed in the same way ({example.reason}); {advice}")
    if report.stage != "base" and (report.final is None or not report.final.complete):
        lines.append(f"NOT CONFIRMED{'' if report.stage in ('none', 'elsewhere') else ' YET'}: {OPTIMISTIC}")
    return [line for line in lines if line]


def facts(report: SearchReportData) -> list[str]:
    """The line above all: trials, cost, date."""
    seconds = report.seconds + sum(record.seconds or 0.0 for record in report.records.values())
    seconds += report.final.cost.seconds if report.final else 0.0
    parts = [f"{report.over:,d}/{report.study.trials:,d} trials"]
    parts += [hours(seconds, device_word(report.study))] if seconds else []
    last = max((trial.ended for trial in report.trials if trial.ended), default=None)
    last = report.final.last if report.final and report.final.last else last
    return [*parts, *([last[:10]] if last else [])]


def counts(report: SearchReportData) -> str:
    """How trials ended, and which do not count."""
    counted, rest = report.counted, len(report.trials) - len(report.counted)
    going = len(counted) - report.over
    parts = [part for part in (tally(counted), f"{going:,d} running" if going else "") if part]
    said = f"{phrases.plural(len(counted), 'trial')} of {report.study.trials:,d}"
    said += f": {', '.join(parts)}." if parts else "."
    more = f" {rest:,d} more {'does' if rest == 1 else 'do'} not count: interrupted, tried again, or waiting."
    return said + (more if rest else "")


def saved(report: SearchReportData) -> str:
    """What pruning saved; empty where nothing was pruned."""
    pruned = [trial for trial in report.trials if trial.state == "pruned"]
    trained, whole = report.epochs
    if not pruned:
        return ""
    done = [trial.epochs for trial in report.trials if trial.state == "completed"]
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


def unimportant(report: SearchReportData) -> str:
    """Why there is no importance; empty where there is."""
    if report.importances:
        return ""
    done = len(report.subject.completed)
    if done < LEAST:
        said = f"{phrases.plural(done, 'trial')} completed"
        return f"{said}; importance needs {LEAST} or more, as it compares the best tenth with all."
    return "All completed trials have the same value: there is nothing to tell parameters apart by."


def edge_flags(report: SearchReportData) -> list[str]:
    """A sentence a parameter of the best trial that lies at the edge of its range."""
    return edges(report.study, report.best.values) if report.best else []


def space(report: SearchReportData) -> list[tuple[str, str]]:
    """Parameter, what values it may have."""
    found = []
    for parameter in report.study.space:
        when = condition(report.study, parameter)
        found.append((parameter.name, f"{allowed(parameter)}{f' (with {when})' if when else ''}"))
    return found


def study_facts(report: SearchReportData) -> list[tuple[str, str]]:
    """Name, what the study is."""
    study = report.study
    seeds = study.trial_seeds
    of_trials = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    found = [
        ("aim", aims(study)),
        ("sampler", study.sampler),
        ("pruner", study.pruner),
        ("seeds of trials", of_trials),
        ("tried first", phrases.plural(len(study.first), "setting")),
        *([("budget", hours(study.budget_s, device_word(study)))] if study.budget_s is not None else []),
        ("trials kept in", report.kept),
    ]
    if study.confirm is not None:
        each = phrases.plural(study.confirm.seeds, "seed")
        again, against = _confirming_seeds(report)
        first = f"the best {study.confirm.top} on {each} from {again}"
        found.insert(4, ("confirmed by", f"{first}, the winner against the base on {each} from {against}"))
    return found


def _confirming_seeds(report: SearchReportData) -> tuple[int, int]:
    """The first seeds of the two confirming plans: a later confirmation uses fresh ones."""
    top, final = report.top, report.final
    again = top.runs[0].seed if top is not None else TOP_SEED
    against = top.selection.first_seed if top is not None and top.selection is not None else FINAL_SEED
    return again, final.plan.runs[0].seed if final is not None else against


def dashboard(report: SearchReportData) -> str:
    """The command that opens the journal in optuna-dashboard; empty where the trials are in a database."""
    import shlex

    path = report.store.paths.study(report.study.name).journal
    return shlex.join(["optuna-dashboard", str(path)]) if path.exists() else ""
