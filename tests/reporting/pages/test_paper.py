"""The table for a paper: components as marks, grids two-way, bold only what claims support; a golden file, and that it compiles.

After a wanted change: REGENERATE=1 python -m pytest tests/reporting/pages, then look at the difference in tests/golden.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from examples import changed, golden
from parsed import parsed
from reported import planned
from simulated import ACTIVATIONS, BASE, GELU, LEAKY, comparison

from harness.experiment.claims import Claim
from harness.experiment.designs import components_of
from harness.reporting.pages import gather
from harness.reporting.pages.page import render
from harness.reporting.pages.paper import PaperTable, rendered
from harness.reporting.pages.tex_numbers import aligned
from harness.store.records import Store

COMPONENTS = {
    "full": [value + 1 for value in BASE],
    "without warm_up": [9.0 + 0.3 * seed for seed in range(5)],
    "without dropout": [value - 0.3 * (seed + 1) for seed, value in enumerate(BASE)],
    "without smoothing": [value - 1 for value in LEAKY],
}
LEVELS = {
    f"lr={rate}, schedule={schedule}": {"lr": rate, "schedule": schedule}
    for rate in ("0.05", "0.1")
    for schedule in ("cosine", "step")
}
WORSE = comparison("worsens", *list(COMPONENTS)[1:], over="full")
PREAMBLE = "\\documentclass{article}\n\\usepackage{booktabs,amssymb}\n\\begin{document}\n"


def paper(store: Store, values: Mapping[str, Sequence[float | str]], claims: Sequence[Claim] = (), **fields: Any) -> PaperTable:
    """The table of a plan whose first variant is the baseline."""
    first = next(iter(values))
    own = {"baseline": first, "over": dict.fromkeys(values, first), **fields}
    return rendered(gather(store, planned(store, values, claims, **own)))


def crossed(store: Store, *claims: Claim, **fields: Any) -> PaperTable:
    values = {label: [value + place for value in BASE] for place, label in enumerate(LEVELS)}
    factors = {"lr": {"0.05": 0.05, "0.1": 0.1}, "schedule": {"cosine": None, "step": None}}
    return paper(store, values, claims, factors=factors, levels=LEVELS, **fields)


def rows(found: PaperTable) -> list[list[str]]:
    """The cells of the Markdown table, without its rules."""
    lines = [line for line in found.texts["Markdown"].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


def test_components_are_marks_and_the_best_is_bold_where_the_claims_say_so(store: Store) -> None:
    found = paper(store, COMPONENTS, [WORSE])
    text = found.texts["LaTeX"]
    assert rows(found)[:3] == [
        ["warm_up", "dropout", "smoothing", "test accuracy (%) ↑", "difference (pp)"],
        ["✓", "✓", "✓", "**94.04** ± 0.15", ""],
        ["", "✓", "✓", "9.60 ± 0.47", r"-84.44 \[-85.09, -83.79\]"],
    ]
    assert text == golden("table_paper.tex", text)


def test_without_a_claim_about_it_nothing_is_bold(store: Store) -> None:
    found = paper(store, COMPONENTS)
    assert "**" not in found.texts["Markdown"]
    assert r"\bestvalue{9" not in found.texts["LaTeX"]
    assert "No value is bold, as no comparison was claimed: the differences are exploratory" in found.table.note


def test_a_rehearsal_has_nothing_bold(store: Store) -> None:
    found = paper(store, COMPONENTS, [WORSE], profile="smoke")
    assert "**" not in found.texts["Markdown"]
    assert "as a rehearsal is not evidence" in found.table.note
    assert "REHEARSAL" in found.texts["LaTeX"]


def test_the_caption_says_n_spread_baseline_test_and_correction(store: Store) -> None:
    note = paper(store, ACTIVATIONS, [comparison("improves", "leaky_relu")], looks=(3, 5, 10)).table.note
    for words in (
        "n = 5 seeds, ± standard deviation over seeds",
        "↑: higher is better",
        "Differences are from base, paired by seed, with 9",
        "two-sided paired t tests over seeds",
        "weighted closed test (Bonferroni, Holm) for all claims of the plan, at α = 0.05, at looks after 3, 5 and 10 seeds",
    ):
        assert words in note
    assert "↓" not in note


def test_seeds_that_are_missing_make_n_a_column(store: Store) -> None:
    found = paper(store, {"base": BASE, "leaky_relu": [*LEAKY[:4], "failed"]})
    assert [row[1] for row in rows(found)] == ["n", "5", "4"]
    assert "n counts completed runs, one a seed" in found.table.note


def test_two_factors_are_a_two_way_table(store: Store) -> None:
    found = crossed(store)
    assert rows(found) == [
        ["lr", "test accuracy (%) ↑, by schedule: cosine", "test accuracy (%) ↑, by schedule: step"],
        ["0.05", "93.04 ± 0.15", "94.04 ± 0.15"],
        ["0.1", "95.04 ± 0.15", "96.04 ± 0.15"],
    ]
    assert r"\multicolumn{2}{c}{test accuracy (\%) $\uparrow$, by schedule}" in found.texts["LaTeX"]
    assert r"\cmidrule(lr){2-3}" in found.texts["LaTeX"]
    assert "Baseline: lr=0.05, schedule=cosine" in found.table.note


def test_several_metrics_are_groups_of_columns_where_there_is_room(store: Store) -> None:
    claims = [comparison("improves", "b", over="a", metric=metric, margin=0.01) for metric in ("test_accuracy", "train_accuracy")]
    found = paper(store, {"a": BASE, "b": LEAKY}, claims)
    assert found.table.groups == [("", 1), ("test accuracy (%) ↑", 2), ("train accuracy (%) ↑", 2)]
    long = {"the baseline of a long name": BASE, "b": LEAKY}
    over = comparison("improves", "b", over="the baseline of a long name", metric="train_loss")
    assert [column.title for column in paper(store, long, [over], name="long").table.columns] == [
        "variant",
        "test accuracy (%) ↑",
        "train loss (nats) ↓",
    ]


def test_on_and_off_of_a_factor_are_marks(store: Store) -> None:
    levels = {f"bias={word}": {"bias": word} for word in ("false", "true")}
    values = dict(zip(levels, (BASE, GELU), strict=True))
    found = paper(store, values, factors={"bias": {"false": None, "true": None}}, levels=levels)
    assert [row[0] for row in rows(found)] == ["bias", "", "✓"]


def test_the_csv_has_every_number_in_a_column_of_its_own(store: Store) -> None:
    found = list(csv.DictReader(io.StringIO(paper(store, COMPONENTS, [WORSE]).texts["CSV"])))
    assert [row["dropout"] for row in found] == ["on", "on", "off", "on"]
    assert float(found[1]["test_accuracy difference"]) == pytest.approx(9.6 - 94.04)
    assert [row["test_accuracy n"] for row in found] == ["5"] * 4
    assert [row["test_accuracy bold"] for row in found] == ["yes", "", "", ""]


def test_labels_of_other_designs_are_not_components() -> None:
    assert components_of(["full", "without a", "without b", "bare", "only a", "only b"]) == {
        "full": {"a", "b"},
        "without a": {"b"},
        "without b": {"a"},
        "bare": set(),
        "only a": {"a"},
        "only b": {"b"},
    }
    assert components_of(["base", "without a"]) == components_of(["full", "bare"]) == components_of(["a"]) == {}


def test_decimal_points_are_in_a_line() -> None:
    found = aligned(["93.04 ± 12.33", "9.10 ± 0.15", "1.00", "", "-1,234.50 ± 3.00"], bold=[1])
    assert found == [
        r"93.04 $\pm$ 12.33",
        r"\bestvalue{9.10} $\pm$ \phantom{1}0.15",
        r"1.00\phantom{ $\pm$ 12.33}",
        "",
        r"$-$1,234.50 $\pm$ \phantom{1}3.00",
    ]
    assert aligned(["+0.33 [+0.21, +0.45]"]) == ["+0.33 [+0.21, +0.45]"]


def test_the_page_shows_it_with_its_formats(store: Store) -> None:
    report = gather(store, planned(store, COMPONENTS, [WORSE], baseline="full", over=dict.fromkeys(COMPONENTS, "full")))
    section = parsed(render(report, ())).one("section", id="paper")
    assert {code.attributes["data-copy"]: code.text for code in section.all("code")} == rendered(report).texts
    assert "94.04" in [bold.words for bold in section.all("strong")]


@pytest.mark.needs("pdflatex")
def test_every_kind_of_table_compiles_and_fits_the_page(store: Store, tmp_path: Path) -> None:
    claims = [comparison("improves", "b", over="a", metric=metric, margin=0.01) for metric in ("test_accuracy", "train_accuracy")]
    tables = [
        paper(store, COMPONENTS, [WORSE], name="parts"),
        crossed(store, name="grid"),
        paper(store, {"a": BASE, "b": LEAKY}, claims, name="two", question=r"\input{/etc/passwd} ✓ 50% #1 a&b_{c} 中"),
    ]
    body = "\n".join(found.texts["LaTeX"] for found in tables)
    (tmp_path / "page.tex").write_text(f"{PREAMBLE}{body}\\clearpage\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.search(r"Overfull|Missing character", (tmp_path / "page.log").read_text(errors="replace"))


def test_old_plans_without_a_registration_have_nothing_bold(store: Store) -> None:
    plan = planned(store, COMPONENTS, [WORSE], baseline="full", over=dict.fromkeys(COMPONENTS, "full"))
    assert "**" not in rendered(gather(store, changed(plan, known=None, created=""))).texts["Markdown"]
