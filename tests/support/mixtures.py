"""Plans of several kinds of claims with known truths, and values of their runs drawn at random.

A cell is a mixture of claims, a truth, a kind of noise and a schedule of looks. Values are 93 pp plus the true difference plus an
effect of the seed that all variants share plus noise; a paired difference has the standard deviation `SD`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from examples import changed, images_plan
from simulated import comparison
from truths import Truth

from harness.experiment.claims import Claim, ContrastClaim, DeclineClaim, ProportionClaim, RangeClaim, ThresholdClaim
from harness.experiment.plan import Plan, PlannedRun

BASELINE, METRIC = "base", "test_accuracy"
CENTRE = 93.0  # %, the true mean of the baseline
SD = 0.2  # of paired differences, pp
SEED_SD = 0.1  # of the effect of a seed, pp
TINY = 0.01  # a margin too small for any equivalence, pp
SHARP = 3.6  # a margin that equivalence tests can just show, in standard errors at the last look

Floats = np.ndarray
Make = Callable[[Sequence[str], float], list[Claim]]  # labels without the baseline, margin -> claims


@dataclass(frozen=True)
class Mixture:
    """Claims about variants; `roles`, one per variant, say where a claim about it is hardest and where it is clearly true."""

    roles: tuple[str, ...]
    claims: Make
    doses: bool = False  # the variants, baseline included, are the levels 1, 2, ... of a factor


# Role -> true differences: in margins, where a test of the claim errs most often; in standard deviations, clearly true.
WORST: Mapping[str, float] = {"equivalent": 1, "no_gain": 1, "no_loss": -1, "negligible": 1}
CLEAR: Mapping[str, float] = {"worsens": -2, "equivalent": 0, "no_gain": -2, "at_most": -2, "negative": -2, "negligible": 0}


def claim(kind: str, label: str, margin: float) -> Claim:
    """A claim about one variant."""
    if kind in ("at_least", "at_most"):
        return ThresholdClaim(kind=kind, metric=METRIC, variant=label, value=CENTRE)  # type: ignore[arg-type]  # one of two
    if kind in ("positive", "negative", "negligible"):
        weights = {label: 1.0, BASELINE: -1.0}
        return ContrastClaim(metric=METRIC, weights=weights, sign=kind, margin=margin)  # type: ignore[arg-type]  # one of three
    return comparison(kind, label, margin=margin)


def separate(*kinds: str) -> Mixture:
    """One variant and one claim for each kind."""
    return Mixture(kinds, lambda labels, margin: [claim(*each, margin) for each in zip(kinds, labels, strict=True)])


def listed(kind: str, variants: int) -> Mixture:
    """One claim about a list of variants."""
    return Mixture((kind,) * variants, lambda labels, margin: [comparison(kind, *labels, margin=margin)])


def listed_and_own(variants: int) -> Mixture:
    """A list under no_gain, and two claims about each of its variants."""
    own = overlapping("no_gain", "improves", variants=variants)
    return replace(
        own, claims=lambda labels, margin: [comparison("no_gain", *labels, margin=margin), *own.claims(labels, margin)]
    )


def pairs_and_one(lists: int) -> Mixture:
    """Lists of two variants under no_gain, and a claim that another variant improves."""

    def claims(labels: Sequence[str], margin: float) -> list[Claim]:
        pairs = zip(labels[:-1:2], labels[1::2], strict=True)
        return [*(comparison("no_gain", *pair, margin=margin) for pair in pairs), claim("improves", labels[-1], margin)]

    return Mixture((*["no_gain"] * 2 * lists, "improves"), claims)


def overlapping(*kinds: str, variants: int) -> Mixture:
    """Claims of all kinds about each variant."""
    return Mixture(
        (kinds[0],) * variants, lambda labels, margin: [claim(kind, each, margin) for each in labels for kind in kinds]
    )


def dosed(doses: int, *claims: Callable[[float], Claim]) -> Mixture:
    """Claims about the doses 1, 2, ..., of which the first is the baseline."""
    return Mixture(("dose",) * (doses - 1), lambda _, margin: [make(margin) for make in claims], doses=True)


def decline(_: float) -> Claim:
    return DeclineClaim(metric=METRIC, factor="dose", beyond=1)


def bend(_: float) -> Claim:
    return ProportionClaim(metric=METRIC, factor="dose", beyond=3)


def best(margin: float) -> Claim:
    return RangeClaim(metric=METRIC, factor="dose", inside=(3, 5), margin=margin)


MIXTURES: Mapping[str, Mixture] = {
    **{f"{n} improves": separate(*["improves"] * n) for n in (1, 3, 8)},
    **{f"{n} no_gain": separate(*["no_gain"] * n) for n in (3, 10, 30)},
    "no_gain of 5": listed("no_gain", 5),
    "no_gain of 3 and each": listed_and_own(3),
    "12 no_gain of 2, improves": pairs_and_one(12),
    "improves of 5": listed("improves", 5),
    "mixed": separate("improves", "improves", "equivalent", "equivalent", "no_gain", "no_gain", "at_least"),
    "mirrored": separate("worsens", "equivalent", "no_loss", "no_loss", "at_most"),
    "1 at_least": separate("at_least"),
    "3 at_least": separate(*["at_least"] * 3),
    "contrasts": separate("positive", "negative", "negligible", "negligible"),
    "overlapping": overlapping("improves", "no_gain", "equivalent", variants=2),
    "decline": dosed(8, decline),
    "bend": dosed(6, bend),
    "range": dosed(7, best),
    "all doses": dosed(7, decline, bend, best),
}


def alternating(roles: Sequence[str], margin: float) -> Floats:
    """Every second claim clearly true, the others where they err most often."""
    pairs = [(SD * CLEAR.get(role, 2), margin * WORST.get(role, 0)) for role in roles]
    return np.array([pair[place % 2] for place, pair in enumerate(pairs)])


def at_boundary(roles: Sequence[str], margin: float) -> Floats:
    """One dose inside the range, and one outside that is better by the margin; the others are far worse."""
    values = np.full(len(roles) + 1, -10 * SD)
    values[[3, 6]] = 0, margin
    return values[1:] - values[0]


# Truth -> the true differences from the baseline, one per role, for a margin.
TRUTHS: Mapping[str, Callable[[Sequence[str], float], Floats]] = {
    "null": lambda roles, _: np.zeros(len(roles)),  # with the margin TINY
    "half found": lambda roles, _: 2 * SD * (np.arange(len(roles)) % 2),  # with the margin TINY
    "sharp": lambda roles, _: np.zeros(len(roles)),
    "margin": lambda roles, margin: np.full(len(roles), margin),
    "worst": lambda roles, margin: np.array([margin * WORST.get(role, 0) for role in roles]),
    "half": alternating,
    "0 or margin": lambda roles, margin: margin * (np.arange(len(roles)) % 2),
    "tiny decline": lambda roles, _: -0.01 * SD * np.arange(1, len(roles) + 1),
    "line": lambda roles, _: SD * np.arange(1, len(roles) + 1),
    "boundary": at_boundary,
    "plateau": lambda roles, margin: np.array([margin * (dose in (2, 6, 7)) for dose in range(2, len(roles) + 2)]),
}
MULTIPLES = (0.0, 0.5, 1.0, 2.0, -1.0)  # of the margin: the truth `random` picks one for each variant, anew in each draw


def normal(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return generator.normal(0.0, SD / np.sqrt(2), shape)


def independent(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return _still_baseline(generator.normal(0.0, SD, shape))


def heavy(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return generator.standard_t(3, shape) / np.sqrt(3) * SD / np.sqrt(2)


def skewed(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Skewed differences: no t test of a few seeds keeps its level."""
    return _still_baseline(SD * (generator.exponential(1.0, shape) - 1.0))


def skewed_alike(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Skewed values with symmetric differences, as the baseline has the same skew."""
    return SD / np.sqrt(2) * (generator.exponential(1.0, shape) - 1.0)


def unequal(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    values = normal(generator, shape)
    values[1] *= 5
    return values


def _still_baseline(values: Floats) -> Floats:
    values[0] = 0.0
    return values


# The noise of values [variant, seed], the baseline first. It is shared by all differences, but where the baseline has none.
NOISES = {
    "normal": normal,
    "independent": independent,
    "t, 3 df": heavy,
    "skewed": skewed,
    "skewed alike": skewed_alike,
    "one 5 times": unequal,
}


@dataclass(frozen=True)
class Cell:
    """A mixture under a truth, with a noise and a schedule; `name` identifies it, and seeds its draws."""

    mixture: str
    truth: str
    noise: str = "normal"
    looks: tuple[int, ...] = (5,)

    @property
    def name(self) -> str:
        return f"{self.mixture} | {self.truth} | {self.noise} | {'-'.join(map(str, self.looks))}"

    @property
    def margin(self) -> float:
        """The margin of all claims."""
        return TINY if self.truth in ("null", "half found") else round(SHARP * SD / math.sqrt(self.looks[-1]), 4)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The variants, the baseline first."""
        return (BASELINE, *(f"{role}{place}" for place, role in enumerate(MIXTURES[self.mixture].roles)))

    def plan(self, **fields: object) -> Plan:
        """The plan; `fields` replace its own."""
        mixture = MIXTURES[self.mixture]
        if mixture.doses:
            fields["factors"] = {"dose": {str(dose): float(dose) for dose in range(1, len(self.labels) + 1)}}
            fields["levels"] = {label: {"dose": str(dose)} for dose, label in enumerate(self.labels, start=1)}
        return design(self.labels, mixture.claims(self.labels[1:], self.margin), self.looks, **fields)

    def generator(self) -> np.random.Generator:
        """The source of the draws, always the same."""
        return np.random.default_rng([2026, zlib.crc32(self.name.encode())])

    def draws(self, plan: Plan, generator: np.random.Generator) -> Iterator[tuple[Truth, Floats]]:
        """The truth, and values of the runs [variant, seed], without end."""
        roles = MIXTURES[self.mixture].roles
        while True:
            random = self.truth == "random"
            true = generator.choice(MULTIPLES, len(roles)) * self.margin if random else TRUTHS[self.truth](roles, self.margin)
            means = CENTRE + np.array([0.0, *true])
            seeds = generator.normal(0.0, SEED_SD, self.looks[-1])
            noise = NOISES[self.noise](generator, (len(means), self.looks[-1]))
            yield Truth(plan, dict(zip(self.labels, means, strict=True))), means[:, None] + seeds + noise


def design(labels: Sequence[str], claims: Sequence[Claim], looks: Sequence[int], **fields: object) -> Plan:
    """A plan of any number of variants, the first being the baseline."""
    stage = {seed: look for look in reversed(looks) for seed in range(look)}
    runs = [
        PlannedRun(id=f"{place:04x}{seed:08}", variant=label, seed=seed, look=stage[seed])
        for seed in range(looks[-1])
        for place, label in enumerate(labels)
    ]
    own = {
        "variants": {label: {} for label in labels},
        "data": dict.fromkeys(labels, ""),
        "levels": {label: {} for label in labels},
        "over": dict.fromkeys(labels, labels[0]),
        "looks": tuple(looks),
        "spending": "quadratic",
        "drops_decided": True,
        "runs": tuple(runs),
        "claims": tuple(claims),
        "profile": None,
    }
    return changed(images_plan(labels[:1], 1), **{**own, **fields})


class Frames:
    """Frames of the finished runs of a plan from values [variant, seed]."""

    def __init__(self, plan: Plan) -> None:
        self.labels = list(plan.variants)
        index = pd.MultiIndex.from_product([range(plan.looks[-1]), self.labels], names=["seed", "variant"])
        self.runs = pd.DataFrame(index=index).reset_index().assign(state="completed")

    def frame(self, values: Floats) -> pd.DataFrame:
        """All runs, completed."""
        return self.runs.assign(**{METRIC: values.T.ravel()})

    def trained(self, values: Floats, seeds: Mapping[str, int]) -> pd.DataFrame:
        """The runs of the first `seeds` seeds of each variant; the others are pending."""
        found = self.frame(values)
        pending = found["seed"] >= found["variant"].map(dict(seeds))
        return found.assign(state=found["state"].mask(pending, "pending"), **{METRIC: found[METRIC].mask(pending)})
