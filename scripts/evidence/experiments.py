"""Settings and results so far -> the experiments in the order of their value, what remains of each, and the command that trains.

The order. First what the report rests on: that its recipe reaches its accuracy (`paper`), and the finding that it names first
(`leakyrelu_vs_relu`). Then claims that add the fewest runs to those: all share the recipe's own runs, so `lookahead` adds one
variant, `label_smoothing`, `channel_width` and `bottleneck_vs_basic` three, `dropout_sweep` seven, `augmentations` ten.
Last those that choose first: `learning_rates` (40 runs before the comparison), `schedulers` (90), `search` (100 trials).

All of them with 20 epochs first, so that a short loan already says something about each claim; with `--set` the harness calls
that a rehearsal, which it is. The search is left out there: it prunes after 200 epochs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evidence.settings import EPOCHS, Settings, harness
from harness.execution.devices import resolve_device
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

    Of a search, `runs` are trials, then the runs of its confirmation. `seconds`: the mean of its completed runs, None if there
    are none; `failed`: runs.
    """

    entry: Entry
    plan: str
    runs: int
    later: int
    failed: int
    seconds: float | None


def entries(settings: Settings) -> list[Entry]:
    """In the order in which they are trained as far as the time goes."""
    chosen = [name for name in ORDER if not settings.only or name in settings.only]
    if settings.rehearse:
        return [Entry(name, settings.overrides + (("search.prune_after=1",) if name == SEARCH else ()), 1) for name in chosen]
    short = [Entry(name, (f"training.epochs={EPOCHS}", *settings.overrides), EPOCHS) for name in chosen if name != SEARCH]
    return [*short, *(Entry(name, settings.overrides, 400) for name in chosen)]


def command(entry: Entry, settings: Settings, workers: int, seconds: float) -> list[str]:
    """The command that trains it for at most so many seconds."""
    arguments = ["sweep" if entry.search else "run", entry.experiment]
    arguments += ["--profile", "smoke"] if settings.rehearse else []
    arguments += [f"--set={change}" for change in entry.overrides]
    arguments += ["--trials", str(REHEARSED_TRIALS)] if entry.search and settings.rehearse else []
    arguments += ["--device", settings.device, "--workers", str(workers)]
    arguments += ["--share-gpu", str(workers)] if workers > 1 else []
    return harness(*arguments, "--stop-after", f"{seconds:.0f}s", "--track", "none", "--results", str(settings.results))


def standing(entry: Entry, settings: Settings) -> Standing:
    """Raises HarnessError if the experiment cannot be planned, such as for want of its data."""
    profile = "smoke" if settings.rehearse else None
    experiment = named_experiment(entry.experiment, settings.results, profile=profile, settings=entry.overrides)
    store = Store.open(settings.results)
    trials = REHEARSED_TRIALS if entry.search and settings.rehearse else None
    found = assign(store, experiment, resolve_device("cpu" if settings.device == "cpu" else "cuda"), trials=trials, save=False)
    known = found.remaining and found.device_hours is not None
    seconds = found.device_hours * 3600 / found.remaining if known and found.device_hours is not None else None
    runs, later = (found.remaining, found.later) if found.remaining else (found.later, 0)
    return Standing(entry, found.name, runs, later, found.failed, seconds)


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
