"""JSON and JSON lines of a program -> readings."""

import json
import math

import pytest
from followed import everything, follower, plain

from harness.tasks.command.files.keys import names
from harness.tasks.protocol import TrainingFailed

TRAINER_STATE = {  # as transformers writes it
    "best_metric": None,
    "epoch": 2.0,
    "global_step": 20,
    "log_history": [
        {"epoch": 0.5, "loss": 3.0, "step": 5},
        {"epoch": 1.0, "eval_loss": 2.5, "eval_accuracy": 0.5, "step": 10},
        {"epoch": 2.0, "eval_loss": float("nan"), "eval_accuracy": 0.75, "step": 20},
        {"epoch": 2.0, "train_runtime": 9.0, "step": 20},
    ],
}
LM_EVAL = {"results": {"arc_easy": {"alias": "arc_easy", "acc,none": 0.5, "acc_norm,none": 0.25}, "v0.1": {"acc": 1}}, "n": 3}


def read(folder, document, key, name="r.json", **fields):
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return everything(follower(folder, m={"file": name, "key": key, **fields}))


@pytest.mark.parametrize(
    ("document", "key", "expected"),
    [
        ({"acc": 0.5}, "acc", 0.5),
        ({"eval": {"acc": 1}, "epoch": 3.5}, "eval.acc", 1.0),
        ({"eval.acc": 1}, "eval.acc", 1.0),
        ({"a.b": {"c.d": {"e": 2}}, "a": {"x": 1}}, "a.b.c.d.e", 2.0),
        (LM_EVAL, "results.arc_easy.acc,none", 0.5),
        (LM_EVAL, "results.v0.1.acc", 1.0),
        ([{"loss": 3}, {"loss": 2}], "-1.loss", 2.0),
        ({"val_loss": [3, 2, 1]}, "val_loss.-1", 1.0),
        (TRAINER_STATE, "log_history.1.eval_loss", 2.5),
        ({"acc": "91.5"}, "acc", 91.5),
        ('{"acc": Infinity}', "acc", math.inf),
        ('{"acc": "-inf"}', "acc", -math.inf),
        ('\ufeff{"acc": 0.5}', "acc", 0.5),
    ],
)
def test_a_key_leads_to_a_number(tmp_path, document, key, expected):
    assert read(tmp_path, document, key) == [(None, {"m": expected})]


def test_a_document_is_read_at_the_end_only(tmp_path):
    found = follower(tmp_path, m={"file": "r.json", "key": "acc", "step": "steps.all"})
    (tmp_path / "r.json").write_text('{"acc": 0.')
    assert found.poll() == ()
    (tmp_path / "r.json").write_text('{"acc": 0.5, "steps": {"all": 40}}')
    assert found.poll() == ()
    assert plain(found.end()) == [(40, {"m": 0.5})]


def test_a_star_is_every_element_with_its_own_step(tmp_path):
    (tmp_path / "trainer_state.json").write_text(json.dumps(TRAINER_STATE))
    keys = {name: f"log_history.*.eval_{name}" for name in ("loss", "accuracy")}
    found = follower(tmp_path, **{name: {"file": "trainer_state.json", "key": key} for name, key in keys.items()})
    first, second = everything(found)
    assert first == (10, {"loss": 2.5, "accuracy": 0.5})
    assert second[0] == 20
    assert math.isnan(second[1]["loss"])
    assert second[1]["accuracy"] == 0.75


def test_a_star_may_stand_for_plain_numbers(tmp_path):
    assert read(tmp_path, {"val": [3, None, 1]}, "val.*") == [(None, {"m": 3.0}), (None, {"m": 1.0})]


@pytest.mark.parametrize(
    ("document", "key", "words"),
    [
        ({"a.b": 1, "a": {"b": 2}}, "a.b", ["r.json: the key 'a.b' is ambiguous: a > b and a.b"]),
        ({"acc": True}, "acc", ["acc is true, which is not a number"]),
        ({"acc": "high"}, "acc", ["r.json: acc:", "'high' is not a number"]),
        ({"acc": [1, 2]}, "acc", ["acc is [1, 2], which is not a number; use acc.* for all, acc.-1 for the last"]),
        ('{"acc": 0.5', "acc", ["r.json: is not JSON", "line 1 column 12"]),
        ('{"acc": 1' + "0" * 400 + "}", "acc", ["r.json: acc:", "too large"]),
        ("[" * 100_000, "acc", ["r.json: is not JSON"]),
        ([{"m": 1, "step": 0.5}], "*.m", ["the step 'step' is 0.5, which is not an integer"]),
    ],
)
def test_what_is_no_number_is_an_error(tmp_path, document, key, words):
    with pytest.raises(TrainingFailed) as error:
        read(tmp_path, document, key)
    assert error.value.reason == "output"
    assert [word for word in words if word not in str(error.value)] == []


def test_a_missing_key_is_explained_by_those_that_there_are(tmp_path):
    found = follower(tmp_path, m={"file": "r.json", "key": "results.arc_easy.acc"})
    (tmp_path / "r.json").write_text(json.dumps(LM_EVAL))
    assert everything(found) == []
    assert found.why_missing("m") == (
        "r.json has no key 'results.arc_easy.acc'; its numbers:"
        " results.arc_easy.acc,none, results.arc_easy.acc_norm,none, results.v0.1.acc, n"
    )


def test_the_keys_in_a_message_can_be_used():
    assert names(TRAINER_STATE)[:3] == ["epoch", "global_step", "log_history.*.epoch"]
    assert names([{"a": {"b": 1}}, {"c": 2}]) == ["*.a.b", "*.c"]


LINES = '{"epoch": 1, "test": {"acc": 0.5}}\n{"epoch": 1, "train": 3}\n\n{"epoch": 2, "test": {"acc": NaN}}\n'


@pytest.mark.parametrize("name", ["m.jsonl", "m.ndjson", "log.txt", "noextension"])
def test_json_lines_are_followed_and_lines_without_the_key_skipped(tmp_path, name):
    found = follower(tmp_path, m={"file": name, "key": "test.acc"})
    path = tmp_path / name
    seen = []
    for end in (20, 36, 40, 80, len(LINES)):
        path.write_text(LINES[:end])
        seen.append(repr(plain(found.poll())))
    assert seen == ["[]", "[(1, {'m': 0.5})]", "[]", "[]", "[(2, {'m': nan})]"]
    assert found.end() == []


def test_a_document_that_consists_of_lines_is_read_as_lines(tmp_path):
    assert read(tmp_path, '{"step": 1, "acc": 0.5}\n{"step": 2, "acc": 0.75}\n', "acc") == [(1, {"m": 0.5}), (2, {"m": 0.75})]


def test_a_last_line_without_its_end_is_read_if_it_is_json(tmp_path):
    assert read(tmp_path, '{"acc": 1}\n{"acc": 2}', "acc", "m.jsonl") == [(None, {"m": 1.0}), (None, {"m": 2.0})]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"acc": 1}\nhello\n{"acc": 2}\n', "m.jsonl, line 2: is not JSON"),
        ('{"acc": 1}\n{"acc": 2', "m.jsonl, line 2: is not JSON"),
        ('{"acc": 1}\n{"acc": "?"}\n', "m.jsonl, line 2: acc: "),
    ],
)
def test_a_bad_line_is_an_error_with_its_number(tmp_path, text, words):
    with pytest.raises(TrainingFailed, match=words):
        read(tmp_path, text, "acc", "m.jsonl")


def test_the_keys_of_lines_are_listed(tmp_path):
    found = follower(tmp_path, m={"file": "m.jsonl", "key": "test.acc1"})
    (tmp_path / "m.jsonl").write_text(LINES)
    assert everything(found) == []
    assert found.why_missing("m") == "m.jsonl has no key 'test.acc1'; its numbers: test.acc, epoch, train"


def test_lines_that_a_resumed_program_appends_to_a_cut_off_one_are_read(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"step": 1, "acc": 1}\n{"step": 2, "ac')
    found = follower(tmp_path, resumes=True, m={"file": "m.jsonl", "key": "acc"})
    with path.open("a") as file:
        file.write('{"step": 2, "acc": 2}\n')
    assert everything(found) == [(1, {"m": 1.0}), (2, {"m": 2.0})]


OUTCOMES = [json.dumps({"doc_id": case, "acc": float(case % 3 == 0)}) for case in range(30)]


def test_outcomes_of_cases_are_not_taken_for_a_curve(tmp_path):
    with pytest.raises(TrainingFailed, match=r"samples\.jsonl has 30 rows without a step, each 0 or 1, .* use cases: {file"):
        read(tmp_path, "\n".join(OUTCOMES), "acc", "samples.jsonl")
    assert len(read(tmp_path, "\n".join(OUTCOMES), "acc", "samples.jsonl", step="doc_id")) == 30
    for lines in (OUTCOMES[:10], [*OUTCOMES, '{"acc": 0.5}'], [line.replace("1.0", "0.0") for line in OUTCOMES]):
        assert len(read(tmp_path, "\n".join(lines), "acc", "samples.jsonl")) == len(lines)
