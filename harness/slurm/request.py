"""A site and what runs need -> what a worker requests from sbatch. Pure.

An experiment's `resources` replace the numbers of the site, in the site's own form: `gres: gpu:a100:1` and `gpus: 2` give
`--gres=gpu:a100:2`. What the experiment does not request stays the site's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.errors import InputError
from harness.experiment.resources import Demand
from harness.slurm.site import Site
from harness.tasks.resources import Resources

SHORT = {"-N": "--nodes", "-n": "--ntasks", "-c": "--cpus-per-task", "-G": "--gpus"}
# Resource -> the options of sbatch that request it.
OPTIONS: dict[str, tuple[str, ...]] = {
    "gpus": ("--gres", "--gpus", "--gpus-per-node", "--gpus-per-task"),  # there is one task on each node
    "cpus": ("--cpus-per-task", "--cpus-per-gpu"),
    "memory": ("--mem", "--mem-per-cpu", "--mem-per-gpu"),
    "nodes": ("--nodes", "--ntasks", "--ntasks-per-node"),
}


@dataclass(frozen=True)
class Request:
    """What one worker requests; None: the cluster's default. `sbatch`: further options of the site."""

    nodes: int = 1
    cpus: int | None = None
    memory: str | None = None
    gres: str | None = None
    sbatch: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """For sbatch."""
        # One task on each node: what a plain srun in the command starts.
        tasks = "--ntasks=1" if self.nodes == 1 else "--ntasks-per-node=1"
        own = {"--cpus-per-task": self.cpus, "--mem": self.memory, "--gres": self.gres}
        given = (f"{name}={value}" for name, value in own.items() if value is not None)
        return (f"--nodes={self.nodes}", tasks, *given)


@dataclass(frozen=True)
class Group:
    """Runs whose workers request the same, and what they need."""

    request: Request
    needs: tuple[Resources, ...]
    variants: tuple[str, ...]
    runs: int

    @property
    def requested(self) -> str:
        """What the experiment requests for them, in words; empty: nothing."""
        return " or ".join(dict.fromkeys(filter(None, map(in_words, self.needs))))


def in_words(needs: Resources) -> str:
    """Such as `gpus 2, memory 64G`; empty: nothing is requested."""
    return ", ".join(f"{name} {value}" for name, value in needs.requested.items())


def grouped(site: Site, demands: Iterable[Demand], typed: Sequence[str] = ()) -> tuple[Group, ...]:
    """The runs by what their workers request, in the order of the variants. `typed`: see `request`. Raises InputError."""
    found: dict[Request, list[Demand]] = {}
    for demand in demands:
        found.setdefault(request(site, demand.needs, typed), []).append(demand)
    return tuple(
        Group(
            same,
            needs=tuple(dict.fromkeys(demand.needs for demand in of)),
            variants=tuple(label for demand in of for label in demand.variants),
            runs=sum(demand.runs for demand in of),
        )
        for same, of in found.items()
    )


def request(site: Site, needs: Resources, typed: Sequence[str] = ()) -> Request:
    """What a worker requests. `typed`: options of the command line, which replace those of the experiment and of the site.

    On a site without GPUs, `gpus` is only a number that commands use. Raises InputError.
    """
    asked = {name: value for name, value in needs.requested.items() if name not in replaced(needs, typed)}
    gres, sbatch = site.gres, list(site.sbatch)
    for name in asked.keys() - {"gpus"}:
        sbatch = [option for option in sbatch if option_name(option) not in OPTIONS[name]]
    nodes = needs.nodes if "nodes" in asked and needs.nodes else 1
    if nodes > 1:  # as many on each as the site requests for its one
        sbatch = [f"--gpus-per-node={_value(option)}" if option_name(option) == "--gpus" else option for option in sbatch]
    if needs.gpus is not None and site.accelerator == "cuda":
        # An option on the command line may have another form, which would come on top of that in the script.
        gres, sbatch = _with_gpus(gres, sbatch, needs.gpus if "gpus" in asked else 0)
    return Request(
        nodes=nodes,
        cpus=needs.cpus if "cpus" in asked else site.cpus,
        memory=needs.memory if "memory" in asked else site.memory,
        gres=gres,
        sbatch=tuple(sbatch),
    )


def replaced(needs: Resources, typed: Sequence[str]) -> dict[str, str]:
    """Of what an experiment requests: resource -> the option of the command line that replaces it."""
    names = {option_name(word) for word in typed}
    return {name: option for name in needs.requested for option in OPTIONS[name] if option in names}


def option_name(word: str) -> str:
    """`--gres=gpu:1` -> `--gres`, `-N2` -> `--nodes`."""
    return SHORT.get(word[:2], word.partition("=")[0])


def _value(option: str) -> str:
    """`--gpus=a100:1`, `-G a100:1` -> `a100:1`."""
    return re.sub(r"^(-\w|--[\w-]+)[= ]*", "", option)


def _with_gpus(gres: str | None, sbatch: Sequence[str], gpus: int) -> tuple[str | None, list[str]]:
    """`gres` and the options with `gpus` in place of the number of GPUs there, else as `gres`; 0: no GPUs."""
    own, counted = _gres_with(gres or "", gpus)
    options: list[str] = []
    for option in sbatch:
        name, value, found = option_name(option), _value(option), False
        if name == "--gres":
            value, found = _gres_with(value, gpus)
        elif name in OPTIONS["gpus"]:
            value, found = _counted(value, gpus), True
        counted = counted or found
        if not found:
            options.append(option)
        elif value:
            options.append(f"{name}={value}")
    if gpus and not counted:
        own = ",".join(filter(None, [own, f"gpu:{gpus}"]))
    return own or None, options


def _gres_with(gres: str, gpus: int) -> tuple[str, bool]:
    """`gpu:a100:1,tmp:50G` with another number of GPUs, and whether it has any."""
    parts = [part for part in gres.split(",") if part]
    kinds = [part for part in parts if part.partition(":")[0] == "gpu"]
    if len(kinds) > 1 and gpus:
        raise InputError(_ambiguous(gres, gpus))
    new = {part: f"gpu:{_counted(part.partition(':')[2], gpus)}" if gpus else "" for part in kinds}
    return ",".join(filter(None, (new.get(part, part) for part in parts))), bool(kinds)


def _counted(written: str, gpus: int) -> str:
    """`a100:1` or `1` with another number; empty for 0. Raises InputError for several types."""
    if "," in written and gpus:
        raise InputError(_ambiguous(written, gpus))
    kind = [part for part in written.split(":") if part and not part.isdigit()]
    return ":".join([*kind, str(gpus)]) if gpus else ""


def _ambiguous(written: str, gpus: int) -> str:
    return (
        f"the site requests several types of GPUs ({written}), and the experiment {gpus} without a type; "
        "name one type in the site's file, or give the option after --"
    )


def notes(groups: Iterable[Group], typed: Sequence[str]) -> Iterator[str]:
    """What options of the command line replace."""
    said: dict[str, None] = {}
    for group in groups:
        for needs in group.needs:
            for name, option in replaced(needs, typed).items():
                value = needs.requested[name]
                said[f"{option} after -- replaces {name}: {value} of the experiment; its commands still get {value}"] = None
    yield from said
