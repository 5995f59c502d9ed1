"""The command `harness`: runs the package `harness` that was installed with this module; another one of that name is an error.

A folder `harness/` earlier on the import path, or another distribution that installs a package `harness`, would else end in a
traceback of an import somewhere.
"""

from __future__ import annotations

import importlib.util
import os
import sys

MARK = b'"""Ablation harness'  # how harness/__init__.py starts
INSTALLED = ("site-packages", "dist-packages")
EXIT_BAD_INPUT = 2


def main() -> int:
    """Check which package is imported as `harness`, then run its command line; returns the exit code."""
    problem = another_package()
    if problem is not None:
        print(problem, file=sys.stderr)
        return EXIT_BAD_INPUT
    try:
        from harness.__main__ import main as run
    except ModuleNotFoundError as error:
        from harness.common.optional_packages import explained

        if (missing := explained(error)) is None:
            raise
        print(missing, file=sys.stderr)
        return EXIT_BAD_INPUT
    return run()


def another_package() -> str | None:
    """What is wrong if `import harness` does not give the package beside this module, and what to do; None: it does.

    Imports nothing: the code of another package is not run.
    """
    own = os.path.join(os.path.dirname(os.path.realpath(__file__)), "harness")  # noqa: PTH118, PTH120 - pathlib takes longer
    spec = importlib.util.find_spec("harness")
    places = [] if spec is None else list(spec.submodule_search_locations or [str(spec.origin)])
    others = [place for place in places if os.path.realpath(place) != own]
    if others:
        installed = any(f"{os.sep}{folder}{os.sep}" in others[0] for folder in INSTALLED)
        remedy = (
            "remove it: pip uninstall harness" if installed else "rename it, or start where it is not on Python's import path"
        )
        return f"another package named harness shadows this one: {others[0]}; {remedy}"
    try:
        with open(os.path.join(own, "__init__.py"), "rb") as file:  # noqa: PTH118, PTH123
            if file.read(len(MARK)) == MARK:
                return None
    except OSError:
        pass
    return (
        f"files of this package are missing or overwritten by another package named harness: {own}; remove that one "
        "(pip uninstall harness), then install ablation-harness again (pip install --force-reinstall --no-deps WHEEL)"
    )


if __name__ == "__main__":
    sys.exit(main())
