"""What does not fit among the files that a report shows: the plan, and its runs as the frame cache compared them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from harness.errors import StoreError
from harness.execution.chosen_check import check_chosen
from harness.experiment.plan import Plan
from harness.store import publication
from harness.store.check.plan import check_plan, unlike
from harness.store.check.run import lost_result
from harness.store.frame_cache import RunTables
from harness.store.provenance import Provenance
from harness.store.publication import Publication
from harness.store.records import Record, Store


def inconsistencies(  # noqa: PLR0917 - what is compared with what
    store: Store,
    plan: Plan,
    records: Mapping[str, Record],
    metrics: Mapping[str, Any],
    tables: RunTables,
    origins: Mapping[str, Provenance],
    lost: Collection[str] = (),
) -> tuple[str, ...]:
    """`file: what`, first about the plan, then run by run, at most one for a run.

    `tables` are those of the plan's runs, in its order; `origins` the provenance of its runs, as far as known; `lost` the ids of
    those whose provenance.json is missing or damaged. Only plans are read beside these, no checkpoints or predictions.
    """
    path = store.paths.plan(plan.name)
    of_plan = [found for found in (*check_plan(plan, path), *check_chosen(store, plan)) if not found.harmless]
    found: dict[str, str] = {}
    try:
        published = publication.read(store.paths)
    except StoreError as error:
        return (str(error),)
    for run_id, what in _of_runs(plan, records, metrics, tables, origins, published):
        found.setdefault(run_id, what)
    for run_id, origin in origins.items():
        if not records[run_id].finished and lost_result(store.paths.run(run_id), origin):
            found.setdefault(run_id, "result.json: is missing, but the run had finished")
    digests = dict(zip(tables.column("id"), tables.column("origin"), strict=True))
    for run_id in lost:
        if digests[run_id] is not None:  # of older runs, nobody knows what it was: reports flag it
            found.setdefault(run_id, "provenance.json: is missing or damaged")
    seeds = {run.id: f"{run.variant} seed {run.seed}" for run in plan.runs}
    return (
        *(f"{each.path.name}: {each.what}" for each in of_plan),
        *(f"{seeds[run_id]}: {run_id}/{found[run_id]}" for run_id in seeds if run_id in found),
    )


def _of_runs(  # noqa: PLR0917 - as above
    plan: Plan,
    records: Mapping[str, Record],
    metrics: Mapping[str, Any],
    tables: RunTables,
    origins: Mapping[str, Provenance],
    published: Publication,
) -> Iterator[tuple[str, str]]:
    ids = tables.column("id")
    yield from ((run_id, problem) for run_id, problem in zip(ids, tables.column("problem"), strict=True) if problem)
    for run_id, record in records.items():
        bad = [name for name in metrics if not math.isfinite(record.metrics.get(name, 0.0))]
        if record.state == "completed" and bad:
            yield run_id, f"result.json: completed, but {bad[0]} is {record.metrics[bad[0]]}"
    facts = {run_id: text for run_id, text in zip(ids, tables.column("facts"), strict=True) if text is not None}
    seeds: dict[str, list[str]] = {label: [] for label in plan.variants}
    for run in plan.runs:
        if run.id in facts:
            seeds[run.variant].append(run.id)
    for own in seeds.values():
        if len({facts[run_id] for run_id in own}) > 1:
            wrong = unlike({run_id: json.loads(facts[run_id]) for run_id in own}, None)
            yield from ((run_id, f"result.json: {what}, unlike its other seeds") for run_id, what in wrong.items())
    digests = dict(zip(ids, tables.column("origin"), strict=True))
    for run_id, origin in origins.items():
        if (expected := digests.get(run_id)) and not published.confirms(run_id, origin, expected):
            yield run_id, "provenance.json: was altered after the run finished"
