"""Plain values -> the short words and numbers that screens, figures and reports share."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from harness.frames import Comparison
from harness.plan import Plan
from harness.task import Metric

NOTHING = "·"

# A claim's kind -> its sentence.
CLAIMS: Mapping[str, str] = {
    "improves": "{variants} improves on {over}",
    "worsens": "{variants} is worse than {over}",
    "equivalent": "{variants} is equivalent to {over}",
    "no_gain": "{variants} gains nothing over {over}",
    "no_loss": "{variants} loses nothing against {over}",
    "best_in_range": "{factor} is best from {range}",
    "declines_beyond": "declines where {factor} is beyond {range}",
    "no_proportional_gain": "no gain proportional to {dose} where {factor} is beyond {range}",
    "at_least": "at least {bounds}",
    "at_most": "at most {bounds}",
    "contrast": "{weights} is {sign}",
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


def command(plan: Plan) -> str:
    """The command that makes and trains this plan again, quoted for a shell."""
    words = ["harness", "run", f"experiments/{plan.experiment}.yaml"]
    words += ["--profile", plan.profile] if plan.profile else []
    for override in plan.overrides:
        words += ["--set", override]
    words += ["--seeds", str(seeds(plan))] if seeds(plan) > max(plan.looks) else []
    return shlex.join([*words, "--device", plan.accelerator])


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
    name, value = registered["metric"], registered.get("value")
    unit = metrics[name].unit if name in metrics else ""
    bounds = list(value.items()) if isinstance(value, Mapping) else []
    words = {
        "variants": ", ".join(registered.get("variants", ())),
        "over": ", ".join(dict.fromkeys(registered.get("over", ()))),
        "factor": registered.get("factor"),
        "dose": label(registered.get("dose") or registered.get("factor") or ""),
        "range": " to ".join(f"{end:g}" for end in value) if isinstance(value, list | tuple) else value,
        "bounds": ", ".join(f"{variant} {bound:,.10g}" for variant, bound in bounds),
        "weights": " ".join(f"{weight:+g} × {variant}" for variant, weight in bounds),
        "sign": registered.get("sign"),
    }
    qualifiers = [name, *(f"where {factor} is {level}" for factor, level in registered.get("where", {}).items())]
    if registered.get("margin") is not None:
        qualifiers.append(f"{margin(registered['margin'], unit)} declared not to matter")
    if registered.get("failed_counts_as") is not None:
        qualifiers.append(f"a failed run counts as {registered['failed_counts_as']:g}")
    return f"{CLAIMS[registered['kind']].format(**words)} ({'; '.join(qualifiers)})"
