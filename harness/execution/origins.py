"""Two provenances of one run -> what differs between its first training and a repetition. Pure."""

from __future__ import annotations

from harness.store.device import UNKNOWN_GPU
from harness.store.environments import Lists
from harness.store.provenance import PACKAGES, Code, Provenance
from harness.tasks.environment import Environment

PACKAGES_SHOWN = 20
SAME = "packages: the same"  # how `packages_compared` begins if they were compared and are equal


def compare_origins(first: Provenance, again: Provenance, lists: Lists | None = None) -> dict[str, tuple[str, str]]:
    """What may explain a difference: {code, package, machine, …: (first, repetition)}, only those that differ.

    `lists`: the installed packages that the environments name, to tell which of them differ.
    """
    codes = {"code": (first.code, again.code), "program": (first.program, again.program)}
    pairs = {
        name: (_code(one), _code(other)) for name, (one, other) in codes.items() if one and other and one.digest != other.digest
    }
    # Of other packages than these, those that one training imported and the other did not mean nothing.
    asked = {*PACKAGES} | (first.packages.keys() & again.packages.keys())
    names = [name for name in dict.fromkeys([*first.packages, *again.packages]) if name in asked]
    pairs |= {name: (first.packages.get(name, "none"), again.packages.get(name, "none")) for name in names}
    pairs |= _compare_environments(first.environment, again.environment, lists or {})
    for name in ("python", "platform", "device", "threads"):
        pairs[name] = (str(getattr(first, name)), str(getattr(again, name)))
    if UNKNOWN_GPU in (first.device, again.device):
        del pairs["device"]
    named = {first.device, *(start.device for start in first.restarts)} - {UNKNOWN_GPU}
    other = named - {first.device} if len(named) > 1 else set()
    starts = [start for start in first.restarts if start.code.digest != first.code.digest or start.device in other]
    if starts:
        pairs["restarts"] = (f"{len(starts)} with other code or on another device", "none")
    found = [start.environment for start in first.starts if start.environment]
    environments = {(one.packages, one.python, one.image, one.image_digest, one.executable, one.folders) for one in found}
    if len(environments) > 1:
        pairs["environments of its starts"] = (str(len(environments)), "1")
    return {name: (one, other) for name, (one, other) in pairs.items() if one != other}


def packages_compared(first: Provenance, again: Provenance) -> str:
    """Whether the packages of two trainings were compared: `packages: …`."""
    one, other = first.environment, again.environment
    if one is None and first.program is None:
        return f"packages: only the versions of {', '.join(sorted(first.packages)) or 'none'} were recorded"
    for environment, when in ((one, "originally"), (other, "now")):
        if environment is None or not (environment.known or (environment.packages and environment.of == "worker")):
            return f"packages: unknown {when} ({(environment and environment.unknown) or 'not recorded'})"
    assert one is not None
    assert other is not None
    if (one.packages, one.image_digest) != (other.packages, other.image_digest):
        return "packages: different"
    return f"{SAME} container image" if one.installed is None else f"{SAME} {one.installed} installed"


def _compare_environments(first: Environment | None, again: Environment | None, lists: Lists) -> dict[str, tuple[str, str]]:
    """What differs between the environments, if both were recorded: interpreter, packages, image."""
    if first is None or again is None:
        return {}
    pairs = {}
    if first.of == "program":
        pairs["python of the program"] = (first.python or "unknown", again.python or "unknown")
    pairs["image"] = (first.image_digest or first.image or "none", again.image_digest or again.image or "none")
    pairs["executable"] = (first.executable or "none", again.executable or "none")
    pairs["PYTHONPATH"] = (":".join(first.folders) or "none", ":".join(again.folders) or "none")
    if first.packages == again.packages:
        return pairs
    one, other = lists.get(first.packages or ""), lists.get(again.packages or "")
    if one is None or other is None:
        return {**pairs, "installed packages": ((first.packages or "unknown")[:12], (again.packages or "unknown")[:12])}
    different = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    pairs |= {f"installed {name}": (one.get(name, "none"), other.get(name, "none")) for name in different[:PACKAGES_SHOWN]}
    if more := len(different) - PACKAGES_SHOWN:
        pairs |= {"installed packages": (f"{more} more differ", "")} if more > 0 else {}
    return pairs


def _code(code: Code) -> str:
    commit = f" (commit {code.commit[:10]})" if code.commit else ""
    return f"{code.digest[:12]}{commit}"
