"""The base classes of tasks and trainings: their defaults, and classes that are derived from neither."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

import harness
from harness import Metric, Task, Training
from harness.errors import InputError
from harness.tasks.protocol import REQUIRED_MEMBERS, with_optional_members
from harness.tasks.registry import find_task


class Config(BaseModel):
    """Nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Plain:
    """A task without a base class, and without what may be left out."""

    Config, version, metrics = Config, "1", {"score": Metric("", "maximize")}

    def resolve(self, config, _accelerator):
        return config

    def fingerprint(self, _config):
        return "none"

    def describe(self, _config):
        return {}

    def start(self, config, seed, device):
        return SimpleNamespace(config=config, seed=seed, device=device)


class WithFiles(Plain):
    """A task without a base class whose runs keep files of their own, and that trains with other code."""

    resumes = False

    def __init__(self) -> None:
        self.code_folder = Path("elsewhere")

    def goes_on(self, folder):
        return folder == Path("there")

    def start_in(self, config, seed, device, folder):
        return SimpleNamespace(config=config, seed=seed, device=device, folder=folder)

    def outline(self, _config):
        return ("a part",)


class Bare:
    """A training without a base class, which holds something and is carried out in one of two ways."""

    def __init__(self) -> None:
        self.closed = False

    @property
    def choices(self):
        return {"compiled": True}

    def close(self):
        self.closed = True


def fresh(kind: type) -> type:
    """The same class again: defaults are given to a class for good."""
    return type(kind.__name__, kind.__bases__, dict(vars(kind)))


def test_a_task_without_a_base_class_gets_the_defaults_that_it_lacks():
    task = with_optional_members(fresh(Plain)(), Task)
    assert not hasattr(Plain, "keeps_files")
    assert (task.keeps_files, task.resumes, task.goes_on(Path("there")), task.code_folder) == (False, True, False, None)
    assert not task.has_outline
    assert task.outline(Config()) == ()
    assert task.examples(Config(), [0]) is None
    assert vars(task.start_in(Config(), 3, "cpu", Path("there"))) == vars(task.start(Config(), 3, "cpu"))


def test_what_such_a_task_has_itself_stays():
    task = with_optional_members(fresh(WithFiles)(), Task)
    assert (task.keeps_files, task.resumes, task.goes_on(Path("there"))) == (True, False, True)
    assert task.code_folder == Path("elsewhere")
    assert task.has_outline
    assert task.outline(Config()) == ("a part",)
    assert task.start_in(Config(), 3, "cpu", Path("there")).folder == Path("there")


def test_a_training_without_a_base_class_gets_the_defaults_that_it_lacks_and_keeps_the_rest():
    training = with_optional_members(fresh(Bare)(), Training)
    assert training.last_words() == ()
    assert training.choices == {"compiled": True}
    training.close()
    assert training.closed
    other = with_optional_members(type("Other", (), {})(), Training)
    assert (other.choices, other.close()) == (None, None)


def test_defaults_do_not_reach_from_a_class_into_what_is_derived_from_it():
    base = fresh(Plain)
    with_optional_members(base(), Task)
    derived = type("Derived", (base,), {"start_in": WithFiles.start_in})
    assert with_optional_members(derived(), Task).keeps_files
    assert not with_optional_members(base(), Task).keeps_files


@pytest.mark.parametrize("missing", ["resolve", "fingerprint", "describe", "start"])
def test_a_derived_task_needs_every_method_that_has_no_default(missing: str):
    methods = {name: vars(Plain)[name] for name in REQUIRED_MEMBERS if name != missing}
    with pytest.raises(TypeError, match=missing):
        type("Half", (Task,), methods)()
    assert type("Whole", (Task,), {**methods, missing: vars(Plain)[missing]})().resumes


def test_a_task_that_no_default_can_be_given_to_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = "from types import SimpleNamespace\nTASK = SimpleNamespace(Config=dict, "
    (tmp_path / "no_class.py").write_text(text + ", ".join(f"{name}=None" for name in REQUIRED_MEMBERS[1:]) + ")\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"invalid task 'no_class:TASK': .*; make it an instance of your own class"):
        find_task("no_class:TASK")


@pytest.mark.parametrize("name", harness.__all__)
def test_every_public_name_is_there(name: str):
    found: Any = getattr(harness, name)
    assert found is not None
