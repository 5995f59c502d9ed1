"""The number that a line of output holds for a metric: whole, or an error."""

import math

import pytest

from harness.tasks.command.measure import Measure
from harness.tasks.command.reading import finder
from harness.tasks.command.reading.finder import Finder
from harness.tasks.protocol import TrainingFailed


def found(line, text="reward: {value}", **options):
    result = Finder("reward", Measure(goal="maximize", text=text, **options)).find(line)
    return None if result is None else result.value


def by_pattern(line, pattern, **options):
    result = Finder("reward", Measure(goal="maximize", pattern=pattern, **options)).find(line)
    return None if result is None else result.value


def refused(line, text="reward: {value}", **options):
    with pytest.raises(TrainingFailed) as caught:
        found(line, text, **options)
    assert caught.value.reason == "output"
    assert ascii(line)[1:-1] in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("0.5", 0.5),
        ("-0.5", -0.5),
        ("+.5", 0.5),
        ("5.", 5.0),
        ("5.,", 5.0),
        ("1.2e-3", 0.0012),
        ("1E+5", 1e5),
        ("−0.5", -0.5),
        ("-inf", -math.inf),
        ("Infinity", math.inf),
        ("12.3%", 12.3),
        ("3,498.9", 3498.9),
        ("1,234,567", 1234567.0),
        ("3,498.9, at last", 3498.9),
        ("0.5,acc: 3", 0.5),
        ("0.5±0.1", 0.5),
        ("0.5|", 0.5),
        ("0.5)", 0.5),
        ("3 ms", 3.0),
        ("5 - 7", 5.0),
    ],
)
def test_a_number_is_read_as_a_person_reads_it(printed, value):
    assert found(f"reward: {printed}") == value


def test_nan_is_a_number_and_a_word_that_begins_like_it_is_not():
    assert math.isnan(found("reward: nan"))
    assert found("reward: nano") is None


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("3,5", "'3,5' has a decimal comma; add decimal: \",\" to the metric"),
        ("0,123", "'0,123' has a decimal comma"),
        ("3.498,9", "'3.498,9' has a decimal comma"),
        ("3,498", "'3,498' may be 3498 or 3.498; add decimal: \".\" (thousands) or decimal: \",\" to the metric"),
        ("12,345%", "'12,345' may be 12345 or 12.345"),
        ("1e400", "'1e400' is too large for a number of 64 bits"),
        ("1_000", "'1_000' is not a number"),
        ("1'234.5", "\"1'234.5\" is not a number"),
        ("٣.٥", r"'\u0663.\u0665' is not a number"),
        ("1,23,456", "'1,23,456' is not a number"),
        ("1.2.3", "'1.2.3' is not a number"),
        ("0.5,0.7", "'0.5,0.7' is not a number"),
        ("0x1F", "'0' continues with 'x'"),
        ("3.5k", "'3.5' continues with 'k'; include that in the text or pattern"),
        ("3ms", "'3' continues with 'ms'"),
        ("1e", "'1' continues with 'e'"),
        ("9/10", "'9' continues with '/1'"),
        ("9 / 10", "'9' continues with ' / 1'"),
        ("12:30", "'12' continues with ':3'"),
        ("5-7", "'5' continues with '-7'"),
        ("3.5x10^3", "'3.5' continues with 'x'"),
        ("3.5 x 10^3", "'3.5' continues with ' x 10'"),
        ("3.5×10³", "'3.5' continues with '\\xd710'"),
        ("1\u202f234,5", r"'1' continues with '\u202f234'"),
        ("1\xa0234.5", r"'1' continues with '\xa0234'"),
        ("12٫5", r"'12' continues with '\u066b5'"),
        ("1.5+0.2j", "'1.5' continues with '+0'"),
        ("1.#INF", "'1.' continues with '#INF'"),
    ],
)  # fmt: skip
def test_what_may_be_another_number_is_an_error(printed, message):
    assert f"the text of reward: {message}" in refused(f"reward: {printed}")


def test_the_decimal_sign_can_be_said():
    assert found("reward: 3,5", decimal=",") == 3.5
    assert found("reward: 3.498,9", decimal=",") == 3498.9
    assert found("reward: 3.498", decimal=",") == 3498
    assert found("reward: 3,498", decimal=".") == 3498
    assert 'remove decimal: ","' in refused("reward: 3.5", decimal=",")
    assert "is not a number" in refused("reward: 3,5", decimal=".")


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("12.3%", r"(?P<value>\d+)%"),
        ("loss -0.5", r"(?P<value>\d+\.\d+)"),
        ("reward: 3,498.9", r"(?P<value>\d+)"),
        ("1e-3", r"(?P<value>[\d.]+)"),
        ("1e-3", r"-(?P<value>\d)"),
        ("loss .5", r"(?P<value>\d)"),
        ("Accuracy: 9810/10000", r"Accuracy: (?P<value>\d+)"),
    ],
)
def test_a_pattern_that_takes_part_of_a_number_is_an_error(line, pattern):
    with pytest.raises(TrainingFailed, match="the pattern of reward: "):
        by_pattern(line, pattern)


@pytest.mark.parametrize(
    ("line", "pattern", "value"),
    [
        ("Accuracy: 9810/10000 (98%)", r"Accuracy: (?P<value>\d+)/", 9810),
        ("Accuracy: 9810/10000 (98%)", r"\((?P<value>\d+)%", 98),
        ("3,0.5,0.7", r"^\d+,(?P<value>[\d.]+),", 0.5),
        ("loss (0.5)", r"loss (?P<value>\S+)", 0.5),
        ("loss 0.5.", r"loss (?P<value>\S+)", 0.5),
        ("epoch3loss0.5", r"loss(?P<value>[\d.]+)", 0.5),
        ("took 3.5s", r"took (?P<value>[\d.]+)s", 3.5),
    ],
)
def test_a_pattern_that_says_where_the_number_ends_is_believed(line, pattern, value):
    assert by_pattern(line, pattern) == value


def test_a_text_begins_at_the_beginning_of_a_word():
    line = "train_loss: 1 val_loss: 2"
    assert found(line, "loss: {value}") is None
    assert found(line, "val_loss: {value}") == 2
    assert found("train/loss 1 val/loss 2", "loss {value}") is None
    assert found("epoch 3: train_loss 1, loss 2", "epoch {step}: ... loss {value}") == 2


def test_a_text_that_is_in_a_line_twice_with_other_numbers_is_an_error():
    message = refused("train loss 1, val loss 2", "loss {value}")
    assert "found twice, with 1 and 2; write more of the line" in message
    assert "found twice" in refused("epoch 1: train loss 1, val loss 2", "epoch {step}: ... loss {value}")
    assert found("loss 2 (loss 2)", "loss {value}") == 2


def test_white_space_matches_white_space_and_the_borders_of_tables():
    assert found("│  val_loss   │   0.342  │", "val_loss {value}") == 0.342
    assert found("val_loss\t\t0.342", "val_loss {value}") == 0.342
    assert found("|   mean reward   | 0.342 |", "mean reward {value}") == 0.342
    assert found("| acc |none  |0.2567|", "| acc | none | {value}|") == 0.2567
    assert found("| acc |none  | 0.72|", "| acc | none | {value}|") == 0.72


def test_padding_beside_punctuation_may_be_any():
    for line in ("Acc@1: 1.9 ( 14.800)", "Acc@1: 1.9 (14.800)", "Acc@1: 1.9 (  14.800 )"):
        assert found(line, "Acc@1: ... ({value})") == found(line, "Acc@1: ... ( {value})") == 14.8
    assert found("eval_loss   =     4.7387", "eval_loss = {value}") == 4.7387
    assert found("loss:0.5", "loss: {value}") == 0.5
    assert found("loss5", "loss {value}") is None
    assert Finder("loss", Measure(goal="minimize", text="[{step}/ ... loss {value}")).find("[ 3/20] loss 1").step == 3


def test_steps_are_followed_by_what_is_usual():
    measure = Measure(goal="minimize", text="epoch {step} ... loss {value}")
    lines = ["epoch 3/20: loss 1", "epoch 1,000: loss 1", "epoch 7 - loss 1"]
    assert [Finder("loss", measure).find(line).step for line in lines] == [3, 1000, 7]
    with pytest.raises(TrainingFailed, match=r"step '3.5' is not an integer"):
        Finder("loss", measure).find("epoch 3.5: loss 1")


def test_a_pattern_that_backtracks_is_fast():
    assert by_pattern("1" * 40, r"(?P<value>(\d+\.?)+)x") is None


def test_a_pattern_without_end_is_stopped_and_named(monkeypatch):
    monkeypatch.setattr(finder, "LIMIT_S", 0.05)
    pattern = r"(?P<value>(a|aa)+)$"
    line = "a" * 60 + "!"
    with pytest.raises(TrainingFailed, match="took longer than") as caught:
        by_pattern(line, pattern)
    assert repr(pattern) in str(caught.value)
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "value"),
    [
        ("Accuracy: ... ({value})", "Accuracy: 369/397 (93%)", 93.0),
        ("acc {value}, loss", "acc 93.5 %, loss 0.1", 93.5),
        ("acc {value} after", "acc 93% after 2 epochs", 93.0),
        ("acc {value} %", "acc 93 %", 93.0),
    ],
)
def test_a_percent_sign_after_the_number_need_not_be_written(text, line, value):
    assert found(line, text) == value
