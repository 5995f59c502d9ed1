"""Plain values -> the short words and numbers that screens, figures and reports share."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from harness.frames import Comparison
from harness.plan import Plan
from harness.task import Metric

NOTHING = "·"

CHANGED = "CLAIMS CHANGED AFTER RUNS"
LEAST_LABEL = 3  # a beginning, the mark, an end

# A comparison's kind -> what is said of one variant, and of several.
COMPARISONS: Mapping[str, tuple[str, str]] = {
    "improves": ("improves on", "improve on"),
    "worsens": ("is worse than", "are worse than"),
    "equivalent": ("is equivalent to", "are equivalent to"),
    "no_gain": ("gains nothing over", "gain nothing over"),
    "no_loss": ("loses nothing against", "lose nothing against"),
}
# Every other kind -> its sentence.
CLAIMS: Mapping[str, str] = {
    "best_in_range": "{factor} is best from {value}",
    "declines_beyond": "the result declines where {factor} is beyond {value}",
    "no_proportional_gain": "there is no gain proportional to {dose} where {factor} is beyond {value}",
    "at_least": "{label} reaches at least {value}",
    "at_most": "{label} reaches at most {value}",
    "contrast": "{value} is {sign}",
}


def count(number: float) -> str:
    """Thousands separated: 4903082 -> 4,903,082."""
    return f"{number:,.0f}"


def plural(number: int, noun: str) -> str:
    return f"{number:,d} {noun}" if number == 1 else f"{number:,d} {noun}s"


def clock(seconds: float) -> str:
    """A length of time: 0:24, 12:05, 1:12:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(seconds: float) -> str:
    """How long something is back, in its largest unit: 12 s ago, 5 min ago, 2 h ago, 3 d ago."""
    seconds = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def label(metric: str) -> str:
    """How a metric is called: test_accuracy -> test accuracy."""
    return metric.replace("_", " ")


def axis(metric: str, unit: str) -> str:
    """A metric with its unit: test accuracy (%)."""
    return f"{label(metric)} ({unit})" if unit else label(metric)


def difference_unit(unit: str) -> str:
    """The unit of a difference: percentages differ by percentage points."""
    return "pp" if unit == "%" else unit


def decimals(values: Iterable[float], metric: Metric) -> int:
    """Decimals for a table's column: 2 for percentages, 0 for counts, else four figures of the largest value."""
    if metric.unit == "%":
        return 2
    if metric.resolution is not None and metric.resolution >= 1:
        return 0
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 3 if largest == 0 else min(max(3 - math.floor(math.log10(largest)), 0), 8)


def number(value: float, places: int) -> str:
    """A value with thousands separators; a dot where there is none."""
    return NOTHING if math.isnan(value) else f"{value:,.{places}f}"


def spread(mean: float, sd: float, places: int) -> str:
    """`93.04 ± 0.15`; without the part behind ± where one value has no spread."""
    return number(mean, places) if math.isnan(sd) else f"{number(mean, places)} ± {sd:,.{places}f}"


def signed(value: float, places: int) -> str:
    """A difference, always with its sign; empty where there is none."""
    return "" if math.isnan(value) else f"{value:+,.{places}f}"


def epochs(config: Mapping[str, Any]) -> int | None:
    """How many epochs a configuration asks for, where it says so as `training.epochs` or `epochs`."""
    training = config.get("training")
    value = training.get("epochs") if isinstance(training, Mapping) else config.get("epochs")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def setting(plan: Plan) -> tuple[str, ...]:
    """What every variant shares, in a few words: task, data set, epochs, precision, accelerator."""
    configs = plan.variants.values()

    def shared(block: str, key: str) -> Any:
        values = {repr(config[block][key]): config[block][key] for config in configs if key in (config.get(block) or {})}
        return next(iter(values.values())) if len(values) == 1 else None

    lengths = {epochs(config) for config in configs} - {None}
    length = plural(lengths.pop() or 0, "epoch") if len(lengths) == 1 else None
    parts = (plan.task, shared("data", "dataset"), length, shared("training", "precision"), plan.accelerator)
    return tuple(str(part) for part in parts if part is not None)


def rehearsal(plan: Plan) -> str | None:
    """Why a plan's results are no evidence; None where they are."""
    if not plan.rehearsal:
        return None
    reasons = [f"profile {plan.profile}"] if plan.profile else []
    reasons += [f"--set {override}" for override in plan.overrides]
    return f"REHEARSAL: {', '.join(reasons)}, no evidence"


def seeds(plan: Plan) -> int:
    """The number of seeds of each variant."""
    return len({run.seed for run in plan.runs})


def command(plan: Plan, results: Path) -> str:
    """The command that makes and trains this plan again in the folder `results`, quoted for a shell."""
    words = ["harness", "run", plan.file or f"experiments/{plan.experiment}.yaml"]
    words += ["--profile", plan.profile] if plan.profile else []
    for override in plan.overrides:
        words += ["--set", override]
    words += ["--seeds", str(seeds(plan))] if seeds(plan) > max(plan.looks) else []
    return shlex.join([*words, "--device", plan.accelerator, *elsewhere(results)])


def elsewhere(results: Path) -> list[str]:
    """The option that names the results folder, where it is not the default one."""
    return [] if results == Path("results") else ["--results", str(results)]


def margin(size: float, unit: str) -> str:
    """Differences that do not matter: under 0.25 pp."""
    return f"under {size:g} {difference_unit(unit)}".rstrip()


def reading(plan: Plan, comparison: Comparison, unit: str) -> str:
    """How to read the table of a comparison of the default metric, whose unit is `unit`."""
    if len(plan.variants) == 1:
        return "± is sd over seeds"
    if not comparison.seeds:
        first = min((*plan.looks, seeds(plan)))
        return f"± is sd over seeds; no difference before {plural(first, 'seed')} of every variant ended"
    whole = comparison.seeds == seeds(plan)
    parts = [f"{plural(comparison.seeds, 'seed')}" if whole else f"the first {comparison.seeds} of {seeds(plan)} seeds"]
    parts += ["differences paired by seed", "± is sd over seeds"]
    fewer = [
        f"{row.variant} {row.pairs}" for row in comparison.rows if row.variant != plan.baseline and row.pairs < comparison.seeds
    ]
    parts += [f"fewer pairs, as runs failed or diverged: {', '.join(fewer)}"] if fewer else []
    parts += [f"{margin(plan.margin, unit)} declared not to matter"] if plan.margin is not None else []
    return "; ".join(parts)


def claim(registered: Mapping[str, Any], metrics: Mapping[str, Metric]) -> str:
    """A registered claim (`Claim.as_dict`) as a sentence: `b improves on a (test_accuracy; ...)`."""
    name, kind = registered["metric"], registered["kind"]
    unit = metrics[name].unit if name in metrics else ""
    said = compared(registered) if kind in COMPARISONS else CLAIMS[kind].format(**claim_words(registered))
    qualifiers = [name, *(f"where {factor} is {level}" for factor, level in registered.get("where", {}).items())]
    if registered.get("margin"):
        qualifiers.append(f"{margin(registered['margin'], unit)} declared not to matter")
    if registered.get("failed_counts_as") is not None:
        qualifiers.append(f"a failed run counts as {figure(registered['failed_counts_as'])}")
    return f"{said} ({'; '.join(qualifiers)})"


def compared(registered: Mapping[str, Any]) -> str:
    """The sentence of a comparison: variants that are compared with the same one share a verb."""
    one, several = COMPARISONS[registered["kind"]]
    groups: dict[str, list[str]] = {}
    for variant, over in zip(registered.get("variants", ()), registered.get("over", ()), strict=True):
        groups.setdefault(over, []).append(variant)
    return ", ".join(f"{listed(group)} {one if len(group) == 1 else several} {over}" for over, group in groups.items())


def claim_words(registered: Mapping[str, Any]) -> dict[str, str]:
    """What the sentences of `CLAIMS` are filled with."""
    value = registered["value"]
    factor = str(registered.get("factor", ""))
    words = {"factor": factor, "dose": label(registered.get("dose", factor)), "sign": str(registered.get("sign", ""))}
    if registered["kind"] == "contrast":
        return {**words, "value": " ".join(f"{weight:+.10g} × {variant}" for variant, weight in value.items())}
    if isinstance(value, Mapping):
        ((variant, bound),) = value.items()
        return {**words, "label": variant, "value": figure(bound)}
    return {**words, "value": " to ".join(map(figure, value)) if isinstance(value, list | tuple) else figure(value)}


def figure(value: float) -> str:
    """A number as a person writes it: 32 for 32.0, 4,903,082."""
    return f"{value:,.10g}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def amended(plan: Plan, metrics: Mapping[str, Metric]) -> str | None:
    """What the experiment's file says now, where runs were registered with something else."""
    now = plan.amended
    if now is None:
        return None
    said = [f"{place}. {claim(each, metrics)}" for place, each in enumerate(now.claims, 1)] or ["no claims"]
    said += [
        f"{name} {setting_words(new)} (registered: {setting_words(old)})"
        for name, old, new in (
            ("looks", plan.looks, now.looks),
            ("margin", plan.margin, now.margin),
            ("alpha", plan.alpha, now.alpha),
            ("baseline", plan.baseline, now.baseline),
        )
        if old != new
    ]
    return f"{CHANGED}: registered as below; the file now says: {'; '.join(said)}"


def setting_words(value: Sequence[int] | str | float | None) -> str:
    """A setting that claims are judged by, in words."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return ", ".join(map(str, value))
    return "none" if value is None else figure(value)


def shorten(labels: Sequence[str], width: int) -> list[str]:
    """`labels` in at most `width` cells of a terminal (`LEAST_LABEL` or more), long ones cut in the middle.

    What was different stays different: the cut goes where the labels are alike, or else each gets its place as a number, for
    which the width must leave room.
    """
    if all(cell_len(text) <= width for text in labels):
        return list(labels)
    room = max(width, LEAST_LABEL) - 1
    different = len(set(labels))
    for ending in sorted(range(1, room), key=lambda ending: abs(ending - room // 2)):
        cut = [cut_out(text, width, room - ending, ending, "…") for text in labels]
        if len(set(cut)) == different:
            return cut
    places = {text: place for place, text in enumerate(dict.fromkeys(labels), 1)}
    room = max(width - len(str(len(places))) - 2, 2)
    return [cut_out(text, width, room - room // 2, room // 2, f"…{places[text]}…") for text in labels]


def cut_out(text: str, width: int, start: int, ending: int, mark: str) -> str:
    """`text`, or its first and last cells with `mark` between them where it is wider than `width`."""
    if cell_len(text) <= width:
        return text
    return beginning(text, start) + mark + beginning(text[::-1], ending)[::-1]


def beginning(text: str, width: int) -> str:
    """As many characters from the left as fit into `width` cells."""
    end = min(len(text), width)
    while cell_len(text[:end]) > width:
        end -= 1
    return text[:end]
