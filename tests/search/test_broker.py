"""Trials given out and told of: the target, what is given back, and what killed and sleeping workers leave."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from searching import DONE, SPACE, begun, end, gone, toy_search, watch, worker

from harness.errors import InputError, StoreError
from harness.search.broker import TrialBroker, TrialLease, TrialOutcome
from harness.search.reconcile import prepare
from harness.search.stored_trials import read_trials
from harness.search.trials import Trial, counted
from harness.store import atomic
from harness.store import lease as leases
from harness.store.lease import SupersededError
from harness.store.records import Store


@pytest.fixture
def broker(store: Store, tmp_path: Path) -> TrialBroker:
    return begun(store, toy_search(tmp_path, f"{{space: {SPACE}, trials: 3}}"))


def ask(broker: TrialBroker) -> TrialLease:
    taken = broker.ask(watch())
    assert taken is not None
    return taken


def states(broker: TrialBroker) -> list[str]:
    return [trial.state for trial in broker.trials()]


def test_the_base_is_tried_first(broker: TrialBroker) -> None:
    assert states(broker) == ["waiting"]
    assert ask(broker).values == {"effect": 0.0, "noise": 1.0}


def test_the_base_is_queued_once_even_if_queueing_was_interrupted(store: Store, tmp_path: Path) -> None:
    broker = begun(store, toy_search(tmp_path, f"{{space: {SPACE}, first: [{{effect: 1}}, {{effect: 2}}]}}"))
    broker.prepare(watch())
    assert [trial.values["effect"] for trial in broker.trials()] == [0.0, 1.0, 2.0]
    study = prepare(store, toy_search(tmp_path, f"{{space: {SPACE}, first: [{{effect: 1}}, {{effect: 2}}]}}", name="others"))
    other = TrialBroker(store.paths.study(study.name), study)
    other.optuna.enqueue_trial(dict(other.study.first[0]))  # killed here
    other.prepare(watch())
    assert [trial.values["effect"] for trial in other.trials()] == [0.0, 1.0, 2.0]


def test_the_first_workers_queue_the_base_themselves(store: Store, tmp_path: Path) -> None:
    study = prepare(store, toy_search(tmp_path, f"{{space: {SPACE}, sampler: random, trials: 2, first: [{{effect: 1}}]}}"))
    assert worker(store, study).work() == 0
    assert [trial.values for trial in read_trials(store.paths.study(study.name), study) or ()] == list(study.first)


def test_no_trial_is_given_out_beyond_the_target(broker: TrialBroker) -> None:
    for taken in [ask(broker) for _ in range(3)]:
        assert broker.ask(watch()) is None
        end(broker, taken)
    assert broker.ask(watch()) is None
    assert states(broker) == ["completed"] * 3


def test_a_look_while_others_train_takes_no_lease_and_reads_no_trial_again(broker: TrialBroker) -> None:
    taken = [ask(broker) for _ in range(3)]
    with closing(TrialBroker(broker.paths, broker.study)) as other:
        number, observer = leases.highest(broker.paths.sampler_lease), watch()
        assert [other.ask(observer) for _ in range(3)] == [None] * 3
        assert leases.highest(broker.paths.sampler_lease) == number
        seen = other.latest()
        assert other.latest() is seen
        assert list(other.running.values()) == [leases.Liveness.ALIVE] * 3
        end(broker, taken[0])
        assert [trial.state for trial in other.latest()] == ["completed", "running", "running"]


def test_a_changed_target_applies_to_workers_that_started_before(broker: TrialBroker) -> None:
    atomic.write_json(broker.paths.spec, broker.study.model_copy(update={"trials": 1}))
    end(broker, ask(broker))
    assert broker.ask(watch()) is None
    atomic.write_json(broker.paths.spec, broker.study.model_copy(update={"trials": 2}))
    end(broker, ask(broker))
    assert broker.ask(watch()) is None


def test_an_abandoned_trial_is_given_back_with_its_values(broker: TrialBroker) -> None:
    first = ask(broker)
    gone(first)
    again = ask(broker)
    assert again.values == first.values
    assert states(broker) == ["interrupted", "running"]
    assert broker.trials()[1].follows == first.number
    assert [trial.number for trial in counted(broker.trials())] == [again.number]


def test_a_worker_that_slept_notices_that_it_lost_its_trial(broker: TrialBroker) -> None:
    first = ask(broker)
    gone(first)
    ask(broker)
    with pytest.raises(SupersededError):
        broker.tell(first, DONE)
    for write in (
        lambda: broker.record_runs(first, ["0" * 12]),
        lambda: broker.record_bound(first, "parameters", 1.0),
        lambda: broker.record_epochs(first, {1: 50.0}),
    ):
        with pytest.raises(SupersededError):
            write()
    assert states(broker)[0] == "interrupted"


def test_a_worker_killed_between_a_trial_and_its_lease_loses_nothing(broker: TrialBroker) -> None:
    broker.optuna.ask()
    assert states(broker) == ["running"]
    assert ask(broker).values == {"effect": 0.0, "noise": 1.0}
    assert states(broker) == ["interrupted", "running"]


def test_a_worker_killed_while_giving_back_a_trial_has_it_given_back_once(
    broker: TrialBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(ask(broker))
    enqueue = broker.optuna.enqueue_trial

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(broker.optuna, "enqueue_trial", killed)
    with pytest.raises(KeyboardInterrupt):
        broker.ask(watch())
    monkeypatch.setattr(broker.optuna, "enqueue_trial", enqueue)
    ask(broker)
    assert [trial.follows for trial in broker.trials()] == [None, 0]
    assert states(broker) == ["interrupted", "running"]


def test_the_trial_of_a_worker_killed_while_telling_is_continued(broker: TrialBroker) -> None:
    first = ask(broker)
    first.trial.set_user_attr("seconds", 3.0)
    gone(first)
    again = ask(broker)
    assert [trial.number for trial in counted(broker.trials())] == [again.number]


def test_a_trial_that_finishes_while_it_is_given_back_keeps_its_outcome(
    broker: TrialBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(broker)
    liveness, looks = broker.holders.liveness, []

    def ends_meanwhile(running: Iterable[int], observer: leases.Watch) -> Mapping[int, leases.Liveness]:
        looks.append(observer)
        if len(looks) == 2:  # under the study's lease, after the trials were read
            end(broker, first)
        return liveness(running, observer)

    monkeypatch.setattr(broker.holders, "liveness", ends_meanwhile)
    ask(broker)
    assert states(broker) == ["completed", "running"]
    assert [trial.follows for trial in broker.trials()] == [None, None]


@pytest.mark.parametrize("given_back", [False, True])
def test_a_worker_that_slept_while_asking_does_not_change_the_target(
    broker: TrialBroker, monkeypatch: pytest.MonkeyPatch, given_back: bool
) -> None:
    take = leases.take
    slept: list[int] = []

    def sleeps(folder: Path, observer: leases.Watch, **options: Any) -> leases.Lease | None:
        lease = take(folder, observer, **options)
        if folder == broker.paths.trial(0) and not slept:
            slept.append(1)
            # Somebody else had the broker meanwhile, and may have given the trial back already.
            for one in (broker.paths.sampler_lease, *([folder] if given_back else [])):
                number = leases.highest(one)
                (one / f"lease.{number + 1}").write_bytes(b"000000000001 free\n{}\n")
                (one / f"lease.{number}").unlink()
        return lease

    monkeypatch.setattr(leases, "take", sleeps)
    taken = ask(broker)
    assert states(broker) == ["interrupted", "running"]
    assert taken.number == 1
    assert taken.values == {"effect": 0.0, "noise": 1.0}
    assert len(counted(broker.trials())) == 1


def test_a_replaced_search_accepts_nothing_from_workers_of_the_old_one(store: Store, tmp_path: Path) -> None:
    space = "{space: {effect: {range: [-3, 3]}}, pruner: median, trials: 3"
    old = begun(store, toy_search(tmp_path, f"{space}}}"))
    asleep = ask(old)
    gone(asleep)
    asked = toy_search(tmp_path, f"{space}, objectives: loss}}").model_copy(update={"created": "2027-01-01T00:00:00+00:00"})
    new = begun(store, prepare(store, asked, replan=True))
    ask(new)
    before = new.trials()
    for write in (
        lambda: old.tell(asleep, DONE),
        lambda: old.record_runs(asleep, ["0" * 12]),
        lambda: old.record_bound(asleep, "parameters", 1.0),
        lambda: old.record_epochs(asleep, {1: 50.0}),
        lambda: old.retry(watch(), before[0]),
        lambda: old.prepare(watch()),
        lambda: old.ask(watch()),
    ):
        with pytest.raises(StoreError, match="toys: was replaced"):
            write()
    assert new.trials() == before


def test_a_storage_without_the_searchs_trials_is_refused(store: Store, tmp_path: Path) -> None:
    study = prepare(store, toy_search(tmp_path, f"{{space: {SPACE}, trials: 3}}"))
    paths = store.paths.study(study.name)
    right, wrong = (f"sqlite:///{tmp_path}/{name}.db" for name in ("right", "wrong"))
    with closing(TrialBroker(paths, study, wrong)) as broker:
        broker.prepare(watch())  # nothing has begun yet
    with closing(TrialBroker(paths, study, right)) as broker:
        broker.prepare(watch())
        ask(broker)
    for _ in range(2):
        with (
            closing(TrialBroker(paths, study, wrong)) as broker,
            pytest.raises(InputError, match=r"wrong\.db has none of its trials"),
        ):
            broker.prepare(watch())
    with closing(TrialBroker(paths, study, right)) as broker:
        broker.prepare(watch())
        assert states(broker) == ["running"]


def test_a_search_in_a_database_gets_no_journal_beside_it(store: Store, tmp_path: Path) -> None:
    study = prepare(store, toy_search(tmp_path, f"{{space: {SPACE}, trials: 1}}"))
    paths = store.paths.study(study.name)
    TrialBroker(paths, study, f"sqlite:///{tmp_path}/trials.db").close()
    with pytest.raises(InputError, match="toys: its trials are in a database; set its URL with"):
        worker(store, study)
    assert not paths.journal.exists()
    other = begun(store, toy_search(tmp_path, f"{{space: {SPACE}, trials: 1}}", name="others"))
    with pytest.raises(InputError, match=r"others: its trials are in .*journal\.log; use --storage journal"):
        worker(store, other.study, f"sqlite:///{tmp_path}/trials.db")


def test_outcomes_are_stored(store: Store, tmp_path: Path) -> None:
    broker = begun(store, toy_search(tmp_path, f"{{space: {SPACE}, trials: 5, pruner: median}}"))
    for outcome in (
        DONE,
        TrialOutcome("pruned", reason="after epoch 2", seconds=2.0, epochs=2),
        TrialOutcome("diverged", reason="loss is nan"),
        TrialOutcome("infeasible", reason="9 parameters"),
        TrialOutcome("failed", reason="bug", digest="d"),
    ):
        taken = ask(broker)
        broker.record_epochs(taken, {1: 40.0, 2: 45.0})
        end(broker, taken, outcome)
    assert states(broker) == ["completed", "pruned", "diverged", "infeasible", "failed"]
    completed, pruned, _, _, failed = broker.trials()
    assert completed.objectives == {"score": 50.0}
    assert pruned.objectives == {}
    assert pruned.curve == {1: 40.0, 2: 45.0}
    assert (pruned.seconds, pruned.epochs) == (2.0, 2)
    assert failed.digest == "d"
    assert broker.ask(watch()) is None


def test_a_failed_trial_is_retried_once(broker: TrialBroker) -> None:
    end(broker, ask(broker), TrialOutcome("failed", reason="bug", digest="d"))
    failed = broker.trials()[0]
    broker.retry(watch(), failed)
    broker.retry(watch(), failed)
    assert states(broker) == ["failed", "waiting"]
    assert ask(broker).values == failed.values


def test_three_failures_at_the_same_place_end_a_search(store: Store, tmp_path: Path) -> None:
    broker = begun(store, toy_search(tmp_path, f"{{space: {SPACE}, trials: 9}}"))
    for _ in range(3):
        end(broker, ask(broker), TrialOutcome("failed", reason="bug", digest="d"))
    assert broker.ask(watch()) is None


def test_a_spent_budget_ends_a_search_and_a_run_of_two_trials_counts_once(store: Store, tmp_path: Path) -> None:
    broker = begun(store, toy_search(tmp_path, f"{{space: {SPACE}, trials: 9, budget: 1h}}"))
    for _ in range(2):
        taken = ask(broker)
        broker.record_runs(taken, ["0" * 12])
        end(broker, taken, TrialOutcome("completed", (50.0,), seconds=2000.0))
    end(broker, ask(broker), TrialOutcome("pruned", seconds=1500.0))
    taken = ask(broker)
    end(broker, taken, TrialOutcome("pruned", seconds=100.0))
    assert broker.ask(watch()) is None
    assert len(broker.trials()) == 4


def test_a_torn_line_at_the_end_of_the_journal_is_ignored(broker: TrialBroker) -> None:
    ask(broker)
    whole = broker.paths.journal.read_bytes()
    broker.paths.journal.write_bytes(whole + b'{"op_code": 4, "wor')
    again = TrialBroker(broker.paths, broker.study)
    assert states(again) == ["running"]
    ask(again)
    assert states(TrialBroker(broker.paths, broker.study)) == ["running", "running"]


def test_the_lock_of_a_dead_holder_is_broken_immediately(broker: TrialBroker) -> None:
    from harness.search.journal import Lock

    child = os.fork()
    if child == 0:
        Lock(broker.paths.journal).acquire()
        os._exit(0)
    os.waitpid(child, 0)
    assert broker.paths.journal.with_name("journal.log.lock").is_symlink()
    ask(broker)
    assert not broker.paths.journal.with_name("journal.log.lock").is_symlink()


def test_reading_trials_creates_no_files(store: Store, tmp_path: Path) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}}}")
    paths = store.paths.study(study.name)
    assert read_trials(paths, study) is None
    assert not paths.folder.exists()
    broker = begun(store, study)
    end(broker, ask(broker))
    seen = read_trials(paths, study)
    assert seen == broker.trials()
    assert isinstance(seen[0], Trial)
