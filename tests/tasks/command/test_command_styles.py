"""How settings become words of a command line. What Hydra, absl and argparse read was tried with hydra-core 1.3.2 and absl-py 2.3."""

import argparse

import pytest

from harness.tasks.command.frameworks import guessed_style
from harness.tasks.command.model import Knob, Program
from harness.tasks.command.styles import option
from harness.tasks.command.template import arguments


def option_of(value, style, name="x", **more):
    return option(name, Knob(default=value, **more), value, style)


def words(style, command, **knobs):
    made = Program(command=command, style=style, knobs=knobs, metrics={"loss": {"goal": "minimize"}})
    long = {name: made.knob(name) for name in made.knobs}
    given = {"seed": "3", "run_dir": "/r u n", "python": "python"}
    return arguments(made.command, long, {name: knob.default for name, knob in long.items()}, given, made.style)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1e-05, "1e-05"),
        (3, "3"),
        (True, "true"),
        (None, "null"),
        ("resnet", "resnet"),
        ("configs/a-b.yaml", "configs/a-b.yaml"),
        ((64, 64), "[64,64]"),
        ((), "[]"),
        (("a", "b, c", "null"), "[a,'b, c','null']"),
        # Text that Hydra would read as something else.
        ("null", "'null'"),
        ("True", "'True'"),
        ("nan", "'nan'"),
        ("1e5", "'1e5'"),
        ("a,b", "'a,b'"),
        ("[1]", "'[1]'"),
        ("a=b", "'a=b'"),
        ("{x: 1}", "'{x: 1}'"),
        ("", "''"),
        (" a ", "' a '"),
        # A backslash is literal, except in front of a quote and at the end.
        ("it's", r"'it\'s'"),
        (r"C:\x", r"'C:\x'"),
        ("a\\", r"'a\\'"),
        (r"a\'b", r"'a\\\'b'"),
    ],
)
def test_hydra_reads_a_value_with_its_type(value, written):
    assert option_of(value, "hydra") == [f"x={written}"]


def test_hydras_settings_have_dots_groups_and_a_plus_for_new_keys():
    knobs = {"model": "vit", "model.lr": 0.1, "model/optimizer": "adam", "clip": Knob(default=True, flag="+trainer.clip")}
    assert words("hydra", "p {knobs}", **knobs) == [
        "p",
        "model=vit",
        "model.lr=0.1",
        "model/optimizer=adam",
        "+trainer.clip=true",
    ]


def test_hydras_quotes_are_added_only_where_a_placeholder_is_the_whole_value():
    found = words("hydra", "p {a.b} --config-name={a.b} x={a.b} y=z/{a.b} dir={run_dir} seed={seed}", **{"a.b": "c d"})
    assert found == ["p", "c d", "--config-name=c d", "x='c d'", "y=z/c d", "dir='/r u n'", "seed=3"]


def test_absl_gets_booleans_as_flags_and_lists_as_csv():
    assert option_of(True, "absl") == ["--x"]
    assert option_of(False, "absl") == ["--nox"]
    assert option_of(False, "absl", name="config.x") == ["--config.x=False"]
    assert option_of(("a", "b,c", 'd"e'), "absl") == ['--x=a,"b,c","d""e"']
    assert option_of(1e-05, "absl") == ["--x=1e-05"]
    assert words("absl", "p --l={l}", l=(1, 2)) == ["p", "--l=1,2"]


def test_argparse_reads_a_list_from_several_words():
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", nargs="+", type=int)
    parser.add_argument("--names", nargs="*")
    parser.add_argument("--lr", type=float)
    found = words("argparse", "{knobs}", layers=(64, -1), names=("a b", "c"), lr=1e-05)
    assert found == ["--layers", "64", "-1", "--names", "a b", "c", "--lr=1e-05"]
    assert vars(parser.parse_args(found)) == {"layers": [64, -1], "names": ["a b", "c"], "lr": 1e-05}
    assert option_of((), "argparse") == ["--x"]


def test_a_list_in_a_word_is_json_and_alone_it_is_several_words():
    layers = {"m.layers": (1, 2)}
    assert words("argparse", "p --m.layers={m.layers}", **layers) == ["p", "--m.layers=[1,2]"]
    assert words("argparse", "p -l {m.layers}", **layers) == ["p", "-l", "1", "2"]


def test_a_flag_replaces_the_spelling_in_every_style():
    assert option_of(1, "argparse", flag="-n") == ["-n=1"]
    assert option_of((1, 2), "argparse", flag="-n") == ["-n", "1", "2"]
    assert option_of(1, "hydra", flag="++n") == ["++n=1"]
    assert option_of(False, "absl", flag="--on/--off") == ["--off"]


def test_braces_with_dots_that_name_nothing_are_left_alone():
    assert words("argparse", "p {a.b} {{c.d}}", **{"c.d": 1}) == ["p", "{a.b}", "{c.d}"]


@pytest.mark.parametrize(
    ("script", "style"),
    [
        ("import hydra\nimport argparse\n", "hydra"),
        ("from absl import app, flags\n", "absl"),
        ("from ml_collections import config_flags\n", "absl"),
        ("from absl import logging\n", None),
        ("import argparse\nimport lib\n", "argparse"),
        ("from transformers import HfArgumentParser\n", "argparse"),
        ("def main():\n    from lib import start\n", "hydra"),
        ("not python", None),
    ],
)
def test_the_style_is_guessed_from_the_imports_of_the_script_then_of_its_modules(tmp_path, script, style):
    (tmp_path / "train.py").write_text(script)
    (tmp_path / "lib.py").write_text("from hydra import main as start\n")
    assert guessed_style(["python", "train.py"], tmp_path) == style


def test_a_package_started_as_a_module_is_looked_into(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "__main__.py").write_text("import hydra\n")
    assert guessed_style(["python", "-m", "pkg"], tmp_path) == "hydra"
