"""curves.json: the mean learning curves of a plan's variants, for other programs and for comparisons across plans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.reporting.pages.curve_data import X, described, mean_lines, recorded, thinned, values
from harness.reporting.pages.report_data import ReportData
from harness.store.atomic import read_json

MOST_POINTS = 200  # of a line
MOST_VALUES = 600_000  # of all lines together; at least the first and the last epoch are there

Kind = Literal["mean", "low", "high"]
KINDS: tuple[Kind, ...] = ("mean", "low", "high")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CurveMetric(_Strict):
    """A metric for a reader."""

    label: str
    unit: str
    better: Literal["minimize", "maximize"] | None


class CurveLine(_Strict):
    """A variant by its place in `variants`; by x the number of runs and the values of each metric, null if unknown."""

    variant: int = Field(ge=0)
    x: list[int | float] = Field(min_length=1)
    n: list[int]
    y: dict[str, dict[Kind, list[int | float | None]]]

    @model_validator(mode="after")
    def _as_long_as_x(self) -> CurveLine:
        columns: list[Sequence[object]] = [self.n, *(own.get(kind, []) for own in self.y.values() for kind in KINDS)]
        if any(len(column) != len(self.x) for column in columns):
            raise ValueError("n, and mean, low and high of every metric must be as long as x")
        return self


class Curves(_Strict):
    """The content of the file."""

    schema_version: Literal[1] = Field(1, alias="schema")
    plan: str
    question: str
    metrics: dict[str, CurveMetric]
    variants: list[str]
    x: Literal["epoch"] = X
    lines: list[CurveLine]

    @model_validator(mode="after")
    def _of_what_is_there(self) -> Curves:
        for line in self.lines:
            if line.variant >= len(self.variants) or not line.y.keys() <= self.metrics.keys():
                raise ValueError("a line of an unknown variant or metric")
        return self


def curves_of(report: ReportData) -> Curves:
    """The mean, lowest and highest value and the number of runs by variant, epoch and declared metric.

    Of the runs that neither failed nor diverged, up to the epoch that all of them have reached. Raises StoreError.
    """
    variants, epochs = list(report.plan.variants), report.epochs
    names = [name for name in recorded(epochs, report.metrics) if name in report.metrics]
    points = MOST_VALUES // max(3 * len(names) * epochs["variant"].nunique(), 1)
    kept, _ = thinned(epochs, max(min(points, MOST_POINTS - 1), 2))
    places = {variant: place for place, variant in enumerate(variants)}
    lines = [
        CurveLine(
            variant=places[line.variant],
            x=line.x,
            n=[line.n] * len(line.x),
            y={name: {kind: values(kinds[kind]) for kind in KINDS} for name, kinds in line.y.items()},
        )
        for line in mean_lines(kept, names)
        if line.x
    ]
    texts = {name: described(name, report.metrics[name], claimed=True) for name in names}
    metrics = {name: CurveMetric(label=own["label"], unit=own["unit"], better=own["better"]) for name, own in texts.items()}
    return Curves(plan=report.plan.name, question=report.plan.question, metrics=metrics, variants=variants, lines=lines)


def text_of(curves: Curves) -> str:
    """The text of the file."""
    return curves.model_dump_json(by_alias=True) + "\n"


def read_curves(path: Path) -> Curves:
    """The content of a file. Raises FileNotFoundError; StoreError if it is damaged."""
    return read_json(path, Curves)
