import json
import os
import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from toy_task import MISSING, TOY, Config, Toy, Walk

from harness.errors import DataError, Interrupted
from harness.execution import attempt as attempts
from harness.execution.attempt import attempt
from harness.execution.job import AttemptOptions, Job
from harness.experiment.run_id import Spec
from harness.store import checkpoint
from harness.store.check.run import check_run
from harness.store.holder import Holder
from harness.store.lease import SupersededError, Timing, Watch
from harness.store.records import read_rows
from harness.tasks.identity import identity

RUN = "0123456789ab"


def job(**config):
    checked = Config.model_validate(config)
    return Job(RUN, TOY, checked, Spec(task="toy", version="1", config=identity(checked), seed=3, data="toys:1"))


def run(store, work, means=None):
    with store.take(RUN, Watch(Timing(), Holder.here())) as lease:
        return attempt(work, store.paths.run(RUN), lease, means or AttemptOptions())


def bits(store):
    """What must not depend on interruptions: rows, predictions and result without their times."""
    paths = store.paths.run(RUN)
    timings = {"seconds", "train_seconds", "samples_per_second", "ended", "checksums", "provenance_digest", "seal"}
    rows = [{name: value for name, value in row.items() if name not in timings} for row in read_rows(paths.metrics)]
    result = {name: value for name, value in json.loads(paths.result.read_text()).items() if name not in timings}
    return rows, result, paths.predictions.read_bytes()


def stops_at(step):
    """A `should_stop` that says so at the call `step`, counted from 1."""
    calls = count(1)
    return lambda: next(calls) >= step


@pytest.fixture
def reference(store, tmp_path):
    """The bits of a run that nothing interrupted."""
    other = replace(store, paths=replace(store.paths, root=tmp_path / "reference"))
    run(other, job())
    return bits(other)


def test_a_completed_run_leaves_its_files_and_no_others(store):
    result = run(store, job())
    names = {path.name for path in store.paths.run(RUN).folder.iterdir()}
    assert result.state == "completed"
    assert names == {"spec.json", "provenance.json", "metrics.jsonl", "predictions.npz", "result.json", "log.txt", "lease.1"}


def test_a_result_has_the_last_rows_numbers_the_tasks_facts_and_the_times(store):
    result = run(store, job(epochs=12))
    rows = read_rows(store.paths.run(RUN).metrics)
    assert result.metrics["score"] == rows[-1]["score"]
    assert result.metrics["parameters"] == 4
    assert result.metrics["train_seconds"] == pytest.approx(sum(row["seconds"] for row in rows))
    assert result.metrics["score_fluctuation"] == pytest.approx(np.std(np.diff([row["score"] for row in rows])[-3:], ddof=1))


def test_the_provenance_contains_the_choices_of_a_training(store, monkeypatch):
    monkeypatch.setattr(Walk, "choices", {"compiled": True}, raising=False)
    run(store, job())
    assert json.loads(store.paths.run(RUN).provenance.read_text())["choices"] == {"compiled": True}


def test_a_training_without_alternatives_has_no_choices(store):
    run(store, job())
    assert json.loads(store.paths.run(RUN).provenance.read_text())["choices"] == {}


def test_predictions_are_kept_as_arrays(store):
    run(store, job())
    with np.load(store.paths.run(RUN).predictions) as arrays:
        assert arrays["probabilities"].dtype == np.float16
        assert arrays["labels"].tolist() == [0, 1, 0, 1]


@pytest.fixture
def on_disk(store, monkeypatch):
    """What an attempt makes durable, in order: the names of files that are flushed, `names` for their folder, `-> x` for a new name."""
    events, flush, rename, link = [], os.fsync, Path.replace, os.link

    def flushed(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append("names" if path.name == RUN else ".".join(path.name.split(".")[1:3]))
        flush(descriptor)

    def named(source, target):
        events.append(f"-> {target.name}")
        return rename(source, target)

    def linked(source, target):
        events.append(f"-> {target.name}")
        link(source, target)

    run(store, job())  # the list of installed packages is written once
    shutil.rmtree(store.paths.run(RUN).folder)
    monkeypatch.setattr(attempts, "FIRST_ROWS_S", 60.0)  # a short run, however busy the machine is
    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", named)
    monkeypatch.setattr(os, "link", linked)
    return events


def test_a_short_run_waits_for_the_disk_once_a_file_and_twice_for_their_names(store, on_disk):
    run(store, job())
    waits = [event for event in on_disk if not event.startswith("->")]
    files = ["spec.json", "provenance.json", "predictions.npz", "metrics.jsonl", "provenance.json"]
    assert waits == [*files, "names", "result.json", "names"]


@pytest.mark.parametrize("every_s", [None, 0.0])
def test_a_power_cut_leaves_no_result_or_checkpoint_without_the_files_before_it(store, on_disk, every_s):
    run(store, job(), AttemptOptions(checkpoint_every_s=every_s))
    ends = [place for place, event in enumerate(on_disk) if event in {"-> result.json", "-> checkpoint.pt"}]
    assert len(ends) == (1 if every_s is None else 12)
    for place in ends:
        before = on_disk[:place]
        files = [other for other, event in enumerate(before) if event.startswith("->") and event != "-> lease.1"]
        assert all(on_disk[other][3:] in before[:other] for other in [*files, place])  # the content before the name
        assert "names" in before[files[-1] :]
        assert "names" in on_disk[place:]


class Own(Toy):
    """Resumes from its own files."""

    def start_in(self, config, seed, _device, _folder):
        return Walk(config, seed)


def test_the_first_row_of_a_task_that_resumes_from_its_own_files_is_on_the_disk_at_once(store, on_disk):
    run(store, replace(job(), task=Own()), AttemptOptions(checkpoint_every_s=3600.0))
    first = on_disk.index("-> metrics.jsonl")
    assert on_disk[first + 1] == "names"
    assert first < on_disk.index("-> predictions.npz")


@pytest.mark.parametrize("step", range(1, 12))
def test_a_run_stopped_anywhere_resumes_with_the_same_bits(store, reference, step):
    with pytest.raises(Interrupted):
        run(store, job(), AttemptOptions(should_stop=stops_at(step)))
    assert store.record(RUN).state == "interrupted"
    assert run(store, job()).state == "completed"
    assert bits(store) == reference
    assert len(json.loads(store.paths.run(RUN).provenance.read_text())["restarts"]) == 1


def test_a_checkpoint_after_every_step_changes_no_bit(store, reference):
    run(store, job(), AttemptOptions(checkpoint_every_s=0.0))
    assert bits(store) == reference


def test_rows_after_the_checkpoint_are_cut_away(store, reference):
    with pytest.raises(Interrupted):
        run(store, job(), AttemptOptions(should_stop=stops_at(6)))
    with store.paths.run(RUN).metrics.open("a") as file:
        file.write('{"epoch": 2, "score": 1e9}\n{"epoch": 3, "sco')
    run(store, job())
    assert bits(store) == reference


def test_a_torn_checkpoint_is_reported_and_the_run_restarts(store, reference):
    with pytest.raises(Interrupted):
        run(store, job(), AttemptOptions(should_stop=stops_at(6)))
    paths = store.paths.run(RUN)
    paths.checkpoint.write_bytes(paths.checkpoint.read_bytes()[:-10])
    run(store, job())
    assert "checkpoint.pt: damaged, its checksum does not match: the run restarts" in paths.log.read_text()
    assert bits(store) == reference


def test_torn_spec_and_provenance_are_written_again(store, reference):
    with pytest.raises(Interrupted):
        run(store, job(), AttemptOptions(should_stop=stops_at(6)))
    paths = store.paths.run(RUN)
    paths.spec.write_text("{")
    paths.provenance.write_text("{")
    run(store, job())
    assert json.loads(paths.spec.read_text())["seed"] == 3
    assert json.loads(paths.provenance.read_text())["ended"]
    assert bits(store) == reference


def test_the_threads_of_the_first_start_are_used_again(store, monkeypatch):
    used = []
    monkeypatch.setattr(attempts, "use_threads", used.append)
    with pytest.raises(Interrupted):
        run(store, job(), AttemptOptions(threads=3, should_stop=stops_at(2)))
    run(store, job(), AttemptOptions(threads=8))
    assert used == [3, 3]


def test_the_provenance_omits_a_start_of_which_nothing_is_left(store, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Walk, "advance", killed)
    with pytest.raises(KeyboardInterrupt):
        run(store, job(), AttemptOptions(threads=3, device="cuda", command=("one",)))
    monkeypatch.undo()
    run(store, job(), AttemptOptions(threads=1, command=("two",)))
    paths = store.paths.run(RUN)
    origin = json.loads(paths.provenance.read_text())
    assert (origin["threads"], origin["accelerator"], origin["command"], origin["restarts"]) == (1, "cpu", ["two"], [])
    assert "restarted from the beginning: nothing is left of the start at " in paths.log.read_text()


def test_a_failure_retried_from_the_beginning_has_the_provenance_of_the_retry(store):
    run(store, job(fail_at=2), AttemptOptions(threads=3))
    with store.take(RUN, Watch(Timing(), Holder.here())) as lease:
        store.archive_result(RUN, lease, keep_checkpoint=False)
    run(store, job(), AttemptOptions(threads=1))
    paths = store.paths.run(RUN)
    origin = json.loads(paths.provenance.read_text())
    assert (origin["threads"], origin["restarts"]) == (1, [])
    assert json.loads(paths.earlier_provenance(2).read_text())["threads"] == 3
    assert not [found for found in check_run(paths) if found.path.name.startswith("provenance")]


def test_the_weights_are_kept_on_request(store):
    run(store, job(), AttemptOptions(keep_weights=True))
    assert checkpoint.unpack(store.paths.run(RUN).checkpoint.read_bytes())["training"]["epoch"] == 3


def test_a_metric_that_is_not_finite_ends_the_run_as_diverged(store):
    result = run(store, job(diverge_at=2))
    assert (result.state, result.error) == ("diverged", "loss is nan at epoch 2")
    assert '"loss": "nan"' in store.paths.run(RUN).metrics.read_text().splitlines()[1]
    assert not store.paths.run(RUN).predictions.exists()


@pytest.mark.parametrize("failure", ["bug", "oom", "data", "disk"])
def test_an_exception_ends_the_run_as_failed_with_its_reason_and_traceback(store, failure):
    result = run(store, job(fail_at=2, failure=failure))
    assert (result.state, result.reason) == ("failed", failure)
    assert result.error in store.paths.run(RUN).log.read_text()
    assert "_go_wrong" in store.paths.run(RUN).log.read_text()
    assert result.traceback_digest
    assert "score" not in result.metrics


def test_missing_data_is_bad_input_and_not_a_failure_of_the_run(store):
    with pytest.raises(DataError, match=MISSING):
        run(store, job(data="missing"))
    assert store.record(RUN).state == "pending"


def test_what_is_printed_goes_to_the_log(store, capfd):
    run(store, job(prints="hello from the task"))
    assert "hello from the task\n" in store.paths.run(RUN).log.read_text()
    assert capfd.readouterr() == ("", "")


def test_a_worn_out_run_fails_as_killed_without_training(store):
    for start in ("1", "2", "3"):
        dead = Holder.model_validate({**dict(Holder.here()), "process_start": start})
        assert store.take(RUN, Watch(Timing(), dead)) is not None
    result = run(store, job())
    assert (result.state, result.reason) == ("failed", "killed")
    assert not store.paths.run(RUN).metrics.exists()


@pytest.mark.parametrize("wrong", [b'{"epoch": 1}\n{"epo', b"\x80\x00", b'{"epoch": 1, "score": 1e9}\n'])
def test_rows_without_a_checkpoint_are_not_part_of_a_failure(store, wrong):
    paths = store.paths.run(RUN)
    paths.folder.mkdir(parents=True)
    paths.metrics.write_bytes(wrong)
    assert run(store, job(fail_at=1)).state == "failed"
    assert read_rows(paths.metrics) == []


def test_a_superseded_attempt_writes_nothing_more(store):
    clock = iter((0.0, 1000.0))
    taker = Watch(Timing(), Holder(host="other", machine="other", pid=1, process_start="1"), lambda: next(clock))

    def taken_over_meanwhile():
        if store.paths.run(RUN).metrics.exists() and not store.paths.run(RUN).lease(2).exists():
            assert store.take(RUN, taker) is None
            assert store.take(RUN, taker) is not None
        return False

    with pytest.raises(SupersededError):
        run(store, job(sleep=0.07), AttemptOptions(should_stop=taken_over_meanwhile))
    paths = store.paths.run(RUN)
    assert len(read_rows(paths.metrics)) == 1
    assert not paths.result.exists()
    assert [path.name for path in paths.folder.glob("*.tmp")] == []


def test_a_run_without_epochs_completes(store):
    assert run(store, job(epochs=0)).state == "completed"


def test_a_checkpoint_holds_the_rows_so_that_they_need_no_other_file(store):
    with pytest.raises(Interrupted):
        run(store, job(), AttemptOptions(should_stop=stops_at(6)))
    saved = checkpoint.unpack(store.paths.run(RUN).checkpoint.read_bytes())
    assert [row["epoch"] for row in saved["rows"]] == [1]
    assert Walk(Config(), 3).load_state_dict(saved["training"]) is None
