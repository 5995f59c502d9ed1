"""Existing results, their design and claims, judged: what the report, the screen and `--json` show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from math import inf, isnan
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

from harness.analysis.verdicts import Judgement, Table, Terms
from harness.analysis.verdicts.looks import Looks
from harness.analysis.verdicts.registration import Written
from harness.analysis.verdicts.tables import tabulate
from harness.common.mapping_nodes import read_mapping
from harness.common.validation import suggestion
from harness.common.yaml_nodes import Entry, Node, read_value
from harness.errors import InputError, Problem
from harness.existing.arrange import arrange
from harness.existing.arranged import Arranged
from harness.existing.columns import ColumnOptions, Columns, find_columns
from harness.existing.plan import ExistingPlan, Rows
from harness.existing.results_table import ResultsTable
from harness.existing.rows import finished, selected
from harness.experiment.claims import Claim, Factor, digest
from harness.experiment.claims.model import Setting
from harness.experiment.claims.reader import read_claim
from harness.store.records import Record, State
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    import pandas as pd

BASELINE = ("baseline", "base", "control", "default", "reference", "ref", "vanilla", "main")
ACROSS_CASES = ("improves", "worsens", "equivalent", "no_gain", "no_loss", "at_least", "at_most")


@dataclass(frozen=True)
class Statement:
    """What is claimed of existing results, and how it is judged. Claims are texts as in YAML, or mappings."""

    claims: Sequence[str | Mapping[str, Any]] = ()
    baseline: str | None = None
    margin: float | None = None
    alpha: float = 0.05
    question: str | None = None
    name: str = "results"


@dataclass(frozen=True)
class ExistingResults:
    """Existing results and their verdicts. `plan` is like that of an experiment, but is never stored."""

    given: ResultsTable
    columns: Columns
    arranged: Arranged
    plan: ExistingPlan
    metrics: Mapping[str, Metric]
    records: Mapping[str, Record]
    judgement: Judgement
    looks: Looks  # which tabulate further metrics
    tables: Mapping[str, Table]  # by metric: the first, then every other that is claimed

    @property
    def table(self) -> Table:
        """The table of the first metric."""
        return next(iter(self.tables.values()))

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """The rows of each run by step, or one row per run: id, variant, seed, state, epoch, a column per metric."""
        curves = self.arranged.curves
        return self.arranged.runs.assign(epoch=1) if curves is None else curves

    @property
    def document(self) -> dict[str, Any]:
        """Where the results are from and how they were read, as JSON values."""
        columns = self.columns
        named = {"seed": columns.seed, "step": columns.step, "case": columns.case, "group": columns.group}
        return {
            "source": self.given.source,
            "retrospective": True,
            "variants": list(columns.variants or columns.wide),
            "metrics": dict(columns.metrics),
            **named,
            "guessed": list(columns.guessed),
            "left_out": list(self.arranged.notes),
        }

    @property
    def reading(self) -> tuple[str, ...]:
        """How the table was read: what was guessed, what was left out."""
        guessed = (f"guessed {'; '.join(self.columns.guessed)}",) if self.columns.guessed else ()
        return (*guessed, *self.arranged.notes)


def judge_existing(
    given: ResultsTable, options: ColumnOptions, statement: Statement, where: Sequence[str] = ()
) -> ExistingResults:
    """Read off the design, read the claims against it, and judge them; the plan notes the time. Raises InputError."""
    _check(statement)
    frame, notes = selected(given, where)
    frame, unfinished = finished(given, frame, where)
    columns = find_columns(given, options)
    arranged = arrange(given, frame, columns, (*notes, *unfinished))
    _refuse_single_seeds(given, columns, arranged)
    baseline = _baseline(given, arranged, statement.baseline)
    if not options.unpaired and columns.case is None:
        arranged = _with_common_seeds(given, arranged, baseline)
    if not arranged.factors:
        arranged = replace(arranged, labels=(baseline, *(label for label in arranged.labels if label != baseline)))
    metrics = dict(columns.kinds)
    seeds = tuple(sorted({int(seed) for seed in arranged.runs["seed"].unique()}))
    over = dict.fromkeys(arranged.labels, baseline)
    factors = [Factor(name, levels, name) for name, levels in arranged.factors.items()]
    by_cases = tuple(metrics) if columns.case else ()
    setting = Setting(arranged.labels, over, factors, arranged.levels, metrics, statement.margin, (len(seeds),), by_cases)
    claims = _claims(statement.claims, setting, across_cases=columns.case is not None)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    registered = {"looks": (len(seeds),), "margin": statement.margin, "alpha": statement.alpha, "baseline": baseline}
    plan = ExistingPlan(
        name=statement.name,
        experiment=statement.name,
        question=statement.question or f"What do the results in {given.source} show?",
        task=given.source,
        task_version="",
        accelerator="cpu",
        margin=statement.margin,
        alpha=statement.alpha,
        created=at,
        stage="evidence",
        baseline=baseline,
        looks=(len(seeds),),
        variants={label: dict(arranged.levels[label]) for label in arranged.labels},
        data={},
        factors=arranged.factors,
        levels=arranged.levels,
        over=over,
        listed_seeds=seeds,
        runs=Rows(arranged.runs, len(seeds)),
        claims=claims,
        claims_digest=digest(claims, registered),
    )
    terms = _terms(plan, metrics, unpaired=options.unpaired)
    looks = Looks(terms, arranged.runs, cases=arranged.cases)
    judged = looks.judgement()
    # A table of results does not say which runs had failed.
    judged = replace(judged, verdicts=tuple(replace(verdict, failure_limit=None) for verdict in judged.verdicts))
    first = next(iter(metrics))
    others = {claim.metric for claim in claims} - {first}
    tables = {name: tabulate(looks, name) for name in (first, *(name for name in metrics if name in others))}
    return ExistingResults(given, columns, arranged, plan, metrics, Records(arranged.runs, tuple(metrics)), judged, looks, tables)


def _terms(plan: ExistingPlan, metrics: Mapping[str, Metric], *, unpaired: bool) -> Terms:
    return Terms(
        labels=tuple(plan.variants),
        baseline=plan.baseline,
        over=plan.over,
        looks=plan.looks,
        spending=plan.spending,
        drops_decided=False,
        futility=None,
        alpha=plan.alpha,
        claims=plan.claims,
        amended=(),
        factors=plan.factors,
        levels=plan.levels,
        metrics=metrics,
        listed_seeds=plan.listed_seeds,
        written=Written(plan.created, None, after_all=True),
        available=True,
        unpaired=unpaired,
    )


class Records(Mapping[str, Record]):
    """Run id -> its record, made when it is needed: a table may have a million rows."""

    def __init__(self, runs: pd.DataFrame, metrics: Sequence[str]) -> None:
        self._runs, self._metrics = runs, metrics

    @cached_property
    def _rows(self) -> dict[str, int]:
        return dict(zip(self._runs["id"].tolist(), range(len(self._runs)), strict=True))

    @cached_property
    def _states(self) -> list[State]:
        return cast("list[State]", self._runs["state"].tolist())

    @cached_property
    def _values(self) -> dict[str, list[float]]:
        return {name: self._runs[name].tolist() for name in self._metrics}

    def __getitem__(self, run_id: str) -> Record:
        row = self._rows[run_id]
        metrics = {name: values[row] for name, values in self._values.items()}
        return Record(run_id, self._states[row], metrics={name: value for name, value in metrics.items() if not isnan(value)})

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._runs)


def _check(statement: Statement) -> None:
    margin, alpha = statement.margin, statement.alpha
    for name, value in (("margin", margin), ("alpha", alpha)):
        if value is not None and not isinstance(value, Real):
            raise InputError(f"--{name} {value!r}: not a number")
    if margin is not None and not 0 < margin < inf:
        raise InputError(f"--margin {margin:g}: must be a finite number greater than 0, in the metric's unit")
    if not 0 < alpha <= 0.5:
        raise InputError(f"--alpha {alpha:g}: must be greater than 0, and 0.5 at most")


def _with_common_seeds(given: ResultsTable, arranged: Arranged, baseline: str) -> Arranged:
    """With a note on each variant that shares no seed with the baseline. Raises InputError if no two variants share one."""
    advice = "if equal seeds of two variants have nothing in common, use --unpaired"
    seeds = {str(label): set(own) for label, own in arranged.runs.groupby("variant", observed=True)["seed"]}
    apart = [label for label in arranged.labels if label in seeds and not seeds[label] & seeds.get(baseline, set())]
    if len(seeds) > 1 and sum(map(len, seeds.values())) == len(set().union(*seeds.values())):
        shown = "; ".join(f"{label} has {_range(own)}" for label, own in list(seeds.items())[:3])
        raise InputError(f"{given.source}: no two variants have a seed in common ({shown}); {advice}")
    notes = [
        f"{label} has no seed in common with {baseline} ({_range(seeds[label])} and {_range(seeds[baseline])}), so they are not"
        f" compared; {advice}"
        for label in apart
        if baseline in seeds
    ]
    return replace(arranged, notes=(*arranged.notes, *notes))


def _range(seeds: set[int]) -> str:
    low, high = min(seeds), max(seeds)
    return f"seed {low}" if low == high else f"seeds {low} to {high}"


def _refuse_single_seeds(given: ResultsTable, columns: Columns, arranged: Arranged) -> None:
    """If no variant has several seeds, nothing is known about the spread."""
    if columns.case is not None or int(arranged.runs.groupby("variant")["seed"].nunique().max()) > 1:
        return
    seeds = arranged.runs["seed"].unique()
    which = f"one seed ({seeds[0]})" if len(seeds) == 1 else "one run each"
    unknown = "how much the result varies with the seed is unknown, so nothing can be said about a difference"
    raise InputError(f"{given.source}: the variants have {which}: {unknown}; train at least 3 seeds of each")


def _baseline(given: ResultsTable, arranged: Arranged, name: str | None) -> str:
    """The label of the baseline. Raises InputError if it is missing or cannot be guessed."""
    labels = arranged.labels
    if name is not None:
        if name not in labels:
            raise InputError(f"--baseline {name}: {given.source} has no such variant; {suggestion(name, labels)}")
        return name
    if len(labels) == 1:
        return labels[0]
    found = [label for label in labels if label.lower() in BASELINE]
    if len(found) != 1:
        some = [f"'{label}'" if "," in label else label for label in labels[:20]]
        choices = ", ".join(some) + (", …" if len(labels) > 20 else "")
        raise InputError(
            f"{given.source}: no baseline; give the variant to compare with: --baseline LABEL; choose from: {choices}"
        )
    return found[0]


def _claims(claims: Sequence[str | Mapping[str, Any]], setting: Setting, *, across_cases: bool) -> tuple[Claim, ...]:
    found: list[Claim] = []
    problems: list[Problem] = []
    for place, claim in enumerate(claims, 1):
        try:
            node = _node(claim, place)
        except InputError as error:
            if not error.problems:
                raise
            problems += error.problems
            continue
        if across_cases and "across" not in node.entries and set(node.entries) & set(ACROSS_CASES):
            across = Entry(node.at, Node("cases", node.at, "across"))
            node = Node({**node.entries, "across": across}, node.at, node.path)
        read, wrong = read_claim(node, setting)
        problems += wrong
        if read is not None and read not in found:
            found.append(read)
    if problems:
        raise InputError("\n".join(map(str, problems)))
    return tuple(found)


def _node(claim: str | Mapping[str, Any], place: int) -> Node:
    if isinstance(claim, Mapping):
        return read_mapping(claim, f"claims[{place - 1}]")
    if not isinstance(claim, str):
        raise InputError(f"claims[{place - 1}]: {claim!r} is not a claim; expected text such as 'improves: new', or a mapping")
    return read_value(claim, f"--claim {claim!r}", "")
