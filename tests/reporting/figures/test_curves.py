"""Learning curves: what is drawn, what is said where there is nothing, and files that are the same bits each time."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from examples import ACCURACY
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from subjects import overlapping

from harness.reporting.figures import curves, save
from harness.reporting.figures.curves import LABELS, MOST_LINES, MOST_VARIANTS
from harness.reporting.figures.legend import MOST_ROWS, legend_layout
from harness.reporting.figures.style import COLOURS, line_styles
from harness.tasks.protocol import Metric

VARIANTS = ("relu", "leaky_relu")


def epochs(runs: dict[tuple[str, int], int], broken: tuple[tuple[str, int], ...] = ()) -> pd.DataFrame:
    """(variant, seed) -> epochs trained; accuracy is 10 a seed plus the epoch."""
    rows = [
        {
            "id": "0" * 12,
            "variant": variant,
            "seed": seed,
            "state": "failed" if (variant, seed) in broken else "completed",
            "epoch": epoch,
            "test_accuracy": 10.0 * seed + epoch,
            "train_loss": 1.0 / epoch,
        }
        for (variant, seed), length in runs.items()
        for epoch in range(1, length + 1)
    ]
    return pd.DataFrame(rows, columns=["id", "variant", "seed", "state", "epoch", "test_accuracy", "train_loss"])


def bold(figure: Figure) -> list[list[float]]:
    """The means drawn in the first panel."""
    return [list(np.asarray(line.get_ydata())) for line in means_of(figure)]


def means_of(figure: Figure) -> list[Line2D]:
    """Bold lines; crosses stand alone."""
    return [line for line in figure.axes[0].lines if line.get_linewidth() > 1 and line.get_linestyle() != "None"]


def words(figure: Figure) -> str:
    """Everything written in the panels, above and below."""
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    legends = [text.get_text() for legend in figure.legends for text in (legend.get_title(), *legend.get_texts())]
    return " | ".join([*texts, *legends, *(text.get_text() for text in figure.texts)])


def test_a_panel_a_metric_with_units_and_a_line_a_seed_and_mean() -> None:
    figure = curves(epochs({(variant, seed): 4 for variant in VARIANTS for seed in range(3)}), ACCURACY, VARIANTS)
    assert [axis.get_ylabel() for axis in figure.axes] == ["test accuracy (%)", "train loss (nats)"]
    assert {axis.get_xlabel() for axis in figure.axes} == {"epoch"}
    assert bold(figure) == [[11.0, 12.0, 13.0, 14.0]] * 2
    assert [len(seeds.get_segments()) for seeds in figure.axes[0].collections] == [3, 3]
    assert [list(line[:, 1]) for line in figure.axes[0].collections[0].get_segments()] == [
        [10.0 * seed + epoch for epoch in (1, 2, 3, 4)] for seed in range(3)
    ]


def test_the_legend_of_many_variants_lies_outside_the_panels() -> None:
    names = tuple(f"v{place}" for place in range(LABELS + 1))
    figure = curves(epochs({(variant, 0): 3 for variant in names}), ACCURACY, names)
    figure.canvas.draw()
    below = figure.legends[0].get_window_extent().y1
    assert all(axis.get_tightbbox().y0 >= below for axis in figure.axes)


def test_a_variants_look_depends_on_its_place_in_the_plan_alone() -> None:
    both = curves(epochs({("relu", 0): 3, ("leaky_relu", 0): 3}), ACCURACY, VARIANTS)
    one = curves(epochs({("leaky_relu", 0): 3}), ACCURACY, VARIANTS)
    assert means_of(one)[0].get_color() == means_of(both)[1].get_color() == COLOURS[1]


def test_neighbours_differ_in_grey_too() -> None:
    found = list(line_styles([f"v{place}" for place in range(len(COLOURS) * 2)]).values())
    assert len({(line.colour, str(line.dashes)) for line in found}) == len(found)
    for one, other in pairwise(found):
        assert (str(one.dashes), one.marker) != (str(other.dashes), other.marker)


def test_failed_runs_bend_no_mean_and_end_in_a_cross() -> None:
    figure = curves(epochs({("relu", 0): 4, ("relu", 1): 4, ("relu", 2): 2}, broken=(("relu", 2),)), ACCURACY, VARIANTS)
    assert bold(figure) == [[6.0, 7.0, 8.0, 9.0]]
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [list(np.asarray(line.get_xydata())[0]) for line in crosses] == [[2.0, 22.0]]
    assert "cross: failed or diverged" in words(figure)


def test_the_mean_of_runs_under_way_stops_with_the_shortest() -> None:
    figure = curves(epochs({("relu", 0): 4, ("relu", 1): 2}), ACCURACY, VARIANTS)
    assert bold(figure) == [[6.0, 7.0]]


def test_a_single_epoch_is_visible() -> None:
    figure = curves(epochs({("base", 0): 1}), ACCURACY, ("base",))
    (line,) = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert line.get_marker() == "o"
    low, high = figure.axes[0].get_xlim()
    assert low < 1 < high


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (epochs({}), "no epoch has finished yet"),
        (epochs({("relu", 0): 2}).assign(test_accuracy=math.nan), "no test accuracy measured"),
        (
            epochs({("relu", 0): 2}).assign(test_accuracy=math.inf),
            "every test accuracy is infinite or beyond 1e75, too large to draw",
        ),
        (epochs({("relu", 0): 2}).drop(columns="test_accuracy"), "no test accuracy measured"),
    ],
)
def test_a_panel_without_numbers_says_so(frame: pd.DataFrame, said: str) -> None:
    assert said in words(curves(frame, ACCURACY, VARIANTS)).replace("\n", " ")


def test_all_runs_failed_is_drawn_as_crosses_alone() -> None:
    figure = curves(epochs({("relu", 0): 1, ("relu", 1): 1}, broken=(("relu", 0), ("relu", 1))), ACCURACY, VARIANTS)
    assert bold(figure) == []
    assert "cross" in words(figure)
    assert "bold" not in words(figure)


def test_the_note_stands_above() -> None:
    assert "REHEARSAL" in words(curves(epochs({("relu", 0): 2}), ACCURACY, VARIANTS, note="REHEARSAL: profile smoke"))


def test_a_label_with_dollars_is_no_formula(tmp_path: Path) -> None:
    names = ("$x", "a_{b}$")
    figure = curves(epochs({(name, 0): 2 for name in names}), ACCURACY, names)
    save(figure, tmp_path, "labels")
    assert all(name in words(figure) for name in names)


def test_files_are_the_same_bits_each_time(tmp_path: Path) -> None:
    frame = epochs({(variant, seed): 3 for variant in VARIANTS for seed in range(2)})
    first = save(curves(frame, ACCURACY, VARIANTS), tmp_path / "first", "curves")
    second = save(curves(frame, ACCURACY, VARIANTS), tmp_path / "second", "curves")
    assert [file.name for file in first] == ["curves.png", "curves.svg"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert b"<dc:date>" not in first[1].read_bytes()


def test_a_notebooks_settings_stay() -> None:
    before = dict(mpl.rcParams)
    curves(epochs({("relu", 0): 2}), ACCURACY, VARIANTS)
    assert dict(mpl.rcParams) == before


LONG = tuple("W" * 40 + f"m{place}" + "b" * 40 for place in range(3))


@pytest.mark.parametrize("metrics", [{"test_accuracy": ACCURACY["test_accuracy"]}, ACCURACY])
@pytest.mark.parametrize("variants", [tuple(f"v{place}" for place in range(20)), LONG])
def test_the_whole_legend_lies_inside_the_figure(metrics: dict[str, Metric], variants: tuple[str, ...]) -> None:
    frame = epochs({(variant, seed): 2 for variant in variants for seed in range(2)}, broken=((variants[0], 1),))
    figure = curves(frame, metrics, variants, note=f"REHEARSAL: {'--set training.epochs=2 ' * 4}, not evidence")
    figure.canvas.draw()
    assert overlapping(figure) == []
    (legend,) = figure.legends
    entries = [text.get_text() for text in legend.get_texts()]
    assert len(set(entries)) == len(variants)
    box, whole = legend.get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0
    assert box.x1 <= whole.x1
    assert whole.y0 <= box.y0
    assert box.y1 <= min(axis.get_tightbbox().y0 for axis in figure.axes)
    # Panels are as high as ever: it is the figure that grows.
    assert min(axis.get_position().height * whole.height for axis in figure.axes) > 2.2 * figure.dpi


def test_long_labels_get_fewer_columns_and_are_cut_in_the_middle() -> None:
    measure = len
    assert legend_layout(["relu", "gelu"], 40, 6, 2, measure) == (["relu", "gelu"], 2)
    assert legend_layout(["r" * 20, "g" * 20], 40, 6, 2, measure) == (["r" * 20, "g" * 20], 1)
    shown, columns = legend_layout(["a" * 40 + "relu", "a" * 40 + "gelu"], 20, 6, 2, measure)
    assert (columns, max(map(len, shown))) == (1, 16)
    assert [label[-3:] for label in shown] == ["elu", "elu"]
    assert shown[0] != shown[1]


def test_a_legend_of_many_long_labels_has_several_columns() -> None:
    labels = [f"{'label ' * 20}{place}" for place in range(3 * MOST_ROWS)]
    shown, columns = legend_layout(labels, 120, 6, 2, len)
    assert columns == 3
    assert len(set(shown)) == len(labels)
    assert max(map(len, shown)) <= 40 - 6


def test_few_short_labels_stand_at_the_ends_of_their_lines() -> None:
    names = tuple(f"variant {place}" for place in range(9))
    figure = curves(epochs({(name, seed): 3 for name in names for seed in range(2)}), ACCURACY, names)
    assert overlapping(figure) == []
    assert not figure.legends
    first = figure.axes[0]
    labels = [text for text in first.texts if text.get_text()]
    assert {text.get_text() for text in labels} == set(names)
    markers = {line.get_marker(): line.get_color() for line in first.lines if list(line.get_xdata()) == [1.085]}
    assert markers == {line.marker: line.colour for line in line_styles(names).values()}


def test_hundreds_of_variants_and_seeds_are_the_first_of_them() -> None:
    names = tuple(f"v{place}" for place in range(MOST_VARIANTS + 4))
    figure = curves(
        epochs({(name, seed): 2 for name in names for seed in range(MOST_LINES // MOST_VARIANTS + 1)}), ACCURACY, names
    )
    assert len(means_of(figure)) == MOST_VARIANTS
    assert sum(len(seeds.get_segments()) for seeds in figure.axes[0].collections) <= MOST_LINES
    assert f"thin: the first {MOST_LINES // MOST_VARIANTS} seeds" in words(figure)
    assert f"the first {MOST_VARIANTS} of {MOST_VARIANTS + 4} variants" in words(figure)


def test_a_crowd_of_lines_is_no_megabyte_of_svg(tmp_path: Path) -> None:
    frame = epochs({("relu", seed): 400 for seed in range(40)})
    first, second = (save(curves(frame, ACCURACY, VARIANTS), tmp_path / name, "crowd") for name in ("one", "two"))
    assert first[1].stat().st_size < 500_000
    assert first[1].read_bytes() == second[1].read_bytes()
