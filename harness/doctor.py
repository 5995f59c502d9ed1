"""`harness doctor`: checks this machine; each finding says what is wrong and what to do."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.common import cli_options, python_command
from harness.common.durations import duration
from harness.common.optional_packages import AGAIN, PACKAGES, REPORTS, install_command, is_installed, lacking
from harness.errors import EXIT_BAD_INPUT, EXIT_OK, DataError, PackageError, StoreError
from harness.execution.machine.packages import build, built_apart, disagreements, required, too_old_driver
from harness.store.root import refuse_unusable, without_links
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.execution.machine.gpus import Gpu

OLDEST_PYTHON = (3, 11)
SLOW = ("torch", "accelerators", "torchvision", "cifar10_mini")  # they import torch, which takes seconds
PROBE = "from harness.doctor import probe; probe()"
LITTLE_DISK_BYTES = 5 * 10**9  # a large experiment's checkpoints, and a data set's cache
NO_DISK_BYTES = 2 * 10**8
SELECTORS = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")  # the variables that hide GPUs


@dataclass(frozen=True)
class Finding:
    """One line: a `problem` keeps runs from training, a `note` is optional or only information."""

    name: str
    state: Literal["ok", "note", "problem"]
    what: str
    advice: str | None = None


def doctor(
    wait: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="how long to wait for torch, torchvision and the images to be tried in another process"
        ),
    ] = "2s",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Check whether this machine is ready: accelerators, data, logins, cluster, disk, versions. Uses no network.

    Examples:
      harness doctor
      harness doctor --json

    Exit codes:
      0   ready
      2   a problem that would keep runs from training, or bad usage
    """
    from harness.terminal import shell
    from harness.terminal.tables import Note

    # The data cache lies in the results folder.
    os.environ.setdefault("HARNESS_CACHE", str((results / "cache").absolute()))
    findings = answered(results, os.environ, duration(wait))
    broken = any(finding.state == "problem" for finding in findings)
    if as_json:
        shell.show_json({"ready": not broken, "findings": [asdict(finding) for finding in findings]})
    else:
        keys = [f"{finding.state:<7}   {finding.name}" for finding in findings]
        width = max(map(len, keys))
        for key, finding in zip(keys, findings, strict=True):
            shell.show(Note(key, finding.what, width), *([Note("", finding.advice, width)] if finding.advice else []))
    raise typer.Exit(EXIT_BAD_INPUT if broken else EXIT_OK)


def answered(results: Path, environment: Mapping[str, str], wait_s: float) -> list[Finding]:
    """Every finding, in the order of output. Those that import torch are tried in another process meanwhile, for `wait_s`."""
    command = [*python_command.interpreter(), "-c", PROBE]
    until = time.monotonic() + wait_s
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**environment}) as tried:
        own = {name: check() for name, check in checks(results, environment).items() if name not in SLOW}
        try:
            output, _ = tried.communicate(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired as late:
            tried.kill()
            output = late.stdout or b""
    found = {each.name: each for each in map(_read, output.splitlines()) if each is not None}
    ended = tried.returncode not in (None, -signal.SIGKILL)
    return [own.get(name) or found.get(name) or _untried(name, wait_s, ended) for name in checks(results, environment)]


def probe() -> None:
    """Print the findings of the slow checks, one JSON object a line, each as soon as it is known."""
    every = checks(Path(), os.environ)
    for name in SLOW:
        print(json.dumps(asdict(every[name]())), flush=True)


def _read(line: bytes) -> Finding | None:
    """A finding that `probe` printed; None for other lines."""
    try:
        return Finding(**json.loads(line))
    except (ValueError, TypeError):  # what a package prints when it is imported, or half a line
        return None


def _untried(name: str, wait_s: float, ended: bool) -> Finding:
    """What is known of a slow check that gave no answer."""
    if ended:
        return Finding(
            name, "problem", "the process that tried it ended without an answer", f"see: python -c {shlex.quote(PROBE)}"
        )
    version = build(name) if name in ("torch", "torchvision") else None
    what = f"{version}; " if version else ""
    return Finding(name, "note", f"{what}not tried to the end within {wait_s:g} s", "to wait longer: harness doctor --wait 1m")


def checks(results: Path, environment: Mapping[str, str]) -> dict[str, Callable[[], Finding]]:
    """Every check by the name of its finding, in the order of output."""
    from harness.tracking.login import home_folder

    return {
        "python": python,
        "packages": packages,
        "builds": builds,
        "torch": torch,
        "torchvision": torchvision,
        "accelerators": lambda: accelerators(environment),
        "threads": lambda: threads(environment),
        "cifar10_mini": small_images,
        "cifar10": lambda: images(Path(environment.get("HARNESS_CACHE", results / "cache")) / "cifar10"),
        "results": lambda: disk(results),
        "W&B": lambda: wandb(environment, home_folder()),
        "SLURM": lambda: slurm(environment.get("PATH", os.defpath)),
    }


def python() -> Finding:
    """The interpreter's version, and its system."""
    what = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", "problem", what, f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")
    if platform.system() != "Linux":
        return Finding("python", "problem", what, "use Linux: workers identify processes through its /proc")
    return Finding("python", "ok", what)


def packages() -> Finding:
    """The installed versions of every dependency, and those that are missing or do not fit; imports none of them."""
    try:
        found = required()
    except ImportError as error:
        return Finding("packages", "problem", f"cannot be checked: {_one_line(error)}", "python -m pip install packaging")
    optional = {each.distribution: each.purpose for name, each in PACKAGES.items() if name not in REPORTS}
    missing = [each for each in found if each.installed is None]
    wrong = [each for each in found if each.installed is not None and not each.fits]
    apart = disagreements(found)
    named = [f"{each.name} ({optional[each.name]})" if each.name in optional else each.name for each in missing]
    parts = [f"missing: {', '.join(named)}"] if missing else []
    parts += [f"{each.name} {each.installed}, but {each.wanted} is needed" for each in wrong]
    parts += apart
    if parts:
        disagreeing = {name for line in apart for each in found if (name := each.name) in line.split()}
        pip = [each.asked for each in found if each in missing or each in wrong or each.name in disagreeing]
        install = f"python -m pip install {shlex.join(pip)}"
        if len(parts) == 1 and missing and all(each.name in optional for each in missing):
            return Finding("packages", "note", parts[0], f"if you need what is in brackets: {install}")
        return Finding("packages", "problem", "; ".join(parts), install)
    return Finding("packages", "ok", ", ".join(f"{each.name} {each.installed}" for each in found))


def builds(root: Path = Path("/")) -> Finding:
    """Whether torch and torchvision are builds for the same device, and whether the driver is new enough for torch's CUDA."""
    if (old := too_old_driver(root)) is not None:
        return Finding("builds", "note", old, "update the driver, or install a torch for an older CUDA: see pytorch.org")
    if (apart := built_apart()) is not None:
        own, same = (build("torch") or "").partition("+")[2], (build("torchvision") or "").partition("+")[0]
        index = f"https://download.pytorch.org/whl/{own}"
        # Without its dependencies, and not a newer one: that would replace torch.
        advice = f"python -m pip install --force-reinstall --no-deps torchvision=={same} --index-url {index}"
        return Finding("builds", "note", f"{apart}: built for different devices; torchvision's operators do not load", advice)
    if absent := [name for name in ("torch", "torchvision") if not is_installed(name)]:
        return Finding("builds", "note", f"nothing to compare: {' and '.join(absent)} not installed")
    return Finding("builds", "ok", f"torch {build('torch') or 'of unknown build'} and torchvision fit each other")


def torch() -> Finding:
    """Whether torch can be imported and adds correctly."""
    if not is_installed("torch"):
        what = "not installed: the built-in task cannot train, programs can"
        return Finding("torch", "note", what, f"to train it: {install_command('torch')}")
    try:
        module = importlib.import_module("torch")
        if module.ones(2).sum().item() != 2:
            return Finding("torch", "problem", f"{module.__version__}: 1 + 1 is not 2", "install torch again")
    except Exception as error:  # any error here is what this line reports
        return Finding("torch", "problem", f"does not work: {_one_line(error)}", AGAIN.format("torch"))
    return Finding("torch", "ok", f"{module.__version__}")


def torchvision() -> Finding:
    """Whether torchvision can be imported, with or without its operators."""
    if not is_installed("torchvision"):
        what = "not installed: CIFAR-10 can neither be downloaded nor read"
        return Finding("torchvision", "note", what, f"to train on it: {install_command('torchvision')}")
    if not is_installed("torch"):
        return Finding("torchvision", "note", "not tried: it needs torch")
    try:
        vision = importlib.import_module("harness.tasks.cifar_resnet.vision").import_torchvision()
    except Exception as error:  # as for torch
        return Finding("torchvision", "problem", f"cannot be imported: {_one_line(error)}", AGAIN.format("torchvision"))
    return Finding("torchvision", "ok", f"{vision.__version__}")


def accelerators(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Finding:
    """The GPUs that torch can use, or those that it cannot, and who uses them; `root` is the folder of the machine's files."""
    from harness.execution.machine.gpus import visible_gpus

    has_torch = is_installed("torch")
    try:
        cuda: Any = importlib.import_module("torch").cuda if has_torch else None
        names = [cuda.get_device_name(index) for index in range(cuda.device_count())] if has_torch and cuda.is_available() else []
    except Exception as error:  # as for torch
        return Finding("accelerators", "problem", f"torch cannot list them: {_one_line(error)}", "see the line about torch")
    gpus = visible_gpus(environment, root)
    driver = "ROCm" if any(gpu.kind == "rocm" for gpu in gpus) else "CUDA"
    mig = ", MIG devices" if any(gpu.kind == "mig" for gpu in gpus) else ""
    used = "".join(f"; {user}" for user in _users_of(gpus, environment))
    if names:
        return Finding("accelerators", "ok", f"{len(names)} {driver}{mig}: {', '.join(names)}{used}")
    if gpus:
        vendor = "AMD" if driver == "ROCm" else "NVIDIA"
        shows = "rocm-smi" if driver == "ROCm" else "nvidia-smi"
        advice = f"install a torch built for the {driver} version that {shows} shows; programs of your own may use them"
        cannot = "but this torch cannot use it" if has_torch else "but torch is not installed, which the built-in task needs"
        advice = advice if has_torch else "programs of your own may use them"
        return Finding("accelerators", "note", f"{len(gpus)} {vendor} GPU found, {cannot}{used}", advice)
    hidden = {name: environment[name] for name in SELECTORS if name in environment}
    if hidden and visible_gpus({}, root):
        what = ", ".join(f"{name}={value}" for name, value in hidden.items())
        return Finding("accelerators", "note", f"none; {what} hides the GPUs of this machine", "unset it, or request a GPU")
    return Finding("accelerators", "note", "none; runs train on the CPU", "start with a small profile: --profile smoke")


def _users_of(gpus: Sequence[Gpu], environment: Mapping[str, str]) -> list[str]:
    """Which GPUs harness commands and other processes use, in words."""
    from harness.execution.machine import foreign
    from harness.execution.machine.gpu_leases import GpuLeases, lease_folder

    folder = lease_folder(environment)
    held = GpuLeases(folder).holders(gpus) if gpus and folder.is_dir() else {}
    computing = foreign.processes(environment) if gpus else {}
    users = [f"GPU {gpu.name} in use by harness: {', '.join(each)}" for gpu, each in held.items()]
    others = {gpu: computing[gpu.identity] for gpu in gpus if gpu.identity in computing and gpu not in held}
    return users + [f"GPU {gpu.name} in use by {', '.join(map(str, each))}" for gpu, each in others.items()]


def threads(environment: Mapping[str, str]) -> Finding:
    """The CPU threads that workers share."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = environment.get("OMP_NUM_THREADS")
    what = f"{usable} usable"
    if limit is not None and limit.isdigit() and int(limit) < usable:
        return Finding("threads", "note", f"{what}, OMP_NUM_THREADS allows {limit}", "unset OMP_NUM_THREADS to use all")
    return Finding("threads", "ok", what)


def small_images() -> Finding:
    """Whether the images shipped with the package can be read."""
    if (absent := lacking(("torch", "PIL"), "reading images")) is not None:
        return Finding("cifar10_mini", "note", f"not read: {str(absent).partition(',')[0]}")
    try:
        config = importlib.import_module("harness.tasks.cifar_resnet.config")
        data = importlib.import_module("harness.tasks.cifar_resnet.data").load(config.Data(dataset="cifar10_mini"))
    except DataError as error:
        return Finding("cifar10_mini", "problem", _one_line(error), "install the package again")
    except (ImportError, PackageError) as error:
        return Finding("cifar10_mini", "problem", f"cannot be read: {_one_line(error)}", "see the lines above")
    count = len(data.train.labels) + len(data.test.labels)
    return Finding("cifar10_mini", "ok", f"{count:,} images, shipped with the package")


def images(folder: Path) -> Finding:
    """Whether the full data set is in `folder`."""
    found = [name for name in ("cifar-10-batches-py", "cifar-10-python.tar.gz") if (folder / name).exists()]
    if found:
        return Finding("cifar10", "ok", f"{folder / found[0]}")
    advice = "the first run downloads it (170 MB); without network put cifar-10-python.tar.gz there, or --set data.root=FOLDER"
    return Finding("cifar10", "note", f"not in {folder}", advice)


def disk(results: Path) -> Finding:
    """Whether the results folder is writable, and its free space."""
    try:
        refuse_unusable(results)
    except StoreError as error:
        return Finding("results", "problem", str(error), "see above")
    place = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        what = "is not a folder" if not place.is_dir() else "is not writable"
        return Finding("results", "problem", f"{place} {what}", "set another folder with --results")
    if (problem := without_links(place)) is not None:
        return Finding("results", "problem", problem, "results need a POSIX file system; set another folder with --results")
    free = shutil.disk_usage(place).free
    what = f"{results}: {free / 1e9:,.1f} GB free"
    if free < LITTLE_DISK_BYTES:
        return Finding(
            "results",
            "problem" if free < NO_DISK_BYTES else "note",
            what,
            "free some space or set another folder with --results",
        )
    return Finding("results", "ok", what)


def wandb(environment: Mapping[str, str], home: Path) -> Finding:
    """Whether runs would be mirrored to W&B. Shows no part of a key and contacts no server."""
    from harness.tracking.login import choose

    version = _version("wandb")
    choice = choose("auto", environment, home, installed=version is not None)
    if version is None:
        return Finding("W&B", "note", "not installed; results stay local", "to mirror runs: python -m pip install wandb")
    if choice.kind == "online":
        return Finding("W&B", "ok", f"{version}, {choice.why}")
    if choice.kind == "none":
        return Finding("W&B", "note", f"{version}, {choice.why}; results stay local")
    return Finding("W&B", "note", f"{version}, {choice.why}; runs can be uploaded later", "after `wandb login`: harness sync")


def slurm(path: str) -> Finding:
    """Whether this machine can submit to a cluster."""
    sbatch = shutil.which("sbatch", path=path)
    if sbatch is None:
        return Finding("SLURM", "note", "no sbatch on PATH; runs train on this machine")
    return Finding("SLURM", "ok", sbatch)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


main = main_of(doctor)

if __name__ == "__main__":
    sys.exit(main())
