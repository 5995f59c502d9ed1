"""Where a results folder is served on this machine: the address of the server, while it lives, in a temporary file.

Nothing is written into the results folder, which other machines may share: an address on the loopback holds on one machine only.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.store.holder import Holder


class _Served(BaseModel):
    """The file: the process that serves, and its address, such as http://127.0.0.1:8008."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    holder: Holder
    url: str


def address(results: str | Path, name: str = "") -> str | None:
    """The address of the report of the plan or search `name` (without: of the scoreboard) at a server that runs on this machine.

    None: no server of this user serves the folder `results`.
    """
    path = _file(Path(results))
    try:
        if not _is_own(path.parent):
            return None
        found = _Served.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    here = Holder.here()
    if found.holder.machine != here.machine or found.holder.is_dead_here(here):
        return None
    return f"{found.url}/reports/{quote(name)}/index.html" if name else f"{found.url}/"


@contextmanager
def announced(results: Path, url: str) -> Iterator[None]:
    """Inside, `address` finds the server of this process. Without a temporary folder to write to, it does not."""
    path, text = _file(results), _Served(holder=Holder.here(), url=url).model_dump_json()
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if _is_own(path.parent):
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(text)
            temporary.replace(path)
    try:
        yield
    finally:
        with suppress(OSError):
            if path.read_text() == text:  # else another server has announced itself since
                path.unlink()


def _file(results: Path) -> Path:
    name = hashlib.sha256(os.fsencode(results.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"harness-{os.getuid()}" / f"served-{name}.json"


def _is_own(folder: Path) -> bool:
    """Whether nobody else can write into the folder: others may make one of its name in /tmp."""
    found = folder.lstat()
    writable = stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not writable
