"""The table of runs: its links to pages in W&B."""

from __future__ import annotations

import pytest
from reported import planned
from simulated import ACTIVATIONS, comparison

from harness.experiment.plan import Plan
from harness.reporting.pages import gather, markdown, page
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
