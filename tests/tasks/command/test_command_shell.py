"""What only a shell would understand is found in a command line, unless it is quoted."""

import shlex

import pytest

from harness.tasks.command.shell import _words, shell_syntax


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cd src && python train.py", "&&"),
        ("python a.py || python b.py", "||"),
        ("python a.py | tee log", "|"),
        ("python a.py |& tee log", "|&"),
        ("python a.py ; python b.py", ";"),
        ("python a.py; python b.py", "a.py;"),
        ("python a.py &", "&"),
        ("python a.py > log.txt", ">"),
        ("python a.py >log.txt", ">log.txt"),
        ("python a.py 2>&1", "2>&1"),
        ("python a.py >'my log'", ">'my log'"),
        ("python a.py &> log", "&>"),
        ("python a.py < config", "<"),
        ("python a.py <<< text", "<<<"),
        ("( python a.py )", "("),
        ("python a.py $DATA", "$DATA"),
        ("python a.py --data=${DATA}/x", "--data=${DATA}/x"),
        ('python a.py --data="$DATA"', '--data="$DATA"'),
        ("python a.py --day=$(date)", "--day=$(date)"),
        ("python a.py --day=`date`", "--day=`date`"),
        ("bash -c $SCRIPT", "$SCRIPT"),
        ("bash 'a.sh' \"$X\"", '"$X"'),
    ],
)
def test_the_first_word_for_a_shell_is_found(line, found):
    assert shell_syntax(line) == found


@pytest.mark.parametrize(
    "line",
    [
        "python train.py --lr=1e-3 {knobs}",
        "bash -c 'cd src && python train.py > $HARNESS_RUN_DIR/log'",
        'bash -lc "python train.py | tee $HARNESS_RUN_DIR/log; exit"',
        "python -c 'print(1); print(2)'",
        "python train.py --regex=a|b",
        "python train.py --regex='^a|b$'",
        "python train.py --end=^x$",
        "python train.py --price '$5' '$NAME' '`x`'",
        r"python train.py \$NAME \&\& a\;",
        "python train.py '&&' \"|\" ';' '>' '>log' 'a;'",
        "python train.py --a>b --mask=<mask> a&b",
        "",
    ],
)
def test_what_a_program_gets_as_it_is_is_left_alone(line):
    assert shell_syntax(line) is None


@pytest.mark.parametrize("line", ["a 'b c' d", 'x"y z"w  v', r"a\ b 'c'\''d'", '"a\\"b" c', "''", " \t a \n b "])
def test_words_end_where_shlex_ends_them(line):
    assert [shlex.split(word.text) for word in _words(line)] == [[word] for word in shlex.split(line)]
