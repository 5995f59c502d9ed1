"""What judging a look costs: plans of 1 to 20 variants with a claim each, at the last of five looks, all claims open until then.

    python benchmarks/look.py

Median of 9 judgements, in milliseconds and relative to the plan with one variant; with futility, further looks are simulated too.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from record import write

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from mixtures import Frames, design
from simulated import comparison

from harness.analysis.verdicts import judgement

LOOKS = (3, 5, 8, 12, 20)
VARIANTS = (1, 5, 10, 20)
TURNS = 9


def milliseconds(variants: int, futility: float | None) -> float:
    labels = tuple(f"v{place}" for place in range(variants + 1))
    claims = [comparison("improves", label, over=labels[0], margin=0.05) for label in labels[1:]]
    # A futility of almost nothing closes no claim, so that every look is judged.
    plan = design(labels, claims, LOOKS, baseline=labels[0], futility=futility)
    noise = np.random.default_rng(0).normal(0.0, 0.3, (len(labels), LOOKS[-1]))
    frame = Frames(plan).frame(93.0 + noise)
    took = []
    for _ in range(TURNS):
        began = time.perf_counter()
        judgement(plan, frame)
        took.append(1e3 * (time.perf_counter() - began))
    return median(took)


def main() -> None:
    judgement(design(("v0", "v1"), [], (3,), baseline="v0"), Frames(design(("v0", "v1"), [], (3,))).frame(np.zeros((2, 3))))
    plain = {count: milliseconds(count, None) for count in VARIANTS}
    futile = {count: milliseconds(count, 1e-9) for count in VARIANTS}
    write(
        "look",
        {
            f"{count} variants": {
                "milliseconds": round(plain[count], 1),
                "relative_to_one_variant": round(plain[count] / plain[1], 2),
                "milliseconds_with_futility": round(futile[count], 1),
                "with_futility_relative": round(futile[count] / plain[count], 2),
            }
            for count in VARIANTS
        },
    )


if __name__ == "__main__":
    main()
