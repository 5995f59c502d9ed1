"""What the ledger tells about a plan: the head, where else its comparisons were judged, and what was changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from harness.errors import StoreError
from harness.experiment.plan import Plan, Registration
from harness.store import atomic
from harness.store.catalog import Catalog
from harness.store.ledger.chain import Head, Ledger, other_chains, own_chain, read_chain
from harness.store.ledger.entry import Opened, RunList, Terms
from harness.store.ledger.state import Look, PlanState, State
from harness.store.ledger.terms import amended_terms, comparisons, run_list, same, shown_comparisons, terms, variant_digests
from harness.store.paths import Paths

SHOWN = 3  # results listed by name
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Standing:
    """The head of the ledger, and how far back it goes."""

    head: Head
    since: str  # ISO 8601, UTC
    before: Opened  # what existed before: its history is unknown

    @property
    def complete(self) -> bool:
        """Whether the folder was empty when the ledger began."""
        return not (self.before.plans or self.before.results)

    def document(self) -> dict[str, object]:
        """For --json and verdicts.json. `complete`: nothing in the folder is older than `since`."""
        return {"number": self.head.number, "head": self.head.digest, "since": self.since, "complete": self.complete}


@dataclass(frozen=True)
class JudgedElsewhere:
    """The last verdicts of another plan, or of an earlier plan of the same name, on a comparison of a plan."""

    plan: str
    earlier: bool  # a plan of the same name that was replaced
    words: tuple[str, ...]
    look: int  # [seeds]
    at: str  # ISO 8601, UTC


@dataclass(frozen=True)
class PlanLedger:
    """What a report shows of the ledger. `standing` None: the folder has none."""

    standing: Standing | None
    history: tuple[JudgedElsewhere, ...]
    mismatches: tuple[str, ...]  # what does not fit, as parts of sentences


def plan_ledger(catalog: Catalog, plan: Plan, known: Mapping[str, str] = NOTHING) -> PlanLedger:
    """All of it, read once; `known` as in `result_digests`. Raises StoreError."""
    ledger, variants = Ledger(catalog.paths).read(), variant_digests(plan)
    others = [read_chain(folder) for folder in other_chains(catalog.paths)]
    return PlanLedger(
        standing=standing(ledger),
        history=tuple(_history(ledger.state, others, plan, variants)),
        mismatches=(
            *ledger.faults,
            *_plan_differences([ledger.state, *others], plan, variants),
            *result_differences(catalog.paths, ledger.state, plan, known),
        ),
    )


def standing(ledger: Ledger) -> Standing | None:
    """The standing of a ledger that was read; None without entries."""
    if ledger.head is None:
        return None
    return Standing(ledger.head, ledger.since or "", ledger.state.opened or Opened(plans=1, results=1))


def folder_standing(paths: Paths) -> Standing | None:
    """The standing of a results folder's ledger; None: it has none, or its name is damaged or missing. Raises StoreError."""
    try:
        own_chain(paths)
    except StoreError:
        return None
    return standing(Ledger(paths).read())


def missing_plans(paths: Paths, state: State) -> dict[Path, str]:
    """File of each plan that was registered, not archived, and is gone -> when it was registered (ISO 8601, UTC)."""
    return {
        path: known.at
        for name, known in state.plans.items()
        if known.terms is not None and not atomic.exists(path := paths.plan(name))
    }


def history(catalog: Catalog, plan: Plan) -> list[JudgedElsewhere]:
    """Where else the comparisons of `plan` were judged, oldest first. Raises StoreError."""
    return list(plan_ledger(catalog, plan).history)


def plan_mismatch(catalog: Catalog, plan: Plan) -> list[str]:
    """What of `plan` differs from what the ledger registered, and which results changed after a look used them.

    Empty without a ledger, or if it does not know the plan. Raises StoreError.
    """
    return list(plan_ledger(catalog, plan).mismatches)


def plan_differences(state: State, plan: Plan) -> list[str]:
    """What of `plan` differs from what is registered, as parts of sentences; empty if the ledger does not know it."""
    return _plan_differences([state], plan, variant_digests(plan))


def result_differences(paths: Paths, state: State, plan: Plan, known: Mapping[str, str] = NOTHING) -> list[str]:
    """The results that changed after a look of `plan` used them, as parts of sentences. Raises StoreError."""
    names = {run.id: f"{run.variant} seed {run.seed}" for run in plan.runs}
    changed = changed_results(paths, state, plan, known)
    found = [
        f"the result of {names.get(run_id, 'a run')} ({run_id}) {'is missing' if digest is None else 'has changed'} since a look"
        for run_id, digest in list(changed.items())[:SHOWN]
    ]
    return [*found, *([f"so are {len(changed) - SHOWN:,d} more results"] if len(changed) > SHOWN else [])]


def terms_differences(registered: Terms, now: Terms) -> list[str]:
    """What differs, as parts of sentences; empty if nothing does. Variants are compared if both are known."""
    found = []
    if len(registered.claims) != len(now.claims):
        found.append(f"it has {_count(len(now.claims), 'claim')}, {len(registered.claims)} were registered")
    elif changed := [
        place for place, pair in enumerate(zip(registered.claims, now.claims, strict=True), 1) if pair[0] != pair[1]
    ]:
        which = f"claim {changed[0]} differs" if len(changed) == 1 else f"claims {', '.join(map(str, changed))} differ"
        found.append(f"{which} from what was registered")
    for name in dict.fromkeys([*registered.settings, *now.settings]):
        old, new = (_setting(each, name) for each in (registered, now))
        if old != new:
            found.append(f"{name} is {_shown(new)}, registered as {_shown(old)}")
    if registered.variants and now.variants:
        labels = dict.fromkeys([*registered.variants, *now.variants])
        for label in labels:
            if label not in now.variants:
                found.append(f"variant {label!r} is missing")
            elif label not in registered.variants:
                found.append(f"variant {label!r} was not registered")
            elif registered.variants[label] != now.variants[label]:
                found.append(f"variant {label!r} has another configuration or data than registered")
    return found


def extends(before: RunList, plan: Plan) -> bool:
    """Whether the runs of `plan` are those before and more."""
    return before.count < len(plan.runs) and run_list(plan.runs[: before.count]).ids == before.ids


def result_digests(
    paths: Paths, run_ids: Iterable[str], used: Mapping[str, str] = NOTHING, known: Mapping[str, str] = NOTHING
) -> dict[str, str | None]:
    """Run id -> SHA-256 of its result.json; None: it has none. Raises StoreError.

    `used`: the digests by which looks used them; `known`: those of the files as the caller has just read them. A file that was
    as it was used is not read again; any other is, as it may have been replaced meanwhile.
    """
    found: dict[str, str | None] = {}
    for run_id in run_ids:
        if run_id in used and known.get(run_id) == used[run_id]:
            found[run_id] = used[run_id]
            continue
        path = paths.run(run_id).result
        try:
            found[run_id] = hashlib.sha256(atomic.read_bytes(path)).hexdigest()
        except FileNotFoundError:
            found[run_id] = None
        except OSError as error:
            raise atomic.unusable(path, "be read", error) from error
    return found


def judged_results(paths: Paths) -> set[str]:
    """The ids of all runs whose results a look of some plan used, whether they still exist or not. Raises StoreError."""
    own = own_chain(paths)
    states = [read_chain(folder) for folder in (*other_chains(paths), *((own,) if own else ()))]
    return {run_id for state in states for look in state.looks for run_id in look.event.results}


def changed_results(paths: Paths, state: State, plan: Plan, known: Mapping[str, str] = NOTHING) -> dict[str, str | None]:
    """Run id -> digest now (None: gone) of the results that a look of `plan` used and that were replaced since."""
    used = state.plan(plan.name).used
    return state.changed(plan.name, result_digests(paths, used, used, known))


def _history(own: State, others: Iterable[State], plan: Plan, variants: Mapping[str, str]) -> list[JudgedElsewhere]:
    wanted = {*shown_comparisons(plan, variants), *(one for claim in plan.claims for one in comparisons(plan, claim, variants))}
    current = own.plan(plan.name).terms
    last: dict[tuple[int, str, int], Look] = {}
    for place, state in enumerate([own, *others]):
        for look in state.looks:
            name = look.event.plan
            if name == plan.name and _is_current(own, look, place, current):
                continue
            if any(same(wanted, judged.comparisons) for judged in look.event.verdicts):
                last[place, name, look.registration] = look
    found = []
    for (_, name, _), look in last.items():
        words = [judged.verdict for judged in look.event.verdicts if same(wanted, judged.comparisons)]
        found.append(JudgedElsewhere(name, name == plan.name, tuple(dict.fromkeys(words)), look.event.look, look.at))
    return sorted(found, key=lambda each: each.at)


def _is_current(own: State, look: Look, place: int, current: Terms | None) -> bool:
    """Whether a look of a plan's name is one of the plan itself. `place` 0: in the own chain."""
    if current is None:
        return False
    if place:
        return look.event.terms == current.digest
    return look.registration == own.registrations.get(look.event.plan)


def _plan_differences(states: Sequence[State], plan: Plan, variants: Mapping[str, str]) -> list[str]:
    """`states`: the own chain first."""
    known = next((state.plan(plan.name) for state in states if state.plan(plan.name).terms is not None), PlanState())
    if known.terms is None or known.runs is None:
        return []
    found = terms_differences(known.terms, terms(plan, variants))
    if amended_terms(plan) != known.amended:
        found.append("the claims that it says were changed after the first runs are not those of the ledger")
    return found + _runs_differences(known.runs, plan)


def _runs_differences(known: RunList, plan: Plan) -> list[str]:
    now = run_list(plan.runs)
    if now == known:
        return []
    if now.count != known.count:
        return [
            f"it has {_count(now.count, 'run')} of {_count(now.seeds, 'seed')}, {known.count:,d} of {known.seeds} were registered"
        ]
    return ["its runs are not those that were registered"]


def _setting(of: Terms, name: str) -> object:
    field = Registration.model_fields.get(name)
    default = None if field is None or field.is_required() else field.get_default(call_default_factory=True)
    return of.settings.get(name, default)


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _count(number: int, noun: str) -> str:
    return f"{number:,d} {noun}{'' if number == 1 else 's'}"
