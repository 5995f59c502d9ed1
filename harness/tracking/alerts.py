"""Results of runs and verdicts of plans -> W&B alerts, which W&B sends by mail or Slack to who has turned them on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from harness.common.choices import check_choice
from harness.experiment.plan import Plan
from harness.experiment.run_id import canonical_json
from harness.store.ledger.entry import JudgedClaim, LookJudged
from harness.store.ledger.state import State
from harness.store.records import Result
from harness.tracking.page import shortened, without_secrets

VARIABLE = "HARNESS_WANDB_ALERTS"
CHOICES = ("all", "failures", "verdicts", "none")
LONGEST_TITLE = 63  # characters; W&B wants fewer than 64
LONGEST_TEXT = 1000  # a chat message, not a log
RECENT = timedelta(days=1)  # older news is not sent; for as long W&B drops a second alert with the same title

Level = Literal["INFO", "WARN", "ERROR"]


@dataclass(frozen=True)
class Alert:
    """A message; `about` is the digest of what it reports, by which it is sent once."""

    title: str
    text: str
    level: Level
    about: str


def chosen(environment: Mapping[str, str]) -> frozenset[str]:
    """Which alerts to send: of failures, verdicts. Raises InputError for an invalid value of HARNESS_WANDB_ALERTS."""
    value = environment.get(VARIABLE) or "all"
    check_choice(VARIABLE, value, CHOICES)
    return frozenset({"all": ("failures", "verdicts"), "none": ()}.get(value, (value,)))


def of_result(name: str, group: str, result: Result, about: str) -> Alert | None:
    """The alert about a run `name` that failed or diverged in the last day; None: nothing to report, or its step reports it."""
    if result.state == "completed" or result.failed_step is not None or not _is_recent(result.ended):
        return None
    text = f"{group}: {name} {result.state}"
    text += f" ({result.reason})" if result.reason else ""
    text += f": {result.error}" if result.error else ""
    return _alert(f"{name} {result.state}", text, "ERROR" if result.state == "failed" else "WARN", about)


def of_verdicts(plan: Plan, state: State) -> Alert | None:
    """The alert about the verdicts of `plan`, once every claim has one for good, in the last day; None: nothing to report."""
    current = [
        look for look in state.looks if (look.event.plan, look.registration) == (plan.name, state.registrations.get(plan.name, 0))
    ]
    if not current or not _is_recent(current[-1].at):
        return None
    judged = current[-1].event
    claims = [each for each in judged.verdicts if each.claim is not None]
    if not claims or any(each.open or each.verdict == "waiting" for each in claims):
        return None
    words = [each.verdict for each in claims]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    lines = [f"{number}. {_claim(each)}: {each.verdict}" for number, each in enumerate(claims, 1)]
    rehearsal = ["a rehearsal, not evidence"] if plan.rehearsal else []
    text = "\n".join([f"{plan.name} at {judged.look} seeds: {plan.question}", *lines, *rehearsal])
    return _alert(f"{plan.name}: {counts}", text, "INFO", _about(judged, claims))


def _about(judged: LookJudged, claims: list[JudgedClaim]) -> str:
    """Equal for a look that is judged again with the same verdicts."""
    return hashlib.sha256(canonical_json([judged.terms, judged.look, [each.verdict for each in claims]]).encode()).hexdigest()


def _claim(judged: JudgedClaim) -> str:
    """`improves: new; over: base`: the claim as its YAML has it."""
    fields = dict(judged.claim or {})
    kind = str(fields.pop("kind", "claim"))
    subject = next((fields.pop(name) for name in ("variants", "variant", "factor") if name in fields), "")
    return "; ".join(f"{name}: {_value(value)}" for name, value in {kind: subject, **fields}.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(_value, value)) if isinstance(value, list | tuple) else str(value)


def _alert(title: str, text: str, level: Level, about: str) -> Alert:
    masked = without_secrets({"title": title, "text": text})
    return Alert(shortened(masked["title"], LONGEST_TITLE), shortened(masked["text"], LONGEST_TEXT), level, about)


def _is_recent(at: str | None) -> bool:
    return at is not None and datetime.now(UTC) - datetime.fromisoformat(at) < RECENT
