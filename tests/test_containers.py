"""The recipes of the images: what linters find, and that both install the same from files that exist."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DEFINITION = (ROOT / "containers/harness.def").read_text()


def section(name: str) -> str:
    """A section of the Apptainer recipe."""
    found = re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", DEFINITION, re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found[1]


def installed(text: str) -> set[str]:
    """What its pip commands install, without where from."""
    commands = re.findall(r"pip install (.*)", text)
    files = re.compile(r"(--extra-index-url \S+|\$index) ?|/wheels/\*\.whl|\./source")
    return {files.sub("", command).strip() for command in commands}


def test_hadolint_finds_nothing() -> None:
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    if not program.exists():
        pytest.skip("needs hadolint")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("name", ["post", "runscript", "test"])
def test_shellcheck_finds_nothing_in_the_apptainer_recipe(name: str) -> None:
    script = re.sub(r"\{\{ (\w+) \}\}", r"$\1", section(name))  # what Apptainer fills in is any text
    done = subprocess.run(
        ["shellcheck", "--shell=sh", "--exclude=SC2154", "-"], input=script, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_both_recipes_start_from_the_same_image_and_install_the_same() -> None:
    version = re.search(r"^ARG PYTHON=(\S+)", DOCKERFILE, re.MULTILINE)
    base = re.search(r"^FROM (python:\S+)", DOCKERFILE, re.MULTILINE)
    assert version is not None
    assert base is not None
    assert f"\nFrom: {base[1].replace('${PYTHON}', version[1])}\n" in DEFINITION
    assert installed(DOCKERFILE) == installed(section("post"))


def test_every_file_that_a_recipe_copies_exists() -> None:
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE)]
    sources = [name for names in copied for name in names] + [line.split()[0] for line in section("files").splitlines() if line]
    assert len(sources) > 8
    assert [name for name in sources if not (ROOT / name).exists()] == []
