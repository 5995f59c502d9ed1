"""`harness sync`: uploads runs that are missing in Weights & Biases, within a time limit."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, get_args

import typer

from harness.common import choices, cli_options
from harness.terminal.command_line import main_of
from harness.terminal.completion import completer, names_argument

if TYPE_CHECKING:
    from harness.experiment.plan import Plan
    from harness.store.records import Store
    from harness.tracking.deliver import RunDelivery

# Why a completed run lacks a kind of upload.
REASONS: Mapping[str, str] = {"weights": "trained without --keep weights", "predictions": "its task returned none"}


def sync(
    *,
    names: Annotated[
        list[str] | None, names_argument("plans, searches or run ids; default: every run trained with tracking on")
    ] = None,
    upload: Annotated[
        list[str] | None,
        typer.Option(
            metavar="weights|predictions|report",
            help="upload these as well; several separated by commas; repeatable",
            autocompletion=completer(lambda _: get_args(choices.Upload)),
        ),
    ] = None,
    workspace: Annotated[bool, typer.Option("--workspace", help="create or update the workspace of each plan in W&B")] = False,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="stop after this time; the same command continues")] = "10m",
    dry_run: cli_options.DryRun = False,
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Upload to Weights & Biases what is missing there: runs trained offline, or while the server was unavailable.

    Examples:
      harness sync --dry-run
      harness sync leakyrelu_vs_relu --upload report --workspace

    Exit codes:
      0   everything is uploaded
      1   something could not be uploaded
      2   bad input or usage, or not logged in
      75  not finished in time; the same command continues
    """
    from harness.common.durations import duration
    from harness.common.optional_packages import is_installed
    from harness.errors import EXIT_INTERRUPTED, EXIT_RUNS_FAILED, InputError
    from harness.store import atomic
    from harness.store.records import Store
    from harness.terminal import shell
    from harness.tracking.deliver import list_deliveries
    from harness.tracking.report_run import alerts_left

    uploads = [each for value in upload or () for each in value.split(",")]
    for each in uploads:
        choices.check_choice("--upload", each, get_args(choices.Upload))
    seconds = duration(timeout)
    if seconds == 0:
        raise InputError("invalid value for --timeout: 0; must be a time such as 30s or 10m")
    store = Store.open(results, create=False)
    run_ids, plans = chosen(store, names or [])
    parcels = list_deliveries(store, run_ids, uploads)
    reported = [plan for plan in plans if "report" in uploads]
    written = [plan for plan in reported if atomic.is_folder(store.paths.report(plan.name))]
    reports = [plan for plan in written if is_new(store, plan)]
    lacking = [f"{parcel.run_id}: no {kind} ({REASONS[kind]})" for parcel in parcels for kind in parcel.lacking]
    lacking += [f"report {plan.name}: not written yet" for plan in reported if plan.selection is None and plan not in written]
    document: dict[str, Any] = {
        "runs": [asdict(parcel) for parcel in parcels],
        "reports": [plan.name for plan in reports],
        "lacking": lacking,
    }
    document["alerts"] = alerts_left(store.paths, plans)
    if workspace:
        document["workspaces"] = [layout_of(store, plan) for plan in plans]
    for line in lacking:
        shell.say(line)
    if dry_run:
        _show(document, parcels, as_json or workspace)
        return
    refuse_unless_online()
    if workspace and not is_installed("wandb_workspaces"):
        raise InputError("--workspace: wandb-workspaces is not installed; install it: python -m pip install wandb-workspaces")
    waiting = [(parcel.run_id, parcel.uploads) for parcel in parcels if parcel.state == "waiting"]
    wanted = {
        "runs": waiting,
        "reports": [{"name": plan.name, "differences": differences_of(store, plan)} for plan in reports],
        "alerts": document["alerts"],
        "workspaces": document.get("workspaces", []),
    }
    if not any(wanted.values()) and not as_json:
        shell.show(f"{'all existing data' if lacking else 'everything'} is uploaded: {_counted(parcels)}")
    uploaded, in_time = _delivered(store, wanted, seconds, quiet=as_json) if any(wanted.values()) else ([], True)
    complete = in_time and all(each["delivered"] for each in uploaded)
    document |= {"delivered": uploaded, "complete": complete}
    if as_json:
        shell.show_json(document)
    if not in_time:
        shell.say("stopped at --timeout; the same command continues with what is left")
        raise typer.Exit(EXIT_INTERRUPTED)
    if not complete:
        raise typer.Exit(EXIT_RUNS_FAILED)


def chosen(store: Store, names: Sequence[str]) -> tuple[list[str], list[Plan]]:
    """The run ids and the plans that `names` select; without names, every run trained with tracking on and every plan.

    A search selects the runs of its trials and of its confirmation. Raises InputError for an unknown name, StoreError.
    """
    from harness.store.lookup import find_run, plan_name, unknown_name
    from harness.store.paths import RUN_ID_START
    from harness.store.trial_runs import memberships
    from harness.tracking.deliver import mirrored_runs

    if not names:
        return mirrored_runs(store), store.load_plans()[0]
    searches = {study.name: study for study in store.load_studies()[0]}
    known, of_trials = {*store.plan_names(), *searches}, memberships(store.paths) if searches else {}
    run_ids: list[str] = []
    plans: list[Plan] = []
    for name in names:
        if RUN_ID_START.fullmatch(name) and name not in known:
            run_ids.append(find_run(store, name))
            continue
        named = plan_name(name)
        plan = store.load_plan(named) if named in known and named not in searches else None
        if plan is None and named not in searches:
            raise unknown_name(store, name, runs=True)
        wanted = [] if plan is None else [plan]
        if plan is None:
            study = searches[named]
            run_ids += [run_id for run_id, trials in of_trials.items() if any(trial.study == study.name for trial in trials)]
            wanted = store.confirmation(study)
        plans += wanted
        run_ids += [run.id for plan in wanted for run in plan.runs]
    return list(dict.fromkeys(run_ids)), [*{plan.name: plan for plan in plans}.values()]


def refuse_unless_online() -> None:
    """Raises InputError when runs cannot be uploaded, with the reason, and for a setting that the upload would refuse."""
    from harness.errors import InputError
    from harness.tracking import alerts
    from harness.tracking.login import choose, home_folder

    choice = choose("auto", os.environ, home_folder())
    if choice.kind != "online":
        advice = "run `wandb login` or set WANDB_API_KEY, with WANDB_MODE=online or unset"
        raise InputError(f"harness sync: {choice.why}; {advice}")
    alerts.chosen(os.environ)


def _delivered(
    store: Store, wanted: Mapping[str, Sequence[Any]], seconds: float, quiet: bool
) -> tuple[list[dict[str, Any]], bool]:
    """The result of each upload, and whether all were tried in time. A child process uploads: wandb has no time limit."""
    from harness.common import python_command
    from harness.common.patience import repeat
    from harness.store import atomic
    from harness.terminal import shell
    from harness.tracking.session import end_session

    command = [*python_command.command("harness.tracking.deliver"), str(store.paths.root), str(seconds)]
    log = store.paths.wandb / "sync.log"
    atomic.make_folder(log.parent)
    results: list[dict[str, Any]] = []
    in_time, until = True, time.monotonic() + seconds
    try:
        errors = repeat(log, lambda: log.open("ab"))
    except OSError as error:
        raise atomic.unusable(log, "be written", error) from error
    with errors:
        _refuse_two(errors, log)
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(wanted).encode())
        child.stdin.close()
        for several in _lines(child.stdout.fileno(), 0.2):
            for line in several:
                results.append(json.loads(line))
                if not quiet:
                    shell.show(_outcome(results[-1]))
            if time.monotonic() >= until:
                in_time = False
                break
        with suppress(subprocess.TimeoutExpired):  # wandb is cleaning up; its results have arrived
            child.wait(5 if in_time else 0)
    except KeyboardInterrupt:
        in_time = False
    finally:
        end_session(child)
        child.stdout.close()
    if child.returncode not in (0, -signal.SIGKILL):
        shell.say(f"the upload process exited with code {child.returncode}; see {log}")
    left = sum(map(len, wanted.values())) - len(results)
    if left and in_time:
        results.append({"left": left, "delivered": False})
        shell.say(f"{left} more uploads were not tried")
    return results, in_time


def _lines(descriptor: int, every_s: float) -> Iterator[list[str]]:
    """The lines that arrived, at least every `every_s` seconds (maybe none), until the pipe closes."""
    rest = b""
    while True:
        ready, _, _ = select.select([descriptor], [], [], every_s)
        if not ready:
            yield []
            continue
        data = os.read(descriptor, 65536)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        yield [line.decode() for line in whole]


def _refuse_two(log: IO[bytes], path: Path) -> None:
    """Lock the log until the child closes it; the child may outlive a killed command. Raises InputError when it is locked."""
    from harness.errors import InputError

    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{path}: another `harness sync` is uploading from this folder; wait until it has finished") from error
    except OSError:  # a file system without locks: two uploads at once send the same rows
        return


def _outcome(result: dict[str, Any]) -> str:
    what = result.get("run") or next(f"{kind} {result[kind]}" for kind in ("report", "alert", "workspace") if kind in result)
    if not result["delivered"]:
        return f"{what}  not uploaded: {result['error']}"
    lines = [f"{what}  uploaded  {result['url'] or ''}".rstrip(), *(f"  {note}" for note in result.get("notes", ()))]
    return "\n".join(lines)


def _show(document: dict[str, Any], parcels: Sequence[RunDelivery], as_json: bool) -> None:
    from harness.terminal import shell

    if as_json:
        shell.show_json(document)
        return
    for parcel in parcels:
        if parcel.state == "waiting":
            uploads = f", {', '.join(parcel.uploads)}" if parcel.uploads else ""
            shell.show(f"{parcel.run_id}  waiting  {parcel.rows} epochs{uploads}")
    for kind in ("report", "alert"):
        for name in document[f"{kind}s"]:
            shell.show(f"{kind} {name}  waiting")
    shell.show(_counted(parcels))


def _counted(parcels: Sequence[RunDelivery]) -> str:
    states = [parcel.state for parcel in parcels]
    return f"{states.count('delivered')} uploaded, {states.count('waiting')} waiting, {states.count('training')} training"


def is_new(store: Store, plan: Plan) -> bool:
    """Whether the report of `plan` differs from the one that was uploaded. Raises StoreError."""
    from harness.tracking import delivery

    known = delivery.load_plan(store.paths, plan.name)
    return known is None or known.report != delivery.folder_digest(store.paths.report(plan.name))


def differences_of(store: Store, plan: Plan) -> dict[str, Any] | None:
    """The differences that the report of `plan` shows; None: its results only choose, or cannot be read, which is printed."""
    from harness.errors import HarnessError
    from harness.reporting.pages import gather
    from harness.reporting.tables.paired import differences
    from harness.terminal import shell

    try:
        return differences(gather(store, plan, predictions=False)) if plan.selection is None else None
    except HarnessError as error:
        shell.say(f"report {plan.name}: no chart of differences: {error}")
        return None


def layout_of(store: Store, plan: Plan) -> dict[str, Any]:
    """The layout of a plan's workspace, with its verdicts so far."""
    from harness.experiment.plan import task_of
    from harness.reporting.pages import gather
    from harness.reporting.pages.markdown import verdicts
    from harness.tracking import delivery
    from harness.tracking.workspace import layout

    report = gather(store, plan)
    curves = [name for name in task_of(plan).metrics if name in report.metrics]
    known = delivery.load_plan(store.paths, plan.name)
    sent = {kind for run in plan.runs if (one := delivery.load(store.paths, run.id)) is not None for kind in one.uploaded}
    tables = [name for name in ("predictions",) if name in sent]
    return layout(plan, report.metrics, curves, verdicts(report), known.figures if known else (), tables)


main = main_of(sync)

if __name__ == "__main__":
    sys.exit(main())
