"""How the ledger is worded: its head, how far back it goes, where else a comparison was judged, what differs."""

from __future__ import annotations

from harness.reporting import phrases
from harness.store.ledger.chain import Head
from harness.store.ledger.entry import Opened
from harness.store.ledger.history import JudgedElsewhere, PlanLedger, Standing

SINCE = "2026-01-02T03:04:05.678+00:00"


def standing(plans: int = 0, results: int = 0) -> Standing:
    return Standing(Head(12, "0123456789abcdef" * 4), SINCE, Opened(plans=plans, results=results))


def test_a_new_folder_has_a_complete_history() -> None:
    assert phrases.ledger(PlanLedger(standing(), (), ())) == [
        "Ledger: entry 12, head 0123456789abcdef; kept since the results folder was new, 2026-01-02 03:04 UTC.",
        "No other plan in the ledger has judged one of these comparisons.",
    ]


def test_what_is_older_than_the_ledger_is_unknown() -> None:
    assert phrases.standing(standing(1, 30)) == (
        "Ledger: entry 12, head 0123456789abcdef; history unknown before 2026-01-02 03:04 UTC: 1 plan and 30 results existed then."
    )
    assert phrases.standing(None) == "No ledger: the history of this results folder is unknown."


def test_other_plans_are_listed_with_their_words() -> None:
    elsewhere = (
        JudgedElsewhere("toys", True, ("inconclusive",), 10, SINCE),
        JudgedElsewhere("copy", False, ("supported", "exploratory"), 1, SINCE),
    )
    assert phrases.ledger(PlanLedger(standing(), elsewhere, ()))[1:] == [
        "Also judged in: an earlier plan named toys, inconclusive at 10 seeds (2026-01-02).",
        "Also judged in: copy, supported and exploratory at 1 seed (2026-01-02).",
    ]


def test_a_plan_that_was_replaced_several_times_is_one_sentence() -> None:
    earlier = JudgedElsewhere("toys", True, ("supported",), 3, SINCE)
    assert phrases.ledger(PlanLedger(standing(), (earlier, earlier), ()))[1:] == [
        "Also judged in: an earlier plan named toys, supported at 3 seeds (2026-01-02), 2 times.",
    ]


def test_differences_are_one_warning() -> None:
    assert phrases.ledger_differs(()) is None
    assert phrases.ledger_differs(("alpha is 0.5, registered as 0.05", "it has 0 claims, 1 were registered")) == (
        "DIFFERS FROM THE LEDGER: alpha is 0.5, registered as 0.05; it has 0 claims, 1 were registered; see: harness verify"
    )
