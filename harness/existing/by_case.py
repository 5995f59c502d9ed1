"""A row per case of an evaluation -> runs, whose metrics are means over their cases, and the cases of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from harness.errors import InputError
from harness.existing.arranged import Arranged
from harness.existing.checks import CheckedRows, refuse_repeated, run_ids
from harness.existing.design import Design
from harness.store.cases import CaseArrays

if TYPE_CHECKING:
    import pandas as pd


def arrange_cases(table: CheckedRows, rows: pd.DataFrame, design: Design) -> Arranged:
    """Runs are the combinations of variant and seed. Raises InputError for a repeated or missing outcome."""
    import numpy as np
    import pandas as pd

    columns = table.columns
    assert columns.case is not None
    table.without_missing(columns.case)
    if columns.group is not None:
        table.without_missing(columns.group)
    rows = rows.loc[table.frame.index].assign(case=table.frame[columns.case].astype(str))
    for name, kind in columns.kinds.items():
        _check_outcomes(table, rows[name], columns.metrics[name], fractions=kind.unit == "%")
    refuse_repeated(table, rows, ("variant", "seed", "case"))
    groups = None if columns.group is None else table.frame[columns.group].astype(str)
    found: dict[str, CaseArrays] = {}
    runs = []
    first = rows.drop_duplicates(["variant", "seed"])
    ids = dict(zip(zip(first["variant"], first["seed"], strict=True), run_ids(first.index, table.given), strict=True))
    for key, own in rows.groupby(["variant", "seed"], sort=False, observed=True):
        variant, seed = cast("tuple[str, int]", key)
        order = np.argsort(own["case"].to_numpy().astype(str))
        run_id = ids[variant, seed]
        values = {name: own[name].to_numpy(float)[order] for name in columns.metrics}
        group = None if groups is None else groups.loc[own.index].to_numpy().astype(str)[order]
        found[run_id] = CaseArrays(own["case"].to_numpy().astype(str)[order], group, values)
        scaled = {name: (100.0 if columns.kinds[name].unit == "%" else 1.0) * float(each.mean()) for name, each in values.items()}
        runs.append({"id": run_id, "variant": variant, "seed": int(seed), "state": "completed", **scaled})
    return Arranged(
        pd.DataFrame(runs),
        design.labels,
        design.factors,
        design.levels,
        cases=lambda run_id: found.get(run_id, "no cases"),
        notes=tuple(table.notes),
    )


def _check_outcomes(table: CheckedRows, outcomes: pd.Series, column: str, *, fractions: bool) -> None:
    """Refuse missing outcomes, and percentages where the unit says that outcomes are fractions."""
    import numpy as np

    values = outcomes.to_numpy(float)
    if not np.isfinite(values).all():
        row = outcomes.index[~np.isfinite(values)][0]
        raise InputError(f"{table.at(row, column)}: has no outcome; every case needs one in every run")
    outside = (values < 0) | (values > 1)
    if fractions and outside.any():
        row = outcomes.index[outside][0]
        what = f"with the unit % an outcome is a fraction between 0 and 1, not {outcomes.loc[row]:g}"
        raise InputError(f"{table.at(row, column)}: {what}; remove the unit")
