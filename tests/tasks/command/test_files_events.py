"""TensorBoard's event files -> readings."""

import math
import struct
from importlib.machinery import ModuleSpec

import pytest
from followed import everything, follower, plain

from harness.errors import PackageError
from harness.tasks.protocol import TrainingFailed

pytest.importorskip("tensorboard")


@pytest.fixture
def writer(tmp_path):
    """Makes writers for folders in the run's folder."""
    from torch.utils.tensorboard import SummaryWriter

    return lambda folder="": SummaryWriter(tmp_path / folder)


def loss(run_dir, tag="val/loss", **options):
    return follower(run_dir, loss={"tensorboard": tag}, **options)


def written(path, *events):
    """Append events as every TensorFlow writes them; checksums are not looked at."""
    with path.open("ab") as file:
        for event in events:
            data = event.SerializeToString()
            file.write(struct.pack("<QI", len(data), 0) + data + bytes(4))


def tensor_event(step, tag, value, plugin="scalars", **metadata):
    """A scalar of TensorFlow 2."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.util.tensor_util import make_tensor_proto

    about = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin), **metadata)
    return Event(step=step, summary=Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=make_tensor_proto(value))]))


@pytest.mark.parametrize("new_style", [False, True])
def test_scalars_are_followed_as_torch_writes_them(tmp_path, writer, new_style):
    found, file = loss(tmp_path, "val/loss"), writer("logs/version_0")
    assert list(found.poll()) == []
    seen = []
    for step in (0, 10, 20):
        file.add_scalar("val/loss", 1.5 + step, step, new_style=new_style)
        file.add_scalar("train/loss", 9, step, new_style=new_style)
        file.add_text("val/loss/text", "words", step)
        file.flush()
        seen.append(plain(found.poll()))
    file.add_scalar("val/loss", math.nan, 30, new_style=new_style)
    file.close()
    assert seen == [[(step, {"loss": 1.5 + step})] for step in (0, 10, 20)]
    assert repr(plain(found.end())) == "[(30, {'loss': nan})]"


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int64"])
def test_scalars_are_read_as_tensorflow_2_writes_them(tmp_path, kind):
    import numpy

    path = tmp_path / "events.out.tfevents.1.host.1.0.v2"
    written(path, tensor_event(3, "loss", numpy.array(2, kind)), tensor_event(3, "loss", numpy.array([1, 2], kind)))
    written(path, tensor_event(4, "loss", "words", plugin="text"), tensor_event(5, "loss", numpy.array(7, kind), plugin=""))
    assert everything(loss(tmp_path, "loss")) == [(3, {"loss": 2.0}), (5, {"loss": 7.0})]


def test_several_metrics_may_have_one_tag(tmp_path, writer):
    with writer() as file:
        file.add_scalar("acc", 0.5, 1)
    found = follower(tmp_path, a={"tensorboard": "acc"}, b={"tensorboard": "acc"})
    assert everything(found) == [(1, {"a": 0.5, "b": 0.5})]


def test_a_half_written_event_is_waited_for_and_an_error_at_the_end(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    written(path, tensor_event(1, "loss", 0.5), tensor_event(2, "loss", 0.25))
    content, found = path.read_bytes(), loss(tmp_path, "loss")
    half, seen = len(content) // 2, []
    for size in range(half - 20, half + 20):
        path.write_bytes(content[:size])
        seen += plain(found.poll())
    assert seen == [(1, {"loss": 0.5})]
    with pytest.raises(
        TrainingFailed, match=r"events\.out\.tfevents\.1 ends inside a record, at byte \d+: the program must close it"
    ):
        found.end()
    path.write_bytes(content)
    assert plain(found.end()) == [(2, {"loss": 0.25})]


@pytest.mark.parametrize("content", [b"\xff" * 100, struct.pack("<QI", 3, 0) + b"\xff\xff\xff" + bytes(4)])
def test_a_damaged_file_is_an_error(tmp_path, content):
    (tmp_path / "events.out.tfevents.1").write_bytes(content)
    with pytest.raises(TrainingFailed, match=r"events\.out\.tfevents\.1 is damaged (after byte 0|before byte 19)"):
        loss(tmp_path).poll()


def test_a_tag_in_two_folders_is_an_error_that_says_how_to_choose(tmp_path, writer):
    for folder in ("train", "validation"):
        with writer(folder) as file:
            file.add_scalar("epoch_loss", len(folder), 1)
    with pytest.raises(TrainingFailed, match=r"tensorboard: epoch_loss was found in .*: train/epoch_loss, validation/epoch_loss"):
        everything(loss(tmp_path, "epoch_loss"))
    assert everything(loss(tmp_path, "validation/epoch_loss")) == [(1, {"loss": 10.0})]
    with pytest.raises(TrainingFailed, match="several folders"):
        everything(loss(tmp_path, "epoch_loss", resumes=True))


def test_curves_that_torch_puts_into_folders_are_found(tmp_path, writer):
    with writer() as file:
        file.add_scalars("loss", {"train": 3, "val": 2}, 1)
        file.add_hparams({"lr": 0.1}, {"hparam/acc": 0.5})
    assert everything(loss(tmp_path, "loss_val/loss")) == [(1, {"loss": 2.0})]
    (acc,) = everything(loss(tmp_path, "hparam/acc"))
    assert acc[1] == {"loss": 0.5}


def test_the_folders_of_a_resumed_program_are_one_after_the_other(tmp_path, writer):
    found = loss(tmp_path, "loss", resumes=True)
    for version in (9, 10):
        with writer(f"version_{version}") as file:
            file.add_scalar("loss", version, version)
    assert plain(found.end()) == [(9, {"loss": 9.0}), (10, {"loss": 10.0})]


def test_a_tag_of_two_processes_is_an_error(tmp_path):
    for process, steps in ((1, (1, 2)), (2, (3, 2))):
        written(tmp_path / f"events.out.tfevents.1.host.{process}", *(tensor_event(step, "loss", 0.5) for step in steps))
    with pytest.raises(TrainingFailed, match=r"loss was written twice, step 2 to both events.*host\.1 and events.*host\.2;"):
        everything(loss(tmp_path, "loss"))
    assert len(everything(loss(tmp_path, "loss", resumes=True))) == 4


def test_a_missing_tag_is_explained(tmp_path, writer):
    found = loss(tmp_path)
    assert everything(found) == []
    assert found.why_missing("loss") == (
        "no TensorBoard files were found in {run_dir} for the tag 'val/loss'; let the program write them there"
    )
    with writer("logs") as file:
        file.add_scalar("train/loss", 1, 1)
        file.add_scalar("accuracy", 1, 1)
        file.add_text("val/loss", "words", 1)
    assert everything(found) == []
    assert found.why_missing("loss") == (
        "the TensorBoard files have no scalar 'val/loss'; their scalars: logs/train/loss, logs/accuracy"
    )


def test_without_the_package_nothing_is_started(tmp_path, monkeypatch):
    of_a_folder_of_logs = ModuleSpec("tensorboard", None, is_package=True)
    for found in (None, of_a_folder_of_logs):
        monkeypatch.setattr("importlib.util.find_spec", {"tensorboard": found}.get)
        with pytest.raises(PackageError, match=r"metrics from TensorBoard; install: python -m pip install 'tensorboard>="):
            loss(tmp_path)
