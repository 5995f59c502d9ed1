"""Pydantic models of `claims:` in the YAML, one for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from harness.experiment.claims.model import COMPARISONS, Across

Label = Annotated[str, Field(min_length=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Level = str | int | float | bool | None
Levels = Level | tuple[Level, ...]  # a list is one level: layers: [[64, 64], [128]]

MARGIN = "the smallest difference that matters; default: the file's"
FACTOR = "the factor whose levels are compared; default: the only one"


class ClaimInput(BaseModel):
    """The fields that every claim may have beside its kind key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    metric: Label | None = Field(None, description="the metric that is claimed about; default: the task's first")
    where: Mapping[str, Level] | None = Field(None, description="a slice of a grid: factor -> level")
    failed_counts_as: Finite | None = Field(None, description="the metric's value for a failed or diverged run")


class _Tested(ClaimInput):
    across: Across = Field("seeds", description="what it is tested over: seeds, or the cases of an evaluation")


class Comparison(_Tested):
    over: Label | None = Field(None, description="the variant to compare with; default: the baseline")
    margin: float | None = Field(None, gt=0, description=MARGIN)


STATES = {
    "improves": "is better",
    "worsens": "is worse",
    "equivalent": "differs by less than the margin in either direction",
    "no_gain": "is not better by the margin or more",
    "no_loss": "is not worse by the margin or more (non-inferiority)",
}


def _comparison(kind: str) -> type[Comparison]:
    """The model of a comparison, with its variants under the key `kind`."""
    described = Field(description=f"a variant, a list of them, or all: each {STATES[kind]}")
    variants: Any = {kind: (Label | Annotated[tuple[Label, ...], Field(min_length=1)], described)}
    return create_model(kind.title().replace("_", ""), __base__=Comparison, **variants)


class Contrast(ClaimInput):
    contrast: Annotated[Mapping[Label, Finite], Field(min_length=2, description="variant -> weight; the weights sum to 0")]
    sign: Literal["positive", "negative", "negligible"] = Field(
        alias="is", description="the sign of the weighted sum; negligible: within the margin"
    )
    margin: float | None = Field(None, gt=0, description=MARGIN)

    @field_validator("contrast")
    @classmethod
    def _weights_sum_to_zero(cls, value: Mapping[str, float]) -> Mapping[str, float]:
        if abs(sum(value.values())) > 1e-9 or not any(value.values()):
            raise ValueError(f"the weights sum to {sum(value.values()):g}; expected weights, not all 0, that sum to 0")
        return value


class BestInRange(ClaimInput):
    best_in_range: tuple[Finite, Finite] = Field(description="the best level of the factor is in this range, ends included")
    factor: Label | None = Field(None, description=FACTOR)
    margin: float | None = Field(None, ge=0, description=MARGIN)

    @field_validator("best_in_range")
    @classmethod
    def _least_first(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"[{value[0]:g}, {value[1]:g}] is out of order; put the smaller value first")
        return value


class DeclinesBeyond(ClaimInput):
    declines_beyond: Finite = Field(description="the metric gets worse from this level of the factor on")
    factor: Label | None = Field(None, description=FACTOR)


class NoProportionalGain(ClaimInput):
    no_proportional_gain: Finite = Field(description="the gain beyond this level of the factor is less than proportional")
    factor: Label | None = Field(None, description=FACTOR)
    dose: Label | None = Field(
        None, description="a metric of results that is the dose, such as parameters; default: the factor's levels"
    )


class AtLeast(_Tested):
    at_least: Annotated[
        Mapping[Label, Finite],
        Field(min_length=1, max_length=1, description="a variant and the least value of its mean"),
    ]


class AtMost(_Tested):
    at_most: Annotated[
        Mapping[Label, Finite],
        Field(min_length=1, max_length=1, description="a variant and the largest value of its mean"),
    ]


KINDS: Mapping[str, type[ClaimInput]] = {
    **{kind: _comparison(kind) for kind in COMPARISONS},
    "best_in_range": BestInRange,
    "declines_beyond": DeclinesBeyond,
    "no_proportional_gain": NoProportionalGain,
    "at_least": AtLeast,
    "at_most": AtMost,
    "contrast": Contrast,
}
ALL = "all"  # every variant except the reference; not allowed as a variant's name
