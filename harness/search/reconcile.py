"""A results folder -> its searches, and a search asked for -> the one to go on with."""

from __future__ import annotations

import json

from harness.common.nested import config_difference
from harness.errors import PlanChanged, StoreError
from harness.experiment.study import Study, task_of
from harness.search.broker import alone
from harness.store import atomic
from harness.store import lease as leases
from harness.store.lease import Holder, Seen, Standing, SupersededError, Timing, Watch
from harness.store.paths import StudyPaths
from harness.store.records import Store
from harness.store.studies import load_study
from harness.tasks.protocol import location_paths

# What decides which trials there are: a study that has begun keeps it.
FIXED = ("task", "task_version", "accelerator", "data", "seeds", "objectives", "constraints", "sampler", "pruner", "prune_after")


def prepare(store: Store, asked: Study, replan: bool = False) -> Study:
    """`settle`, and the study written down; one that it replaces is archived, its runs stay.

    Raises StoreError, too, where trials of the one to be replaced are being trained.
    """
    paths, watch = store.paths.study(asked.name), Watch(Timing(), Holder.here())
    while True:
        try:
            with alone(paths, watch) as own:
                new = replan or not paths.spec.exists()
                study, replaces = settle(store, asked, replan)
                if not new:
                    atomic.write_json(paths.spec, study, own)
                    return study
                if replaces:
                    own.check()
                    _archive(store, asked.name, watch)
                atomic.make_folder(paths.folder)
                if atomic.publish(paths.spec, atomic.to_json(study)):
                    return study
                replan = False  # somebody was quicker: theirs is gone on with
        except SupersededError:  # slept for so long that another one went on here
            continue


def settle(store: Store, asked: Study, replan: bool = False) -> tuple[Study, bool]:
    """The study to go on with where `asked` is wanted, and whether it takes the place of another one, which is to be archived.

    That is the one that is there, with the new target and words. Raises PlanChanged with the difference where another one of the
    name is there and `replan` is false, StoreError.
    """
    stored = load_study(store, asked.name)
    if stored is None:
        return asked, False
    if replan:
        return asked, True
    if lines := differences(stored, asked):
        told = "\n".join(f"  {line}" for line in lines)
        raise PlanChanged(
            f"{asked.name} was searched differently from {stored.created[:10] or 'an earlier day'} on:\n{told}\n"
            "allowed: undo the change, give the search another name, or --replan (archives the old study; its runs stay)"
        )
    return Study.model_validate({**dict(asked), "created": stored.created, "first": stored.first}), False


def differences(stored: Study, asked: Study) -> list[str]:
    """What `asked` changes of what decides the trials, a line each."""
    old, new = stored.model_dump(mode="json"), asked.model_dump(mode="json")
    lines = [f"{name}: {json.dumps(old[name])} -> {json.dumps(new[name])}" for name in FIXED if old[name] != new[name]]
    locations = location_paths(task_of(asked).Config)
    for path, (was, now) in config_difference(stored.base, asked.base).items():
        if path not in locations:
            lines.append(f"config.{path}: {json.dumps(was)} -> {json.dumps(now)}")
    before = {one["name"]: one for one in old["space"]}
    after = {one["name"]: one for one in new["space"]}
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            lines.append(f"space.{name}: {_shown(before.get(name))} -> {_shown(after.get(name))}")
    return lines


def in_training(paths: StudyPaths, watch: Watch) -> tuple[str, Seen] | None:
    """A trial, by its number, that somebody trains, and who that is; None where nobody trains any."""
    for folder in sorted(paths.trials.glob("*")):
        seen = leases.newest(folder)
        if seen is None:
            continue
        standing = watch.standing(seen)
        # One look cannot see a counter stand still: then the file's age decides. Who wakes up later finds another search there.
        old = standing is Standing.UNKNOWN and seen.age_s > watch.timing.stale_s
        if standing is not Standing.GONE and not old:
            return folder.name, seen
    return None


def _shown(parameter: dict[str, object] | None) -> str:
    if parameter is None:
        return "not there"
    return json.dumps({key: value for key, value in parameter.items() if key != "name" and value not in (None, False, {})})


def _archive(store: Store, name: str, watch: Watch) -> None:
    if found := in_training(store.paths.study(name), watch):
        trial, seen = found
        holder = f" on {seen.claim.holder.host} (process {seen.claim.holder.pid})" if seen.claim else ""
        raise StoreError(
            f"{name}: trial {trial} is being trained{holder}; stop the search's workers before --replan "
            f"(one whose machine is gone counts as gone {watch.timing.stale_s:.0f} seconds after its last sign of life)"
        )
    number = 1
    while (target := store.paths.earlier_study(name, number)).exists():
        number += 1
    atomic.make_folder(target.parent)
    try:
        store.paths.study(name).folder.rename(target)
    except OSError as error:
        raise atomic.unusable(store.paths.study(name).folder, "be archived", error) from error
