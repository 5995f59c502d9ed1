"""What the runs of a plan were trained with: where that differs, and what nobody knows, as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.experiment.plan import PlannedRun
from harness.reporting import phrases
from harness.store.device import UNKNOWN_GPU
from harness.store.environments import Lists
from harness.store.provenance import PACKAGES, Provenance, Restart
from harness.tasks.environment import Environment

CHECKOUT = 12  # digits of the commit that a checkout's folder is named after
SHOWN = 3  # most frequent of the differing values
Trained = Sequence[tuple[str, Provenance]]  # variant and provenance of each run that was started
Starts = Sequence[tuple[str, Sequence[Provenance | Restart]]]


@dataclass(frozen=True)
class Mixed:
    """What runs were not trained alike with, as sentences."""

    differing: tuple[str, ...] = ()  # `mixtures`
    unknown: tuple[str, ...] = ()  # `unknown`


ALIKE = Mixed()


def trained_with(runs: Iterable[PlannedRun], origins: Mapping[str, Provenance]) -> Trained:
    """The runs with a provenance."""
    return [(run.variant, origins[run.id]) for run in runs if run.id in origins]


def mixtures(trained: Trained, lists: Lists, *, versions: bool = False) -> Iterator[str]:
    """Code, devices, GPUs, nodes, packages, interpreters and threads that differ between runs, or between the starts of one run.

    `lists`: the installed packages behind the digests in the provenances, to name those that differ. `versions`: the variants
    are versions of the program's code, which then differs by design.
    """
    starts = [(variant, origin.starts) for variant, origin in trained]
    codes = [(variant, [start.code.digest[:12] for start in own]) for variant, own in starts]
    programs = [(variant, [start.program.digest[:12] for start in own if start.program]) for variant, own in starts]
    devices = [(variant, [start.device for start in own if start.device != UNKNOWN_GPU]) for variant, own in starts]
    yield from _mixed("versions of the code", codes)
    if not versions:
        yield from _mixed("versions of the program's code", programs)
    yield from _mixed("devices", devices)
    for resource in ("gpus", "nodes"):
        numbers = [(variant, [str(start.resources.get(resource, 1)) for start in own]) for variant, own in starts]
        yield from _mixed(f"numbers of {'GPUs' if resource == 'gpus' else resource}", numbers)
    yield from _environments(starts, lists)
    yield from _versions([(variant, [start for start in own if not _is_program(start)]) for variant, own in starts], lists)
    limits = [(variant, ["no thread limit" if origin.threads is None else str(origin.threads)]) for variant, origin in trained]
    yield from _mixed("numbers of threads", limits)


def unknown(trained: Trained) -> Iterator[str]:
    """How many runs of programs used packages that are not known, and why."""
    reasons = Counter(reason for _, origin in trained if (reason := _unknown(origin)))
    if reasons:
        why = first_of([f"{reason} ({count:,d})" for reason, count in reasons.most_common()])
        count = phrases.plural(reasons.total(), "run")
        yield f"The packages of {count} are unknown, so nothing is known about differences between them: {why}."


def compared(origins: Iterable[Provenance]) -> str:
    """Which packages were compared, for runs without mixtures and without unknown packages."""
    origins = list(origins)
    if any(origin.environment is None for origin in origins):
        names = sorted({name for origin in origins for name in origin.packages})
        return f"versions of {phrases.listed(names)}; other packages were not recorded" if names else "Python version"
    programs = [origin.environment for origin in origins if origin.environment and origin.environment.of == "program"]
    if not programs:
        return "versions of all imported packages"
    if all(environment.image_digest for environment in programs):
        return "container image"
    installed = {environment.installed or 0 for environment in programs}
    return f"packages ({next(iter(installed)):,d} installed for the program)"


def _environments(starts: Starts, lists: Lists) -> Iterator[str]:
    """Differences between the environments of programs, and in PYTHONPATH."""
    every = [(variant, [(start.host, _environment(start)) for start in own if start.environment]) for variant, own in starts]
    asked = [(variant, [(host, found) for host, found in own if found.of == "program"]) for variant, own in every]
    for assumed, what in (
        (False, "sets of installed packages of the program"),
        (True, "sets of packages of the first python on PATH"),
    ):
        sets = [(variant, [e.packages for _, e in own if e.packages and e.assumed == assumed]) for variant, own in asked]
        yield from _mixed(what, [(variant, [name[:8] for name in own]) for variant, own in sets], _differing(sets, lists))
    pythons = [(variant, [environment.python for _, environment in own if environment.python]) for variant, own in asked]
    yield from _mixed("versions of the program's Python", pythons)
    yield from _mixed("container images", [(variant, [_image(e) for _, e in own if e.image]) for variant, own in asked])
    yield from _mixed("executables", [(variant, [_executable(e) for _, e in own if e.executable]) for variant, own in asked])
    for host in sorted({host for _, own in asked for host, _ in own}):
        # Paths of one machine only: the same environment has other paths on other machines.
        paths = [
            (variant, [e.interpreter for where, e in own if where == host and e.python and e.interpreter])
            for variant, own in asked
        ]
        yield from _mixed(f"interpreters on {host}", paths)
    folders = [(variant, [":".join(environment.folders) or "none" for _, environment in own]) for variant, own in every]
    yield from _mixed("values of PYTHONPATH", folders)


def _versions(starts: Starts, lists: Lists) -> Iterator[str]:
    """Versions of Python and packages in the workers that ran the training code."""
    packages = {name for _, own in starts for start in own for name in start.packages}
    for package in sorted(packages & {*PACKAGES}):
        # Asked at every start, but not in older files at restarts: there, no packages are recorded at all.
        values = [(variant, [start.packages.get(package, "none") for start in own if start.packages]) for variant, own in starts]
        yield from _mixed(f"versions of {package}", values)
    imported = {
        package: [*_mixed(f"versions of {package}", _imports(starts, package, lists))] for package in packages - {*PACKAGES}
    }
    differing = sorted(package for package, sentences in imported.items() if sentences)
    for package in differing[:SHOWN]:
        yield from imported[package]
    if more := differing[SHOWN:]:
        yield f"Runs with several versions of {phrases.plural(len(more), 'more imported package')}: {first_of(more)}."
    pythons = [(variant, [start.python for start in own if start.python]) for variant, own in starts]
    yield from _mixed("versions of Python", pythons)


def _imports(starts: Starts, package: str, lists: Lists) -> Iterator[tuple[str, list[str]]]:
    """The versions of a package in the starts that imported it, and `not installed` for those that could not have.

    That a start did not import it means nothing else: what a worker imports depends on what it trained before, and one
    configuration may import more than another.
    """
    for variant, own in starts:
        found = []
        for start in own:
            installed = lists.get(start.environment.packages or "") if start.environment else None
            if package in start.packages:
                found.append(start.packages[package])
            elif installed is not None and package not in installed:
                found.append("not installed")
        yield variant, found


def _environment(start: Provenance | Restart) -> Environment:
    """The environment of a start; paths in the checkout of a version of the code are relative to it, so that versions agree."""
    environment, commit = start.environment, start.program.commit if start.program else None
    assert environment is not None
    if not commit:
        return environment

    def relative(path: str) -> str:
        parts = Path(path).parts
        place = next((place for place, part in enumerate(parts) if part.startswith(commit[:CHECKOUT])), None)
        return path if place is None else str(Path(*parts[place + 1 :]))

    own = environment.interpreter and relative(environment.interpreter)
    return Environment.model_validate(
        {**dict(environment), "interpreter": own, "folders": tuple(map(relative, environment.folders))}
    )


def _is_program(start: Provenance | Restart) -> bool:
    """Whether the training code had an environment of its own: then that of the worker does not matter."""
    return start.environment is not None and start.environment.of == "program"


def _differing(sets: Iterable[tuple[str, Sequence[str]]], lists: Lists) -> str:
    """Which packages differ between these sets: `; they differ in numpy 1.26.4 / 2.1.0`."""
    counts = Counter(name for _, own in sets for name in {*own})
    names = sorted(counts, key=lambda name: (-counts[name], name))  # as they are listed before
    if missing := [name[:8] for name in names if name not in lists]:
        return f"; how they differ is unknown, because environments/{missing[0]}….json is missing or damaged"
    packages = sorted({package for name in names for package in lists[name]})
    versions = {package: dict.fromkeys(lists[name].get(package, "none") for name in names) for package in packages}
    different = [f"{package} {' / '.join(found)}" for package, found in versions.items() if len(found) > 1]
    return f"; they differ in {first_of(different)}"


def _mixed(what: str, values: Iterable[tuple[str, Sequence[str]]], details: str = "") -> Iterator[str]:
    """A sentence if runs differ in `what`; each run has its variant, and a value for each of its starts.

    The worst case is said as well: each variant has a value of its own, which then may make the difference between them.
    """
    values = list(values)
    counts = Counter(value for _, own in values for value in dict.fromkeys(own))
    if len(counts) < 2:
        return
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    sentence = f"Runs with {len(counts):,d} {what}: {first_of([f'{value} ({count:,d})' for value, count in ranked])}{details}."
    by_variant: dict[str, set[str]] = {}
    for variant, own in values:
        by_variant.setdefault(variant, set()).update(own)
    if all(len(own) == 1 for own in by_variant.values()):
        having = {value: [variant for variant, own in by_variant.items() if value in own] for value, _ in ranked}
        who = "; ".join(f"{value}: {first_of(variants)}" for value, variants in list(having.items())[:SHOWN])
        sentence += (
            f" No variant was trained with more than one of them ({who}), so they may make the differences between variants."
        )
    yield sentence


def _unknown(origin: Provenance) -> str | None:
    """Why the packages of a program's run are not known at one of its starts; None if they are."""
    for start in origin.starts:
        environment = start.environment
        if environment is None and start.program is not None:
            return "not recorded"
        if environment is not None and environment.of == "program" and not environment.known:
            return environment.unknown or "not recorded"
    return None


def _image(environment: Environment) -> str:
    name = (environment.image or "").partition("@")[0]
    return f"{name} {_short(environment.image_digest)}" if environment.image_digest else name


def _executable(environment: Environment) -> str:
    return f"{Path(environment.called or '').name} {_short(environment.executable or '')}"


def _short(content: str) -> str:
    """`environment.content` for people: the start of a digest, but all of the size and time of a large file."""
    return content.removeprefix("sha256:")[:8] if content.startswith("sha256:") else content


def first_of(texts: Sequence[str]) -> str:
    """The first `SHOWN`, and how many more."""
    more = len(texts) - SHOWN
    return ", ".join([*texts[:SHOWN], *([f"{more:,d} more"] if more > 0 else [])])
