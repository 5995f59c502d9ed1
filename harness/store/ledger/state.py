"""Entries -> what they say: the registration of each plan, the looks judged, the results used and set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.store.ledger.entry import (
    ClaimsAmended,
    Entry,
    FirstRunStarted,
    LookJudged,
    LoopJoined,
    Opened,
    PlanExtended,
    PlanRegistered,
    Replanned,
    ResultsMissing,
    ResultsSetAside,
    RunList,
    Terms,
    WinnerChosen,
    digest_of,
)


@dataclass
class PlanState:
    """A plan since it was last registered or archived. `runs` and `at` are set if `terms` is."""

    terms: Terms | None = None  # None: archived, or never registered
    runs: RunList | None = None
    at: str = ""  # when it was registered
    amended: Terms | None = None
    started: bool = False
    used: dict[str, str] = field(default_factory=dict)  # run id -> SHA-256 of the result that a look used
    written: set[str] = field(default_factory=set)  # `key` of the looks and other events so far


@dataclass(frozen=True)
class Look:
    """A judged look of a plan that was registered under its name for the `registration`-th time."""

    event: LookJudged
    at: str
    registration: int


@dataclass
class LoopState:
    """The members of a loop of comparisons, in order, and its discoveries."""

    members: list[LoopJoined] = field(default_factory=list)
    discoveries: list[int] = field(default_factory=list)  # of each: the number of members when it became known
    found: set[int] = field(default_factory=set)  # the numbers of the members that are discoveries

    def member(self, question: str) -> LoopJoined | None:
        """The member that asks `question`, if there is one."""
        return next((each for each in self.members if each.question == question), None)

    def not_kept(self, run_ids: Iterable[str]) -> LoopJoined | None:
        """The first member that compared a variant with one of these runs and was not a discovery, if none that did was."""
        kept = {run for each in self.members if each.number in self.found for run in each.compared}
        wanted = {*run_ids} - kept
        return next((each for each in self.members if wanted & {*each.compared}), None)

    def judged(self, number: int, event: LookJudged) -> None:
        """A look of member `number`: it is a discovery if the first registered claim is supported, by fresh results."""
        own = next((each for each in self.members if each.number == number and each.plan == event.plan), None)
        verdict = next((each.verdict for each in event.verdicts if each.registered and each.claim is not None), None)
        if own is not None and own.fresh and verdict == "supported" and own.number not in self.found:
            self.found.add(own.number)
            self.discoveries.append(len(self.members))


@dataclass
class State:
    """What the entries of one chain say; `add` takes them in order."""

    opened: Opened | None = None
    plans: dict[str, PlanState] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    set_aside: dict[str, set[str]] = field(default_factory=dict)  # run id -> digests of the results
    chosen: dict[str, WinnerChosen] = field(default_factory=dict)  # by `then`
    registrations: dict[str, int] = field(default_factory=dict)  # plan -> how many so far
    loops: dict[str, LoopState] = field(default_factory=dict)  # by name

    def plan(self, name: str) -> PlanState:
        """The state of the plan; an empty one if the ledger does not know it."""
        return self.plans.get(name, PlanState())

    def loop(self, name: str) -> LoopState:
        """The state of the loop; an empty one if the ledger does not know it."""
        return self.loops.get(name, LoopState())

    def add(self, entry: Entry) -> None:
        """Take one more entry."""
        event = entry.event
        match event:
            case Opened():
                self.opened = event
            case PlanRegistered():
                self.plans[event.plan] = PlanState(event.terms, event.runs, entry.at)
                self.registrations[event.plan] = self.registrations.get(event.plan, 0) + 1
            case PlanExtended():
                self._own(event.plan).runs = event.runs
            case ClaimsAmended():
                self._own(event.plan).amended = event.terms
            case Replanned():
                self.plans[event.plan] = PlanState()
            case FirstRunStarted():
                self._own(event.plan).started = True
            case LookJudged():
                known = self._own(event.plan)
                known.used |= event.results
                known.written.add(key(event))
                self.looks.append(Look(event, entry.at, self.registrations.get(event.plan, 0)))
                place = known.terms.settings.get("loop") if known.terms else None
                if place is not None:
                    self.loop(place["name"]).judged(place["number"], event)
            case ResultsSetAside():
                for run_id, digest in event.results.items():
                    self.set_aside.setdefault(run_id, set()).add(digest)
            case ResultsMissing():
                self._own(event.plan).written.add(key(event))
            case WinnerChosen():
                self.chosen[event.then] = event
            case LoopJoined():
                self.loops.setdefault(event.loop, LoopState()).members.append(event)

    def changed(self, name: str, now: Mapping[str, str | None]) -> dict[str, str | None]:
        """Of the results `now` (run id -> digest; None: no result), those that a look of the plan used and that were replaced.

        Not those that were set aside by --retry.
        """
        used = self.plan(name).used
        return {
            run_id: digest
            for run_id, digest in now.items()
            if run_id in used and digest != used[run_id] and used[run_id] not in self.set_aside.get(run_id, ())
        }

    def unnamed(self, name: str, now: Mapping[str, str | None]) -> dict[str, str]:
        """Of the results `now`, those that no look of the plan names yet; one that replaces a result set aside is named again."""
        used = self.plan(name).used
        replaced = self.changed(name, now)
        return {run: digest for run, digest in now.items() if digest and digest != used.get(run) and run not in replaced}

    def _own(self, name: str) -> PlanState:
        return self.plans.setdefault(name, PlanState())


def key(event: LookJudged | ResultsMissing) -> str:
    """Equal for two events that say the same. Without p values: their last digits may differ between machines."""
    if isinstance(event, ResultsMissing):
        return digest_of(["missing", dict(event.results)])
    verdicts = [each.model_dump(mode="json", exclude={"p_adjusted"}, exclude_defaults=True) for each in event.verdicts]
    return digest_of(["look", event.look, event.terms, verdicts])
