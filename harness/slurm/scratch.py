"""Copy the cache to a node's local disk, once per node. Run by slurm/worker.sbatch."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import EXIT_BAD_INPUT, EXIT_OK

UNUSED_PARTS = frozenset({"frames", "levels", "workers"})  # parts of the cache that training does not read


def stage(cache: Path, scratch: Path) -> Path:
    """Copy the tasks' files in `cache` to `scratch`, unless copied already, and return the copy's folder.

    One process per node copies, the others wait; a file appears completely or not at all. Raises OSError.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    if scratch.stat().st_uid != os.getuid():
        raise PermissionError(f"{scratch} belongs to another user")  # who could replace the images
    with (scratch / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the process ends
        for part in sorted(cache.iterdir()) if cache.is_dir() else []:
            if part.name in UNUSED_PARTS or part.name.startswith("."):
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
    old = target.stat() if target.exists() else None
    new = source.stat()
    # The time is copied too: the record of the decoded images contains it, which saves verifying them.
    if old is not None and (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        shutil.copy2(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m harness.slurm.scratch CACHE SCRATCH` prints the copy's folder; exit code 2: CACHE must be used itself."""
    cache, scratch = (Path(word) for word in (sys.argv[1:] if argv is None else argv))
    try:
        print(stage(cache, scratch))
    except OSError as error:
        print(f"{scratch}: cannot hold a copy of the cache ({error}); using {cache} directly", file=sys.stderr)
        return EXIT_BAD_INPUT
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
