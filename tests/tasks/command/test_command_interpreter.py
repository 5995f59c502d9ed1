"""Which Python a command starts, as its words and the first lines of scripts tell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from environments import script

from harness.tasks.command.interpreter import Start, start_of


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a `bin` of scripts and programs."""
    made = tmp_path / "bin"
    script(made / "python", "#!/bin/sh")
    script(made / "bash", "ELF")
    script(made / "solver", "\x7fELF")
    script(made / "torchrun", f"#!{made}/python3.11", "import torch")
    script(made / "isolated", f"#!{made}/python3.11 -I ", "import torch")
    script(made / "found", "#!/usr/bin/env python3", "import torch")
    script(made / "split", "#!/usr/bin/env -S python3 -u -s", "import torch")
    script(made / "long", "#!/bin/sh", f'\'\'\'exec\' "{made}/a python/python3" "$0" "$@"', "' '''")
    script(made / "train.sh", "#!/bin/bash", "python train.py")
    script(made / "round", "#!round")
    script(made / "uv", "\x7fELF")
    script(made / "alone", "#!/usr/bin/env -S uv run --script", "import torch")
    script(made / "poetry", f"#!{made}/python3.11")
    return made


def started(line: str, place: Path) -> Start:
    return start_of(line.split(), place.parent, str(place))


@pytest.mark.parametrize(
    ("line", "python"),
    [
        ("python train.py", "python"),
        ("python3.11 -m train", "python3.11"),
        ("env/bin/python train.py", "env/bin/python"),
        ("pypy3 train.py", "pypy3"),
        ("python -u -Es -W ignore -X dev -O train.py -I", "python -Es"),
        ("python -Wignore -I -c pass", "python -I"),
        ("env python train.py", "env python"),
        ("env -u HOME A=b python -s train.py", "env -u HOME A=b python -s"),
        ("env -i PATH={bin} nice -n 5 python train.py", "env -i PATH={bin} python"),
        ("nice -n 10 python train.py", "python"),
        ("nice -5 python train.py", "python"),
        ("nohup nice python train.py", "python"),
        ("torchrun --nproc-per-node 2 train.py", "{bin}/python3.11"),
        ("isolated", "{bin}/python3.11 -I"),
        ("bin/found", "/usr/bin/env python3"),
        ("split", "python3 -s"),
    ],
)
def test_the_interpreter_of_a_command_is_found(line: str, python: str, place: Path) -> None:
    found = started(line.format(bin=place), place)
    assert found == Start(python=tuple(python.format(bin=place).split()))


def test_a_long_path_in_a_console_script_is_found(place: Path) -> None:
    assert started("long train.py", place).python == (f"{place}/a python/python3",)


@pytest.mark.parametrize(
    ("line", "why", "shell"),
    [
        ("bash train.sh", "started through bash", True),
        ("train.sh", "train.sh is started through bash", True),
        ("solver input.txt", "solver is not known to be Python", False),
        ("uv run python train.py", "started through uv", False),
        ("poetry run python train.py", "started through poetry", False),
        ("alone", "started through uv", False),
        ("conda run -n other python train.py", "started through conda", False),
        ("torchrun --no-python train", "started through torchrun", False),
        ("python -m torch.distributed.run --no-python train", "started through python", False),
        ("env A=b", "started through env", False),
        ("env A=b uv run train.py", "started through uv", False),
        ("round", "round is not known to be Python", False),
        ("missing", "missing is not known to be Python", False),
    ],
)
def test_what_cannot_be_known_is_said(line: str, why: str, shell: bool, place: Path) -> None:
    found = started(line, place)
    assert (found.python, found.why, found.shell) == (None, why, shell)


def test_the_executable_of_another_language_is_named(place: Path) -> None:
    assert started("solver", place).executable == str(place / "solver")
    assert started("bin/solver", place).executable == os.fspath(place / "solver")
    assert started("missing", place).executable is None
