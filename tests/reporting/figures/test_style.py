"""What all figures share: looks that differ in grey too, and files that are the same bits each time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from matplotlib.colors import to_rgb
from matplotlib.layout_engine import ConstrainedLayoutEngine
from subjects import plan_of, subject_of

from harness.reporting.figures import pair, save
from harness.reporting.figures.style import COLOURS, MARKERS, line_styles


def luminance(colour: str) -> float:
    """0 (black) to 1, as a grey copy shows it."""
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_many_saves_are_the_same_bits(tmp_path: Path) -> None:
    # The layout's solver alternates between results that differ in the last digit.
    subject = subject_of(plan_of(("relu", "leaky_relu")))
    assert len({save(pair(subject), tmp_path / str(place), "pair")[1].read_bytes() for place in range(6)}) == 1


def test_saving_leaves_the_figure_its_layout(tmp_path: Path) -> None:
    figure = pair(subject_of(plan_of(("relu", "leaky_relu"))))
    save(figure, tmp_path, "pair")
    assert isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine)


def test_neighbouring_colours_differ_in_grey() -> None:
    assert all(abs(luminance(one) - luminance(other)) > 0.08 for one, other in pairwise(COLOURS))
    assert all(luminance(colour) < 0.68 for colour in COLOURS)  # each stands out from white


def test_markers_are_all_different_and_none_is_a_star_or_a_cross() -> None:
    assert len(set(MARKERS)) == len(MARKERS)
    assert not {"*", "x", "X"} & set(MARKERS)


def test_sixteen_variants_all_look_different() -> None:
    found = line_styles([f"v{place}" for place in range(16)]).values()
    assert len({(line.colour, str(line.dashes), line.marker) for line in found}) == 16
