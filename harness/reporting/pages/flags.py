"""Warnings to read before trusting a comparison: lost runs, mixed code and devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from harness.analysis.verdicts import Judgement
from harness.analysis.verdicts.model import DEGENERATE, EARLY
from harness.common.nested import flatten
from harness.experiment.plan import Plan, PlannedRun
from harness.reporting import phrases
from harness.store.provenance import UNKNOWN_GPU, Provenance
from harness.store.records import Record

SHOWN = 3  # most frequent of the differing values
PRECISION = "precision"


def flags(
    plan: Plan,
    requested: Sequence[PlannedRun],
    records: Mapping[str, Record],
    origins: Mapping[str, Provenance],
    judgement: Judgement,
    *,
    damaged: Sequence[str] = (),
) -> tuple[str, ...]:
    """Sentences, the most important first.

    `origins`: provenance of started runs by id; `damaged`: ids whose provenance.json is missing or unreadable.
    """
    mixed = _mixed_origins(plan, list(origins.values()))
    return (
        *_contradicted(judgement),
        *_lost_runs(requested, records, judgement),
        *mixed,
        *_unknown(damaged),
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


def _unknown(damaged: Sequence[str]) -> Iterator[str]:
    if damaged:
        which = ", ".join([*damaged[:SHOWN], *(["…"] if len(damaged) > SHOWN else [])])
        runs = phrases.plural(len(damaged), "run")
        yield f"A damaged or missing provenance.json hides the code and device of {runs}: {which}."


def _lost_runs(requested: Sequence[PlannedRun], records: Mapping[str, Record], judgement: Judgement) -> Iterator[str]:
    for state in ("failed", "diverged"):
        lost = [run for run in requested if records[run.id].state == state]
        if lost:
            which = _first([f"{run.variant} seed {run.seed}" for run in lost])
            yield f"{len(lost):,d} of {phrases.plural(len(requested), 'run')} {state}: {which}."
    if judgement.holding:
        yield "A failed run holds the next look: no further seed is trained until it is retried."


def _mixed_origins(plan: Plan, origins: Sequence[Provenance]) -> Iterator[str]:
    codes = [[origin.code, *(start.code for start in origin.restarts)] for origin in origins]
    names = [[origin.device, *(start.device for start in origin.restarts)] for origin in origins]
    devices = [[name for name in own if name != UNKNOWN_GPU] for own in names]
    yield from _mixed("versions of the code", ([code.digest[:12] for code in own] for own in codes))
    starts = [[origin.program, *(start.program for start in origin.restarts)] for origin in origins]
    programs = [[code for code in own if code is not None] for own in starts]
    yield from _mixed("versions of the program's code", ([code.digest[:12] for code in own] for own in programs))
    yield from _mixed("devices", devices)
    precisions = {
        label: str(value)
        for label, config in plan.variants.items()
        for path, value in flatten(config).items()
        if path.rpartition(".")[2] == PRECISION
    }
    if len(set(precisions.values())) > 1:
        yield f"Variants differ in precision: {_first([f'{label} {value}' for label, value in precisions.items()])}."
    for package in sorted({name for origin in origins for name in origin.packages}):
        yield from _mixed(f"versions of {package}", ([origin.packages.get(package, "none")] for origin in origins))
    yield from _mixed("versions of Python", ([origin.python] for origin in origins))
    threads = (["no thread limit" if origin.threads is None else str(origin.threads)] for origin in origins)
    yield from _mixed("numbers of threads", threads)
    dirty = [own for own in zip(codes, programs, strict=True) if any(code.dirty for code in chain(*own))]
    if dirty:
        yield f"{phrases.plural(len(dirty), 'run')} trained by code that differs from its commit."
    by_program = [origin for origin in origins if origin.resumed]
    if by_program:
        yield f"{phrases.plural(len(by_program), 'run')} resumed by the program itself: {phrases.RESUMED}."
    resumed = [origin for origin in origins if origin.restarts and not origin.resumed]
    if resumed:
        yield f"{phrases.plural(len(resumed), 'run')} resumed after an interruption."


def _mixed(what: str, values: Iterable[Sequence[str]]) -> Iterator[str]:
    """A sentence if runs differ in `what`; each run may have several values."""
    counts = Counter(value for own in values for value in dict.fromkeys(own))
    if len(counts) > 1:
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        yield f"Runs with {len(counts):,d} {what}: {_first([f'{value} ({count:,d})' for value, count in ranked])}."


def _notes(judgement: Judgement) -> Iterator[str]:
    verdicts = judgement.verdicts
    if any(DEGENERATE in (*verdict.notes, *(note for row in verdict.rows for note in row.notes)) for verdict in verdicts):
        yield "The values of a comparison do not vary with the seed, so it has no test."
    if any(EARLY in verdict.notes for verdict in verdicts):
        yield "A verdict was reached before the last look: effects at an early stop are inflated."


def _first(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN
    return ", ".join([*texts[:SHOWN], *([f"{more:,d} more"] if more > 0 else [])])
