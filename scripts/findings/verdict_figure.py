"""Claims -> one figure of all of them: a row each, with its verdict, and its difference as a share of its margin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Any

from found_claims import RUNNING, WAITING, FoundClaim

from harness.analysis.verdicts import Estimate
from harness.reporting.figures.layout import BAND, INK, PALE, new_figure
from harness.reporting.figures.style import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# As on the pages of reports, on white; a verdict differs in its mark too.
LOOKS: Mapping[str, tuple[str, str, bool]] = {  # word: colour, marker, filled
    "supported": ("#1a6b45", "o", True),
    "refuted": ("#a8321f", "X", True),
    "equivalent": ("#2d5b94", "s", False),
    "inconclusive": ("#7a5200", "o", False),
    RUNNING: (PALE, "o", False),
    WAITING: (PALE, "o", False),
}
UNDECIDED = (PALE, "o", False)
REACH = 4.0  # margins; what lies beyond is an arrow at the edge
ROW, FRAME = 0.29, 0.85  # inches
CLAIM, RESULT = 46, 66  # letters of a line of a claim, which may have two, and of a result without a margin
ASIDE: Mapping[str, Any] = {"fontsize": 7, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1.5}}
SPREAD = 0.56  # of a row, over which several variants are spread


def verdict_figure(claims: Sequence[tuple[str, FoundClaim]], note: str | None = None) -> Figure:
    """`claims`: each with the letter of its lesson (or nothing). Right is better for the variant that the claim is about."""
    key = "difference and its interval in units of the claim's margin, the smallest difference that matters; shaded: within it; "
    key += "several marks in a row: several variants; arrows: beyond the edge; texts: claims that have no margin"
    with drawing():
        figure, (axis,) = new_figure(FRAME + ROW * len(claims), note, key)
        axis.axvline(0, color=INK, linewidth=1.0, zorder=2)
        axis.axvspan(-1, 1, color=BAND, zorder=0, linewidth=0)
        for place, (_, claim) in enumerate(claims):
            _row(axis, place, claim)
        texts = [f"({letter}) {claim.statement}" if letter else claim.statement for letter, claim in claims]
        labels = ["\n".join(wrap(text, CLAIM, max_lines=2, placeholder=" …")) for text in texts]
        axis.set_yticks(range(len(claims)), labels, fontsize=7.5, linespacing=0.95)
        axis.set_ylim(len(claims) - 0.4, -0.6)
        axis.set_xlim(-REACH, REACH)
        axis.grid(visible=False, axis="y")
        axis.set_xlabel("margins, better \N{RIGHTWARDS ARROW}")
    return figure


def _row(axis: Axes, place: int, claim: FoundClaim) -> None:
    colour, _, _ = LOOKS.get(claim.word, UNDECIDED)
    seeds = f"  n {claim.seeds}" if claim.seeds else ""
    word: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8}
    axis.annotate(f"{claim.word}{seeds}", (1, place), (6, 0), axis.get_yaxis_transform(), color=colour, fontweight="bold", **word)
    if claim.result is None:
        return
    verdict = claim.result.verdict
    margin = getattr(verdict.claim, "margin", None)
    if not margin:
        words = shorten(_estimated(claim), RESULT, placeholder=" …")
        axis.annotate(words, (0.5, place), (0, 0), axis.get_yaxis_transform(), ha="center", color=PALE, **{**word, **ASIDE})
        return
    rows = [row for row in verdict.rows if not math.isnan(row.mean)]
    for number, row in enumerate(rows):
        shift = SPREAD * (number / (len(rows) - 1) - 0.5) if len(rows) > 1 else 0.0
        _estimate(axis, place + shift, row, margin, claim, alone=len(rows) == 1)


def _estimated(claim: FoundClaim) -> str:
    """`45.46 % [44.85, 46.07]`, `decline +6.49 pp per 0.1 [+3.10, +9.88]`; before the first look its wording."""
    assert claim.result is not None
    if not claim.estimate:
        return claim.result.outcome.text
    name = claim.result.facts[0].name
    return " ".join(filter(None, ["" if name == "mean" else name, claim.estimate, claim.interval]))


def _estimate(axis: Axes, height: float, row: Estimate, margin: float, claim: FoundClaim, *, alone: bool) -> None:
    """A mark with its interval; outside of the panel an arrow at its edge."""
    # A claim that is not decided at all has no verdict on its variants either.
    word = row.verdict if claim.word not in (RUNNING, WAITING) else claim.word
    colour, marker, filled = LOOKS.get(word, UNDECIDED)
    share = row.mean / margin
    size = 6.5 if alone else 3.5
    if row.interval is not None:
        low, high = (bound / margin for bound in row.interval)
        axis.plot([low, high], [height] * 2, color=colour, linewidth=2.0 if alone else 1.0, zorder=3)
        beyond = [edge for edge, outside in ((-REACH, low < -REACH), (REACH, high > REACH)) if outside]
        _arrows(axis, beyond, height, colour, size)
    if abs(share) > REACH:
        _arrows(axis, [math.copysign(REACH, share)], height, colour, size)
        return
    fill = colour if filled else "white"
    axis.plot([share], [height], marker, color=colour, markerfacecolor=fill, markersize=size, zorder=4)


def _arrows(axis: Axes, edges: Sequence[float], height: float, colour: str, size: float) -> None:
    """Marks at edges of the panel: what is drawn there lies beyond."""
    for edge in edges:
        axis.plot([edge], [height], ">" if edge > 0 else "<", color=colour, markersize=0.8 * size, zorder=4, clip_on=False)
