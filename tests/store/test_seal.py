"""Files with a seal: read as any other, and every change shows."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.store.seal import read_sealed, seal_broken


def test_a_saved_plan_is_sealed_and_read_back(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan()
    path = store.save_plan(plan)
    assert path.read_text().startswith('{\n "seal": "')
    assert read_sealed(path, Plan) == plan == store.load_plan(plan.name)
    assert not seal_broken(path)


def test_every_changed_byte_breaks_the_seal(store: Store, toy_plan: Callable[..., Plan]) -> None:
    path = store.save_plan(toy_plan())
    whole = path.read_bytes()
    for place in range(12, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert seal_broken(path), place


def test_a_reformatted_file_is_read_but_its_seal_is_broken(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan()
    path = store.save_plan(plan)
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert store.load_plan(plan.name) == plan
    assert seal_broken(path)


def test_a_file_from_before_seals_has_none_to_break(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan()
    path = store.save_plan(plan)
    path.write_text(plan.model_dump_json(by_alias=True))
    assert store.load_plan(plan.name) == plan
    assert not seal_broken(path)
