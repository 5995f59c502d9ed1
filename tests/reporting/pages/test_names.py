"""Whatever a question, a source or a variant is called: no format of the report is harmed, and each shows what it was."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator

import pytest
from examples import images_plan, write_run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from simulated import comparison

from harness.reporting.pages import ReportData, data_files, gather, latex, markdown, paper
from harness.reporting.pages.tex import escape as tex_escape
from harness.store.records import Store

pytestmark = pytest.mark.slow

VIEWER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLAIN = ("Which is better?", "baseline", "other")
HOSTILE = st.text(st.sampled_from("<>&\"'`*_[](){}\\|$#%^~!=+-@,;:. \n\té中\u202eab1"), min_size=1, max_size=25)
names = st.tuples(HOSTILE, HOSTILE, HOSTILE).filter(lambda found: found[1] != found[2] and all(name.strip() for name in found))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Six runs that have ended, of variants that have no names yet."""
    store = Store.open(tmp_path_factory.mktemp("names") / "results")
    plan = images_plan()
    for place, run in enumerate(plan.runs):
        write_run(
            store, plan, run, [{"epoch": 1, "step": 1, "test_accuracy": 90.0 + place**0.5, "train_loss": 1.0}], state="completed"
        )
    return store


def findings(store: Store, question: str, base: str, other: str) -> ReportData:
    """Of a plan whose text is that."""
    claim = comparison("improves", other, over=base)
    return gather(store, images_plan((base, other), question=question, source=question, claims=(claim,)))


@settings(max_examples=40)
@given(named=names)
@example(named=("=cmd|' /C calc'!A0", "<script>alert(1)</script>", "\\input{/etc/passwd}"))
@example(named=("](javascript:alert(1))", "[x](y)", "</td></table>"))
@example(named=("$x$ %", "-2+3", "@SUM(1+1)*cmd"))
def test_no_name_harms_a_format(results: Store, named: tuple[str, str, str]) -> None:
    own, plain = findings(results, *named), findings(results, *PLAIN)
    check_markdown(markdown.render(own, ()), markdown.render(plain, ()), named)
    check_latex(latex.render(own), latex.render(plain), named)
    check_paper(paper.rendered(own), paper.rendered(plain), named)
    check_csv(data_files.runs_csv(own), named)
    check_json(json.dumps(data_files.verdicts(own)), named)


def check_markdown(page: str, plain: str, named: tuple[str, str, str]) -> None:
    """The same blocks as with plain names, no HTML, no links but ours; and the question as it is."""
    blocks, expected = VIEWER.parse(page), VIEWER.parse(plain)
    assert [block.type for block in blocks] == [block.type for block in expected]
    assert not {"html_block", "html_inline", "image"} & {token.type for token in walk(blocks)}
    links = {str(token.attrs["href"]) for token in walk(blocks) if token.type == "link_open"}
    assert links == {str(token.attrs["href"]) for token in walk(expected) if token.type == "link_open"}
    heading = "".join(child.content for child in blocks[1].children or ())
    assert heading == " ".join(named[0].split())


def walk(blocks: list[Token]) -> Iterator[Token]:
    for block in blocks:
        yield block
        yield from block.children or ()


def check_latex(text: str, plain: str, named: tuple[str, str, str]) -> None:
    """The same commands and cells as with plain names, once what stands for the names is taken out."""
    assert text.isascii()
    structure = r"\\(?:begin|end|caption|label|toprule|midrule|bottomrule|par|centering)\b"
    assert re.findall(structure, text) == re.findall(structure, plain)
    assert cells(text) == cells(plain)
    assert all(tex_escape(name) in text for name in named)


def cells(text: str) -> list[int]:
    """How many there are in each row of the LaTeX tables."""
    return [len(re.findall(r"(?<!\\)&", line)) for line in text.splitlines() if line.endswith("\\\\")]


def check_paper(own: paper.PaperTable, plain: paper.PaperTable, named: tuple[str, str, str]) -> None:
    """The same structure in each format as with plain names, and no cell that is a formula."""
    check_latex(own.texts["LaTeX"], plain.texts["LaTeX"], named)
    blocks, expected = (VIEWER.parse(each.texts["Markdown"]) for each in (own, plain))
    assert [block.type for block in blocks] == [block.type for block in expected]
    assert not {"html_block", "html_inline", "image", "link_open"} & {token.type for token in walk(blocks)}
    rows = list(csv.reader(io.StringIO(own.texts["CSV"], newline="")))
    assert len(rows) == 3
    assert not any(row[0].startswith(data_files.FORMULA) for row in rows)


def check_csv(text: str, named: tuple[str, str, str]) -> None:
    """A row a run, and no cell that is a formula."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 6
    assert {row["variant"].removeprefix("'") for row in rows} == {name.removeprefix("'") for name in named[1:]}
    assert all(
        re.fullmatch(r"[+-]?\d.*", cell) or not cell.startswith(data_files.FORMULA) for row in rows for cell in row.values()
    )
    assert not any(row["variant"].startswith(data_files.FORMULA) for row in rows)
    assert all(float(row["train_loss"]) == 1.0 for row in rows)


def check_json(text: str, named: tuple[str, str, str]) -> None:
    found = json.loads(text)
    assert found["question"] == named[0]
    assert found["verdicts"][0]["claim"]["variants"] == [named[2]]
