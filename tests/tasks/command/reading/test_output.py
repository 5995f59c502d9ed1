"""What comes from several sources becomes the same rows, however slowly each of them is read."""

import itertools

import pytest

from harness.tasks.command.files.followers import followers
from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.lines import Lines
from harness.tasks.command.reading.output import Output
from harness.tasks.protocol import TrainingFailed

PRINTED = Measure(goal="minimize", text="epoch {step}: loss {value}")
NO_STEP = Measure(goal="minimize", text="loss {value}")
CSV = Measure(goal="maximize", file="results.csv", column="acc", step="epoch")
DOCUMENT = Measure(goal="maximize", file="eval.json", key="eval.acc")


def rows_of(output):
    return [tuple(row[name] for name in ("epoch", "step", *output.metrics)) for row in iter(output.take, None)]


def test_rows_do_not_depend_on_when_each_source_is_read(tmp_path):
    printed = [f"epoch {n}: loss {1 / n:.3f}" for n in range(1, 5)]
    table = ["epoch,acc", "2,50", "4,70"]
    found = set()
    # Every order in which three blocks of each source can arrive.
    for order in set(itertools.permutations("ppppttt")):
        folder = tmp_path / "".join(order)
        folder.mkdir()
        metrics = {"loss": PRINTED, "acc": CSV}
        output = Output(metrics, files=followers(metrics, folder))
        lines, cells = iter(printed), iter(table)
        for source in order:
            if source == "p":
                output.line(next(lines))
            else:
                with (folder / "results.csv").open("a") as file:
                    file.write(next(cells) + "\n")
            output.poll()
        output.end()
        found.add(tuple(rows_of(output)))
    assert found == {((1, 1, 1.0, None), (2, 2, 0.5, 50.0), (3, 3, 0.333, None), (4, 4, 0.25, 70.0))}


def test_without_steps_the_rows_of_each_source_are_joined_in_order(tmp_path):
    metrics = {"loss": NO_STEP, "acc": Measure(goal="maximize", file="results.csv")}
    (tmp_path / "results.csv").write_text("acc\n50\n70\n")
    output = Output(metrics, files=followers(metrics, tmp_path))
    for line in ("loss 3", "loss 2", "loss 1"):
        output.line(line)
    output.end()
    assert rows_of(output) == [(1, 1, 3.0, 50.0), (2, 2, 2.0, 70.0), (3, 3, 1.0, 70.0)]


def test_a_document_belongs_to_the_last_row_and_holds_no_other_back(tmp_path):
    metrics = {"loss": PRINTED, "acc": DOCUMENT}
    output = Output(metrics, files=followers(metrics, tmp_path))
    for n in (1, 2, 3):
        output.line(f"epoch {n}: loss {n}")
    assert rows_of(output) == [(1, 1, 1.0, None), (2, 2, 2.0, None)]
    (tmp_path / "eval.json").write_text('{"eval": {"acc": 0.9}}')
    output.end()
    assert rows_of(output) == [(3, 3, 3.0, 0.9)]


def test_a_document_alone_is_one_row(tmp_path):
    (tmp_path / "eval.json").write_text('{"eval": {"acc": 0.9}}')
    output = Output({"acc": DOCUMENT}, files=followers({"acc": DOCUMENT}, tmp_path))
    output.end()
    assert rows_of(output) == [(1, 1, 0.9)]


def test_a_value_that_is_not_finite_is_not_held_back(tmp_path):
    metrics = {"loss": PRINTED, "acc": CSV}
    output = Output(metrics, files=followers(metrics, tmp_path))
    output.line("epoch 1: loss nan")
    assert output.waiting


def test_what_is_missing_says_what_there_is(tmp_path):
    metrics = {"acc": CSV, "loss": Measure(goal="minimize", text="loss: {value}")}
    (tmp_path / "results.csv").write_text("epoch,accuracy\n1,50\n")
    output = Output(metrics, files=followers(metrics, tmp_path))
    output.line("train_loss: 3")
    output.end()
    assert output.missing == ["acc", "loss"]
    assert "accuracy" in output.why_missing("acc")
    assert "it is only inside a word, in: 'train_loss: 3'" in output.why_missing("loss")


def test_a_resumed_run_skips_what_it_knows_in_every_source(tmp_path):
    metrics = {"loss": PRINTED, "acc": CSV}
    known = [{"epoch": n, "step": n, "loss": 1.0, "acc": 50.0} for n in (1, 2)]
    (tmp_path / "results.csv").write_text("epoch,acc\n1,50\n2,50\n3,60\n")
    output = Output(metrics, known, files=followers(metrics, tmp_path, resumes=True))
    for line in ("epoch 2: loss 9", "epoch 3: loss 0.5"):
        output.line(line)
    output.end()
    assert rows_of(output) == [(3, 3, 0.5, 60.0)]


def test_a_resumed_run_without_steps_in_a_file_is_an_error(tmp_path):
    metrics = {"acc": Measure(goal="maximize", file="results.csv")}
    (tmp_path / "results.csv").write_text("acc\n50\n60\n")
    output = Output(metrics, [{"epoch": 1, "step": 1, "acc": 50.0}], files=followers(metrics, tmp_path, resumes=True))
    with pytest.raises(TrainingFailed, match="its first row has no step"):
        output.end()


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        (b"\x1b[32mloss\x1b[0m 0.5\n", ["loss 0.5"]),
        (b"\x1b]8;;http://x\x07loss\x1b]8;;\x07 0.5\n", ["loss 0.5"]),
        (b"10%\r20%\rloss 0.5\n", ["10%", "20%", "loss 0.5"]),
        (b"10%\x08\x08\x08loss 0.5\n", ["10%", "loss 0.5"]),
        (b"\x1b[1A\x1b[2Kloss 0.5\r\n", ["loss 0.5"]),
        (b"10%\x1b[1Gloss 0.5\n", ["10%", "loss 0.5"]),
    ],
    ids=["colour", "link", "progress bar", "backspaces", "cursor and CRLF", "first column"],
)
def test_lines_are_what_a_person_sees(printed, lines):
    assert Lines().add(printed) == lines
