"""Hydra: which of its configurations count."""

import pytest
from trees import names, reasons, unknown, write

TREE = {
    "configs/train.yaml": "defaults: [model: a]",
    "configs/model/a.yaml": "",
    "configs/.hydra/x.yaml": "",
    "configs/note.md": "",
}
HEAD = "import hydra, os\nfrom pathlib import Path\nfrom hydra import initialize, main as entry, initialize_config_dir as at\n"


@pytest.mark.parametrize(
    "call",
    [
        "@hydra.main(version_base=None, config_path='../configs', config_name='train')\ndef f(cfg): ...",
        "@hydra.main('../configs', 'train')\ndef f(cfg): ...",
        "@entry(config_path='../configs')\ndef f(cfg): ...",
        "with initialize(config_path='../configs'): ...",
        "with hydra.initialize('../configs'): ...",
        "hydra.main(config_path='../configs')(print)()",
        "CONFIGS = '../configs'\n@hydra.main(config_path=CONFIGS)\ndef f(cfg): ...",
        "HERE = os.path.dirname(os.path.abspath(__file__))\n@hydra.main(os.path.join(HERE, '..', 'configs'))\ndef f(cfg): ...",
        "ROOT = Path(__file__).resolve().parent.parent\n@hydra.main(str(ROOT / 'configs'))\ndef f(cfg): ...",
        "with at(str(Path(__file__).parents[1].joinpath('configs').absolute())): ...",
        "with at(f'{os.getcwd()}/configs'): ...",
        "with at(config_dir=os.fspath(Path.cwd() / 'configs')): ...",
    ],
)
def test_the_folder_of_configurations_counts(tmp_path, call):
    write(tmp_path, {**TREE, "src/train.py": HEAD + call})
    found = reasons(tmp_path, "python src/train.py")
    assert found == {"src/train.py": "named by the command", "configs/**/*.yaml": "Hydra configuration of src/train.py"}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("@hydra.main(config_path=os.environ['C'])\ndef f(cfg): ...", "config_path is computed"),
        ("@hydra.main(config_path='pkg://lib.conf')\ndef f(cfg): ...", "pkg://lib.conf is in a package"),
    ],
)
def test_a_folder_that_is_not_known_is_told_unless_one_is_listed(tmp_path, call, why):
    write(tmp_path, {**TREE, "train.py": HEAD + call})
    assert unknown(tmp_path, "python train.py") == [f"the folder of Hydra's configurations is not known, as {why} in train.py"]
    assert unknown(tmp_path, "python train.py", listed=["configs"]) == []


def test_a_call_in_an_imported_module_counts_and_other_functions_do_not(tmp_path):
    write(tmp_path, {**TREE, "train.py": "from app.cli import main\nmain(config_path='other')", "other/a.yaml": ""})
    write(tmp_path, {"app/__init__.py": "", "app/cli.py": HEAD + "@entry('../configs')\ndef main(cfg): ..."})
    assert names(tmp_path, "python train.py") == ["train.py", "app", "configs/**/*.yaml"]


@pytest.mark.parametrize(
    "option", ["--config-path other", "--config-path=../other", "-cp other", "--config-dir other", "-cd=other"]
)
def test_a_folder_that_the_command_names_counts_too(tmp_path, option):
    write(tmp_path, {**TREE, "src/train.py": HEAD + "@entry('../configs')\ndef f(cfg): ...", "other/a.yaml": ""})
    found = reasons(tmp_path, f"python src/train.py {option}")
    assert found["other/**/*.yaml"] == "configuration folder of the command"


def test_beside_the_script_only_the_configuration_and_its_groups_count(tmp_path):
    write(
        tmp_path,
        {
            "train.py": HEAD + "@hydra.main(config_path='.', config_name='config')\ndef f(cfg): ...",
            "config.yaml": "defaults:\n  - _self_\n  - base\n  - db: mysql\n  - override /net@x: a\nmodel: {_target_: nets.Net}",
            "base.yaml": "",
            "db/mysql.yaml": "",
            "net/a.yaml": "",
            "opt/sgd.yaml": "",
            "nets.py": "",
            "outputs/2026/.hydra/config.yaml": "",
            "other.yaml": "",
            "walk.yaml": "question: Does it?\ntask: {command: python train.py}\n",
        },
    )
    own = ["train.py", "config.yaml", "base.yaml", "db/**/*.yaml", "net/**/*.yaml", "nets.py"]
    assert sorted(names(tmp_path, "python train.py")) == sorted(own)
    assert sorted(names(tmp_path, "python train.py +opt=sgd")) == sorted([*own, "opt/**/*.yaml"])
    assert "other.yaml" in names(tmp_path, "python train.py --config-name other")


def test_what_the_configurations_name_counts(tmp_path):
    write(
        tmp_path,
        {**TREE, "train.py": HEAD + "@entry('configs')\ndef f(cfg): ...", "nets/small.py": "import layers", "layers.py": ""},
    )
    write(tmp_path, {"configs/model/b.yaml": "_target_: nets.small.Net\ndata: data/x.csv", "data/x.csv": ""})
    assert reasons(tmp_path, "python train.py model=b")["layers.py"] == "imported by nets/small.py"
    assert "data/x.csv" in names(tmp_path, "python train.py")


def test_an_experiment_of_the_harness_is_no_configuration(tmp_path):
    write(tmp_path, {**TREE, "train.py": HEAD + "@entry('configs')\ndef f(cfg): ...", "data.csv": ""})
    write(tmp_path, {"configs/walk.yaml": "question: Does it?\ntask: {command: x, inputs: [data.csv]}\n"})
    assert names(tmp_path, "python train.py") == ["train.py", "configs/**/*.yaml"]
