"""Whether a program in a checkout would import the code of its version, or other code, such as an editable install."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import InputError
from harness.tasks.command.code.place import checkout_of, checkouts_folder
from harness.tasks.command.container import ENGINES
from harness.tasks.command.inputs.files import is_file
from harness.tasks.command.interpreter import start_of
from harness.tasks.command.model import Program
from harness.tasks.environment import Environment, Observed

LIMIT_S = 30.0  # for the answer of an interpreter
MARK = "harness-imports "
MOST = 500  # modules that are looked up
# Run by the program's interpreter, Python 3.6 or later. Finds modules as an import would, without importing them: the given ones,
# those that the version has where the search path leads to the working tree, and those that were installed from there.
PROBE = """
import importlib.util, json, os, sys
first, repository, top, most = sys.argv[1:5]
if sys.path and sys.path[0] == "":
    sys.path[0] = first
names = dict.fromkeys(sys.argv[5:])
def files(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
for entry in map(os.path.realpath, sys.path):
    if os.path.commonpath([entry, repository]) == repository:
        folder = os.path.join(top, os.path.relpath(entry, repository))
        for each in files(folder):
            if each.endswith(".py") or any(one.endswith(".py") for one in files(os.path.join(folder, each))):
                names[each.split(".")[0]] = None
installed = {}
try:
    from importlib import metadata
    from urllib.parse import unquote
    for one in metadata.distributions():
        text = one.read_text("direct_url.json")
        if text:
            url = unquote(json.loads(text).get("url", ""))
            for name in (one.read_text("top_level.txt") or "").split() or {str(each).split("/")[0] for each in one.files or ()}:
                installed[name] = url
                if url == "file://" + repository or url.startswith("file://" + repository + "/"):
                    names[name] = None
except Exception:
    pass
found = {}
for name in list(names)[: int(most)]:
    if name in ("setup", "conftest", "__init__") or not name.isidentifier():
        continue
    try:
        spec = importlib.util.find_spec(name)
    except Exception:
        continue
    if spec is not None:
        found[name] = list(spec.submodule_search_locations or []) or [spec.origin or ""]
print("MARK" + json.dumps([found, installed]))
""".replace("MARK", MARK)


def refuse_other_code(program: Program, words: Sequence[str], variables: Mapping[str, str]) -> None:
    """Raises InputError if what `words` start in the program's folder, with these variables, imports the repository's own modules
    from elsewhere: its working tree, another checkout, or an installed copy.

    Nothing is refused if the interpreter is unknown or does not answer. Checked before each run: an installation may change it.
    """
    directory = Path(program.directory)
    top = checkout_of(directory)
    if program.repository is None or top is None or Path(words[0]).name in ENGINES:
        return
    start = start_of(words, directory, variables.get("PATH", os.defpath))
    python = start.python or (("python",) if start.shell else None)
    if python is None:
        return
    asked = [str(_first_folder(words, directory)), program.repository, str(top), str(MOST), *modules_of(top, directory)]
    found, installed = _ask(python, asked, directory, variables)
    for name, places in sorted(found.items()):
        for place in places:
            if why := _elsewhere(Path(place), top, Path(program.repository), installed.get(name, "")):
                first = _advised(top, directory, name)
                raise InputError(
                    f"{words[0]} imports {name} from {place}, {why}, not from the version that is to be trained ({top}); "
                    f"put the version first with environment: {{PYTHONPATH: {first}}}, "
                    f"or, without a file, env PYTHONPATH={first} before the command; "
                    "or give each version an environment of its own with prepare:"
                )


def within_checkout(observed: Observed, directory: Path) -> Observed:
    """With the folders of PYTHONPATH that are parts of the version relative to it: equal settings of all versions are equal."""
    top = checkout_of(directory)
    if top is None:
        return observed
    folders = tuple(
        os.path.relpath(each, top) if Path(each).is_relative_to(top) else each for each in observed.environment.folders
    )
    environment = Environment.model_validate({**dict(observed.environment), "folders": folders})
    return Observed(environment, observed.packages)


def modules_of(top: Path, directory: Path) -> list[str]:
    """The names of the modules and packages in a checkout, in `directory`, and in the folders `src` of both."""
    names: dict[str, None] = {}
    for folder in dict.fromkeys((top, top / "src", directory, directory / "src")):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.is_symlink() or not path.stem.isidentifier():
                continue
            if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py"))):
                names[path.stem] = None
    return list(names)


def _elsewhere(place: Path, top: Path, repository: Path, url: str) -> str:
    """What the place of a module is, if that is not the checkout; empty if it is, or if the module is another one."""
    where = Path(os.path.realpath(place))
    installed = "site-packages" in where.parts or "dist-packages" in where.parts
    if where.is_relative_to(top):
        return ""
    if installed:
        from_here = url.startswith("file://") and Path(url.removeprefix("file://")).is_relative_to(repository)
        return "an installed copy" if from_here else ""
    if where.is_relative_to(checkouts_folder()):
        return "another version"
    return "the working tree of the repository" if where.is_relative_to(repository) else ""


def _advised(top: Path, directory: Path, name: str) -> str:
    """The folder of a module, relative to the directory in which the program runs."""
    for folder in (directory / "src", directory, top / "src", top):
        if (folder / name).is_dir() or is_file(folder / f"{name}.py"):
            return os.path.relpath(folder, directory)
    places = (path.parent for wanted in (f"{name}.py", name) for path in sorted(top.rglob(wanted)))
    return os.path.relpath(next(places, directory), directory)


def _first_folder(words: Sequence[str], directory: Path) -> Path:
    """What Python puts first on its search path: the folder of the script, or the working directory."""
    for word in words[1:]:
        if word in ("-m", "--module", "-c"):
            break
        if word.endswith(".py") and is_file(directory / word):
            return (directory / word).resolve().parent
    return directory


def _ask(
    python: Sequence[str], arguments: Sequence[str], directory: Path, variables: Mapping[str, str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    try:
        process = subprocess.run(
            [*python, "-c", PROBE, *arguments],
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT_S,
            start_new_session=True,
            check=True,
        )
        lines = [line for line in process.stdout.decode(errors="replace").splitlines() if line.startswith(MARK)]
        found, installed = json.loads(lines[-1].removeprefix(MARK))
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return {}, {}
    return found, installed
