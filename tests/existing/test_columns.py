"""Which column is what: as said, or guessed from names and values, with the guess shown."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from harness.errors import InputError
from harness.existing.columns import ColumnOptions, Columns, find_columns
from harness.existing.results_table import ResultsTable, table_of_frame


def table(**columns: Any) -> ResultsTable:
    return table_of_frame(pd.DataFrame(columns))


RUNS = table(model=["base", "base", "new", "new"], seed=[0, 1, 0, 1], accuracy=[93.0, 93.2, 93.5, 93.4])


def found(given: ResultsTable, **options: Any) -> Columns:
    return find_columns(given, ColumnOptions(**options))


def refusal(given: ResultsTable, **options: Any) -> str:
    with pytest.raises(InputError) as refused:
        find_columns(given, ColumnOptions(**options))
    return str(refused.value)


def test_an_ordinary_table_needs_no_options() -> None:
    columns = found(RUNS)
    assert (columns.variants, columns.seed, columns.metrics) == (("model",), "seed", {"accuracy": "accuracy"})
    assert columns.guessed == ("seed: seed", "variant: model (2 different values)", "metric: accuracy (higher is better)")


def test_what_is_said_is_not_guessed() -> None:
    columns = found(RUNS, variant="model", seed="seed", metrics=("accuracy:maximize:%",))
    assert columns.guessed == ()
    assert (columns.kinds["accuracy"].goal, columns.kinds["accuracy"].unit) == ("maximize", "%")


@pytest.mark.parametrize("name", ["seed", "SEED", "random_seed", "config.seed", "train.rng_seed", "replicate", "manual seed"])
def test_seeds_have_many_names(name: str) -> None:
    assert found(table(model=["a", "b"], **{name: [1, 2]}, loss=[0.1, 0.2])).seed == name


@pytest.mark.parametrize("name", ["seeded", "n_seeds", "dataset", "run", "trial"])
def test_other_names_are_not_taken_for_the_seed(name: str) -> None:
    refused = refusal(table(model=["a", "b"], **{name: [1, 2]}, loss=[0.1, 0.2]))
    assert "no column looks like the seed; give it with --seed COLUMN, or use --unpaired" in refused


def test_two_columns_that_look_like_the_seed_are_not_guessed() -> None:
    given = table(model=["a", "b"], data_seed=[1, 2], init_seed=[1, 2], loss=[0.1, 0.2])
    assert "several columns look like the seed: data_seed, init_seed; give one with --seed" in refusal(given)


def test_a_column_is_found_without_the_prefix_of_its_source() -> None:
    given = table(**{"config.opt": ["a", "b"], "config.seed": [1, 2], "summary.val/loss": [0.1, 0.2]})
    columns = found(given, variant="opt", metrics=("val/loss",))
    assert (columns.variants, columns.metrics) == (("config.opt",), {"val/loss": "summary.val/loss"})


def test_an_ambiguous_or_missing_column_is_refused_with_the_names_there_are() -> None:
    given = table(**{"config.lr": [1, 2], "summary.lr": [1, 2], "seed": [0, 1], "loss": [0.1, 0.2]})
    assert refusal(given, factors=("lr",)) == "--factor lr: ambiguous; choose from: config.lr, summary.lr"
    assert "--variant modle: the frame has no such column; did you mean model?" in refusal(RUNS, variant="modle")


def test_several_text_columns_are_not_guessed_unless_one_has_a_usual_name() -> None:
    given = table(fruit=["a", "b", "a", "b"], colour=["c", "c", "d", "d"], seed=[0, 0, 1, 1], loss=[1.0, 2.0, 3.0, 4.0])
    assert "several columns may tell the variants apart: fruit, colour" in refusal(given)
    named = table(fruit=["a", "b", "a", "b"], method=["c", "c", "d", "d"], seed=[0, 1, 0, 1], loss=[1.0, 2.0, 3.0, 4.0])
    assert found(named).variants == ("method",)


def test_names_of_runs_are_not_variants() -> None:
    given = table(id=["r1", "r2", "r3", "r4"], model=["a", "b", "a", "b"], seed=[0, 0, 1, 1], loss=[1.0, 2.0, 3.0, 4.0])
    assert found(given).variants == ("model",)


def test_a_table_with_a_column_per_variant_is_recognised() -> None:
    wide = table(seed=[0, 1, 2], base=[1.0, 2.0, 3.0], new=[2.0, 3.0, 4.0])
    columns = found(wide, metrics=("accuracy:maximize:%",))
    assert columns.wide == ("base", "new")
    assert "a column per variant: base, new" in columns.guessed
    assert "say what they hold with --metric NAME:GOAL" in refusal(wide)
    assert found(wide, metrics=("loss",), wide=("new", "base")).wide == ("new", "base")


def test_the_epoch_is_guessed_where_there_is_one() -> None:
    given = table(model=["a", "b"], seed=[0, 0], epoch=[1, 1], loss=[1.0, 2.0])
    assert found(given).step == "epoch"
    assert "step: epoch (the last row of a run counts)" in found(given).guessed


def test_the_metric_is_guessed_and_the_others_are_named() -> None:
    given = table(model=["a", "b"], seed=[0, 0], lr=[0.1, 0.1], train_loss=[1.0, 2.0], val_acc=[0.5, 0.6])
    columns = found(given)
    assert columns.metrics == {"val_acc": "val_acc"}
    assert columns.guessed[-1] == "metric: val_acc (higher is better; others: train_loss)"


def test_a_metric_whose_goal_is_unknown_is_asked_for() -> None:
    given = table(model=["a", "b"], seed=[0, 0], quux=[1.0, 2.0])
    assert "give it with --metric COLUMN:GOAL; choose from: quux" in refusal(given)
    assert (
        refusal(given, metrics=("quux",))
        == "--metric quux: whether more is better is unknown; use quux:maximize or quux:minimize"
    )
    assert found(given, metrics=("quux:minimize:s",)).kinds["quux"].unit == "s"
    assert refusal(given, metrics=("quux:up",)) == "--metric quux:up: invalid goal 'up'; choose from: minimize, maximize"


def test_names_of_metrics_may_contain_colons() -> None:
    given = table(model=["a", "b"], seed=[0, 0], **{"acc:top1": [1.0, 2.0]})
    assert found(given, metrics=("acc:top1:maximize",)).metrics == {"acc:top1": "acc:top1"}


def test_numbers_that_are_measured_are_no_variants() -> None:
    given = table(lr=[0.1, 0.1, 0.2, 0.2], seed=[0, 1, 0, 1], accuracy=[93.0, 93.2, 93.5, 93.4])
    assert "no column looks like the variant; give it with --variant COLUMN, numbers with --factor COLUMN" in refusal(given)


@pytest.mark.parametrize("index", ["column 1", "Unnamed: 0", "index"])
def test_numbers_of_rows_are_no_variant(index: str) -> None:
    given = table(**{index: [0, 1, 2]}, base=[1.0, 2.0, 3.0], new=[2.0, 3.0, 4.0])
    assert found(given, metrics=("accuracy",), unpaired=True).wide == ("base", "new")
    assert found(given, metrics=("accuracy",), seed=index).wide == ("base", "new")


def test_a_time_is_not_guessed_to_be_the_metric() -> None:
    given = table(model=["a", "b"], seed=[0, 0], timestamp=[1.0, 2.0], runtime=[3.0, 4.0])
    assert "what was measured is unknown; give it with --metric COLUMN:GOAL; choose from: timestamp, runtime" in refusal(given)
    assert found(given, metrics=("runtime",)).kinds["runtime"].goal == "minimize"


def test_a_setting_is_not_guessed_to_be_the_metric() -> None:
    given = table(model=["a", "a", "b", "b"], seed=[0, 1, 0, 1], accumulate=[1, 1, 4, 4], loss=[0.3, 0.2, 0.1, 0.2])
    columns = found(given)
    assert columns.metrics == {"loss": "loss"}
    assert columns.guessed[-1] == "metric: loss (lower is better)"


def test_text_in_the_place_of_the_metric_is_found_for_the_error_that_names_the_cell() -> None:
    assert found(table(model=["a", "b"], seed=[0, 0], accuracy=["93.1±0.2", "94.0±0.1"])).metrics == {"accuracy": "accuracy"}
