"""Facts about a Python interpreter and what is installed for it: imported by the harness, or run by another interpreter (`-c`).

Imports only the standard library. Python 3.8 and later tell their packages, older versions only themselves.
"""

import json
import os
import platform
import re
import sys

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
        "python": "%s %s" % (platform.python_implementation(), platform.python_version()),  # noqa: UP031 - for Python 2
        "packages": packages(places),
        "folders": folders,
        "installed_in": [place for place in [*places, history()] if os.path.isdir(place)],  # noqa: PTH112
    }


def packages(places: "list[str]") -> "dict[str, str] | None":
    """Normalized name -> version of the distributions in `places`, and of what conda installed besides; None: cannot tell."""
    try:
        from importlib import metadata
    except ImportError:
        return None
    found = {}
    for distribution in metadata.distributions(path=places):
        name = distribution.metadata["Name"]
        if name:  # a folder left over from an interrupted installation has none
            key = re.sub(r"[-_.]+", "-", name).lower()
            if key not in found:
                found[key] = "%s%s" % (distribution.version, origin(distribution.read_text("direct_url.json")))  # noqa: UP031
    for name in os.listdir(history()) if os.path.isdir(history()) else ():  # noqa: PTH112, PTH208
        parts = name[: -len(".json")].rsplit("-", 2)
        if name.endswith(".json") and len(parts) == 3:
            found["conda:" + parts[0]] = parts[1] + "-" + parts[2]
    return found


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
