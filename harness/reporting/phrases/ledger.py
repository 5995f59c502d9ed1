"""Text about the ledger: its head, how far back it goes, where else a comparison was judged, what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.reporting.phrases.numbers import plural
from harness.store.ledger.history import JudgedElsewhere, PlanLedger, Standing

DIFFERS = "DIFFERS FROM THE LEDGER"
NO_LEDGER = "No ledger: the history of this results folder is unknown."
NOWHERE_ELSE = "No other plan in the ledger has judged one of these comparisons."


def ledger(found: PlanLedger) -> list[str]:
    """Sentences for the section on trust."""
    if found.standing is None:
        return [NO_LEDGER]
    elsewhere = Counter(map(_elsewhere, found.history))  # a plan may have been replaced several times
    history = [f"Also judged in: {text}{f', {count} times' if count > 1 else ''}." for text, count in elsewhere.items()]
    return [standing(found.standing), *(history or [NOWHERE_ELSE])]


def ledger_differs(mismatches: Sequence[str]) -> str | None:
    """A warning; None if everything fits."""
    return f"{DIFFERS}: {'; '.join(mismatches)}; see: harness verify" if mismatches else None


def standing(kept: Standing | None) -> str:
    """The head of a ledger, and since when it is kept."""
    if kept is None:
        return NO_LEDGER
    since, text = f"{kept.since[:16].replace('T', ' ')} UTC", f"Ledger: entry {kept.head.number}, head {kept.head.short}"
    if kept.complete:
        return f"{text}; kept since the results folder was new, {since}."
    existed = f"{plural(kept.before.plans, 'plan')} and {plural(kept.before.results, 'result')} existed then"
    return f"{text}; history unknown before {since}: {existed}."


def _elsewhere(judged: JudgedElsewhere) -> str:
    name = f"an earlier plan named {judged.plan}" if judged.earlier else judged.plan
    return f"{name}, {' and '.join(judged.words)} at {plural(judged.look, 'seed')} ({judged.at[:10]})"
