"""What each command shows on a terminal, made from known results: for tests of every screen at every width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import searched
from examples import ACCURACY, ACTIVATIONS, activations_plan, amended, comparison, image_records, images_plan
from rich.console import Group, RenderableType
from screened import CLAIM, some_records
from stepped import stepped
from stepped import task as task_of_steps
from tuned import tuned, tuning_plan
from versioned import MAIN_VERSION, MUON_VERSION, versioned

from harness import submit
from harness.analysis.power import Power, Spread, evaluate
from harness.analysis.verdicts import judgement, table
from harness.execution.retrain import Difference, Repetition
from harness.execution.schedule import count_states
from harness.execution.stages import choices as choices_of
from harness.experiment import load_experiment
from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.experiment.steps import known_steps
from harness.launch.search_outcome import confirmed
from harness.launch.workload import assign
from harness.slurm.jobs import compose
from harness.slurm.queue import Queue, Task
from harness.slurm.scripts import worker_options
from harness.slurm.site import read_site
from harness.slurm.submission import Submission
from harness.store.check.finding import FileFinding
from harness.store.frames import runs_frame
from harness.store.paths import Paths
from harness.store.records import Record, Store
from harness.store.run_places import InPlan, RunPlaces
from harness.store.snapshot import Snapshot
from harness.tasks.command.reading.finder import Found
from harness.tasks.command.reading.trial import Trial, TriedLine
from harness.tasks.protocol import result_metrics
from harness.terminal import choices, dry_run, queue, search_dry_run, status, steps, summary, tried, verified
from harness.terminal.judged import judge_results
from harness.terminal.overview import read_plan_status, read_search_status
from harness.terminal.search_status import SearchStatus, one_search
from harness.terminal.search_status import row as search_row
from harness.terminal.search_summary import search_results

# Values of five seeds, at five looks of which the first two decide different claims.
LOOKS = {
    "base": (93.0, 93.1, 92.9, 93.2, 93.05),
    "leaky_relu": (93.31, 93.22, 93.34, 93.45, 93.43),
    "gelu": (94.0, 94.11, 93.9, 94.2, 94.06),
}


def results(plan: Plan, values: Mapping[str, Any], metric: str = "test_accuracy") -> RenderableType:
    """What `run` prints at its end."""
    records = image_records(plan, values, metric)
    runs = runs_frame(plan, records)
    report = f"results/reports/{plan.name}/index.html"
    judged = judgement(plan, runs)
    return summary.plan_results(plan, records, table(plan, runs, metric), judged, ACCURACY, report=report)


def of_plans(paths: Paths) -> Iterator[tuple[str, RenderableType]]:
    """Results, dry runs and statuses of plans, of two runs, and of versions."""
    claims = (comparison(["leaky_relu", "gelu", "no_batchnorm"]), comparison("gelu", kind="equivalent"))
    claims += (comparison("gelu", kind="no_gain"), comparison("leaky_relu", kind="no_loss"))
    judged = activations_plan(claims=(*activations_plan().claims, *claims))
    yield "results", results(amended(judged, claims=(*judged.claims, comparison("base", "gelu"))), ACTIVATIONS)
    yield "results at a look", results(activations_plan(tuple(LOOKS), 20, looks=(3, 5, 8, 12, 20)), LOOKS)
    losses = images_plan(claims=(comparison("leaky_relu", "relu", metric="train_loss", margin=0.01),), margin=None)
    loss = {"relu": (0.512, 0.523, 0.518), "leaky_relu": (0.492, 0.503, 0.508)}
    yield "results in nats", results(losses, loss, "train_loss")
    pairs = versioned(activations_plan(("main", "muon")), MAIN_VERSION, MUON_VERSION)
    yield "comparison of versions", results(pairs, dict(zip(pairs.variants, ACTIVATIONS.values(), strict=False)))
    plan = images_plan(claims=(CLAIM,), known=("a00000000000",))
    records = some_records(plan)
    power = evaluate(Power("test_accuracy", "%", (3,), 0.05, 0.25, 0.05, Spread(0.2)))
    parameters = {"relu": 4_903_082, "leaky_relu": 4_903_082}
    yield "dry run", dry_run.dry_run(dry_run.Preview(plan, ACCURACY, records, plan.runs, parameters, power, None))
    finished = image_records(judged, ACTIVATIONS)
    runs = judgement(judged, runs_frame(judged, finished))
    of_judged = status.PlanStatus(amended(judged), count_states(judged, finished), 7200.0, runs, ACCURACY)
    standings = [status.PlanStatus(plan, count_states(plan, records), 12.0), of_judged]
    yield "list", status.overview([status.row(one) for one in standings])
    jobs = Queue(
        (
            Task("4711_0", "RUNNING", None, "gpu07", 1),
            *(Task(f"4711_{place}", "PENDING", "PartitionConfig") for place in range(2, 300)),
            Task("4712", "FAILED", "NonZeroExitCode", "gpu08", exit_code=2),
        ),
        frozenset({"4712"}),
        ("results/submissions/a/1",),
    )
    yield "status of a plan", status.one_plan(standings[0], records, paths, jobs)
    yield "status of a judged plan", status.one_plan(of_judged, finished, paths)
    yield "queue", Group(*queue.table(jobs, records, {}))
    specs = [
        Spec(schema=1, task="t", version="1", config={"model": {"activation": name, "depth": depth}}, seed=0, data="d")
        for name, depth in (("leaky_relu_with_a_long_name", 18), ("relu", None))
    ]
    named = [("activations", "leaky_relu_with_a_long_name"), ("leakyrelu_vs_relu@smoke", "relu")]
    places = [RunPlaces((InPlan(name, (variant,), selects=False),), ()) for name, variant in named]
    both = [Record("a00000000000", "completed", epoch=3), Record("b00000000000", "failed", reason="oom", epoch=3)]
    yield "two runs", status.two_runs(("a00000000000", specs[0]), ("b00000000000", specs[1]), places, both)
    record = Record("a00000000001", "failed", reason="oom", error="out of memory: tried to allocate 2.50 GiB", epoch=3)
    yield (
        "status of a run",
        status.one_run(record, specs[0], RunPlaces((*places[0].plans, *places[1].plans), ()), paths.run(record.id)),
    )


def of_stages(store: Store, folder: Path) -> Iterator[tuple[str, RenderableType]]:
    """A tuned experiment, a program with steps, and output that is tried."""
    tuning = tuning_plan(folder)
    yield "dry run of a tuned experiment", dry_run.dry_run(dry_run.preview(store, tuning))
    tuned(store, tuning)
    records = store.records(run.id for run in tuning.runs)
    found, _ = read_plan_status(store, tuning, records)
    yield "status of a tuning", status.one_plan(found, records, store.paths)
    yield "chosen settings", choices.chosen(tuning, choices_of(tuning, records))
    plan = stepped(folder, task_of_steps(), seeds=2)
    yield "dry run of steps", dry_run.dry_run(dry_run.preview(store, plan))
    known = known_steps(plan)
    yield "steps", steps.table(known, store.records(known))
    lines = tuple(
        TriedLine(12 * place, f"epoch {place}: score {place / 7:.6f} " + "x" * 60, "score", Found(place / 7, place))
        for place in range(30)
    )
    rows = tuple({"epoch": place, "step": 10 * place, "score": place / 7} for place in range(1, 30))
    yield "tried output", tried.screen(Trial(folder / "log.txt", 360, lines, rows, "", result={"score": 4.142857}))


def of_searches(store: Store) -> Iterator[tuple[str, RenderableType]]:
    """A search before it, during it and after its confirmation."""
    study = searched.study_of()
    metrics = result_metrics(searched.SPLIT)
    yield "dry run of a search", search_dry_run.dry_run(search_dry_run.SearchPreview(study, metrics, [], 3))
    trials = searched.keep(store, study)
    searched.confirm(store, study, trials)
    again = confirmed(store, study)
    assert again is not None
    found = read_search_status(store, study)
    confirmation = choices.confirmed(study, trials, again.plan, again.records, again.winner)
    yield "status of a search", one_search(found, status.overview([search_row(found)]), store.paths, confirmation)
    elsewhere = SearchStatus(study, None, 3600.0, why="its trials are in a database: set $HARNESS_STORAGE")
    yield "list with a search", status.overview([search_row(found), search_row(elsewhere)])
    yield "results of a search", search_results(study, trials, metrics, confirmation, again.winner)


def of_checks(folder: Path) -> Iterator[tuple[str, RenderableType]]:
    """Findings of verify, a repetition that differs, and existing results."""
    run = folder / "results" / "runs" / "a00000000001"
    findings = [
        FileFinding(run / "result.json", "test_accuracy is 93.12, but its last row has 93.21", "restore it from a backup"),
        FileFinding(run / "notes.txt", "is not a file of the harness; it is ignored", harmless=True),
    ]
    yield "findings", verified.findings("6 runs and 1 plan", findings)
    origins = {"cpu": ("AMD EPYC 9654 96-Core Processor", "Intel(R) Xeon(R) Platinum 8480+"), "torch": ("2.5.1", "2.6.0")}
    difference = Difference(3, {"test_accuracy": 0.12, "train_loss": 0.0031}, ("predictions: other shape",))
    packages = "packages: 81 of 83 are the same; numpy and torch differ"
    yield (
        "repetition",
        verified.repetition(Repetition("a00000000001", "cpu", "cpu", 2, 31.4, 4, difference, False, origins, packages, ())),
    )
    rows = [f"{name},{seed},{value}" for name, values in ACTIVATIONS.items() for seed, value in enumerate(values)]
    path = folder / "existing.csv"
    path.write_text("\n".join(["model,seed,accuracy", *rows]))
    own = {"variant": "model", "seed": "seed", "metric": "accuracy:maximize:%", "baseline": "base", "margin": 0.25}
    yield (
        "existing results",
        judge_results(path, claims=("improves: leaky_relu", "equivalent: gelu"), **own).screen("report/index.html"),
    )


def of_a_cluster(folder: Path) -> Iterator[tuple[str, RenderableType]]:
    """What `harness submit` shows of workers that request different resources."""
    path = folder / "toys.yaml"
    path.write_text(
        "question: Which toy is quick?\ntask: toy_task:TOY\nvariants: {base: {}, one: {effect: 1}}\nbaseline: base\nseeds: 3\n"
    )
    (folder / "site.yaml").write_text("accelerator: cuda\ntime: 4h\ngres: gpu:1\nthrottle: 2\n")
    store, site = Store.open(folder / "submitted"), read_site(folder / "site.yaml")
    work = assign(store, load_experiment(str(path)), "cuda")
    parts = submit.divided(work, site, (), 4, worker_options(site), 1001)
    made = compose(store.paths, work.name, work.target, site, parts, [folder / "project"])
    code = SimpleNamespace(commit="9d8e7f6111", dirty=True)
    taken = SimpleNamespace(name="toys", jobs={"4711": 4}, report="4712", all_jobs=["4711", "4712"])
    copied = SimpleNamespace(code=code, folder=folder / "code")
    ids = submit.ids(work, cast(Submission, taken), cast(Snapshot, copied), folder / "submitted")
    yield "submission", Group(*submit.summary(work, made, site), *ids)


def screens(folder: Path) -> dict[str, RenderableType]:
    """Every screen by its name."""
    store = Store.open(folder / "results")
    (folder / "searched").mkdir()
    parts = (
        of_plans(Paths(Path("results"))),
        of_stages(store, folder),
        of_searches(Store.open(folder / "searched")),
        of_checks(folder),
        of_a_cluster(folder),
    )
    return {name: screen for part in parts for name, screen in part}
