"""Command lines of docker, podman, apptainer and singularity -> the image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.tasks.environment import Environment, content

SWITCHES = {  # options without a value; every other option takes one
    "docker": {
        *("--rm", "--privileged", "--init", "--read-only", "--no-healthcheck", "--oom-kill-disable", "--publish-all"),
        *("--disable-content-trust", "--sig-proxy", "--interactive", "--tty", "--detach", "--quiet", "--replace", "--rmi"),
        *("--no-hosts", "--env-host", "--http-proxy", "--tls-verify", "--passwd"),
    },
    "apptainer": {
        *("--nv", "--rocm", "--nvccli", "--cleanenv", "--contain", "--containall", "--writable", "--writable-tmpfs"),
        *("--no-home", "--fakeroot", "--userns", "--ipc", "--pid", "--uts", "--net", "--no-privs", "--keep-privs", "--compat"),
        *("--no-compat", "--no-eval", "--no-init", "--no-umask", "--disable-cache", "--allow-setuid", "--unsquash"),
        *("--sharens", "--sif-fuse", "--vm-err"),
    },
}
LETTERS = {"docker": "itdPq", "apptainer": "ecCwfuips"}  # short options without a value
ENGINES = {"docker": "docker", "podman": "docker", "nerdctl": "docker", "apptainer": "apptainer", "singularity": "apptainer"}
ACTIONS = {"docker": ("run",), "apptainer": ("run", "exec")}
DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")


def container(words: Sequence[str], directory: Path) -> Environment:
    """The environment of a command whose first word is an engine; `unknown` if no image can be found in it."""
    engine = Path(words[0]).name
    image = _image(words[1:], ENGINES[engine])
    if image is None:
        return Environment(of="program", unknown=f"started through {engine}")
    written = DIGEST.search(image)
    found = written[1] if written else content(directory / image)
    return Environment(
        of="program",
        image=image,
        image_digest=found,
        unknown=None if found else f"in the image {image}, whose name does not fix its content",
    )


def _image(words: Sequence[str], kind: str) -> str | None:
    """The first word after the action that is neither an option nor the value of one."""
    start = next((place for place, word in enumerate(words) if word in ACTIONS[kind]), None)
    if start is None or {"exec", "compose", "start"} & {*words[:start]}:  # in a container that others have made
        return None
    waiting = iter(words[start + 1 :])
    for word in waiting:
        if not word.startswith("-"):
            return word
        if _takes_next(word, kind):
            next(waiting, None)
    return None


def _takes_next(option: str, kind: str) -> bool:
    """Whether the next word is the value of `option`."""
    if option.startswith("--"):
        return option != "--" and "=" not in option and option not in SWITCHES[kind]
    letters = option[1:].rstrip()
    without = next((place for place, letter in enumerate(letters) if letter not in LETTERS[kind]), None)
    return without is not None and without == len(letters) - 1  # the first with a value is the last: not attached
