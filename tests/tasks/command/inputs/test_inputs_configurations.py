"""Configurations: the files and Python objects that they name."""

import json

import pytest
from trees import names, unknown, write

ALL = ["train.py", "conf/a.yaml", "conf/base.yaml", "data.csv", "models/net.py"]


@pytest.mark.parametrize(
    "text",
    [
        "base: base.yaml\ndata: {path: data.csv}\nmodel: {class_path: models.net.Net}\n",
        "_base_: [./base.yaml]\ndata: ../data.csv\n_target_: models.net.Net\n",
        "x: !include base.yaml\ny: &d data.csv\nz: *d\nw: !!python/name:models.net.Net models.net.Net\n",
    ],
)
def test_what_a_yaml_file_names_counts(tmp_path, text):
    write(tmp_path, {"train.py": "", "conf/a.yaml": text, "conf/base.yaml": "", "data.csv": "", "models/net.py": ""})
    assert sorted(names(tmp_path, "python train.py --config conf/a.yaml")) == sorted(ALL)


def test_json_and_toml_are_read_too(tmp_path):
    write(tmp_path, {"a.json": '{"x": ["b.toml", 1, null]}', "b.toml": 'y = "c.txt"', "c.txt": "", "broken.json": "{"})
    assert names(tmp_path, "trainer --deepspeed a.json broken.json") == ["a.json", "b.toml", "c.txt", "broken.json"]


def test_python_configurations_follow_their_bases(tmp_path):
    write(
        tmp_path, {"train.py": "", "configs/a.py": "_base_ = ['../base/m.py', '../base/d.py']", "base/m.py": "_base_ = './n.py'"}
    )
    write(
        tmp_path,
        {
            "base/n.py": "",
            "base/d.py": "from mmengine import read_base\nwith read_base():\n    from .e import *",
            "base/e.py": "",
        },
    )
    assert names(tmp_path, "python train.py configs/a.py") == [
        "train.py", "configs/a.py", "base/m.py", "base/d.py", "base/n.py", "base/e.py",
    ]  # fmt: skip


def test_a_list_of_data_is_told_and_no_file_of_it_counts(tmp_path):
    images = {f"images/{number}.png": "" for number in range(101)}
    write(tmp_path, {"train.py": "", "list.json": json.dumps(list(images)), **images})
    assert names(tmp_path, "python train.py list.json") == ["train.py", "list.json"]
    assert unknown(tmp_path, "python train.py list.json") == ["list.json names 101 files, of which none counts"]


def test_configurations_are_followed_to_a_depth_which_is_told(tmp_path):
    write(tmp_path, {f"{number}.yaml": f"base: {number + 1}.yaml" for number in range(12)})
    assert names(tmp_path, "trainer 0.yaml") == [f"{number}.yaml" for number in range(9)]
    assert unknown(tmp_path, "trainer 0.yaml") == ["8.yaml is reached through 8 other files; what it names does not count"]


def test_a_large_file_is_data_and_not_read(tmp_path):
    write(tmp_path, {"big.yaml": "x: small.yaml\n" + "#" * (1 << 20), "small.yaml": ""})
    assert names(tmp_path, "trainer big.yaml") == ["big.yaml"]


def test_a_python_object_beside_a_configuration_counts(tmp_path):
    write(tmp_path, {"tasks/mine.yaml": "process: !function helpers.process", "tasks/helpers.py": ""})
    assert names(tmp_path, "lm_eval --tasks tasks/mine.yaml") == ["tasks/mine.yaml", "tasks/helpers.py"]
