"""Folders of event files, written by SummaryWriter -> a row per run."""

import math

import pytest

from harness.errors import InputError, PackageError
from harness.existing.path_parts import parts_of
from harness.existing.read import read

pytest.importorskip("tensorboard")


@pytest.fixture
def write(tmp_path):
    """Writes the values of tags, the last at the highest step, to a folder."""
    from torch.utils.tensorboard import SummaryWriter

    def write(folder, suffix="", first=0, **tags):
        with SummaryWriter(tmp_path / folder, filename_suffix=suffix) as writer:
            for tag, values in tags.items():
                for step, value in enumerate(values, first):
                    writer.add_scalar(tag.replace("__", "/"), value, step)

    return write


@pytest.fixture
def writer(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    return lambda folder="": SummaryWriter(tmp_path / folder)


def rows(found):
    return found.frame.to_dict("records")


def test_each_folder_is_a_run_whose_last_values_count(tmp_path, write):
    for variant in ("relu", "gelu"):
        for seed in (0, 3):
            write(f"{variant}/seed_{seed}", acc=[0.5, 0.75 + seed], val__loss=[2, 1, 0.5])
    found = read(str(tmp_path))
    assert rows(found) == [
        {"run": f"{variant}/seed_{seed}", "variant": variant, "seed": seed, "acc": 0.75 + seed, "val/loss": 0.5}
        for variant in ("gelu", "relu")
        for seed in (0, 3)
    ]
    assert (found.variants, found.seed, found.metrics) == (("variant",), "seed", ("acc", "val/loss"))
    assert found.place(2) == "run relu/seed_0"
    assert found.notes == ()


@pytest.mark.parametrize(
    ("path", "variant", "seed", "settings"),
    [
        ("relu/seed_3", "relu", "3", {}),
        ("relu-s3", "relu", "3", {}),
        ("seed3/relu", "relu", "3", {}),
        ("3-seed=12-relu", "3-relu", "12", {}),
        ("a/s1/b", "a/b", "1", {}),
        ("s1", "root", "1", {}),
        (".", "root", None, {}),
        ("lr=0.1,seed=3", "lr=0.1", "3", {"lr": "0.1"}),
        ("lr=1e-3_weight_decay=0.5_random_seed=7", "lr=1e-3_weight_decay=0.5", "7", {"lr": "1e-3", "weight_decay": "0.5"}),
        ("opt=adam/lr=0.1/Seed-4", "opt=adam/lr=0.1", "4", {"opt": "adam", "lr": "0.1"}),
        ("classes3/version_0", "classes3/version_0", None, {}),
        ("s2-seed5", "s2", "5", {}),
        ("resnets50", "resnets50", None, {}),
        ("seed_1.5", "seed_1.5", None, {}),
    ],
)
def test_a_path_has_a_variant_a_seed_and_settings(path, variant, seed, settings):
    parts = parts_of(path, "root")
    assert (parts.variant, parts.seed, dict(parts.settings)) == (variant, seed, settings)


def test_settings_in_the_path_are_columns_and_do_not_hide_tags(tmp_path, write):
    write("lr=0.1,seed=0", lr=[0.1, 0.01], acc=[1.0])
    write("lr=0.2,seed=0", lr=[0.2, 0.02], acc=[2.0])
    found = read(str(tmp_path))
    assert list(found.frame["lr"]) == [0.1, 0.2]
    assert list(found.frame["lr (scalar)"]) == [pytest.approx(0.01), pytest.approx(0.02)]
    assert found.metrics == ("lr (scalar)", "acc")


def test_files_of_one_run_are_joined_by_step(tmp_path, write):
    write("a", suffix=".1", acc=[1, 2, 3, 4])
    write("a", suffix=".2", first=2, acc=[30, 40, 50])
    write("b", suffix=".1", acc=[1, 2, 3, 4])
    write("b", suffix=".2", acc=[5, 6])
    found = read(str(tmp_path))
    assert list(found.frame["acc"]) == [50, 4]
    assert found.notes == (
        "run b: 'acc' counts as of step 3, but step 1 was written later; if two trainings wrote to this folder, separate their files",
    )


def test_add_scalars_belongs_to_the_run_above(tmp_path, writer):
    for seed in range(2):
        with writer(f"seed{seed}") as file:
            file.add_scalar("acc", seed, 1)
            file.add_scalars("val/loss", {"ema": 0.25, "raw": 0.5}, 1)
    found = read(str(tmp_path))
    assert rows(found)[1] == {
        "run": "seed1",
        "variant": tmp_path.name,
        "seed": 1,
        "acc": 1,
        "val_loss_ema/val/loss": 0.25,
        "val_loss_raw/val/loss": 0.5,
    }
    assert len(found.frame) == 2


def test_train_and_validation_folders_are_one_run(tmp_path, write):
    for seed in range(2):
        write(f"base/seed{seed}/train", epoch_loss=[seed])
        write(f"base/seed{seed}/validation", epoch_loss=[seed + 10])
    found = read(str(tmp_path))
    assert list(found.frame["validation/epoch_loss"]) == [10, 11]
    assert list(found.frame["run"]) == ["base/seed0", "base/seed1"]


def test_folders_below_a_run_with_other_tags_are_runs_of_their_own(tmp_path, write):
    for folder in (".", "a", "a/b"):
        write(folder, acc=[len(folder)])
    assert list(read(str(tmp_path)).frame["run"]) == [".", "a", "a/b"]


def test_one_call_of_hparams_describes_its_run(tmp_path, writer):
    for lr in (0.1, 0.2):
        for seed in (5, 6):
            with writer(f"run{lr}-{seed}") as file:
                file.add_scalar("acc", lr + seed, 1)
                file.add_hparams({"lr": lr, "seed": seed, "amp": True, "opt": "sgd"}, {"best": seed})
    found = read(str(tmp_path))
    assert len(found.frame) == 4
    assert rows(found)[3] == {
        "run": "run0.2-6",
        "variant": "run0.2-6",
        "hparam.lr": 0.2,
        "hparam.seed": 6,
        "hparam.amp": 1,
        "hparam.opt": "sgd",
        "acc": pytest.approx(6.2),
        "best": 6,
    }
    assert (found.variants, found.seed) == (("hparam.lr",), "hparam.seed")


def test_several_calls_of_hparams_by_one_writer_are_runs(tmp_path, writer):
    with writer() as file:
        for lr in (1, 2, 3):
            file.add_hparams({"lr": lr}, {"acc": lr * 10}, run_name=f"trial{lr}")
    found = read(str(tmp_path))
    assert list(found.frame["hparam.lr"]) == [1, 2, 3]
    assert list(found.frame["acc"]) == [10, 20, 30]


def test_values_that_are_not_finite_stay(tmp_path, write):
    write("a-s1", acc=[1, math.nan], loss=[math.inf])
    write("a-s2", acc=[1, 2])
    found = read(str(tmp_path))
    assert math.isnan(found.frame["acc"][0])
    assert found.frame["loss"][0] == math.inf
    assert list(found.empty) == ["loss"]
    assert list(found.empty["loss"]) == [False, True]


def test_a_file_cut_by_a_kill_is_read_to_its_last_whole_record(tmp_path, write):
    write("a", acc=[1, 2, 3])
    (file,) = (tmp_path / "a").iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    assert list(read(str(tmp_path)).frame["acc"]) == [2]


def test_long_files_are_read_to_their_end(tmp_path, write):
    write("a", **{"long" * 200: range(2000)})
    (file,) = (tmp_path / "a").iterdir()
    assert file.stat().st_size > 1 << 20
    assert list(read(str(tmp_path)).frame["long" * 200]) == [1999]


def test_a_damaged_file_is_named(tmp_path, write):
    write("a", acc=[1])
    (file,) = (tmp_path / "a").iterdir()
    file.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match=f"{file} is damaged after byte 0"):
        read(str(tmp_path))


def test_folders_without_scalars_are_noted(tmp_path, write, writer):
    write("a", acc=[1])
    with writer("b") as file:
        file.add_text("note", "x")
    assert read(str(tmp_path)).notes == ("b: its event files have no scalars",)
    with pytest.raises(InputError, match="b: no finished run was found"):
        read(str(tmp_path / "b"))


def test_a_folder_without_event_files_is_an_error(tmp_path):
    with pytest.raises(InputError, match="neither event files of TensorBoard nor runs of MLflow"):
        read(str(tmp_path))
    with pytest.raises(InputError, match="neither it nor a folder below it has event files"):
        read(str(tmp_path), "tensorboard")
    with pytest.raises(InputError, match="no such folder"):
        read(str(tmp_path / "x"), "tensorboard")


def test_without_tensorboard_the_error_says_what_to_install(tmp_path, write, monkeypatch):
    write("a", acc=[1])
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(PackageError, match=r"event files in .*; install: python -m pip install 'tensorboard>="):
        read(str(tmp_path))
