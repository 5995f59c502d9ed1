"""index.html: what stands first, that every number names its runs, that all links lead somewhere, and that no text does harm."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from examples import amended, changed, images_plan, write_run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from parsed import Element, parsed
from reported import planned
from simulated import ACTIVATIONS, BASE, LEAKY, comparison

from harness import write_report
from harness.experiment.claims import DeclineClaim, ProportionClaim, RangeClaim, ThresholdClaim
from harness.experiment.plan import Plan
from harness.reporting.pages import ReportData, gather, latex, markdown, page, summary
from harness.reporting.pages.pictures import Picture
from harness.store.records import Store

CLAIMS = tuple(comparison("improves", label) for label in ("leaky_relu", "gelu", "no_batchnorm"))
SOURCE = "In the preliminary trials LeakyReLU improved training."
PICTURE = Picture("main", "main", "Dots & <lines>.", "What is seen.")


@pytest.fixture
def plan(store: Store) -> Plan:
    """Four variants with five seeds, three claims: supported, equivalent, refuted."""
    return planned(store, ACTIVATIONS, CLAIMS, source=SOURCE)


def shown(store: Store, plan: Plan, *pictures: Picture) -> Element:
    """The page of a plan."""
    return parsed(page.render(gather(store, plan), pictures))


def section(root: Element, name: str) -> Element:
    return root.one("section", id=name)


def test_the_question_and_the_first_verdict_come_first(store: Store, plan: Plan) -> None:
    main = shown(store, plan).one("main")
    before = main.words.partition("Claims")[0]
    assert main.one("h1").words == plan.question
    assert before.index("supported Better by 0.33 pp, 95 % interval 0.21 to 0.45, 5 paired seeds.") == len(plan.question) + 1
    assert "The margin, the smallest difference that matters, is 0.25 pp. Further claims: 2 equivalent, 3 refuted." in before
    assert f"“{SOURCE}”" in before


def test_the_top_line_says_what_it_cost_and_when(store: Store, plan: Plan) -> None:
    top = shown(store, plan).one("header").words
    assert top == "scoreboard ‹ activations 20/20 runs · 5 seeds · 8.0 CPU min · 2026-01-02"


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.0, "0.1 GPU min"), (90.0, "1.5 GPU min"), (1500.0, "25 GPU min"), (11160.0, "3.1 GPU h")]
)
def test_cost_has_its_unit(seconds: float, words: str) -> None:
    assert summary.hours(seconds, "GPU ") == words


def test_every_number_names_runs_that_are_in_the_table_of_runs(store: Store, plan: Plan) -> None:
    root = shown(store, plan)
    listed = {row.attributes["id"].removeprefix("run-") for row in section(root, "runs").all("tr") if "id" in row.attributes}
    assert listed == {run.id for run in plan.runs}
    # The tables of exploratory metrics, which are folded, have no ids: they would be most of a page.
    cells = [*section(root, "variants").all("table")[0].all("td"), *section(root, "trust").all("td")]
    cells += section(root, "claims").all("dd")
    numbers = [cell for cell in cells if re.search(r"\d", cell.words) and "a" not in cell.tags]
    assert len(numbers) > 30
    for cell in numbers:
        ids = cell.one("span", class_="number").attributes["data-runs"].split()
        assert ids
        assert set(ids) <= listed


def test_a_difference_comes_from_both_sides_and_a_mean_from_its_own(store: Store, plan: Plan) -> None:
    row = section(shown(store, plan), "variants").all("tr")[2]
    n, mean, difference, *_ = [cell.all("span", class_="number") for cell in row.all("td")]
    own = [run.id for run in plan.runs if run.variant == "leaky_relu"]
    base = [run.id for run in plan.runs if run.variant == "base"]
    assert n[0].attributes["data-runs"].split() == own
    assert mean[0].attributes["title"].startswith(f"from 5 runs: {own[0]}, ")
    assert difference[0].attributes["data-runs"].split() == own + base


def test_numbers_at_a_look_come_from_its_seeds_alone(store: Store) -> None:
    plan = planned(store, {"base": BASE, "leaky_relu": LEAKY}, [comparison("improves", "leaky_relu")], looks=(3, 5, 10))
    row = section(shown(store, plan), "variants").all("tr")[2]
    used = row.all("td")[0].one("span").attributes["data-runs"].split()
    assert used == [run.id for run in plan.runs if run.variant == "leaky_relu" and run.seed < 5]


def test_a_claim_says_why_and_lists_its_runs(store: Store, plan: Plan) -> None:
    claim = section(shown(store, plan), "claims").one("li", id="claim-2")
    why = claim.one("details")
    assert claim.one("h3").words == "gelu improves on base"
    assert (
        "Here: equivalence p .009; difference p 1; .670 before the correction for all hypotheses of the plan; alpha 0.05."
        in why.words
    )
    assert [link.attributes["href"] for link in why.all("a")] == [
        f"#run-{run.id}" for label in ("base", "gelu") for run in plan.runs if run.variant == label
    ]


def test_a_claim_about_many_runs_points_to_their_table(store: Store) -> None:
    values = [93.0 + 0.001 * seed**1.5 for seed in range(70)]
    plan = planned(store, {"base": values, "b": values[::-1]}, [comparison("improves", "b")], looks=(70,))
    why = section(shown(store, plan), "claims").one("details")
    assert [link.attributes["href"] for link in why.all("a")] == ["#runs-0", "#runs-1"]
    assert "70 runs, seeds 0 to 69" in why.words


def test_a_joint_claim_has_a_row_a_variant(store: Store) -> None:
    joint = comparison("improves", "leaky_relu", "gelu", "no_batchnorm")
    claim = section(shown(store, planned(store, ACTIVATIONS, [joint])), "claims")
    rows = [[cell.words for cell in row.children if isinstance(cell, Element)] for row in claim.one("tbody").all("tr")]
    assert [row[:2] for row in rows] == [["leaky_relu", "supported"], ["gelu", "equivalent"], ["no_batchnorm", "refuted"]]
    assert rows[0][2:] == ["+0.33 pp", "[+0.21, +0.45]", ".004", "5", "+2.76 [+1.00, +5.90]", ">99 % [84, >99]"]


def test_an_unclaimed_difference_is_exploratory(store: Store) -> None:
    variants = section(shown(store, planned(store, ACTIVATIONS, CLAIMS[:1])), "variants")
    assert [row.all("td")[4].words for row in variants.all("tbody")[0].all("tr")] == ["", ".002", "exploratory", "exploratory"]


def test_without_claims_the_page_says_that_it_explores(store: Store) -> None:
    root = shown(store, planned(store, ACTIVATIONS))
    assert "exploratory No claims were registered" in root.one("main").words
    assert root.all("section", id="claims") == []


def test_a_threshold_is_a_mean_and_no_difference(store: Store) -> None:
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=92.5)
    facts = section(shown(store, planned(store, {"base": BASE}, [claim])), "claims").one("dl", class_="facts")
    assert [term.words for term in facts.all("dt")] == ["mean", "95 % interval", "p", "seeds"]
    assert facts.all("dd")[0].words == "93.04 %"


def test_a_refuted_claim_about_a_number_shows_the_p_that_refuted_it(store: Store) -> None:
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=94.0)
    facts = section(shown(store, planned(store, {"base": BASE}, [claim])), "claims").one("dl", class_="facts")
    assert [term.words for term in facts.all("dt")][2:] == ["p against", "seeds"]
    assert facts.one("div", class_="p").one("dd").words == "<.001"


def test_numbers_of_a_loss_are_as_measured(store: Store) -> None:
    levels = {"0": 0.0, "1": 1.0, "2": 2.0}
    fields = {"factors": {"x": levels}, "levels": {f"x={level}": {"x": level} for level in levels}}
    claims = [
        RangeClaim(metric="test_loss", factor="x", inside=(0.5, 1.5), margin=0.01),
        ProportionClaim(metric="test_loss", factor="x", beyond=1.0),
    ]
    plan = planned(store, dict.fromkeys(fields["levels"], BASE), claims, **fields)
    losses = dict(zip(fields["levels"], (0.8, 0.4, 0.7), strict=True))
    for run in plan.runs:
        path, noise = store.paths.run(run.id).result, 0.001 * ((run.seed + int(run.variant[2:])) % 5 - 2)
        path.write_text(json.dumps({**json.loads(path.read_text()), "test_loss": losses[run.variant] + noise}))
    facts = [each.all("dd")[0].words for each in section(shown(store, plan), "claims").all("dl", class_="facts")]
    assert facts == ["-0.300 nats", "-0.700 nats per 1"]


def test_a_margin_is_shown_where_a_claim_asks_for_it(store: Store) -> None:
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=92.5)
    root = shown(store, planned(store, {"base": BASE}, [claim]))
    assert "smallest difference that matters" not in root.one("main").words


def test_a_single_variant_is_trusted_by_its_spread_alone(store: Store) -> None:
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=92.5)
    trust = section(shown(store, planned(store, {"base": BASE}, [claim])), "trust")
    assert [cell.words for cell in trust.one("thead").all("th")] == ["variant", "sd over seeds (pp)"]


def test_slopes_are_shown_with_the_dose_that_they_are_for(store: Store) -> None:
    claims = [
        DeclineClaim(metric="test_accuracy", factor="width", beyond=16.0),
        ProportionClaim(metric="test_accuracy", factor="width", beyond=16.0, dose="parameters"),
    ]
    widths = {"8": 8.0, "16": 16.0, "32": 32.0}
    # By hand: from 16 to 32 accuracy falls by 1.595, 0.0997 for each 1; to 16 it gained 2 for a million, then loses 1.595 for two.
    means = dict(zip(widths, (91.0, 93.0, 91.4), strict=True))
    values = {f"width={level}": [mean + 0.01 * seed**2 for seed in range(4)] for level, mean in means.items()}
    values["width=32"] = [91.41, 91.40, 91.45, 91.50]
    plan = planned(
        store,
        values,
        claims,
        looks=(4,),
        parameters={"width=8": 1_000_000, "width=16": 2_000_000, "width=32": 4_000_000},
        factors={"width": widths},
        levels={f"width={level}": {"width": level} for level in widths},
    )
    one, other = section(shown(store, plan), "claims").all("dl", class_="facts")
    assert [one.all("dt")[0].words, one.all("dd")[0].words] == ["decline", "+0.100 pp per 1"]
    assert [other.all("dt")[0].words, other.all("dd")[0].words] == ["slope before minus after", "+2.80 pp per million"]


def test_a_failed_run_that_holds_a_look_is_shown_before_the_question(store: Store) -> None:
    values = {"base": BASE[:3], "leaky_relu": [*LEAKY[:2], "failed"]}
    root = shown(store, planned(store, values, [comparison("improves", "leaky_relu")], looks=(3, 5, 10)))
    assert root.one("p", class_="banner").words.startswith("HELD BY A FAILED RUN")


def test_numbers_stay_on_the_line_of_their_unit() -> None:
    assert page.keep_units("0.33 pp, 95 % interval; 3 nats; 2 seeds") == "0.33\xa0pp, 95\xa0% interval; 3\xa0nats; 2 seeds"
    assert page.keep_units("may be best (p .616); p 1; step 3") == "may be best (p\xa0.616); p\xa01; step 3"


def test_parameters_times_and_failures_have_columns_where_there_are_any(store: Store) -> None:
    values = {"base": BASE, "b": [*LEAKY[:4], "failed"]}
    plan = planned(store, values, [comparison("improves", "b")], parameters={"base": 1000, "b": 4903082})
    variants = section(shown(store, plan), "variants")
    titles = [cell.words for cell in variants.all("thead")[0].all("th")]
    assert titles[-4:] == ["parameters", "mean time", "failed or diverged", "runs"]
    assert [cell.words for cell in variants.all("tr")[2].all("td")[-4:]] == ["4,903,082", "0:24", "1", "list"]


def test_flags_stand_first_under_trust(store: Store) -> None:
    plan = planned(store, {"base": BASE, "b": [*LEAKY[:4], "failed"]}, [comparison("improves", "b")])
    trust = section(shown(store, plan), "trust").words
    assert trust.startswith("Trust 1 of 10 runs failed: b seed 4.")


def test_an_unfinished_page_says_so_and_reloads(store: Store) -> None:
    root = shown(store, planned(store, {"base": BASE[:2], "b": []}, [comparison("improves", "b")]))
    assert root.one("p", class_="banner").words == "2 OF 10 RUNS FINISHED"
    assert root.one("body").attributes["data-refresh"] == "30"
    assert root.one("noscript").one("meta").attributes["content"] == "30"
    assert "waiting Not judged yet" in root.one("main").words
    heads = section(root, "variants").all("thead")
    assert heads
    assert not any("difference" in head.words for head in heads)


def test_a_finished_page_does_not_reload(store: Store, plan: Plan) -> None:
    root = shown(store, plan)
    assert "data-refresh" not in root.one("body").attributes
    assert root.all("noscript") == []
    assert root.all("p", class_="banner") == []


def test_a_plan_decided_early_is_finished(store: Store) -> None:
    values = {"base": [90.0, 90.2, 89.9], "b": [95.0, 95.3, 94.9]}
    plan = planned(store, values, [comparison("improves", "b")], looks=(3, 5, 8, 12, 20))
    root = shown(store, plan)
    assert "data-refresh" not in root.one("body").attributes
    assert "34 of 40 runs were not needed: their claims were closed at an earlier look." in section(root, "runs").words


def test_retrospective_claims_are_marked_wherever_they_are_shown(store: Store, plan: Plan) -> None:
    late = changed(plan, known=[run.id for run in plan.runs if run.variant == plan.baseline])
    root = shown(store, late)
    (banner,) = root.all("p", class_="banner")
    assert banner.words.startswith(
        "RETROSPECTIVE: 5 of 10 results were known when this plan was written, all of the baseline base"
    )
    headline = root.all("p", class_="verdict")[0].words
    assert "RETROSPECTIVE: 5 of 10 results known" in headline
    assert all(heading.words.endswith("RETROSPECTIVE") for heading in section(root, "claims").all("h3"))
    assert section(root, "trust").all("li")[0].words.startswith("RETROSPECTIVE")
    assert "Nothing to flag" not in section(root, "trust").words
    assert "Registered" not in section(root, "claims").words
    report = gather(store, late)
    for text in (latex.render(report), markdown.verdicts(report), markdown.render(report, ())):
        assert "RETROSPECTIVE" in text
    registered = shown(store, plan)
    assert "RETROSPECTIVE" not in registered.words
    assert "Registered before any of its results was known." in section(registered, "claims").words


def test_rehearsals_and_changed_claims_are_shown_before_the_question(store: Store, plan: Plan) -> None:
    rehearsed = changed(plan, profile="smoke", name="activations@smoke")
    other = amended(
        rehearsed, claims=({"kind": "worsens", "metric": "test_accuracy", "variants": ["gelu"], "over": ["base"], "margin": 1.0},)
    )
    root = shown(store, other)
    banner = [line.words.partition(":")[0] for line in root.all("p", class_="banner")]
    assert banner == ["REHEARSAL", "FILE CHANGED AFTER RUNS HAD STARTED", "RETROSPECTIVE"]
    last = section(root, "claims").all("h3")[-1]
    assert last.words == "gelu is worse than base RETROSPECTIVE"


@pytest.mark.parametrize(
    "values", [{"base": [], "b": []}, {"base": ["failed"] * 3, "b": ["failed"] * 3}, {"base": [93.0], "b": [93.4]}]
)
def test_every_state_of_a_plan_has_a_page(store: Store, values: dict[str, list[float | str]]) -> None:
    looks = (max(len(values["b"]), 1),)
    claims = [comparison("improves", "b")] if looks[0] > 1 else []
    root = shown(store, planned(store, values, claims, looks=looks))
    assert section(root, "variants").all("tr")
    assert section(root, "repeat").words.startswith("Reproduce harness run")


def test_what_was_registered_is_shown_as_yaml(store: Store, plan: Plan) -> None:
    told = yaml.safe_load(section(shown(store, plan), "repeat").one("details").one("pre").text)
    assert told["looks"] == [5]
    assert told["variants"]["gelu"] == {"model.activation": "gelu"}
    assert [claim["variants"] for claim in told["claims"]] == [["leaky_relu"], ["gelu"], ["no_batchnorm"]]


# Files


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on disk, of a name that an address must quote."""
    store = Store.open(tmp_path_factory.mktemp("page") / "results")
    planned(store, {"base": BASE, "b": [*LEAKY[:4], "failed"]}, [comparison("improves", "b")], name="a b@smoke", profile="smoke")
    return write_report("a b@smoke", store.paths.root)


def test_every_link_leads_somewhere(written: Path) -> None:
    root = parsed(written.read_text())
    anchors = {element.attributes["id"] for element in root.all() if "id" in element.attributes}
    targets = [link.attributes["href"] for link in root.all("a")]
    assert len(targets) > 60
    for target in targets:
        path, _, anchor = target.partition("#")
        assert (written.parent / unquote(path)).exists() if path else anchor in anchors, target


def test_nothing_is_fetched(written: Path) -> None:
    root = parsed(written.read_text())
    assert root.all("img")
    assert all(image.attributes["src"].startswith("data:image/") and image.attributes["alt"] for image in root.all("img"))
    assert root.all("link") == []
    assert all("src" not in script.attributes for script in root.all("script"))
    policy = root.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.usefixtures("compared")  # as when the fixture `written` was made
def test_the_same_files_give_the_same_bytes(written: Path) -> None:
    before = written.read_bytes()
    write_report("a b@smoke", written.parents[2])
    assert written.read_bytes() == before


def test_a_figure_too_large_as_lines_goes_in_as_pixels(tmp_path: Path) -> None:
    pixels = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big")
    (tmp_path / "main.png").write_bytes(pixels)
    (tmp_path / "main.svg").write_text("<svg/>")
    small = page.image(tmp_path, PICTURE)
    (tmp_path / "main.svg").write_text("<svg/>" + " " * page.LARGEST_SVG)
    large = page.image(tmp_path, PICTURE)
    assert (small.width, small.height, small.file) == (640, 480, "figures/main.svg")
    assert small.source.startswith("data:image/svg+xml;base64,")
    assert large.source.startswith("data:image/png;base64,")
    assert large.file == "figures/main.png"


# Names

NAMES = st.text(st.sampled_from("<>&\"'`*_[](){}\\|$#%^~!=+-@,;:/. \n\té中\u202eab1"), min_size=1, max_size=25)
PLAIN = ("Which is better?", "baseline", "other")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Six runs that have ended, of variants that have no names yet."""
    store = Store.open(tmp_path_factory.mktemp("names") / "results")
    plan = images_plan()
    for place, run in enumerate(plan.runs):
        row = {"epoch": 1, "step": 1, "test_accuracy": 90.0 + place**0.5, "train_loss": 1.0}
        write_run(store, plan, run, [row], state="completed")
    return store


def named(store: Store, question: str, base: str, other: str) -> ReportData:
    """ReportData of a plan whose text is that."""
    claim = comparison("improves", other, over=base)
    return gather(store, images_plan((base, other), question=question, source=question, claims=(claim,)))


@settings(max_examples=20)
@given(names=st.tuples(NAMES, NAMES, NAMES).filter(lambda found: found[1] != found[2] and all(name.strip() for name in found)))
@example(names=("</title><script>alert(1)</script>", "</style><b>", "'\" onmouseover=alert(1) x='"))
@example(names=("{{ 7 * 7 }} {% raw %}", "<!--", "]]>&amp;"))
def test_no_name_changes_the_page_but_for_itself(ended: Store, names: tuple[str, str, str]) -> None:
    question, _, other = names
    root = parsed(page.render(named(ended, *names), ()))
    plain = parsed(page.render(named(ended, *PLAIN), ()))
    assert root.tags == plain.tags
    assert [sorted(element.attributes) for element in root.all()] == [sorted(element.attributes) for element in plain.all()]
    assert root.one("h1").text == question
    assert root.one("section", id="variants").all("th", scope="row")[1].text == other


def test_reading_html_sees_what_does_not_close() -> None:
    with pytest.raises(AssertionError, match="closes"):
        parsed("<p><b></p>")
