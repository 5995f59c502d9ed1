"""Plan and verdicts -> a W&B workspace: its layout as plain values, created with wandb-workspaces."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.paths import Paths
from harness.tasks.protocol import Metric
from harness.tracking.client import UnreachableError, wandb_errors
from harness.tracking.login import home_folder, read_login
from harness.tracking.page import LONGEST_NAME, factor_key, shortened

MOST_RUNS = 1000  # in a panel; groups are averaged over them

Panel = Mapping[str, Any]


class Saved(BaseModel):
    """results/wandb/workspaces/<name>.json: the URL of a plan's workspace, so that it is updated, not duplicated."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str


def layout(  # noqa: PLR0917 - by name
    plan: Plan,
    metrics: Mapping[str, Metric],
    shown: Sequence[str],
    verdicts: str,
    figures: Sequence[str] = (),
    tables: Sequence[str] = (),
) -> dict[str, Any]:
    """The workspace of `plan` as plain values: sections of panels, each with its `kind`.

    `metrics` are the task's, the primary one first; `shown`: those with a curve each. `verdicts` is Markdown. `figures` and
    `tables`: the names of those that were uploaded.
    """
    metric = next(iter(metrics))
    factors = [f"harness.factors.{factor_key(name)}" for name in next(iter(plan.levels.values()), {})]
    curves: list[Panel] = [{"kind": "curves", "x": "epoch", "y": name, "by": "variant"} for name in shown]
    bars: list[Panel] = [{"kind": "bars", "y": metric, "by": by} for by in factors or ["variant"]]
    sections: list[dict[str, Any]] = [
        {"name": "Verdicts", "panels": [{"kind": "text", "text": verdicts}]},
        {"name": "Curves: mean and standard deviation over seeds", "panels": curves},
        {"name": "By factor" if factors else "By variant", "panels": bars},
        {"name": "What it costs", "panels": [{"kind": "scatter", "x": "parameters", "y": metric}]},
    ]
    if len(factors) > 1:
        panels = [{"kind": "importance", "y": metric}, {"kind": "parallel", "columns": factors, "y": metric}]
        sections.append({"name": "What matters", "panels": panels})
    if figures:
        sections.append({"name": "Report", "panels": [{"kind": "images", "names": list(figures)}]})
    if tables:
        sections.append({"name": "Tables", "panels": [{"kind": "table", "name": name} for name in tables]})
    sections.append({"name": "Runs side by side", "panels": [{"kind": "comparer"}]})
    return {"name": plan.name, "group": shortened(plan.name, LONGEST_NAME), "sections": sections}


def make(plain: Mapping[str, Any], paths: Paths) -> str:
    """Create or update the workspace of a `layout`; returns its URL. Raises UnreachableError."""
    path = paths.wandb / "workspaces" / f"{plain['name']}.json"
    with wandb_errors():
        import wandb
        from wandb_workspaces import workspaces

        entity = os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity
        view = _earlier(path) or workspaces.Workspace(
            entity=entity, project=read_login(os.environ, home_folder()).project, name=plain["name"]
        )
        fill(view, plain)
        view.save()
        url = str(view.url)
    try:
        atomic.make_folder(path.parent)
        atomic.write_json(path, Saved(url=url))
    except StoreError as error:
        raise UnreachableError(str(error)) from error
    return url


def fill(view: Any, plain: Mapping[str, Any]) -> None:
    """Add the sections of `plain` to a workspace that shows the group's runs, one colour per variant."""
    from wandb_workspaces import workspaces

    view.sections = [
        workspaces.Section(name=each["name"], is_open=True, panels=[PANELS[panel["kind"]](panel) for panel in each["panels"]])
        for each in plain["sections"]
    ]
    view.settings = workspaces.WorkspaceSettings(x_axis="epoch", max_runs=MOST_RUNS)
    view.runset_settings = workspaces.RunsetSettings(
        filters=workspaces.And(workspaces.Metric("Group") == plain["group"]), groupby=[workspaces.Config("variant")]
    )


def _earlier(path: Path) -> Any:
    """The existing workspace; None: none, or it was deleted."""
    from wandb_workspaces import workspaces

    try:
        return workspaces.Workspace.from_url(atomic.read_json(path, Saved).url)
    except (FileNotFoundError, StoreError):
        return None
    except Exception:  # wandb's errors for a deleted workspace vary: create a new one, where a server error would recur
        return None


def _curves(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    spread = {"groupby": v2.Config(panel["by"]), "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    return v2.LinePlot(title=panel["y"], x=panel["x"], y=[panel["y"]], max_runs_to_show=MOST_RUNS, **spread)


def _bars(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    spread = {"groupby": v2.Config(panel["by"]), "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    title = f"{panel['y']} by {panel['by'].rpartition('.')[2]}"
    return v2.BarPlot(title=title, metrics=[panel["y"]], max_runs_to_show=MOST_RUNS, **spread)


def _scatter(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    return v2.ScatterPlot(x=v2.SummaryMetric(panel["x"]), y=v2.SummaryMetric(panel["y"]), log_x=True)


def _parallel(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    columns = [v2.ParallelCoordinatesPlotColumn(v2.Config(name)) for name in panel["columns"]]
    return v2.ParallelCoordinatesPlot(columns=[*columns, v2.ParallelCoordinatesPlotColumn(v2.SummaryMetric(panel["y"]))])


def _importance(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    return v2.ParameterImportancePlot(with_respect_to=panel["y"])


def _comparer(panel: Panel) -> Any:  # noqa: ARG001 - as the others
    from wandb_workspaces.reports import v2

    return v2.RunComparer(diff_only=True)


def _images(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    return v2.MediaBrowser(media_keys=panel["names"], num_columns=2)


def _table(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    return v2.WeavePanelSummaryTable(table_name=panel["name"])


def _text(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2

    return v2.MarkdownPanel(markdown=panel["text"])


PANELS: Mapping[str, Callable[[Panel], Any]] = {
    "text": _text,
    "curves": _curves,
    "bars": _bars,
    "scatter": _scatter,
    "importance": _importance,
    "parallel": _parallel,
    "comparer": _comparer,
    "images": _images,
    "table": _table,
}
