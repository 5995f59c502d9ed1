"""Settings and results so far -> the experiments in the order of their value, what remains of each, and the command that trains.

The order. First what the report rests on: that its recipe reaches its accuracy (`paper`), and the finding that it names first
(`leakyrelu_vs_relu`). Then claims that add the fewest runs to those: all share the recipe's own runs, so `lookahead` adds one
variant, `label_smoothing`, `channel_width` and `bottleneck_vs_basic` three, `dropout_sweep` seven, `augmentations` eleven.
Last those that choose first: `learning_rates` (40 runs before the comparison), `schedulers` (90), `search` (100 trials).

All of them with 20 epochs first, to their first look, so that a short loan already says something about each claim; with
`--set` the harness calls that a rehearsal, which it is. The search is left out there: it prunes after 200 epochs. The later looks
of that pass come last of all: with all of its looks it has as many runs as the declared experiments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evidence.settings import EPOCHS, Settings, harness
from harness.execution.schedule import Schedule
from harness.launch.workload import assign
from harness.store.lookup import named_experiment
from harness.store.records import Store

ORDER = (
    "paper",
    "leakyrelu_vs_relu",
    "lookahead",
    "label_smoothing",
    "channel_width",
    "bottleneck_vs_basic",
    "dropout_sweep",
    "augmentations",
    "learning_rates",
    "schedulers",
    "search",
)
SEARCH = "search"
REHEARSED_TRIALS = 2


@dataclass(frozen=True)
class Entry:
    """An experiment with the settings of a pass. `epochs`: of each run."""

    experiment: str
    overrides: tuple[str, ...]
    epochs: int

    @property
    def search(self) -> bool:
        """Whether `harness sweep` trains it."""
        return self.experiment == SEARCH


@dataclass(frozen=True)
class Standing:
    """What remains of an entry. `plan`: its name in the results; `runs`: up to the next look; `later`: at most, after that.

    Of a search, `runs` are trials, then the runs of its confirmation. `failed`: runs; `seconds`: the mean of the completed runs,
    None if there are none; `later_look`: the first look is over.
    """

    entry: Entry
    plan: str
    runs: int
    later: int
    failed: int
    seconds: float | None
    later_look: bool = False


def by_value(standings: Sequence[Standing]) -> list[Standing]:
    """In the order in which they are trained: the short pass to its first looks, the declared experiments, the rest."""

    def place(standing: Standing) -> int:
        if standing.entry.epochs != EPOCHS:
            return 1
        return 2 if standing.later_look else 0

    return sorted(standings, key=place)


def entries(settings: Settings) -> list[Entry]:
    """The short pass, then the declared experiments; a rehearsal has one, whose search keeps its 6 epochs."""
    chosen = [name for name in ORDER if not settings.only or name in settings.only]
    if settings.rehearse:
        return [
            Entry(name, settings.overrides[1:], 6) if name == SEARCH else Entry(name, settings.overrides, 1) for name in chosen
        ]
    short = [Entry(name, (f"training.epochs={EPOCHS}", *settings.overrides), EPOCHS) for name in chosen if name != SEARCH]
    return [*short, *(Entry(name, settings.overrides, 400) for name in chosen)]


def registrations(settings: Settings) -> list[list[str]]:
    """The commands that register the claims of every pass. They share runs: no claim may be written after another's results."""
    passes: dict[tuple[str, ...], list[str]] = {}
    for entry in entries(settings):
        passes.setdefault(entry.overrides, []).append(entry.experiment)
    profile = ["--profile", settings.profile] if settings.profile else []
    where = [*profile, "--device", settings.device, "--results", str(settings.results)]
    return [harness("register", *names, *(f"--set={change}" for change in own), *where) for own, names in passes.items()]


def command(entry: Entry, settings: Settings, workers: int, seconds: float) -> list[str]:
    """The command that trains it for at most so many seconds."""
    arguments = ["sweep" if entry.search else "run", entry.experiment]
    arguments += ["--profile", settings.profile] if settings.profile else []
    arguments += [f"--set={change}" for change in entry.overrides]
    arguments += ["--trials", str(REHEARSED_TRIALS)] if entry.search and settings.rehearse else []
    arguments += ["--device", settings.device, "--workers", str(workers)]
    arguments += ["--share-gpu", str(workers)] if workers > 1 else []
    return harness(*arguments, "--stop-after", f"{seconds:.0f}s", "--track", "none", "--results", str(settings.results))


def standing(entry: Entry, settings: Settings) -> Standing:
    """Raises HarnessError if the experiment cannot be planned, such as for want of its data."""
    experiment = named_experiment(entry.experiment, settings.results, profile=settings.profile, settings=entry.overrides)
    store = Store.open(settings.results)
    trials = REHEARSED_TRIALS if entry.search and settings.rehearse else None
    found = assign(store, experiment, settings.device, trials=trials, save=False)
    known = found.remaining and found.device_hours is not None
    seconds = found.device_hours * 3600 / found.remaining if known and found.device_hours is not None else None
    runs, later = (found.remaining, found.later) if found.remaining else (found.later, 0)
    return Standing(entry, found.name, runs, later, found.failed, seconds, _is_first_look_over(store, found.name))


def _is_first_look_over(store: Store, name: str) -> bool:
    plan = store.load_plan(name)
    if plan is None:  # nothing was trained, or what is chosen first
        return False
    first = Schedule(plan).first_look()
    return all(record.finished for record in store.records([run.id for run in first]).values())


def measured_epoch_seconds(settings: Settings) -> float | None:
    """The mean time of an epoch in all completed runs of the results; None: there are none."""
    store = Store.open(settings.results)
    seconds = epochs = 0.0
    for record in _completed(store):
        seconds, epochs = seconds + record[0], epochs + record[1]
    return seconds / epochs if epochs else None


def _completed(store: Store) -> Iterator[tuple[float, int]]:
    """Seconds and epochs of each completed run."""
    ids: Sequence[str] = [folder.name for folder in store.paths.runs.iterdir() if (folder / "result.json").exists()]
    for record in store.records(ids).values():
        if record.state == "completed" and record.seconds and record.epoch:
            yield record.seconds, record.epoch
