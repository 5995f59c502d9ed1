"""The wheel and the source distribution: what is in them, and that an installed wheel works alone, in an empty folder."""

from __future__ import annotations

import email.message
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable, Mapping
from email.parser import Parser
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

from harness.common.shipped import EXPERIMENTS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"
NOT_SOURCES = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__", "build", "dist"}
SAFE: Mapping[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Pythons before 3.11.4 lack it
INSIDE = "ablation_harness-{}.dist-info"


@cache  # of one moment: the files that are copied are those that are expected
def sources() -> list[str]:
    """Every file of the repository, or of an unpacked source distribution, where there is no git; links as such."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        return sorted(name for name in listed if name and os.path.lexists(ROOT / name))
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    made = {"PKG-INFO", "setup.cfg"}
    kept = [path for path in found if not NOT_SOURCES & set(path.parts) and path.parts[0] != "results" and str(path) not in made]
    return sorted(str(path) for path in kept if not any(part.endswith(".egg-info") for part in path.parts))


def build(tree: Path, what: str, into: Path) -> Path:
    """Build `wheel` or `sdist` of a folder with the setuptools of this environment, as pip does without isolation."""
    into.mkdir(exist_ok=True)
    before = set(into.iterdir())
    subprocess.run([sys.executable, "-c", BUILD, f"build_{what}", str(into)], cwd=tree, capture_output=True, check=True)
    (made,) = set(into.iterdir()) - before
    return made


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that building leaves nothing in them."""
    folder = tmp_path_factory.mktemp("sources")
    for name in sources():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tree, "wheel", tmp_path_factory.mktemp("wheel"))


def content(path: Path) -> Mapping[str, bytes]:
    """Name -> bytes of each file of a wheel."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(path: Path) -> email.message.Message:
    return Parser().parsestr(content(path)[f"{INSIDE.format(PROJECT['version'])}/METADATA"].decode())


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    walked = os.walk(ROOT / "harness", followlinks=True)
    package = {str((Path(folder) / name).relative_to(ROOT)) for folder, _, names in walked for name in names}
    package = {name for name in package if "__pycache__" not in name}
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
    inside = INSIDE.format(PROJECT["version"])
    assert content(wheel).keys() == {*package, "ablation_harness.py", *(f"{inside}/{name}" for name in about)}
    files = content(wheel)
    assert files["harness/py.typed"] == b""
    for shipped in ("experiments/paper.yaml", "examples/python_task/friedman.py"):
        assert files[f"harness/shipped/{shipped}"] == (ROOT / shipped).read_bytes()
    assert files["harness/shipped/sites/local.yaml"] == (ROOT / "slurm/sites/local.yaml").read_bytes()


def test_the_description_of_the_package_renders_on_an_index_and_links_to_nothing_that_is_not_there(wheel: Path) -> None:
    from readme_renderer import markdown

    described = metadata(wheel)
    assert described["Description-Content-Type"] == "text/markdown"
    text = described.get_payload()
    rendered = markdown.render(text)
    assert rendered is not None
    assert rendered.startswith("<h1")
    assert "<img" not in rendered
    targets = re.findall(r'href="([^"]+)"', rendered)
    assert not [target for target in targets if not target.startswith(("https:", "#"))]
    assert "`docs/experiments.md`" in text
    first = re.search(r"```bash\n(\w+)", text)
    assert first is not None
    assert first[1] == "pip"


def test_the_metadata_name_authors_licence_and_commands(wheel: Path) -> None:
    described = metadata(wheel)
    assert described["Author"] == "The ablation-harness developers"
    assert described["License-Expression"] == "MIT"
    assert described.get_all("Project-URL") is None  # there is no public address
    assert "Typing :: Typed" in (described.get_all("Classifier") or ())
    entry_points = content(wheel)[f"{INSIDE.format(PROJECT['version'])}/entry_points.txt"].decode()
    assert entry_points.split() == [
        "[console_scripts]",
        "ablation-harness",
        "=",
        "ablation_harness:main",
        "harness",
        "=",
        "ablation_harness:main",
    ]
    assert version("ablation-harness") == PROJECT["version"]


def test_the_citation_is_that_of_the_package() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    # What version 1.2.0 of the format requires, and what depends on the package.
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cited.keys()
    assert cited["authors"] == PROJECT["authors"]
    assert (cited["license"], cited["type"]) == (PROJECT["license"], "software")
    assert Version(cited["version"]) == Version(PROJECT["version"])


# An installed wheel, in an environment of its own that borrows the libraries of this one.


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    install = ["install", "--no-deps", "--no-index", "--disable-pip-version-check", "--quiet", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), *install], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (borrowed,) = {str(Path(place)) for place in sys.path if place.endswith("site-packages") and Path(place, "pydantic").is_dir()}
    (packages / "borrowed.pth").write_text(f"{borrowed}\n")
    return folder


Installed = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def installed(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Runs a program of the environment in an empty folder, the current one; the repository is not on the path."""
    monkeypatch.chdir(tmp_path)
    for name in ("PYTHONPATH", "HARNESS_CODE"):
        monkeypatch.delenv(name, raising=False)

    def installed(program: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [environment / "bin" / program, *words]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == code, ended.stderr
        return ended

    return installed


COMMANDS = """
import json, pathlib, sys
import harness
from harness.__main__ import main
assert main(["list", "--json"]) == 0
assert main(["init", "mine"]) == 0
assert main(["submit", "search", "--profile", "smoke", "--site", "local", "--dry-run", "--json"]) == 0
assert "torch" not in sys.modules
print(json.dumps([harness.__file__, sys.path]))
"""


def test_an_installed_wheel_lists_starts_and_submits_its_experiments(installed: Installed, environment: Path) -> None:
    lines = installed("python", "-c", COMMANDS).stdout.splitlines()
    found, plan, (package, path) = json.loads(lines[0]), json.loads(lines[-2]), json.loads(lines[-1])
    assert Path(package).is_relative_to(environment)
    assert str(ROOT) not in path
    assert {each["name"] for each in found["experiments"]} == {path.stem for path in EXPERIMENTS.rglob("*.yaml")}
    assert all(Path(each["file"]).is_relative_to(environment) for each in found["experiments"])
    assert plan["name"] == "search@smoke"
    assert Path("mine/experiments/paper.yaml").is_file()


@pytest.mark.slow
def test_an_installed_wheel_trains_the_demo_to_its_report(installed: Installed) -> None:
    ended = installed("harness", "demo", "--track", "none")
    report = Path("results/reports/leakyrelu_vs_relu@smoke")
    assert f"report  {report}/index.html" in ended.stdout
    assert f"learning curves: {report}/figures/learning_curves.png" in ended.stderr
    assert (report / "figures/learning_curves.png").stat().st_size > 1000
    claims = json.loads((report / "verdicts.json").read_text())["verdicts"]
    verdicts = [claim["verdict"] for claim in claims]
    assert verdicts[1] == "supported"  # by a wide distance on any machine; the others depend on its arithmetic
    assert {words.split(":")[0].lower() for words in ended.stderr.splitlines() if words.split(":")[0].isupper()} >= set(verdicts)
    plan = json.loads(Path("results/plans/leakyrelu_vs_relu@smoke.json").read_text())
    assert plan["file"] == "leakyrelu_vs_relu"
    # The command in the report gives the same plan again, and finds nothing to train.
    again = re.search(r"`?(harness run leakyrelu_vs_relu --profile smoke[^`\n]*)`?", (report / "report.md").read_text())
    assert again is not None
    assert "6 of 6 done already" in installed(*again[1].split(), "--track", "none").stderr
    assert "leakyrelu_vs_relu@smoke" in installed("ablation-harness", "status").stdout
    installed("python", "-m", "harness", "report")
    shown = installed("harness", "run", "bottleneck_vs_basic", "--profile", "smoke", "--dry-run").stdout
    assert "127,642" in shown


@pytest.mark.slow
def test_the_folder_that_init_makes_runs(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("harness", "init", "mine", "--experiment", "paper")
    monkeypatch.chdir("mine")
    installed("harness", "run", "paper", "--profile", "smoke", "--set", "training.epochs=1", "--track", "none")
    (plan,) = Path("results/plans").glob("*.json")
    assert json.loads(plan.read_text())["file"] == "experiments/paper.yaml"


@pytest.mark.slow
def test_the_source_distribution_has_every_file_and_builds_the_same_wheel(tree: Path, wheel: Path, tmp_path: Path) -> None:
    sdist = build(tree, "sdist", tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        assert not [member.name for member in archive.getmembers() if member.issym() or member.islnk()]
        archive.extractall(tmp_path, **SAFE)
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    assert not [name for name in sources() if not (unpacked / name).exists()]
    assert not list(unpacked.rglob("__pycache__"))
    again = build(unpacked, "wheel", tmp_path / "again")
    assert again.name == wheel.name
    assert content(again) == content(wheel)
