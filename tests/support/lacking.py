"""This environment without some of its packages, or with broken ones, as real environments of symbolic links."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conftest import TESTS
from environments import environment

from harness.common.optional_packages import PACKAGES

# Runs commands in one process, whose imports they share: [arguments, ...] -> [[exit code, stdout, stderr], ...].
COMMANDS = """
import json, sys, tempfile
from harness.__main__ import main
answers, real = [], sys.stdout
for words in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        sys.stdout, sys.stderr = out, err
        code = main(words)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
        answers.append([code, *texts])
        sys.stdout, sys.stderr = real, sys.__stderr__
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Both outputs, wrapped lines joined."""
        return " ".join(f"{self.out} {self.err}".split())


@dataclass(frozen=True)
class Lacking:
    """An environment by its python."""

    python: Path

    def run(self, *words: str, **variables: str) -> Answer:
        """Run `python words`."""
        folders = os.pathsep.join([str(TESTS), str(TESTS.parent)])
        own = {**os.environ, "PYTHONPATH": folders, "NO_COLOR": "1", **variables}
        ended = subprocess.run([str(self.python), *words], capture_output=True, text=True, check=False, env=own)
        return Answer(ended.returncode, ended.stdout, ended.stderr)

    def commands(self, *commands: Sequence[str], **variables: str) -> list[Answer]:
        """Run these commands in one process."""
        ended = self.run("-c", COMMANDS, json.dumps([list(words) for words in commands]), **variables)
        assert ended.code == 0, ended.err
        return [Answer(*each) for each in json.loads(ended.out.splitlines()[-1])]


def without(folder: Path, *names: str, **broken: str) -> Lacking:
    """This environment without the packages of these import names, and with others whose import executes this code."""
    python = environment(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    gone = {*names, *broken}
    removed = {PACKAGES[name].distribution for name in names}
    for entry in {entry for place in ("purelib", "platlib") for entry in Path(sysconfig.get_path(place)).iterdir()}:
        distribution = re.split(r"-\d", entry.name)[0] if entry.suffix == ".dist-info" else None
        if entry.name not in {*gone, "__pycache__"} and distribution not in removed:
            (site / entry.name).symlink_to(entry)
    for name, code in broken.items():
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(code)
    return Lacking(python)
