"""Shell scripts: what they start and name."""

import pytest
from trees import names, reasons, unknown, write

from harness.tasks.command.inputs.shell import commands_of


def commands(text):
    return list(commands_of(text, "/folder"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python train.py \\\n  --lr 0.1 # then\n# python other.py", [["python", "train.py", "--lr", "0.1"]]),
        ("set -e; exec python train.py && echo 'a; b'", [["set", "-e"], ["exec", "python", "train.py"], ["echo", "a; b"]]),
        ("python train.py > out.log 2>&1 | tee -a copy.log", [["python", "train.py"]]),
        ("python train.py &>> out.log < data.txt", [["python", "train.py", "data.txt"]]),
        ('C=conf/a.yaml\npython $C ${C} "$@" $D', [["C=conf/a.yaml"], ["python", "conf/a.yaml", "conf/a.yaml", "$@", "$D"]]),
        ("A='--x 1'\np $A", [["A=--x 1"], ["p", "--x", "1"]]),
        ("p ${1:-a.yaml} ${A-b}", [["p", "a.yaml", "b"]]),
        ('python "$(dirname "$0")/train.py"', [["python", "/folder/train.py"]]),
        ("python ${0%/*}/train.py `dirname $0`/b.py", [["python", "/folder/train.py", "/folder/b.py"]]),
        ('D=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)\np $D/x', [["D=/folder"], ["p", "/folder/x"]]),
        ('D="$(dirname "$(realpath "$0")")"\np $D/x', [["D=/folder"], ["p", "/folder/x"]]),
        ("python -c '\nimport a\n'\np", [["python", "-c", "\nimport a\n"], ["p"]]),
        ("p don't\nq train.py", [["p", "don", "t"], ["q", "train.py"]]),
    ],
)
def test_the_words_of_a_script(text, expected):
    assert commands(text) == expected


def test_scripts_that_a_script_starts_are_followed_from_the_working_directory(tmp_path):
    write(
        tmp_path,
        {
            "scripts/train.sh": '#!/bin/bash\nsource scripts/env.sh\nexec python train.py --config $CONFIG "$@"\n',
            "scripts/env.sh": "export CONFIG=conf/a.yaml\nbash more.sh",
            "more.sh": "OMP_NUM_THREADS=1 python -m tools.prepare > log.txt",
            "tools/prepare.py": "",
            "train.py": "import net",
            "net.py": "",
            "conf/a.yaml": "",
            "log.txt": "",
            "scripts/train.py": "",
        },
    )
    assert reasons(tmp_path, "bash scripts/train.sh") == {
        "scripts/train.sh": "named by the command",
        "scripts/env.sh": "started by scripts/train.sh",
        "conf/a.yaml": "named by scripts/env.sh",
        "more.sh": "started by scripts/env.sh",
        "tools/prepare.py": "started by more.sh",
        "train.py": "started by scripts/train.sh",
        "net.py": "imported by train.py",
    }


def test_a_script_may_change_its_folder_and_name_its_own(tmp_path):
    write(
        tmp_path,
        {"sub/go.sh": 'cd "$(dirname "$0")"\npython train.py conf/*.yaml', "sub/train.py": "import net", "sub/net.py": ""},
    )
    write(tmp_path, {"sub/conf/a.yaml": "", "sub/conf/b.yaml": "", "train.py": ""})
    found = ["sub/go.sh", "sub/train.py", "sub/net.py", "sub/conf/a.yaml", "sub/conf/b.yaml"]
    assert names(tmp_path, "sh sub/go.sh") == found
    assert names(tmp_path, "bash -c 'cd sub && ./go.sh'") == found


def test_a_file_behind_an_unknown_variable_is_told(tmp_path):
    write(tmp_path, {"go.sh": "python $ROOT/train.py --config $ROOT/a.yaml --out $OUT\n", "train.py": ""})
    told = [
        "go.sh names $ROOT/train.py, which is not known before it runs",
        "go.sh names $ROOT/a.yaml, which is not known before it runs",
    ]
    assert unknown(tmp_path, "bash go.sh") == told
    assert unknown(tmp_path, "bash go.sh", listed=["train.py"]) == told[1:]
    assert unknown(tmp_path, "bash go.sh", variables={"ROOT": "."}) == []


def test_a_script_that_is_a_variable_is_told(tmp_path):
    write(tmp_path, {"go.sh": 'python -u $SCRIPT --seed $SEED\npython $1 "$@"\n', "train.py": ""})
    assert unknown(tmp_path, "bash go.sh") == ["go.sh names $SCRIPT, which is not known before it runs"]
    assert unknown(tmp_path, "bash go.sh", listed=["train.py"]) == []
    assert unknown(tmp_path, "bash go.sh", variables={"SCRIPT": "train.py"}) == []


def test_scripts_that_start_each_other_end(tmp_path):
    write(tmp_path, {"a.sh": "bash b.sh", "b.sh": "bash a.sh"})
    assert names(tmp_path, "bash a.sh") == ["a.sh", "b.sh"]


def test_the_environment_that_a_script_activates_is_no_input(tmp_path):
    write(tmp_path, {"go.sh": "source .venv/bin/activate\n. /etc/hosts\npython train.py", "train.py": ""})
    write(tmp_path, {".venv/pyvenv.cfg": "", ".venv/bin/activate": ""})
    assert names(tmp_path, "bash go.sh") == ["go.sh", "train.py"]
