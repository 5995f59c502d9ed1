"""The code that is imported now -> a copy in results/code/<digest>/, so that what waits in a queue trains what was submitted.

Files that git ignores are left out, untracked ones are not, but for those whose name says that they hold a secret. A task's
module that lies in another folder or repository is copied too. `harness.store.provenance` reads the copy's marker: runs trained
from it carry the same digest as those trained here.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.errors import InputError
from harness.store import atomic
from harness.store.paths import Paths
from harness.store.provenance import MARKER, Code, Copied, beside, code, sources

MOST_BYTES = 200 * 10**6
SECRETS = re.compile(r"\.env.*|[._]netrc|\.pgpass|.*\.(pem|key)")  # names of files that hold no code, and perhaps a password


@dataclass(frozen=True)
class Snapshot:
    """A copy: its folder, what to put on PYTHONPATH, and the code as provenance has it."""

    folder: Path
    imports: tuple[Path, ...]
    code: Code


@dataclass(frozen=True)
class _Tree:
    """Files to copy: those of `root`, told from there; `imported` is the folder below it that Python imports from."""

    name: str
    root: Path
    files: Sequence[Path]
    imported: Path


def snapshot(paths: Paths, module_file: Path | None = None) -> Snapshot:
    """Copy the code of the harness, and of the task whose module is `module_file`. The same code is copied once.

    Raises InputError when there is too much of it, StoreError when it cannot be written.
    """
    package = Path(harness.__file__).resolve().parent
    trees = [_tree("project", package, package.parent, paths.root)]
    if module_file is not None:
        imported = module_file.resolve().parent
        while (imported / "__init__.py").exists():  # a module of a package is imported from above it
            imported = imported.parent
        if module_file.resolve() not in trees[0].files:
            trees.append(_tree("task", module_file.resolve().parent, imported, paths.root, module_file.resolve()))
        elif imported != trees[0].imported:
            trees.append(_Tree("project", trees[0].root, (), imported))
    known = code(package, module_file)
    marker = Copied(commit=known.commit, dirty=known.dirty, root=_marked(trees[0], package))
    atomic.make_folder(paths.code)
    if not (paths.code / ".gitignore").exists():  # a copy inside a repository is no new code of it
        atomic.write_text(paths.code / ".gitignore", "*\n")
    making = paths.code / f".{secrets.token_hex(8)}.tmp"
    try:
        made = _copied(trees, making, marker)
        kept = (paths.code / made).absolute()
        if not kept.exists():
            try:
                making.rename(kept)
            except OSError:
                if not kept.exists():  # else another submission of the same code was quicker
                    raise
    except OSError as error:
        raise atomic.unusable(making, "be written", error) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Snapshot(kept, tuple(dict.fromkeys(kept / tree.name / tree.imported.relative_to(tree.root) for tree in trees)), known)


def _tree(name: str, package: Path, imported: Path, results: Path, module: Path | None = None) -> _Tree:
    top, files = sources(package)
    if top is None:
        # Without git: the package alone; of a module, what provenance counts as its own.
        return _Tree(name, imported, files if module is None else beside(module), imported)
    above = results.resolve()
    kept = [path for path in files if path.suffix == ".py" or not path.resolve().is_relative_to(above)]
    return _Tree(name, top, [inside for path in kept for inside in _inside(path)], imported)


def _inside(path: Path) -> list[Path]:
    """A listed file; of a submodule, which git lists as a folder, its own files; nothing for one that was deleted."""
    if path.is_dir() and not path.is_symlink():
        return [inside for listed in sources(path)[1] for inside in _inside(listed)]
    return [path] if path.is_file() and not SECRETS.fullmatch(path.name) else []


def _marked(tree: _Tree, package: Path) -> str:
    """The folder that provenance tells names from: the repository, or the package without one."""
    below = tree.root if sources(package, "*.py")[0] is not None else package
    return (Path(tree.name) / below.relative_to(tree.root)).as_posix()


def _copied(trees: Sequence[_Tree], making: Path, marker: Copied) -> str:
    """Copy all of it to `making`; the digest of what was copied."""
    sizes = {path: path.stat().st_size for tree in trees for path in tree.files}
    if sum(sizes.values()) > MOST_BYTES:
        largest = sorted(sizes, key=lambda path: sizes[path])[-3:]
        shown = ", ".join(f"{path} ({sizes[path] / 1e6:,.0f} MB)" for path in reversed(largest))
        raise InputError(
            f"the code to be kept for the workers has {sum(sizes.values()) / 1e6:,.0f} MB; allowed: {MOST_BYTES / 1e6:.0f} MB. "
            f"Largest: {shown}; move data elsewhere, or name them in .gitignore"
        )
    digest = hashlib.sha256(marker.model_dump_json().encode())
    making.mkdir(parents=True)
    for tree in trees:
        for path in tree.files:
            name = Path(tree.name) / path.relative_to(tree.root)
            target = making / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)  # a link's target, so that the copy stands alone
            mode = path.stat().st_mode
            target.chmod(mode & 0o555)  # nobody changes it by accident, and nobody reads it who could not read the original
            digest.update(
                f"{name.as_posix()}\0{bool(mode & 0o111)}\0{hashlib.sha256(target.read_bytes()).hexdigest()}\n".encode()
            )
    (making / MARKER).write_text(marker.model_dump_json(indent=1) + "\n")
    return digest.hexdigest()[:12]
