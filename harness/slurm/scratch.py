"""The cache -> its copy on a node's own disk, made once however many workers start there. Run by slurm/worker.sbatch."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import EXIT_BAD_INPUT, EXIT_OK

OF_THE_RESULTS = frozenset({"frames", "levels", "workers"})  # parts of the cache that no training reads


def stage(cache: Path, scratch: Path) -> Path:
    """Copy what tasks keep in `cache` to `scratch` and return where it is then. What is there already is not copied again.

    One process a node copies, the others wait; a file appears whole or not at all. Raises OSError.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    if scratch.stat().st_uid != os.getuid():
        raise PermissionError(f"{scratch} is another user's")  # who could put other images there
    with (scratch / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however it ends
        for part in sorted(cache.iterdir()) if cache.is_dir() else []:
            if part.name in OF_THE_RESULTS or part.name.startswith("."):
                continue
            for file in _files(part):
                _copy(file, scratch / file.relative_to(cache))
    return scratch


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for folder, _, names in os.walk(path):
            yield from (Path(folder, name) for name in sorted(names) if not name.endswith((".tmp", ".part")))
    elif path.is_file():
        yield path


def _copy(source: Path, target: Path) -> None:
    there = target.stat() if target.exists() else None
    here = source.stat()
    # The time is copied too: the decoded images' record names it, and saves reading them to see that they are whole.
    if there is not None and (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    making = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        shutil.copy2(source, making)
        making.replace(target)
    finally:
        making.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m harness.slurm.scratch CACHE SCRATCH` prints the folder to use; exit code 2 where only CACHE can be used."""
    cache, scratch = (Path(word) for word in (sys.argv[1:] if argv is None else argv))
    try:
        print(stage(cache, scratch))
    except OSError as error:
        print(f"{scratch}: cannot hold a copy of the cache ({error}); {cache} is used itself", file=sys.stderr)
        return EXIT_BAD_INPUT
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
