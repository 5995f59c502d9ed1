"""Headline, banner and other sentences of a search's report."""

from __future__ import annotations

from dataclasses import replace

from harness.experiment.plan import CONFIRMATION, stage_name
from harness.reporting import phrases
from harness.reporting.pages import summary
from harness.reporting.pages.importance import LEAST
from harness.reporting.pages.search_data import SearchReportData
from harness.reporting.pages.summary import Headline, device_word, hours
from harness.reporting.phrases.nothing_found import (
    NOTHING_CONFIRMED,
    NOTHING_FOUND,
    examples,
    happened,
    held,
    remedies,
    unconfirmed,
    unconfirmed_remedies,
)
from harness.reporting.phrases.trials import aims, allowed, condition, edge, edges, measured, tally
from harness.search.confirmation_plans import FINAL_SEED, TOP_SEED, label_of
from harness.search.trials import NEVER_MEASURED, Trial, common_failure
from harness.store.atomic import exists

OPTIMISTIC = "search values are optimistic"
NOTHING_BETTER = "The best trial is the base itself: no trial beats it."


def headline(report: SearchReportData) -> Headline:
    """The verdict of the comparison with the base, or why it is missing."""
    final, best, confirmed = report.final, report.subject.best, report.confirmed
    if final is not None:
        verdict = summary.headline(final)
        assert verdict is not None, "the comparison claims something"
        so_far = "" if final.complete else f" {final.finished:,d} of {len(final.requested):,d} runs have finished."
        return replace(verdict, sentence=f"{verdict.sentence}{so_far}", final=final.plan.name)
    if report.nothing is not None:
        return Headline(NOTHING_FOUND, _sentence(happened(report.nothing)))
    if best is None:
        return Headline("waiting", "No trial has completed yet.")
    found = f"the best in the search is {_result(report, best)}, the largest of many noisy values"
    found = found if report.subject.goal == "maximize" else found.replace("largest", "least")
    if report.stage == "base":
        ids = tuple(run_id for fresh in confirmed.top.values() for run_id in fresh.runs)
        return Headline("nothing better", NOTHING_BETTER, ids)
    if report.stage == "lost" and report.top is not None:
        lost = _sentence(unconfirmed(report.top, report.records))
        return Headline(NOTHING_CONFIRMED, f"{lost} {_sentence(found)}", best.runs)
    if failed := held(report.study.name, report.records, report.results):
        return Headline("waiting", f"Not confirmed: {failed}. {_sentence(found)}", best.runs)
    if report.stage == "top" and report.top is not None:
        ended = sum(record.finished for record in report.records.values())
        count = phrases.plural(len(report.top.variants), "trial")
        progress = f"the best {count} are trained on fresh seeds, {ended:,d} of {len(report.top.runs):,d} runs are in"
        return Headline("waiting", f"Not confirmed yet: {progress}; {found}.", best.runs)
    if report.stage == "conflict":
        plans = phrases.listed([stage_name(report.study.name, stage) for stage in CONFIRMATION])
        return Headline("waiting", f"Not confirmed: {plans} belong to other trials (--replan replaces them); {found}.", best.runs)
    if report.stage == "none":
        return Headline("exploratory", f"Not confirmed, as the search has no confirm: {found}.", best.runs)
    return Headline("waiting", f"Not confirmed yet: {found}.", best.runs)


def advice(report: SearchReportData) -> list[str]:
    """Of a search that ended without a result: an example of each way in which trials ended, and what to do."""
    if report.nothing is not None:
        return [*examples(report.nothing), *remedies(report.nothing, report.results)]
    return unconfirmed_remedies(report.study, report.results) if report.stage == "lost" else []


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _result(report: SearchReportData, trial: Trial) -> str:
    """`trial 24 with 53.90 points`."""
    metric = report.metrics[report.study.metric]
    return f"trial {trial.number} with {measured(trial.objectives[report.study.metric], metric)}"


def banner(report: SearchReportData) -> list[str]:
    """Warnings above the report."""
    study = report.study
    broken = (phrases.not_consistent(report.inconsistencies), phrases.ledger_differs(report.mismatches))
    lines = [*broken, phrases.rehearsal(study)]
    if report.finished < study.trials:
        why = "BUDGET SPENT: " if report.budget_spent else ""
        lines.append(f"{why}{report.finished:,d} OF {study.trials:,d} TRIALS FINISHED")
    if example := common_failure(report.trials):
        advice = "after fixing the cause: --retry failed" if example.retriable else NEVER_MEASURED
        lines.append(f"HELD: every trial failed in the same way ({example.reason}); {advice}")
    if report.stage not in ("base", "nothing") and (report.final is None or not report.final.complete):
        lines.append(f"NOT CONFIRMED{'' if report.stage in ('none', 'lost', 'conflict') else ' YET'}: {OPTIMISTIC}")
    late = phrases.retrospective_claims(report.final.judgement.verdicts, report.final.plan) if report.final else ()
    return [*filter(None, lines), *late]


def facts(report: SearchReportData) -> list[str]:
    """Trials, cost, date."""
    seconds = report.seconds + sum(record.seconds or 0.0 for record in report.records.values())
    seconds += report.final.cost.seconds if report.final else 0.0
    parts = [f"{report.finished:,d}/{report.study.trials:,d} trials"]
    parts += [hours(seconds, device_word(report.study))] if seconds else []
    last = max((trial.ended for trial in report.trials if trial.ended), default=None)
    last = report.final.last if report.final and report.final.last else last
    return [*parts, *([last[:10]] if last else [])]


def counts(report: SearchReportData) -> str:
    """Trials by state, and how many do not count."""
    counted, rest = report.counted, len(report.trials) - len(report.counted)
    going = len(counted) - report.finished
    parts = [part for part in (tally(counted), f"{going:,d} running" if going else "") if part]
    wording = f"{phrases.plural(len(counted), 'trial')} of {report.study.trials:,d}"
    wording += f": {', '.join(parts)}." if parts else "."
    more = f" {rest:,d} more {'does' if rest == 1 else 'do'} not count: interrupted, retried or waiting."
    return wording + (more if rest else "")


def saved(report: SearchReportData) -> str:
    """Epochs saved by pruning; empty if nothing was pruned."""
    pruned = [trial for trial in report.trials if trial.state == "pruned"]
    trained, whole = report.epochs
    if not pruned:
        return ""
    done = [trial.epochs for trial in report.trials if trial.state == "completed"]
    if not done:
        return f"{phrases.plural(len(pruned), 'trial')} pruned; what that saved is computed once a trial has completed."
    each = sum(done) / len(done)
    length = f"{each:g}" if each == round(each) else f"{each:.1f} on average"
    share = 100 * (whole - trained) / whole if whole else 0.0
    own = phrases.plural(sum(trial.epochs for trial in pruned), "epoch")
    return (
        f"{phrases.plural(len(pruned), 'pruned trial')} trained {own}; completed ones took {length}. "
        f"In all {trained:,d} epochs were trained instead of {whole:,d}: pruning saved {share:.0f} %."
    )


def importance_missing(report: SearchReportData) -> str:
    """Why importance is missing; empty if it is not."""
    if report.importances:
        return ""
    done = len(report.subject.completed)
    if done < LEAST:
        wording = f"{phrases.plural(done, 'trial')} completed"
        return f"{wording}; importance needs {LEAST} or more, as it compares the best tenth with all."
    return "All completed trials have the same value: importance cannot be computed."


def at_edge(report: SearchReportData) -> str:
    """A sentence if values of the best trial lie at the edge of their ranges; else empty."""
    found = edges(report.study, report.best.values) if report.best else []
    return f"{edge(label_of(report.best), found)}." if report.best and found else ""


def space(report: SearchReportData) -> list[tuple[str, str]]:
    """(parameter, allowed values)."""
    found = []
    for parameter in report.study.space:
        when = condition(report.study, parameter)
        found.append((parameter.name, f"{allowed(parameter)}{f' (with {when})' if when else ''}"))
    return found


def study_facts(report: SearchReportData) -> list[tuple[str, str]]:
    """(name, value) of the study's settings."""
    study = report.study
    seeds = study.trial_seeds
    of_trials = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    found = [
        ("goal", aims(study)),
        ("sampler", study.sampler),
        ("pruner", study.pruner),
        ("seeds of trials", of_trials),
        ("tried first", phrases.plural(len(study.first), "setting")),
        *([("budget", hours(study.budget_s, device_word(study)))] if study.budget_s is not None else []),
        ("storage", report.storage),
    ]
    if study.confirm is not None:
        each = phrases.plural(study.confirm.seeds, "seed")
        again, against = _confirming_seeds(report)
        first = f"the best {study.confirm.top} on {each} from {again}"
        found.insert(4, ("confirmed by", f"{first}, the winner against the base on {each} from {against}"))
    return found


def _confirming_seeds(report: SearchReportData) -> tuple[int, int]:
    """The first seeds of the two confirmation plans; a later confirmation uses fresh ones."""
    top, final = report.top, report.final
    again = top.runs[0].seed if top is not None else TOP_SEED
    against = top.selection.first_seed if top is not None and top.selection is not None else FINAL_SEED
    return again, final.plan.runs[0].seed if final is not None else against


def dashboard(report: SearchReportData) -> str:
    """The command that opens the journal in optuna-dashboard; empty for a database."""
    import shlex

    path = report.store.paths.study(report.study.name).journal
    return shlex.join(["optuna-dashboard", str(path)]) if exists(path) else ""
