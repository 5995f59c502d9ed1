"""table.tex: a golden file, tables that compile, and text that does no harm.

After a wanted change: REGENERATE=1 python -m pytest tests/reporting/pages, then look at the difference in tests/golden/table.tex.
"""

from __future__ import annotations

import re
import subprocess
import unicodedata
from pathlib import Path

import pytest
from examples import REHEARSAL, changed, golden
from hypothesis import given
from hypothesis import strategies as st
from reported import planned
from simulated import ACTIVATIONS, BASE, LEAKY, comparison

from harness.analysis.statistics import sequential_level
from harness.analysis.statistics.sequential import default_levels
from harness.experiment.claims import ThresholdClaim
from harness.reporting.pages import gather
from harness.reporting.pages.latex import render
from harness.reporting.pages.tex import ACCENTS, SPECIAL, escape, number
from harness.store.records import Store

CLAIMS = [
    comparison("improves", "leaky_relu"),
    comparison("improves", "gelu", "no_batchnorm"),
    comparison("improves", "leaky_relu", metric="train_loss", margin=0.01),
]
PREAMBLE = "\\documentclass{article}\n\\usepackage{booktabs}\n"
# A name of each kind of character that means something to TeX, or that not every font has.
NASTY = (
    r"\input{/etc/passwd} $x^2_3$ {a} 50% #1 a&b ~ `x' --- ''quoted'' \\[2em] *",
    '"straight", ?` !` <a> |b| ,, [1] é ñ Å ç ğ ř ø ß æ Œ ł',
    "α + μ ± 3 × 4 ≤ 5 … “quotes” ‘single’ – — 中文 русский עברית 🦊 \u200b\u00ad e\u0301\u0301",
    "[begins an argument",
    "* begins a star",
    "".join(chr(code) for code in range(0x20, 0x250)),
)


def report(store: Store) -> str:
    """Four variants, five seeds; two metrics, a claim about two variants, one that waits for nothing."""
    return render(gather(store, planned(store, ACTIVATIONS, CLAIMS)))


def test_the_tables_are_golden(store: Store) -> None:
    text = report(store)
    assert "+0.33 & [+0.21, +0.45] & .0" in text
    assert text == golden("table.tex", text)


def test_every_row_has_a_cell_for_every_column(store: Store) -> None:
    tables = re.findall(r"\\begin\{tabular\}\{@\{\}(.*?)@\{\}\}(.*?)\\end\{tabular\}", report(store), re.DOTALL)
    assert len(tables) == 3
    for columns, body in tables:
        widths = {line.count(" & ") + 1 for line in body.splitlines() if line.endswith(r"\\")}
        assert widths == {len(re.sub(r"\{.*?\}", "", columns))}


def test_before_the_first_look_there_are_no_differences(store: Store) -> None:
    text = render(gather(store, planned(store, {label: values[:2] for label, values in ACTIVATIONS.items()}, CLAIMS)))
    assert "variant & n & test accuracy (\\%) \\\\" in text
    assert "8 of 20 runs finished." in text
    assert r"\raggedright leaky\_relu improves on base & waiting &  &  &  &  &  \\" in text


def test_where_claims_were_decided_at_different_looks_each_interval_has_its_own_level(store: Store) -> None:
    values = {"base": BASE, "b": [value + 1.0 + 0.01 * seed for seed, value in enumerate(BASE)], "leaky_relu": LEAKY}
    claims = [comparison("improves", label) for label in ("b", "leaky_relu")]
    text = render(gather(store, planned(store, values, claims, looks=(3, 5, 10))))
    levels = [sequential_level(look, (3, 5, 10), 0.05, default_levels((3, 5, 10), "linear")) for look in (3, 5)]
    cells = re.findall(r"\] \(([\d.]+) \\%\)", text)
    assert cells == [f"{100 * (1 - level):.4g}" for level in levels]
    assert "each interval is followed by its level" in text


def test_a_refuted_claim_about_a_number_has_the_p_that_refuted_it(store: Store) -> None:
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=94.0)
    text = render(gather(store, planned(store, {"base": BASE}, [claim])))
    assert r"refuted & 5 & 93.04 \% & [92.86, 93.22] & \textless{}.001 &  \\" in text
    assert "for a refuted claim about a dose or a number, p is that of the opposite claim" in text


def test_a_rehearsal_is_named_in_every_caption(store: Store) -> None:
    text = render(gather(store, changed(planned(store, ACTIVATIONS, CLAIMS), profile="smoke")))
    assert text.count(f"{REHEARSAL}.") == text.count(r"\caption{") == 3


@given(st.text())
def test_escaped_text_has_no_character_that_means_something_else(text: str) -> None:
    escaped = escape(text)
    assert escaped.isascii()
    assert "\n" not in escaped
    plain = escaped
    for command in sorted({*SPECIAL.values(), "\\i", "\\j"}, key=len, reverse=True):
        plain = plain.replace(command, "")
    plain = re.sub(r"\\texttt\{U\+[0-9A-F]{4,6}\}|\\[`'^~=.\"]\{|\\[urHvc] \{", "", plain).replace("{}", "")
    assert not set(plain.replace("}", "")) & set(r"\{$&#%_^~`<>|\"")
    assert not re.search(r"--|''|,,", escaped)


def test_accents_are_commands() -> None:
    assert escape("é ñ ï ć Å") == r"\'{e} \~{n} \"{\i} \'{c} \r {A}"
    assert all(escape(unicodedata.normalize("NFC", f"e{accent}")) for accent in ACCENTS)


def test_a_number_has_a_minus_and_a_name_a_hyphen() -> None:
    assert (number("-1.48"), escape("leave-one-out")) == ("$-$1.48", "leave-one-out")


@pytest.mark.needs("pdflatex")
def test_it_compiles_whatever_things_are_called(store: Store, tmp_path: Path) -> None:
    plan = planned(store, ACTIVATIONS, CLAIMS)
    (tmp_path / "table.tex").write_text(render(gather(store, changed(plan, question=" ".join(NASTY)))))
    names = "\n".join(rf"{'{}' if escape(name)[0] in '[*' else ''}{escape(name)} & 1 \\" for name in NASTY)
    long = rf"\begin{{tabular}}{{p{{0.9\linewidth}}r}}{names}\end{{tabular}}"
    page = f"{PREAMBLE}\\begin{{document}}\n\\input{{table.tex}}\n{long}\n\\end{{document}}\n"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "page.log").read_text(errors="replace")
