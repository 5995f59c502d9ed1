"""How often some word of a plan's verdicts is false, and what power and how many runs the verdicts take.

    python benchmarks/verdict_errors.py [--draws N] [--only TEXT [--replace]] [--jobs N]
    python benchmarks/verdict_errors.py --power [--draws N] [--jobs N]

Plans are drawn many times under a known truth and judged as the harness judges them: claims, looks, freezing and corrections
together. A cell is a mixture of claims, a truth, a kind of noise and a schedule of looks; tests/support/mixtures.py has what they
mean, tests/support/truths.py which words are false. Draws depend on the cell only: it has the same figures in any run of the same
code. `--only` prints the cells whose name contains the text; with `--replace` they are recorded, too, beside the others of the
file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from record import RESULTS, machine, write

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

import numpy as np
from mixtures import CENTRE, NOISES, SD, Cell, Frames, design, normal
from simulated import comparison
from truths import Truth

from harness.analysis.verdicts import Judgement, judgement
from harness.experiment.plan import Plan

DRAWS = 1_000
CHECKED = 20  # of so many draws, one is judged again without the runs that would not have been trained
THREE, FIVE = (3, 5, 10), (3, 5, 8, 12, 20)  # looks
FIXED = ((3,), (5,), (10,), (20,))


def cells() -> Iterator[Cell]:
    """The table of error rates: every mixture, truth, noise and design, not every combination."""
    designs = (*FIXED, THREE, FIVE)
    for looks in designs:
        yield Cell("mixed", "worst", looks=looks)
        yield Cell("8 improves", "null", looks=looks)
        yield Cell("10 no_gain", "margin", looks=looks)
    noises = [noise for noise in NOISES if noise != "normal"]
    for noise, looks in product(noises, ((5,), THREE)):
        yield Cell("mixed", "worst", noise, looks)
    for noise in noises:
        yield Cell("3 improves", "null", noise)
    for truth, looks in product(("null", "sharp", "margin", "half", "random"), ((5,), THREE)):
        yield Cell("mixed", truth, looks=looks)
    yield from (Cell("1 improves", "null"), Cell("1 improves", "margin"), Cell("3 improves", "null"))
    for truth, looks in product(("half found", "margin", "0 or margin", "random"), ((5,), FIVE)):
        yield Cell("8 improves", truth, looks=looks)
    yield from (Cell("3 no_gain", "margin"), Cell("30 no_gain", "margin"))
    yield from (Cell("10 no_gain", "half"), Cell("10 no_gain", "half", looks=THREE))
    for mixture, looks in product(("no_gain of 5", "improves of 5"), ((5,), THREE)):
        yield Cell(mixture, "margin" if mixture == "no_gain of 5" else "null", looks=looks)
    for mixture, looks in product(("no_gain of 5", "no_gain of 3 and each"), ((5,), THREE)):
        yield Cell(mixture, "0 or margin", looks=looks)
        yield Cell(mixture, "random", looks=looks)
    yield Cell("12 no_gain of 2, improves", "sharp", "independent", (20,))
    yield from (Cell("mirrored", "worst"), Cell("mirrored", "half", looks=THREE))
    for mixture, looks in product(("1 at_least", "3 at_least", "contrasts"), ((5,), THREE)):
        yield Cell(mixture, "worst", looks=looks)
    for truth, looks in product(("margin", "0 or margin"), designs):
        yield Cell("overlapping", truth, looks=looks)
    for truth, looks in product(("sharp", "random"), ((5,), THREE)):
        yield Cell("overlapping", truth, looks=looks)
    for truth, looks in product(("null", "tiny decline"), ((5,), (20,), THREE)):
        yield Cell("decline", truth, looks=looks)
    for looks in ((5,), THREE):
        yield Cell("bend", "line", looks=looks)
        yield Cell("range", "boundary", looks=looks)
        yield Cell("range", "plateau", looks=looks)
        yield Cell("all doses", "null", looks=looks)


@dataclass(frozen=True)
class Power:
    """Six claims that a variant improves on the baseline, half of them true by `effect` standard deviations."""

    effect: float
    margin: float
    options: tuple[tuple[str, Any], ...] = ()  # fields of the plan

    @property
    def name(self) -> str:
        own = ", ".join(f"{key} {value}" for key, value in self.options)
        return f"effect {self.effect:g} sd | margin {self.margin:g} | {own or 'as by default'}"


def power_cells() -> Iterator[Power]:
    """Effects and margins, with each option that this version of the harness has."""
    known = Plan.model_fields
    spendings = [(("spending", way),) if "spending" in known else () for way in ("linear", "quadratic")]
    futilities = [(("futility", level),) if "futility" in known else () for level in (None, 0.1)]
    options = dict.fromkeys(spending + futility for spending, futility in product(spendings, futilities))
    for effect, margin, own in product((0.0, 1.0, 2.0, 3.0), (0.01, 0.25), options):
        yield Power(effect, margin, own)


# One cell


def seeds_used(judged: Judgement, labels: Sequence[str]) -> dict[str, int]:
    """How many seeds of each variant have been trained at the end."""
    own: Mapping[str, int] = getattr(judged, "horizons", {})
    return {label: own.get(label, judged.horizon) for label in labels}


def words(judged: Judgement) -> list[str]:
    """The words of all verdicts and their rows."""
    return [word for verdict in judged.verdicts for word in (verdict.verdict, *(row.verdict for row in verdict.rows))]


def same_as_trained(plan: Plan, frames: Frames, values: np.ndarray, judged: Judgement) -> bool:
    """Whether the verdicts say the same if the runs that they do not need have not been trained."""
    seeds = seeds_used(judged, frames.labels)
    return words(judgement(plan, frames.trained(values, seeds))) == words(judged)


def errors(cell: Cell, draws: int) -> dict[str, Any]:
    """Error rates of a cell, in percent of the plans; `found` in percent of the claims; `seeds` a variant."""
    plan = cell.plan()
    frames = Frames(plan)
    seen = []
    same = []
    for draw, (truth, values) in enumerate(islice(cell.draws(plan, cell.generator()), draws)):
        judged = judgement(plan, frames.frame(values))
        strict, verdicts = replace(truth, equal=True), judged.verdicts
        seen.append(
            (
                any(map(truth.wrong, verdicts)),
                any(map(strict.wrong, verdicts)),
                any(map(truth.wrong_note, verdicts)),
                np.mean(list(map(truth.found, verdicts))),
                np.mean(list(seeds_used(judged, cell.labels).values())),
            )
        )
        if len(plan.looks) > 1 and draw % CHECKED == 0:
            same.append(same_as_trained(plan, frames, values, judged))
    wrong, equal, note, found, seeds = np.mean(seen, axis=0)
    return {
        "wrong_percent": round(100 * wrong, 2),
        "standard_error": round(100 * math.sqrt(wrong * (1 - wrong) / draws), 2),
        "wrong_with_equality_percent": round(100 * equal, 2),
        "wrong_notes_percent": round(100 * note, 2),
        "found_percent": round(100 * found, 1),
        "seeds": round(seeds, 2),
        "same_without_untrained_runs": f"{sum(same)} of {len(same)}",
        "draws": draws,
    }


def power(cell: Power, draws: int) -> dict[str, Any]:
    """The share of true claims that are supported, of false ones shown to be equivalent, runs used, and error rate."""
    true = cell.effect * SD * np.array([0, 1, 0, 1, 0, 1, 0])
    labels = tuple(f"v{place}" for place in range(len(true)))
    claims = [comparison("improves", label, over=labels[0], margin=cell.margin) for label in labels[1:]]
    plan = design(labels, claims, FIVE, baseline=labels[0], **dict(cell.options))
    truth, frames = Truth(plan, dict(zip(labels, true, strict=True))), Frames(plan)
    generator = np.random.default_rng(2026)
    seen, same = [], []
    for draw in range(draws):
        values = CENTRE + true[:, None] + normal(generator, (len(true), FIVE[-1]))
        judged = judgement(plan, frames.frame(values))
        said = [verdict.verdict for verdict in judged.verdicts]
        if draw % CHECKED == 0:
            same.append(same_as_trained(plan, frames, values, judged))
        wrong = any(map(truth.wrong, judged.verdicts))
        found = said[0::2].count("supported") / 3, said[1::2].count("equivalent") / 3
        seen.append((*found, sum(seeds_used(judged, labels).values()), wrong))
    supported, equivalent, runs, wrong = np.mean(seen, axis=0)
    return {
        "true_supported_percent": round(100 * supported, 1) if cell.effect else None,
        "null_equivalent_percent": round(100 * equivalent, 1),
        "runs": round(runs, 1),
        "runs_standard_error": round(float(np.std(seen, axis=0)[2]) / math.sqrt(draws), 2),
        "planned_runs": len(plan.runs),
        "same_without_untrained_runs": f"{sum(same)} of {len(same)}",
        "wrong_percent": round(100 * wrong, 2),
        "standard_error": round(100 * math.sqrt(wrong * (1 - wrong) / draws), 2),
        "draws": draws,
    }


# All of them


def line(name: str, figures: Mapping[str, Any]) -> str:
    """A row of the table; * marks an error rate above 5 % by more than two standard errors, = one that is if equality counts."""
    limit = 5 + 2 * figures["standard_error"]
    equal = figures.get("wrong_with_equality_percent", 0.0)
    mark = "*" if figures["wrong_percent"] > limit else "=" if equal > limit else " "
    return f"{mark} {name:60} " + "  ".join(f"{key.removesuffix('_percent')} {value}" for key, value in figures.items())


def recorded(part: str) -> dict[str, Any]:
    """The cells of the file of figures."""
    path = RESULTS / f"verdict_errors{part and '_' + part}.json"
    cells: dict[str, Any] = json.loads(path.read_text())["figures"]["cells"]
    return cells


def _figures(cell: Cell | Power, draws: int) -> tuple[str, dict[str, Any]]:
    return cell.name, errors(cell, draws) if isinstance(cell, Cell) else power(cell, draws)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--only", default="")
    parser.add_argument("--replace", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--power", action="store_true")
    options = parser.parse_args()
    every: list[Cell | Power] = list(dict.fromkeys(power_cells() if options.power else cells()))
    chosen = [cell for cell in every if options.only in cell.name]
    found = {}
    with get_context("spawn").Pool(options.jobs) as pool:
        for name, figures in pool.imap(partial(_figures, draws=options.draws), chosen):
            found[name] = figures
            print(line(name, figures), flush=True)
    part = "power" if options.power else ""
    if options.replace:
        found = recorded(part) | found
    if not options.only or options.replace:
        figures = {"sd of paired differences, pp": SD, "alpha_percent": 5, "cells": found}
        write("verdict_errors", figures, part=part, about=machine(("numpy", "scipy", "pandas")))


if __name__ == "__main__":
    main()
