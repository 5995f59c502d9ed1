"""README and docs against the code: commands, options, knobs, files, links and examples are what they say."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.core import TyperCommand

from harness.__main__ import COMMANDS
from harness.common.nested import flatten
from harness.common.validation import shape_of
from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.claims import KINDS, Claim
from harness.experiment.compose import compose
from harness.experiment.file import Confirm, ExperimentFile, Limit, Parameter, Search, Tune
from harness.experiment.plan import Chosen, Loop, Plan, PlannedRun, Selection
from harness.experiment.run_id import Spec
from harness.experiment.space import Categorical, Range
from harness.experiment.study import Study
from harness.slurm.submission import Submission
from harness.store.provenance import Code, Provenance
from harness.store.publication import Publication
from harness.store.records import Result
from harness.tasks.command.code.version import CodeVersion, FileChange
from harness.tasks.registry import find_task
from harness.terminal import command_line

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "results" / "README.md"])
WALKED = [f"docs/{name}" for name in runpy.run_path(str(ROOT / "scripts" / "make_pages.py"))["WITH"]]  # run as a whole
TASK = find_task("cifar_resnet")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")
ANCHOR = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")
REDIRECTION = re.compile(r" (?:2?> |2>&1|\|\|? |&$|<<).*")


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def blocks(name: str) -> list[tuple[str, str]]:
    """(language, text) of every fenced block of a page, in order."""
    return FENCE.findall(text_of(name))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# Examples


def examples() -> Iterator[tuple[str, str, str | None]]:
    """Page, YAML, and the errors shown for it; an example that is refused is followed by a block of its errors."""
    for page in map(named, PAGES):
        for (language, text), (_, after) in pairwise([*blocks(page), ("", "")]):
            base = re.search(r"^extends: (.+)$", text, re.MULTILINE)
            extends_another = base is not None and page in WALKED  # a file that the page made before
            if language == "yaml" and re.search(r"^question:", text, re.MULTILINE) and not extends_another:
                yield page, text, after if after.startswith("experiments/mine.yaml:") else None


EXAMPLES = list(examples())


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """experiments/mine.yaml, to be written, beside the shipped experiments, in the current folder."""
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    return Path("experiments/mine.yaml")


@pytest.mark.parametrize(("page", "text"), [(page, text) for page, text, errors in EXAMPLES if errors is None])
def test_an_example_loads_with_every_profile(page: str, text: str, mine: Path) -> None:
    mine.write_text(text)
    for profile in (None, *compose(mine, None, ()).profile_names):
        assert load_experiment(mine, profile).variants, page


@pytest.mark.parametrize(("page", "text", "errors"), [example for example in EXAMPLES if example[2] is not None])
def test_a_refused_example_gives_the_errors_that_are_shown(page: str, text: str, errors: str, mine: Path) -> None:
    mine.write_text(text)
    with pytest.raises(InputError) as refused:
        load_experiment(mine)
    assert str(refused.value) == errors.rstrip("\n"), page


def test_the_grammars_page_shows_every_kind_of_claim_every_qualifier_and_every_key(mine: Path) -> None:
    claims: list[Claim] = []
    for page, text, errors in EXAMPLES:
        if page == "docs/experiments.md" and errors is None:
            mine.write_text(text)
            claims += load_experiment(mine).claims
    assert {claim.kind for claim in claims} == set(KINDS)
    page = text_of("docs/experiments.md")
    qualifiers = {info.alias or name for kind in KINDS.values() for name, info in kind.model_fields.items()}
    keys = {name for model in (ExperimentFile, Tune, Search, Parameter, Limit, Confirm) for name in model.model_fields}
    missing = {key for key in (*keys - {"against"}, *qualifiers - {"is"}) if f"`{key}`" not in page}
    assert not missing
    assert "`against: base`" in page
    assert "`is:`" in page


def test_the_example_of_the_readme_is_the_shipped_one(mine: Path) -> None:
    (example,) = [text for page, text, _ in EXAMPLES if page == "README.md"]
    mine.write_text(example)
    shown, shipped = load_experiment(mine), load_experiment("leakyrelu_vs_relu")
    assert shown.variants == shipped.variants
    assert (shown.question, shown.looks, shown.margin) == (shipped.question, shipped.looks, shipped.margin)
    assert shown.claims == shipped.claims[:1]


# Commands


def shown_commands(page: str) -> Iterator[str]:
    """Every command in a page's shell blocks and code spans; of a page that is run as a whole those of the harness."""
    for language, text in blocks(page):
        if language == "bash":
            commands = [line.partition("  #")[0].strip() for line in text.replace("\\\n", "").splitlines()]
            if page in WALKED:
                commands = [REDIRECTION.sub("", command) for command in commands if command.startswith("harness ")]
            yield from commands
    prose = FENCE.sub("", text_of(page))
    yield from (
        span for span in re.findall(r"`([^`\n]+)`", prose) if span.startswith(("harness ", "make ", "python ", "scripts/"))
    )


def command_of(name: str) -> TyperCommand:
    return command_line.command(getattr(importlib.import_module(f"harness.{name}"), name))


def parse(command: str, words: list[str]) -> None:
    """Parse as the command would; an option or argument that it does not take raises."""
    command_of(command).make_context(f"harness {command}", words)


# Programs that install, and the files of the repository that their commands name.
INSTALLERS = {"pip", "uv", "conda", "docker", "python -m pip", ".venv/bin/python -m pip", "python -m venv"}
NAMED_FILE = re.compile(r"[\w-]+(?:/[\w-]+)*\.(?:txt|toml|lock|def)")
ALL_COMMANDS = {page: [command for command in dict.fromkeys(shown_commands(page)) if command] for page in map(named, PAGES)}


@pytest.mark.parametrize("page", [page for page, commands in ALL_COMMANDS.items() if commands])
def test_commands_in_the_docs_are_valid(page: str) -> None:
    wrong = []
    for command in ALL_COMMANDS[page]:
        try:
            check_command(page, command)
        except Exception as error:  # so that it hides none of the others
            wrong.append(f"{page}: {command}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)


def check_command(page: str, command: str) -> None:
    """An option or an argument that the command does not take raises."""
    words = shlex.split(command.replace("python -m harness.", "harness ").replace(".venv/bin/harness", "harness"))
    words = words[1:] if re.fullmatch(r"[A-Z_]+=\w+", words[0]) else words
    if words[0] == "harness":
        assert words[1] in (*COMMANDS, "COMMAND", "--version", "--install-completion"), f"{page}: {command}"
        if words[2:] and "--help" not in words:  # a name alone is a mention
            parse(words[1], words[2:])
    elif words[0] == "make":
        targets = re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE)
        assert set(words[1:]) <= set(targets), f"{page}: {command}"
    elif words[0] in INSTALLERS or " ".join(words[:3]) in INSTALLERS:
        assert not [name for name in NAMED_FILE.findall(command) if not (ROOT / name).is_file()], f"{page}: {command}"
        if words[:2] == ["uv", "run"]:
            assert words[words.index("harness") + 1] in COMMANDS, f"{page}: {command}"
    else:
        script = words[1] if words[0] == "python" else words[0]
        assert (ROOT / script).is_file(), f"{page}: {command}"


def test_the_first_commands_are_at_the_top_of_the_readme() -> None:
    installed, checkout = ([line.split("  ")[0] for line in text.splitlines()] for _, text in blocks("README.md")[:2])
    assert installed == ["pip install .", "harness demo", "harness init ablations"]
    assert checkout == ["make demo", "make test"]


def test_the_readme_names_every_command() -> None:
    assert not [command for command in COMMANDS if f"| `harness {command}" not in text_of("README.md")]


def test_the_command_line_page_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "scripts" / "make_cli_docs.py"))["page"]()
    assert text_of("docs/cli.md") == page, "write it anew: .venv/bin/python scripts/make_cli_docs.py"
    for command in COMMANDS:
        visible = [parameter for parameter in command_of(command).params if not parameter.hidden]
        assert not [name for parameter in visible for name in parameter.opts if name.startswith("-") and f"`{name}" not in page]


# Knobs


def test_every_knob_is_documented_with_its_default() -> None:
    page = text_of("docs/training.md")
    paths = [".".join(path) for path in shape_of(TASK.Config).leaves() if len(path) > 1]
    assert not [path for path in paths if f"`{path}`" not in page]
    rows = dict(re.findall(r"^\| `([a-z_.0-9]+)` \| `([^`]+)` \|", page, re.MULTILINE))
    defaults: Mapping[str, Any] = flatten(TASK.Config().model_dump(mode="json"))
    assert {path: default_shown(defaults[path]) for path in rows} == rows
    of_schedules_alone = {path for path in defaults if path.startswith("schedule.")}
    assert set(rows) == set(defaults) - of_schedules_alone


def default_shown(value: Any) -> str:
    """A default as YAML writes it: floats without a trailing .0, text without quotes."""
    return value if isinstance(value, str) else re.sub(r"\.0$", "", json.dumps(value))


def test_every_schedule_is_documented_with_its_knobs() -> None:
    page = text_of("docs/training.md")
    for name in shape_of(TASK.Config).tags(("schedule",))[1]:  # type: ignore[index]
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        knobs = type(TASK.Config.model_validate({"schedule": {"name": name}}).schedule).model_fields  # type: ignore[attr-defined]
        for knob, info in knobs.items():
            if knob not in ("name", "warmup_epochs", "first_cycle"):
                assert f"`schedule.{knob}` {default_shown(json.loads(json.dumps(info.default)))}" in row


def test_every_field_of_the_files_is_documented() -> None:
    page = text_of("docs/results.md")
    models = (
        Plan,
        PlannedRun,
        Chosen,
        Loop,
        CodeVersion,
        FileChange,
        Selection,
        Study,
        Range,
        Categorical,
        Spec,
        Result,
        Provenance,
        Publication,
        Code,
        Submission,
    )
    fields = {info.alias or name for model in models for name, info in model.model_fields.items()}
    assert not [field for field in sorted(fields) if f"`{field}`" not in page]
    assert not [metric for metric in TASK.metrics if f"`{metric}`" not in page]


# Files


def test_the_readmes_picture_and_text_show_the_same_result() -> None:
    (result,) = [text for language, text in blocks("README.md") if language == "text"]
    with Image.open(ROOT / "docs" / "pictures" / "report.png") as picture:
        assert picture.info["result"] == result, "make both again: make demo && python scripts/make_pictures.py"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts}


def test_every_link_into_a_page_leads_to_a_heading() -> None:
    known = cache(anchors)
    dead = [
        f"{named(page)}: {target}#{anchor}"
        for page in PAGES
        for target, anchor in ANCHOR.findall(page.read_text())
        if (page.parent / target if target else page).suffix == ".md"
        and anchor not in known((page.parent / target).resolve() if target else page)
    ]
    assert not dead, "\n".join(dead)


def test_every_link_leads_to_a_file() -> None:
    dead = [
        f"{named(page)}: {target}"
        for page in PAGES
        for target in LINK.findall(FENCE.sub("", page.read_text()))
        if not (page.parent / target).exists()
    ]
    assert not dead, "\n".join(dead)


def test_every_measurement_on_disk_is_on_the_page_of_figures() -> None:
    page = text_of("docs/performance.md")
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        assert f"](../benchmarks/results/{path.name})" in page
        assert f"`python benchmarks/{json.loads(path.read_text())['benchmark']}.py`" in page
