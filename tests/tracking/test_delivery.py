"""What is known to have arrived."""

from __future__ import annotations

from conftest import PlanMaker
from mirrors import train

from harness.store import atomic
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.provenance import Provenance
from harness.store.records import Store, read_rows
from harness.tracking.delivery import Delivery, is_delivered, link, load, outdated, row_digest, row_digests, save


def test_an_epoch_trained_again_counts_as_the_same_whatever_time_it_took() -> None:
    assert row_digest({"epoch": 1, "loss": 0.5, "seconds": 1.0}) == row_digest({"epoch": 1, "loss": 0.5, "seconds": 2.0})
    assert row_digest({"epoch": 1, "loss": 0.5}) != row_digest({"epoch": 1, "loss": 0.25})
    assert row_digest({"loss": float("nan")}) == row_digest({"loss": float("nan")})


def test_sent_rows_are_outdated_when_the_first_epoch_differs() -> None:
    assert not outdated(["a", "b"], ["a"])
    assert not outdated(["a", "b"], ["a", "c"])
    assert outdated(["a", "b"], ["c", "b"])
    assert not outdated(["", "b"], ["a", "b"])
    assert not outdated([], ["a"])


def test_a_run_is_delivered_when_its_rows_and_its_result_are(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    train(store, plan)
    paths = store.paths.run(plan.runs[0].id)
    rows = row_digests(read_rows(paths.metrics))
    assert not is_delivered(None, paths)
    assert not is_delivered(Delivery(rows=rows, confirmed=len(rows)), paths)
    assert is_delivered(Delivery(rows=rows, confirmed=len(rows), ending=atomic.digest(paths.result)), paths)
    paths.result.unlink()
    assert is_delivered(Delivery(rows=rows, confirmed=len(rows)), paths)
    assert not is_delivered(Delivery(rows=rows, confirmed=len(rows) - 1), paths)


def test_a_damaged_delivery_file_counts_as_empty(store: Store) -> None:
    run_id = "0" * 12
    assert load(store.paths, run_id) is None
    save(store.paths, run_id, Delivery(url="https://wandb.ai/x"))
    assert load(store.paths, run_id) == Delivery(url="https://wandb.ai/x")
    store.paths.delivery(run_id).write_text("{")
    assert load(store.paths, run_id) == Delivery()


def test_the_pages_url_is_written_under_the_runs_lease(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    train(store, plan)
    run_id = plan.runs[0].id
    watch = Watch(Timing(), Holder.here())
    held = store.take(run_id, watch)
    assert held is not None
    with held:
        assert not link(store, run_id, "https://wandb.ai/x", watch)
    assert link(store, run_id, "https://wandb.ai/x", watch)
    assert atomic.read_json(store.paths.run(run_id).provenance, Provenance).url == "https://wandb.ai/x"
