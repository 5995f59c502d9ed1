"""Plans and data frames of runs with chosen values, for tests of verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from examples import images_plan

from harness.analysis.verdicts import Terms, terms
from harness.experiment.claims import Claim, ComparisonClaim
from harness.experiment.plan import Plan, PlannedRun

BASE = [93.12, 92.87, 93.25, 93.01, 92.95]
LEAKY = [93.41, 93.30, 93.49, 93.44, 93.20]
GELU = [93.15, 92.96, 93.10, 93.07, 93.02]
NO_BATCHNORM = [91.80, 91.20, 92.10, 91.05, 91.66]
ACTIVATIONS = {"base": BASE, "leaky_relu": LEAKY, "gelu": GELU, "no_batchnorm": NO_BATCHNORM}


def comparison(kind: str, *variants: str, over: str = "base", metric: str = "test_accuracy", **fields: Any) -> ComparisonClaim:
    """A claim that compares `variants` with `over`."""
    return ComparisonClaim(
        kind=kind,  # type: ignore[arg-type]
        metric=metric,
        variants=variants,
        over=(over,) * len(variants),
        **{"margin": 0.25, **fields},
    )


def plan_of(
    variants: Sequence[str], claims: Sequence[Claim], looks: Sequence[int] = (5,), seeds: int | None = None, **fields: Any
) -> Plan:
    """A plan whose seeds go up to the last look, or to `seeds`."""
    count = seeds or looks[-1]
    stage = {seed: look for look in reversed(looks) for seed in range(look)}
    runs = tuple(
        PlannedRun(id=f"{place:x}{seed:011}", variant=label, seed=seed, look=stage.get(seed))
        for seed in range(count)
        for place, label in enumerate(variants)
    )
    return images_plan(variants, count, looks=tuple(looks), runs=runs, claims=tuple(claims), margin=0.25, profile=None, **fields)


def frame(plan: Plan, values: Mapping[str, Sequence[float | str]], metric: str = "test_accuracy", **columns: Any) -> pd.DataFrame:
    """The runs of the plan with values by variant and seed. A string instead of a number is the state; missing runs are pending."""
    rows = []
    for run in plan.runs:
        own = values.get(run.variant, ())
        value = own[run.seed] if run.seed < len(own) else "pending"
        word = isinstance(value, str)
        rows.append(
            {
                "id": run.id,
                "variant": run.variant,
                "seed": run.seed,
                "state": value if word else "completed",
                metric: float("nan") if word else value,
                **columns,
            }
        )
    return pd.DataFrame(rows)


def available(
    plan: Plan, values: Mapping[str, Sequence[float | str]], *, unpaired: bool = False, **columns: Any
) -> tuple[Terms, pd.DataFrame]:
    """The terms of results that exist already, and their runs; `absent` instead of a number: there is no such run."""
    runs = frame(plan, values, **columns)
    kept = runs[~runs["state"].isin(["absent", "pending"])].reset_index(drop=True)
    return replace(terms(plan), available=True, unpaired=unpaired), kept
