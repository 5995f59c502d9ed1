"""Which column of existing results is what: as the user says, else guessed from names and values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.common.validation import suggestion
from harness.errors import InputError
from harness.existing.results_table import ResultsTable
from harness.experiment.draft import likely_goal, likely_split
from harness.tasks.protocol import Metric

SEED = re.compile(
    r"(?:.*[._/ -])?(?:(?:random|rng|global|manual|np|torch)[_ -]?)?seed|replicate|repetition|repeat|rep", re.IGNORECASE
)
STEP = re.compile(r"(?:.*[._/])?(?:epoch|step|iteration|iter|global_step|_step)", re.IGNORECASE)
VARIANT = re.compile(
    r"(?:.*[._/])?(?:variant|model|method|algorithm|algo|condition|treatment|arm|arch|architecture|config|configuration|"
    r"optimizer|experiment|group|run_name|name)",
    re.IGNORECASE,
)
INDEX = re.compile(r"column \d+|Unnamed: \d+|index|level_\d+", re.IGNORECASE)  # numbers that a program gave the rows
TIME = re.compile(r"time|date|duration|elapsed|seconds|wall|created", re.IGNORECASE)
MOST_VARIANTS = 200  # more different texts are names of runs
SPLITS = ("test", "validation", None, "train")  # in the order of preference for a guess


@dataclass(frozen=True)
class ColumnOptions:
    """What the user says about the table. None and empty: to be guessed, or not there."""

    variant: str | None = None
    factors: tuple[str, ...] = ()
    seed: str | None = None
    metrics: tuple[str, ...] = ()  # NAME[:GOAL[:UNIT]]
    step: str | None = None
    case: str | None = None
    group: str | None = None
    wide: tuple[str, ...] = ()
    unpaired: bool = False


@dataclass(frozen=True)
class Columns:
    """The columns of a table; with `wide`, there is one column of values per variant."""

    variants: tuple[str, ...]  # one that holds labels, or those of the factors
    factors: bool  # whether `variants` are factors
    seed: str | None  # None: rows of a variant are numbered
    metrics: Mapping[str, str]  # name of the metric -> its column
    step: str | None = None
    case: str | None = None
    group: str | None = None
    wide: tuple[str, ...] = ()
    kinds: Mapping[str, Metric] = field(default_factory=dict)  # by the name of the metric
    guessed: tuple[str, ...] = ()  # what was not said, as `seed: trial_seed`


def find_columns(given: ResultsTable, options: ColumnOptions) -> Columns:
    """Resolve what is said and guess the rest. Raises InputError that names the columns there are."""
    return _Finder(given, options).columns()


class _Finder:
    def __init__(self, given: ResultsTable, options: ColumnOptions) -> None:
        self.given, self.options, self.frame = given, options, given.frame
        self.names: list[str] = list(given.frame.columns)
        self.guessed: list[str] = []
        self.taken: set[str] = set()

    def columns(self) -> Columns:
        options = self.options
        case, group, step = (self._named(what, getattr(options, what)) for what in ("case", "group", "step"))
        wide = tuple(self._column("--wide", name) for name in options.wide)
        factors = tuple(self._column("--factor", name) for name in options.factors)
        variant = self._named("variant", options.variant)
        seed = self._named("seed", options.seed) or self._guess_seed()
        metrics, kinds = self._metrics_said(wide)
        step = step or self._guess_step(case)
        if wide and (variant or factors):
            raise InputError("--wide: the columns are the variants; remove --variant and --factor")
        if not wide and not variant and not factors:
            variant, wide, factors = self._guess_variant(metrics)
        if wide and not metrics:
            metrics, kinds = self._wide_metric(wide)
        if not metrics:
            metrics, kinds = self._guess_metric((variant, *factors) if variant else factors)
        if wide and len(metrics) > 1:
            raise InputError(
                f"--metric: a wide table has one metric, not {len(metrics)}; remove {' and '.join(list(metrics)[1:])}"
            )
        if seed is None and case is None and not options.unpaired:
            advice = "give it with --seed COLUMN, or use --unpaired if equal seeds of two variants have nothing in common"
            raise InputError(f"{self.given.source}: no column looks like the seed; {advice}; the columns are {self._listed()}")
        return Columns(
            variants=factors if factors and not variant else (variant, *factors) if variant else (),
            factors=bool(factors),
            seed=seed,
            metrics=metrics,
            step=step,
            case=case,
            group=group,
            wide=wide,
            kinds=kinds,
            guessed=tuple(self.guessed),
        )

    def _listed(self) -> str:
        shown = ", ".join(self.names[:20])
        return f"{shown} and {len(self.names) - 20:,d} more" if len(self.names) > 20 else shown

    def _named(self, what: str, name: str | None) -> str | None:
        return None if name is None else self._column(f"--{what}", name)

    def _column(self, option: str, name: str) -> str:
        """The column called `name`, also without its prefix (`lr` for `config.lr`)."""
        found = [name] if name in self.names else [each for each in self.names if each.endswith((f".{name}", f"/{name}"))]
        if len(found) != 1:
            if found:
                raise InputError(f"{option} {name}: ambiguous; choose from: {', '.join(found)}")
            advice = suggestion(name, self.names[:200])
            raise InputError(f"{option} {name}: {self.given.source} has no such column; {advice}")
        self.taken.add(found[0])
        return found[0]

    def _guess(self, what: str, name: str, remark: str = "") -> str:
        self.taken.add(name)
        self.guessed.append(f"{what}: {name}{f' ({remark})' if remark else ''}")
        return name

    def _guess_seed(self) -> str | None:
        if self.given.seed is not None:
            return self._guess("seed", self.given.seed)
        found = [name for name in self.names if name not in self.taken and SEED.fullmatch(name)]
        found = [name for name in found if name.lower() == "seed"] or found
        if len(found) > 1 and not self.options.unpaired:
            raise InputError(f"{self.given.source}: several columns look like the seed: {', '.join(found)}; give one with --seed")
        return self._guess("seed", found[0]) if found and not self.options.unpaired else None

    def _guess_step(self, case: str | None) -> str | None:
        if self.options.step is not None or case is not None:
            return self.options.step and self._column("--step", self.options.step)
        if self.given.step is not None:
            return self._guess("step", self.given.step, "the last row of a run counts")
        found = [name for name in self.names if name not in self.taken and STEP.fullmatch(name) and self._is_number(name)]
        return self._guess("step", found[0], "the last row of a run counts") if len(found) == 1 else None

    def _is_number(self, name: str) -> bool:
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        kind = self.frame[name].dtype
        return bool(is_numeric_dtype(kind) and not is_bool_dtype(kind))

    def _guess_variant(self, metrics: Mapping[str, str]) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
        """(column of the variant, columns that are variants, columns of factors)."""
        if len(self.given.variants) == 1:
            return self._guess("variant", self.given.variants[0]), (), ()
        if self.given.variants:
            for name in self.given.variants:
                self._guess("factor", name)
            return None, (), self.given.variants
        texts = [name for name in self.names if name not in self.taken and not self._is_number(name)]
        counts = {name: int(self.frame[name].nunique()) for name in texts}
        several = [name for name in texts if 1 < counts[name] <= MOST_VARIANTS]
        able = [name for name in several if counts[name] < len(self.frame)]  # others name the rows
        named = [name for name in able or several if VARIANT.fullmatch(name)]
        named = [name for name in named if name.lower() == "variant"] or named
        found = named if len(named) == 1 else able
        if len(found) == 1:
            return self._guess("variant", found[0], f"{counts[found[0]]} different values"), (), ()
        if found:
            raise InputError(
                f"{self.given.source}: several columns may tell the variants apart: {', '.join(found)}; give one with --variant, "
                "or several with --factor"
            )
        numbers = [name for name in self.names if name not in self.taken and self._is_number(name) and not INDEX.fullmatch(name)]
        measured = not metrics and any(map(likely_goal, numbers))  # lr, accuracy: these do not name variants
        if not any(metrics.values()) and len(numbers) > 1 and not texts and not measured:
            for name in numbers:
                self.taken.add(name)
            self.guessed.append(f"a column per variant: {', '.join(numbers)}")
            return None, tuple(numbers), ()
        one = [name for name in named or texts if counts[name] == 1]
        if one and len(texts) == 1:
            return self._guess("variant", one[0], "one value"), (), ()
        raise InputError(
            f"{self.given.source}: no column looks like the variant; give it with --variant COLUMN, numbers with --factor "
            f"COLUMN, or the columns that are variants with --wide A,B; the columns are {self._listed()}"
        )

    def _metrics_said(self, wide: Sequence[str]) -> tuple[dict[str, str], dict[str, Metric]]:
        metrics: dict[str, str] = {}
        kinds: dict[str, Metric] = {}
        for text in self.options.metrics:
            name, column, rest = self._metric_column(text, wide)
            goal, _, unit = rest.partition(":")
            if name in metrics:
                raise InputError(f"--metric {text}: {name} twice; remove one")
            metrics[name], kinds[name] = column, self._kind(name, goal, unit, f"--metric {text}")
        return metrics, kinds

    def _metric_column(self, text: str, wide: Sequence[str]) -> tuple[str, str, str]:
        """(name of the metric, its column, `GOAL:UNIT`) of the text of an option; names may contain colons."""
        parts = text.split(":")
        for end in range(len(parts), 0, -1):
            name = ":".join(parts[:end])
            if name in self.names or any(each.endswith((f".{name}", f"/{name}")) for each in self.names):
                column = self._column("--metric", name)
                return name, column, ":".join(parts[end:])
        if wide or self._looks_wide():
            return parts[0], "", ":".join(parts[1:])
        return parts[0], self._column("--metric", parts[0]), ""

    def _looks_wide(self) -> bool:
        """Whether every other column is numeric: then no column has the metric's name."""
        rest = [name for name in self.names if name not in self.taken and not SEED.fullmatch(name)]
        return not self.options.variant and not self.options.factors and len(rest) > 1 and all(map(self._is_number, rest))

    def _kind(self, name: str, goal: str, unit: str, option: str) -> Metric:
        if not goal:
            found = likely_goal(name)
            if found is None:
                raise InputError(f"{option}: whether more is better is unknown; use {name}:maximize or {name}:minimize")
            goal = found
        if goal not in ("minimize", "maximize"):
            raise InputError(f"{option}: invalid goal {goal!r}; choose from: minimize, maximize")
        return Metric(unit, "minimize" if goal == "minimize" else "maximize")

    def _wide_metric(self, wide: Sequence[str]) -> tuple[dict[str, str], dict[str, Metric]]:
        raise InputError(
            f"{self.given.source}: the variants are the columns {', '.join(wide)}; say what they hold with --metric NAME:GOAL, "
            "such as --metric accuracy:maximize:%"
        )

    def _guess_metric(self, variants: Sequence[str]) -> tuple[dict[str, str], dict[str, Metric]]:
        numbers = self.given.metrics or tuple(name for name in self.names if self._is_number(name))
        able = [name for name in numbers if name not in self.taken and not INDEX.fullmatch(name)]
        found = [name for name in able if likely_goal(name) is not None and not TIME.search(name)]
        found = [name for name in found if not self._is_setting(name, variants)]
        if not able:  # text such as 93.1±0.2: the error names the cell
            found = [name for name in self.names if name not in self.taken and likely_goal(name) is not None]
        found.sort(key=lambda name: SPLITS.index(likely_split(_own(name))))
        if not found:
            advice = f"choose from: {', '.join(able[:20])}" if able else "no other column is numeric"
            raise InputError(f"{self.given.source}: what was measured is unknown; give it with --metric COLUMN:GOAL; {advice}")
        column = found[0]
        name = _own(column)
        kind = self._kind(name, "", "", "--metric")
        others = f"; others: {', '.join(_own(each) for each in found[1:6])}" if len(found) > 1 else ""
        self._guess("metric", name, f"{'lower' if kind.goal == 'minimize' else 'higher'} is better{others}")
        self.taken.add(column)
        return {name: column}, {name: kind}

    def _is_setting(self, name: str, variants: Sequence[str]) -> bool:
        """Whether all runs of a variant have the same value, as with `accumulation_steps`."""
        several = self.frame.groupby(list(variants), observed=True)[name].agg(["count", "min", "max"])
        several = several[several["count"] > 1]
        return len(several) > 0 and bool((several["min"] == several["max"]).all())


def _own(column: str) -> str:
    """The name without the prefix of its source: `acc` of `summary.acc`."""
    return re.sub(r"^(?:summary|metric)\.", "", column)
