"""Warnings to read before trusting a comparison: retrospective claims, lost runs, mixed code and devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.analysis.verdicts import Judgement
from harness.analysis.verdicts.model import DEGENERATE, EARLY
from harness.common.nested import flatten
from harness.experiment.plan import Plan, PlannedRun
from harness.reporting import phrases
from harness.reporting.pages.mixtures import ALIKE, SHOWN, Mixed, Trained, first_of, trained_with
from harness.reporting.phrases.versions import short_commit
from harness.store.provenance import Provenance
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.tasks.results import LARGEST

PRECISION = "precision"


def flags(
    plan: Plan,
    requested: Sequence[PlannedRun],
    records: Mapping[str, Record],
    origins: Mapping[str, Provenance],
    judgement: Judgement,
    *,
    metrics: Mapping[str, Metric],
    damaged: Sequence[str] = (),
    mixed: Mixed = ALIKE,
) -> tuple[str, ...]:
    """Sentences, the most important first.

    `metrics`: all that claims may use; `origins`: provenance of started runs by id; `damaged`: ids whose provenance.json is
    missing or unreadable; `mixed`: what these runs were not trained alike with.
    """
    trained = trained_with(requested, origins)
    late = (f"{line}." for line in phrases.retrospective_claims(judgement.verdicts, plan))
    return (
        *_contradicted(judgement),
        *late,
        *(f"Optimistic: {line}." for line in phrases.optimistic_results(metrics)),
        *_lost_runs(requested, records, judgement),
        *_out_of_range(requested, records, metrics),
        *mixed.differing,
        *_precisions(plan),
        *_working_trees(plan, trained),
        *_interrupted(list(origins.values())),
        *mixed.unknown,
        *_damaged(damaged),
        *_single_seeds(judgement),
        *_notes(judgement),
    )


def _contradicted(judgement: Judgement) -> Iterator[str]:
    places = [str(place) for place, verdict in enumerate(judgement.verdicts, 1) if verdict.contradicted]
    if places:
        yield f"The verdict of {_claims(places)} is contradicted by later seeds."


def _single_seeds(judgement: Judgement) -> Iterator[str]:
    """Seeds that stand apart and drift, each with the claims that they concern."""
    found: dict[str, list[str]] = {}
    for place, verdict in enumerate(judgement.verdicts, 1):
        for remark in phrases.seed_remarks(verdict):
            found.setdefault(remark, []).append(str(place))
    for remark, places in found.items():
        about = _claims(places)
        yield f"{about[:1].upper()}{about[1:]}: {remark}."


def _claims(places: Sequence[str]) -> str:
    return f"{'claim' if len(places) == 1 else 'claims'} {phrases.listed(places)}"


def _damaged(damaged: Sequence[str]) -> Iterator[str]:
    if damaged:
        which = ", ".join([*damaged[:SHOWN], *(["…"] if len(damaged) > SHOWN else [])])
        runs = phrases.plural(len(damaged), "run")
        yield f"A damaged or missing provenance.json hides the code and device of {runs}: {which}."


def _lost_runs(requested: Sequence[PlannedRun], records: Mapping[str, Record], judgement: Judgement) -> Iterator[str]:
    for state in ("failed", "diverged"):
        lost = [run for run in requested if records[run.id].state == state]
        if lost:
            which = first_of([f"{run.variant} seed {run.seed}" for run in lost])
            yield f"{len(lost):,d} of {phrases.plural(len(requested), 'run')} {state}: {which}."
    if judgement.holding:
        yield "A failed run holds the next look: no further seed is trained until it is retried."


def _out_of_range(requested: Sequence[PlannedRun], records: Mapping[str, Record], metrics: Mapping[str, Metric]) -> Iterator[str]:
    """Values that are infinite or too large to calculate with, by metric."""
    completed = [run for run in requested if records[run.id].state == "completed"]
    for name in metrics:
        beyond = [run for run in completed if abs(records[run.id].metrics.get(name, 0.0)) > LARGEST]
        if beyond:
            which = first_of([f"{run.variant} seed {run.seed}" for run in beyond])
            count = f"{len(beyond):,d} of {phrases.plural(len(completed), 'completed run')}"
            why = "infinite or beyond 1e75, too large to calculate with, and left out"
            yield f"The {phrases.label(name)} of {count} is {why}: {which}."


def _precisions(plan: Plan) -> Iterator[str]:
    precisions = {
        label: str(value)
        for label, config in plan.variants.items()
        for path, value in flatten(config).items()
        if path.rpartition(".")[2] == PRECISION
    }
    if len(set(precisions.values())) > 1:
        yield f"Variants differ in precision: {first_of([f'{label} {value}' for label, value in precisions.items()])}."


def _working_trees(plan: Plan, trained: Trained) -> Iterator[str]:
    """Runs by versions that are in no commit of anybody's: the working tree as it was when the plan was made."""
    changed = {label: version.parent for label, version in plan.code.items() if version.parent is not None}
    if count := sum(variant in changed for variant, _ in trained):
        which = first_of([f"{label} on {short_commit(parent)}" for label, parent in changed.items()])
        yield f"{phrases.plural(count, 'run')} trained by the working tree with changes: {which}."


def _interrupted(origins: Sequence[Provenance]) -> Iterator[str]:
    """Runs by code that is in no commit, and runs that were resumed."""
    dirty = [one for one in origins if any(start.code.dirty or (start.program and start.program.dirty) for start in one.starts)]
    if dirty:
        yield f"{phrases.plural(len(dirty), 'run')} trained by code that differs from its commit."
    by_program = [origin for origin in origins if origin.resumed]
    if by_program:
        yield f"{phrases.plural(len(by_program), 'run')} resumed by the program itself: {phrases.RESUMED}."
    again = [origin for origin in origins if origin.read_again_from]
    if again:
        yield f"{phrases.plural(len(again), 'run')} read again from the logs of earlier runs, without training."
    resumed = [origin for origin in origins if origin.restarts and not origin.resumed]
    if resumed:
        yield f"{phrases.plural(len(resumed), 'run')} resumed after an interruption."


def _notes(judgement: Judgement) -> Iterator[str]:
    verdicts = judgement.verdicts
    if any(DEGENERATE in (*verdict.notes, *(note for row in verdict.rows for note in row.notes)) for verdict in verdicts):
        yield "The values of a comparison do not vary with the seed, so it has no test."
    if any(EARLY in verdict.notes for verdict in verdicts):
        yield "A verdict was reached before the last look: effects at an early stop are inflated."
