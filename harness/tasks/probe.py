"""Facts about a Python interpreter and what is installed for it: imported by the harness, or run by another interpreter (`-c`).

Imports only the standard library. Python 3.8 and later tell their packages, 3.6 and 3.7 only themselves.
"""

import json
import os
import platform
import re
import sys

try:
    from importlib import metadata
except ImportError:  # Python before 3.8
    metadata = None  # type: ignore[assignment]

MARK = "harness-probe "  # before the answer, because a sitecustomize may print as well


def facts() -> "dict[str, object]":
    """The interpreter (`called`; `interpreter`, links resolved), its packages (name: version, or None), and PYTHONPATH.

    Packages are found as imports find them: the first of a name counts. An editable one, and one from a repository, is marked
    in its version, because the version alone does not tell its code.
    """
    places = [os.path.abspath(place) for place in sys.path if place]  # noqa: PTH100 - faster to import than pathlib
    given = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    folders = [os.path.abspath(place) for place in given.split(os.pathsep) if place]  # noqa: PTH100
    return {
        "called": sys.executable,
        "interpreter": os.path.realpath(sys.executable),
        "python": platform.python_implementation() + " " + platform.python_version(),
        "packages": packages(places),
        "folders": folders,
        "installed_in": [place for place in [*places, history()] if os.path.isdir(place)],  # noqa: PTH112
    }


def packages(places: "list[str]") -> "dict[str, str] | None":
    """Normalized name -> version of the distributions in `places`, and of what conda installed besides; None: cannot tell."""
    if metadata is None:
        return None
    found: dict[str, str] = {}
    for place in places:
        here: dict[str, set[str]] = {}
        for distribution in metadata.distributions(path=[place]):
            folder = getattr(distribution, "_path", None)
            if getattr(folder, "name", "").startswith("~"):
                continue  # left over from an interrupted installation by pip
            try:
                name, version = named(distribution)
                version += " editable" if in_source(folder) else origin(distribution.read_text("direct_url.json"))
            except Exception:  # metadata of others, in any state of damage
                name, version = "unreadable", str(getattr(folder, "name", ""))
            if name:
                here.setdefault(name, set()).add(version)
        for name, versions in here.items():
            found.setdefault(name, " and ".join(sorted(versions)))
    for name in os.listdir(history()) if os.access(history(), os.R_OK) else ():  # noqa: PTH208
        parts = name[: -len(".json")].rsplit("-", 2)
        if name.endswith(".json") and len(parts) == 3:
            found["conda:" + parts[0]] = parts[1] + "-" + parts[2]
    return found


def in_source(folder: object) -> bool:
    """Whether these metadata lie beside the source, from which the package is then imported: on sys.path by `python -m`."""
    inside = os.path.basename(os.path.dirname(str(folder)))  # noqa: PTH119, PTH120
    return str(folder).endswith(".egg-info") and inside not in ("site-packages", "dist-packages")


def named(distribution: "metadata.Distribution") -> "tuple[str, str]":
    """Normalized name and version of a distribution; empty if its metadata tell none. Reads only the headers, which is faster."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or distribution.read_text("") or ""
    headers: dict[str, str] = {}
    for line in text.splitlines():
        if not line:
            break
        key, _, value = line.partition(":")
        headers.setdefault(key.lower(), value.strip())
    return re.sub(r"[-_.]+", "-", headers.get("name", "")).lower(), headers.get("version", "")


def history() -> str:
    """The folder in which conda lists what it has installed; it need not exist."""
    return os.path.join(sys.prefix, "conda-meta")  # noqa: PTH118


def origin(text: "str | None") -> str:
    """What direct_url.json (PEP 610) says of a distribution that did not come from an index."""
    try:
        url = json.loads(text or "{}")
        if url.get("dir_info", {}).get("editable"):
            return " editable"
        commit = url.get("vcs_info", {}).get("commit_id")
    except (ValueError, AttributeError):
        return ""
    return " of " + commit[:12] if commit else ""


if __name__ == "__main__":
    print("\n" + MARK + json.dumps(facts()))
