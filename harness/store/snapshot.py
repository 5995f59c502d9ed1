"""Copy the imported code to results/code/<digest>/, so that queued jobs run the code that was submitted.

Untracked files are included; files that git ignores, and those whose name suggests a secret, are not. A task module in another
folder or repository is copied too. `harness.store.provenance` reads the marker of the copy: runs trained from it have the same
code digest as runs trained from the original.
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
from harness.common.patience import repeat
from harness.errors import InputError
from harness.store import atomic
from harness.store.paths import Paths
from harness.store.provenance import Code, SnapshotMarker, code, module_files, sources
from harness.tasks.environment import SNAPSHOT

MAX_BYTES = 200 * 10**6
SECRETS = re.compile(r"\.env.*|[._]netrc|\.pgpass|.*\.(pem|key)")  # names of files that may hold passwords


@dataclass(frozen=True)
class Snapshot:
    """A copy: its folder, the entries for PYTHONPATH, and the code as in provenance.json."""

    folder: Path
    imports: tuple[Path, ...]
    code: Code


@dataclass(frozen=True)
class _Tree:
    """Files to copy, with names relative to `root`; `imported` is the folder below it that Python imports from."""

    name: str
    root: Path
    files: Sequence[Path]
    imported: Path


def snapshot(paths: Paths, module_file: Path | None = None) -> Snapshot:
    """Copy the code of the harness, and of the task whose module is `module_file`. The same code is copied once.

    Raises InputError excluded `MAX_BYTES`, StoreError if it cannot be written.
    """
    package = Path(harness.__file__).resolve().parent
    trees = [_tree("project", package, package.parent, paths.root)]
    if module_file is not None:
        imported = module_file.resolve().parent
        while (imported / "__init__.py").exists():  # modules of a package are imported from its parent
            imported = imported.parent
        if module_file.resolve() not in trees[0].files:
            trees.append(_tree("task", module_file.resolve().parent, imported, paths.root, module_file.resolve()))
        elif imported != trees[0].imported:
            trees.append(_Tree("project", trees[0].root, (), imported))
    known = code(package, module_file)
    marker = SnapshotMarker(commit=known.commit, dirty=known.dirty, root=_marker_root(trees[0], package))
    atomic.make_folder(paths.code)
    if not atomic.exists(paths.code / ".gitignore"):  # a copy inside a repository must not count as its code
        atomic.write_text(paths.code / ".gitignore", "*\n")
    try:
        final = repeat(paths.code, lambda: _publish(paths.code, trees, marker))
    except OSError as error:
        raise atomic.unusable(paths.code, "be written", error) from error
    return Snapshot(
        final, tuple(dict.fromkeys(final / tree.name / tree.imported.relative_to(tree.root) for tree in trees)), known
    )


def _tree(name: str, package: Path, imported: Path, results: Path, module: Path | None = None) -> _Tree:
    top, files = sources(package)
    if top is None:
        # Without git: the package alone; for a module, the files that provenance counts.
        return _Tree(name, imported, files if module is None else module_files(module), imported)
    excluded = results.resolve()
    kept = [path for path in files if path.suffix == ".py" or not path.resolve().is_relative_to(excluded)]
    return _Tree(name, top, [inside for path in kept for inside in _inside(path)], imported)


def _inside(path: Path) -> list[Path]:
    """A listed file; the files of a submodule, which git lists as a folder; nothing for a deleted file."""
    if path.is_dir() and not path.is_symlink():
        return [inside for listed in sources(path)[1] for inside in _inside(listed)]
    return [path] if path.is_file() and not SECRETS.fullmatch(path.name) else []


def _marker_root(tree: _Tree, package: Path) -> str:
    """The folder that names in provenance are relative to: the repository, or the package without one."""
    below = tree.root if sources(package, "*.py")[0] is not None else package
    return (Path(tree.name) / below.relative_to(tree.root)).as_posix()


def _publish(folder: Path, trees: Sequence[_Tree], marker: SnapshotMarker) -> Path:
    """Copy all trees to a folder named by their digest; returns it. Raises OSError."""
    made = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        final = (folder / _copy(trees, made, marker)).absolute()
        if not final.exists():
            try:
                made.rename(final)
            except OSError:
                if not final.exists():  # otherwise another submission of the same code came first
                    raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return final


def _copy(trees: Sequence[_Tree], target_folder: Path, marker: SnapshotMarker) -> str:
    """Copy all trees to `target_folder`; returns the digest of the copy."""
    sizes = {path: path.stat().st_size for tree in trees for path in tree.files}
    if sum(sizes.values()) > MAX_BYTES:
        largest = sorted(sizes, key=lambda path: sizes[path])[-3:]
        shown = ", ".join(f"{path} ({sizes[path] / 1e6:,.0f} MB)" for path in reversed(largest))
        raise InputError(
            f"the code to copy for the workers has {sum(sizes.values()) / 1e6:,.0f} MB, more than {MAX_BYTES / 1e6:.0f} MB; "
            f"move data elsewhere, or add them to .gitignore (largest: {shown})"
        )
    digest = hashlib.sha256(marker.model_dump_json().encode())
    target_folder.mkdir()
    for tree in trees:
        for path in tree.files:
            name = Path(tree.name) / path.relative_to(tree.root)
            target = target_folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)  # follows links, so that the copy is self-contained
            mode = path.stat().st_mode
            target.chmod(mode & 0o555)  # read-only, and readable only by those who can read the original
            digest.update(
                f"{name.as_posix()}\0{bool(mode & 0o111)}\0{hashlib.sha256(target.read_bytes()).hexdigest()}\n".encode()
            )
    (target_folder / SNAPSHOT).write_text(marker.model_dump_json(indent=1) + "\n")
    return digest.hexdigest()[:12]
