"""The tables of versions of the code: what each version changes, its commit's page, and what a repository may hold."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from examples import activations_plan
from hypothesis import given
from hypothesis import strategies as st
from parsed import parsed
from reported import planned
from simulated import BASE, GELU, LEAKY
from versioned import MAIN, MAIN_VERSION, MUON, MUON_VERSION, OTHER, SITE, change, trained_by, version, versioned

from harness.experiment.plan import Plan
from harness.reporting.pages import data_files, gather, latex, markdown, page
from harness.reporting.phrases.versions import shown_path, subject
from harness.reporting.tables.model import Format
from harness.reporting.tables.versions import commit_link, version_table, version_values, versions
from harness.store.records import Store
from harness.tasks.command.code.version import CodeVersion

EVIL = '<script>alert(1)</script> \x1b[31mred\x1b[0m \u202eevil\n| x | `$(rm)` "' + "y" * 500


@pytest.fixture
def plan() -> Plan:
    """main, and two settings of one other version."""
    return versioned(activations_plan(("main", "muon", "muon, lr 0.02")), MAIN_VERSION, MUON_VERSION)


def rows(plan: Plan, form: Format = "html") -> list[list[str]]:
    """Titles and texts of the table of versions."""
    found = version_table(plan)
    assert found is not None
    table = found.shown_in(form)
    return [[column.title for column in table.columns], *([cell.text for cell in row] for row in table.rows)]


def test_a_row_is_a_version_and_tells_how_it_differs_from_the_baselines(plan: Plan) -> None:
    assert rows(plan) == [
        ["variant", "ref", "commit", "changes", "in inputs", "subject"],
        ["main", "main", "3f2a1bc000", "", "", "Warm up for 200 steps"],
        [
            "muon, muon, lr 0.02",
            "feature/muon",
            "9d8e7f6111",
            "+212 −3 in 2 files",
            "+12 −3 in 1 file",
            "Muon for the hidden layers",
        ],
    ]
    assert rows(plan, "latex")[0] == ["variant", "ref", "commit", "changes"]
    assert rows(plan, "terminal")[0] == ["code", "commit", "changes", "subject"]


def test_a_plan_without_versions_has_no_table() -> None:
    plan = activations_plan()
    assert version_table(plan) is None
    assert version_values(plan) == {}


def test_variants_that_are_called_like_their_refs_are_named_once() -> None:
    plan = versioned(activations_plan(("main", "feature/muon")), MAIN_VERSION, MUON_VERSION)
    assert rows(plan)[0] == ["variant", "commit", "changes", "in inputs", "subject"]


def test_the_baselines_version_comes_first() -> None:
    plan = versioned(activations_plan(("muon", "main")), MUON_VERSION, MAIN_VERSION)
    plan = Plan.model_validate({**dict(plan), "baseline": "main"})
    assert [found.code.ref for found in versions(plan)] == ["main", "feature/muon"]


def test_one_version_for_all_variants_is_compared_with_nothing() -> None:
    table = version_table(versioned(activations_plan(("a", "b")), MAIN_VERSION))
    assert table is not None
    assert table.note == "All variants use the same version"
    assert [column.title for column in table.shown_in("html").columns] == ["variant", "ref", "commit", "subject"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([], "no file differs"),
        ([change()], "+12 −3 in 1 file"),
        ([change("a.bin", None, None)], "1 binary file"),
        ([change(), change("a.bin", None, None)], "+12 −3 in 2 files, 1 binary"),
        ([change("a.txt", 1_234_567, 0)], "+1,234,567 −0 in 1 file"),
    ],
)
def test_changes_are_counted_with_their_binary_files(changes: list[Any], words: str) -> None:
    plan = versioned(activations_plan(("a", "b")), MAIN_VERSION, version("b", MUON, changes))
    assert rows(plan)[2][3] == words


def test_a_changed_working_tree_says_so_and_has_no_page() -> None:
    tree = version(".", OTHER, parent=MAIN, subject="made by the harness")
    assert subject(tree) == "the working tree on 3f2a1bc000, with changes"
    assert commit_link(tree).target == ""


def test_files_are_listed_inputs_first_and_most_lines_first() -> None:
    changes = [change(f"{lines:02}.py", lines, 0) for lines in range(48)]
    changes += [change("data.csv", 5_000, 0, counts=False), change("weights.bin", None, None), change("notes.md", counts=False)]
    (_, found) = versions(versioned(activations_plan(("a", "b")), MAIN_VERSION, version(".", MUON, changes)))
    table = found.files.shown_in("html")
    assert (table.title, table.note) == ("Files that the working tree changes", "and 31 more")
    assert [cell.text for cell in table.columns[0].cells] == [f"{lines:02}.py" for lines in range(47, 27, -1)]
    (_, few) = versions(versioned(activations_plan(("a", "b")), MAIN_VERSION, version("b", MUON, changes[-3:])))
    assert [[cell.text for cell in row] for row in few.files.rows] == [
        ["weights.bin", "binary", ""],
        ["data.csv", "+5,000 −0", "not an input"],
        ["notes.md", "+12 −3", "not an input"],
    ]


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        (SITE + MAIN, True),
        (f"https://gitlab.example.org:8443/group/sub/r/-/commit/{MAIN}", True),
        (None, False),
        (f"http://github.com/o/r/commit/{MAIN}", False),
        (f"https://user:token@github.com/o/r/commit/{MAIN}", False),
        ("javascript:alert(1)", False),
        (f'https://x.org/"onclick="x/{MAIN}', False),
        (f"https://x.org/a)b/{MAIN}", False),
        (f"https://x.org/{MAIN}\n", False),
    ],
)
def test_only_plain_addresses_are_linked(url: str | None, linked: bool) -> None:
    link = commit_link(version("main", MAIN, url=url))
    assert link.target == (url if linked else "")
    assert link.text == "3f2a1bc000"


@given(st.text(st.characters(codec="utf-8"), max_size=600))
def test_subjects_and_paths_are_one_short_printable_line(text: str) -> None:
    for shown in (subject(CodeVersion(ref="main", commit=MAIN, subject=text)), shown_path(text)):
        assert shown.isprintable()
        assert len(shown) <= 120


def test_a_path_shows_what_is_not_printable() -> None:
    assert shown_path("a\n\x1b[2J\u202eb\udcff.py") == r"a\n\x1b[2J\u202eb\udcff.py"


def test_values_for_programs_have_the_sums_and_not_the_files(plan: Plan) -> None:
    assert version_values(plan)["muon"] == {
        "ref": "feature/muon",
        "commit": MUON,
        "parent": None,
        "subject": "Muon for the hidden layers",
        "url": SITE + MUON,
        "files": 2,
        "added": 212,
        "removed": 3,
        "inputs": 1,
        "inputs_added": 12,
        "inputs_removed": 3,
    }


def trained(store: Store, *own: CodeVersion, commits: tuple[str, ...] = ()) -> Plan:
    """A finished plan of the variants main, muon and x, with these versions, trained by these commits or by their own."""
    plan = versioned(planned(store, {"main": BASE, "muon": LEAKY, "x": GELU}), *own)
    store.save_plan(plan)
    known = commits or tuple(code.commit for code in plan.code.values())
    trained_by(store, plan, dict(zip(plan.variants, known, strict=True)))
    return plan


def test_the_report_links_commits_of_versions_and_of_runs(store: Store) -> None:
    report = gather(store, trained(store, MAIN_VERSION, MUON_VERSION))
    root = parsed(page.render(report, ()))
    link = f'<a href="{SITE}{MUON}" rel="noreferrer"><code>9d8e7f6111</code></a>'
    html = page.render(report, ())
    assert html.count(link) == 1 + 10  # the version, and each run of its two variants
    code = root.one("section", id="code").words
    assert "notes.md+200 −0not an input" in code
    assert "Trained by other commits" not in code
    text = markdown.render(report, ())
    assert text.count(f"[9d8e7f6111]({SITE}{MUON})") == 1 + 10
    assert "| notes.md | +200 −0 | not an input |" in text
    assert "feature/muon & 9d8e7f6111 & +212 $-$3 in 2 files" in latex.render(report)
    assert data_files.verdicts(report)["code"]["muon"]["commit"] == MUON


def test_versions_are_not_flagged_as_mixed_code(store: Store) -> None:
    report = gather(store, trained(store, MAIN_VERSION, MUON_VERSION))
    assert not [flag for flag in (*report.flags, *report.mixed) if "code" in flag]


def test_other_code_of_a_plan_without_versions_is_still_flagged(store: Store) -> None:
    plan = trained(store, MAIN_VERSION, MUON_VERSION)
    plan = Plan.model_validate({**dict(plan), "code": {}})
    store.save_plan(plan)
    assert [flag for flag in gather(store, plan).flags if "versions of the program's code" in flag]


def test_another_commit_with_equal_inputs_is_told_but_not_flagged(store: Store) -> None:
    report = gather(store, trained(store, MAIN_VERSION, MUON_VERSION, commits=(OTHER, MUON, MUON)))
    assert not [flag for flag in report.flags if "code" in flag]
    assert "Trained by other commits with the same inputs: 5 runs of main by abcdef0222." in page.render(report, ())


def test_runs_of_a_changed_working_tree_are_flagged(store: Store) -> None:
    report = gather(store, trained(store, MAIN_VERSION, version(".", OTHER, [change()], parent=MAIN)))
    assert "10 runs trained by the working tree with changes: muon on 3f2a1bc000, x on 3f2a1bc000." in report.flags


def test_hostile_content_stays_text_in_every_format(store: Store) -> None:
    files = [change(f"src/{place:04}.py", place % 97, 1) for place in range(5000)]
    files += [change('<img src=x onerror="alert(1)">\n|\x1b[2J\u202e`.py', 9_999), change("x" * 500, 5_000)]
    own = (MAIN_VERSION, version("feature/" + "z" * 200, MUON, files, subject=EVIL, url="javascript:alert(1)"))
    report = gather(store, trained(store, *own))
    texts = page.render(report, ()), markdown.render(report, ()), latex.render(report)
    root = parsed(texts[0])
    assert not root.all("img")
    assert len([script for script in root.all("script") if "type" not in script.attributes]) == 1  # the page's own
    assert "and 4,982 more" in root.one("section", id="code").words
    assert not [link for link in root.all("a") if "javascript" in link.attributes.get("href", "")]
    for text in texts:
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "y" * 130 not in text
    section = texts[1].partition("## Code")[2].partition("\n## ")[0]
    # Of the table of versions, and of that of files, which are all inputs: no text adds a column.
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in section.splitlines() if line.startswith("|")} == {7, 3}
    assert "<script>" not in section.replace(r"\<", "")
    assert json.dumps(data_files.verdicts(report)).isascii()
