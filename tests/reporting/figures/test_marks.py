"""Marks of figures: each has a tooltip with its own value, in the SVG its title; marks that are not all drawn have none."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from subjects import crossed, doses, plan_of, subject_of

from harness.experiment.plan import Plan
from harness.reporting.figures import design, main_figure, pair, save
from harness.reporting.figures.marks import named, set_tooltips, titled

TITLES = re.compile(r"<title>(.*?)</title>", re.DOTALL)


def titles(figure: Figure, folder: Path) -> list[str]:
    return TITLES.findall(save(figure, folder, "figure")[1].read_text())


def test_each_dot_tells_its_value_variant_and_seed(tmp_path: Path) -> None:
    subject = subject_of(plan_of(("relu", "leaky_relu")))
    found = titles(pair(subject), tmp_path)
    for variant in ("relu", "leaky_relu"):
        for seed, value in subject.values[variant].items():
            assert [text for text in found if text.startswith(f"{value:.10g} %\n{variant}, seed {seed}\nrun ")]
    assert [text for text in found if "leaky_relu minus relu, n = 3\n95 % interval" in text]


@pytest.mark.parametrize(
    "plan", [doses("lr", (0.1, 0.2)), crossed(("0.1", "0.2"), ("cosine", "step")), plan_of(("relu", "gelu", "silu"))]
)
def test_every_design_tells_the_mean_or_difference_of_each_variant(plan: Plan) -> None:
    subject = subject_of(plan)
    found = [text for texts in named(main_figure(subject, pd.DataFrame())).values() for text in texts]
    for row in subject.table.rows:
        words = f"{row.variant} minus" if design(plan) == "forest" else f"{row.variant}, mean of n = 3"
        assert [text for text in found if words in text] or (design(plan), row.over) == ("forest", None)


def test_a_picture_is_the_same_with_and_without_titles(tmp_path: Path) -> None:
    subject = subject_of(plan_of(("relu", "leaky_relu")))
    svg = save(pair(subject), tmp_path, "figure")[1].read_text()
    assert len(TITLES.findall(svg)) > 10
    plain = re.sub(r"><title>.*?</title></(use|path)>", "/>", svg, flags=re.DOTALL)
    assert "title" not in plain
    assert plain.count("<use") == svg.count("<use")


def test_a_name_cannot_break_the_picture(tmp_path: Path) -> None:
    figure = Figure()
    set_tooltips(figure.subplots().plot([1], [2], "o"), ['2 <b> & "c"'])
    assert titles(figure, tmp_path) == ["2 &lt;b&gt; &amp; &quot;c&quot;"]


def test_where_a_mark_is_not_drawn_none_gets_the_text_of_another(tmp_path: Path) -> None:
    figure = Figure()
    set_tooltips(figure.subplots().plot([1, 2, 3], [1, float("nan"), 3], "o"), ["first", "second", "third"])
    assert titles(figure, tmp_path) == []


def test_a_line_without_markers_is_one_mark(tmp_path: Path) -> None:
    figure = Figure()
    set_tooltips(figure.subplots().plot([1, 2], [1, 2]), ["an interval"])
    assert titles(figure, tmp_path) == ["an interval"]


def test_without_texts_a_picture_stays_as_it_is() -> None:
    assert named(Figure()) == {}
    assert titled("<svg/>", {}) == "<svg/>"
