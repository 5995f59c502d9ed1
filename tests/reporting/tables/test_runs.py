"""The table of runs: its links to pages in W&B, and which runs it shows of many."""

from __future__ import annotations

import json
import re

import pytest
from reported import planned
from simulated import ACTIVATIONS, comparison

from harness.experiment.plan import Plan
from harness.reporting.pages import data_files, gather, markdown, page
from harness.reporting.tables import runs
from harness.reporting.tables.model import MOST_IDS, Cell
from harness.store import atomic
from harness.store.provenance import Code, Provenance
from harness.store.records import Store

URL = "https://wandb.ai/team/ablation-harness/runs/0123456789ab"


@pytest.fixture
def plan(store: Store) -> Plan:
    return planned(store, ACTIVATIONS, (comparison("improves", "leaky_relu"),))


def linked(store: Store, plan: Plan, url: str | None) -> tuple[str, str]:
    """The page and the Markdown where one run has a page in W&B."""
    words = {"python": "3.11", "platform": "Linux", "host": "h", "device": "cpu", "started": "2026-01-01T00:00:00+00:00"}
    code = Code(commit=None, dirty=None, digest="0" * 64)
    origin = Provenance(code=code, packages={}, threads=1, command=(), url=url, **words)
    atomic.write_json(store.paths.run(plan.runs[0].id).provenance, origin)
    found = gather(store, plan)
    return page.render(found, ()), markdown.render(found, ())


def test_a_run_with_a_page_in_wandb_links_to_it(store: Store, plan: Plan) -> None:
    html, text = linked(store, plan, URL)
    assert f'<a href="{URL}" rel="noreferrer">W&amp;B</a>' in html
    assert text.count(f"[page]({URL})") == 1


@pytest.mark.parametrize("url", [None, "javascript:alert(1)", "https://x.org/a)b", 'https://x.org/"onclick="x'])
def test_what_is_no_plain_address_is_no_link(store: Store, plan: Plan, url: str | None) -> None:
    html, text = linked(store, plan, url)
    assert "W&amp;B</a>" not in html
    assert "[page](" not in text


def test_of_many_runs_the_page_shows_those_in_trouble_the_linked_and_the_first_of_each_variant(
    store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MOST_ROWS", 9)
    failed, linked_id = plan.runs[-1].id, plan.runs[-2].id
    result = store.paths.run(failed).result
    result.write_text(json.dumps({"schema": 1, "state": "failed", "reason": "oom", "checksums": {}}))
    table = runs.run_table(gather(store, plan), {linked_id})
    shown = [row[0].links[0].text for row in table.rows]
    first = {variant: next(run.id for run in plan.runs if run.variant == variant) for variant in plan.variants}
    by_variant = [run.id for variant in plan.variants for run in plan.runs if run.variant == variant]
    assert shown == [run_id for run_id in by_variant if run_id in {failed, linked_id, *first.values()}]
    assert {f"runs-{place}" for place in range(len(first))} <= {cell.anchor for row in table.rows for cell in row}
    assert table.note.startswith(f"{len(shown)} of {len(plan.runs)} runs: ")


def test_a_page_that_leaves_runs_out_says_so_and_links_to_all(store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    found = gather(store, plan)
    assert "runs.csv has every run" not in page.render(found, ())
    monkeypatch.setattr(runs, "MOST_ROWS", 9)
    html, text = page.render(found, ()), markdown.render(found, ())
    assert '<a href="runs.csv">runs.csv</a> has every run.' in html
    assert "Every run</summary>" not in html
    assert "runs.csv has every run." in text
    used = set(re.findall(r'href="#(run[^"]*)"', html))
    assert used
    assert used <= set(re.findall(r'id="(run[^"]*)"', html))
    assert data_files.runs_csv(found).count("\n") == len(plan.runs) + 1


def test_a_number_of_many_runs_says_how_many_instead_of_naming_all() -> None:
    ids = tuple(f"{number:012x}" for number in range(MOST_IDS + 1))
    assert Cell("1", run_ids=ids[1:]).kept_ids == ids[1:]
    assert Cell("1", run_ids=ids).kept_ids == ()
    assert Cell("1", run_ids=ids).title.startswith(f"from {len(ids)} runs: ")
