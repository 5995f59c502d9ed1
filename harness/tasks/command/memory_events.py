"""How many processes of this control group the kernel has killed for lack of memory."""

from __future__ import annotations

import re
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def memory_kills(own: Path = Path("/proc/self/cgroup"), groups: Path = GROUPS) -> int:
    """The count since the group was made; 0 where it cannot be read, as outside a control group. Both versions of cgroups."""
    try:
        entries = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return 0
    for _, controllers, path in entries:
        if not controllers:
            folder, name = groups, "memory.events"
        elif "memory" in controllers.split(","):
            folder, name = groups / "memory", "memory.oom_control"
        else:
            continue
        # In a container the path may be the host's, while the mount shows the own group as its root.
        for file in (folder / path.lstrip("/") / name, folder / name):
            if (count := _count(file)) is not None:
                return count
    return 0


def _count(file: Path) -> int | None:
    try:
        found = COUNT.search(file.read_text())
    except (OSError, UnicodeDecodeError):
        return None
    return int(found[1]) if found else None
