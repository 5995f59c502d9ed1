"""What workers request for what runs need: the site's own forms with the experiment's numbers."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.execution.options import WorkerOptions
from harness.experiment.resources import Demand
from harness.slurm import cluster, request
from harness.slurm.jobs import divided
from harness.slurm.request import Request
from harness.slurm.site import Site
from harness.tasks.resources import NOTHING, Resources


def site(accelerator: str = "cuda", **fields: object) -> Site:
    return Site.model_validate({"accelerator": accelerator, "time": "4h", **fields})


@pytest.mark.parametrize(
    ("gres", "sbatch", "wanted_gres", "wanted_sbatch"),
    [
        ("gpu:1", (), "gpu:2", ()),
        ("gpu:a100:1", (), "gpu:a100:2", ()),
        ("gpu:1g.5gb:1", (), "gpu:1g.5gb:2", ()),
        ("gpu", (), "gpu:2", ()),
        ("gpu:a100", (), "gpu:a100:2", ()),
        ("tmp:50G,gpu:a100:1", (), "tmp:50G,gpu:a100:2", ()),
        (None, ("--gpus=1",), None, ("--gpus=2",)),
        (None, ("--exclusive", "-G1"), None, ("--exclusive", "--gpus=2")),
        (None, ("--gpus=v100:1",), None, ("--gpus=v100:2",)),
        (None, ("--gpus-per-node=1",), None, ("--gpus-per-node=2",)),
        (None, ("--gpus-per-task=a100:1", "--cpus-per-gpu=4"), None, ("--gpus-per-task=a100:2", "--cpus-per-gpu=4")),
        (None, ("--gres=gpu:a100:1,nvme:1",), None, ("--gres=gpu:a100:2,nvme:1",)),
        ("nvme:1", ("--gpus=1",), "nvme:1", ("--gpus=2",)),
        ("gpu:1", ("--gpus-per-task=1",), "gpu:2", ("--gpus-per-task=2",)),
        ("nvme:1", ("--gpu-bind=closest",), "nvme:1,gpu:2", ("--gpu-bind=closest",)),
    ],
)
def test_the_number_of_gpus_is_replaced_in_the_form_of_the_site(
    gres: str | None, sbatch: tuple[str, ...], wanted_gres: str | None, wanted_sbatch: tuple[str, ...]
) -> None:
    found = request.request(site(gres=gres, sbatch=sbatch), Resources(gpus=2))
    assert (found.gres, found.sbatch) == (wanted_gres, wanted_sbatch)


def test_what_runs_do_not_need_stays_the_sites() -> None:
    own = site(gres="gpu:a100:1", cpus=4, memory="16G", sbatch=("--exclusive", "--ntasks=1"))
    assert request.request(own, NOTHING) == Request(1, 4, "16G", "gpu:a100:1", ("--exclusive", "--ntasks=1"))
    assert request.request(own, Resources(cpus=8)) == Request(1, 8, "16G", "gpu:a100:1", ("--exclusive", "--ntasks=1"))
    assert request.request(own, Resources(memory="64G")).options == (
        *("--nodes=1", "--ntasks=1", "--cpus-per-task=4", "--mem=64G", "--gres=gpu:a100:1"),
    )


def test_other_options_of_the_site_for_the_same_are_left_out() -> None:
    own = site(gres="gpu:1", sbatch=("--cpus-per-gpu=4", "--mem-per-gpu=8G", "--ntasks=1", "-N1", "--exclusive"))
    needs = Resources(gpus=2, cpus=8, memory="64G", nodes=2)
    assert request.request(own, needs) == Request(2, 8, "64G", "gpu:2", ("--exclusive",))


def test_each_of_several_nodes_has_one_task_and_as_many_gpus_as_a_single_one() -> None:
    own = site(sbatch=("--gpus=a100:4",))
    assert request.request(own, Resources(nodes=2)).sbatch == ("--gpus-per-node=a100:4",)
    found = request.request(own, Resources(nodes=2, gpus=8))
    assert found.sbatch == ("--gpus-per-node=a100:8",)
    assert found.options == ("--nodes=2", "--ntasks-per-node=1")


def test_no_gpus_are_requested_for_runs_that_need_none() -> None:
    assert request.request(site(gres="gpu:a100:1,nvme:1"), Resources(gpus=0)).gres == "nvme:1"
    assert request.request(site(gres="gpu:1"), Resources(gpus=0)) == Request()
    assert request.request(site(sbatch=("--gpus=1", "--exclusive")), Resources(gpus=0)).sbatch == ("--exclusive",)


def test_on_a_site_without_gpus_their_number_is_only_for_commands() -> None:
    assert request.request(site("cpu"), Resources(gpus=4)) == Request()
    assert request.request(site("cpu", gres="gpu:1"), Resources(gpus=4)).gres == "gpu:1"


@pytest.mark.parametrize("own", [site(gres="gpu:a100:1,gpu:v100:1"), site(sbatch=("--gpus=a100:1,v100:1",))])
def test_a_number_for_several_types_of_gpus_is_refused(own: Site) -> None:
    with pytest.raises(InputError, match=r"several types of GPUs \(\S+\), and the experiment 2 without a type; name one type"):
        request.request(own, Resources(gpus=2))


def test_an_option_of_the_command_line_replaces_what_runs_need_and_this_is_said() -> None:
    own, needs = site(gres="gpu:1", cpus=4), Resources(gpus=2, cpus=8, nodes=2)
    for typed in (["--gpus=4"], ["-G4"], ["-G", "4"], ["--gres", "gpu:4"]):
        assert request.request(own, needs, typed) == Request(2, 8, None, None)
    assert request.request(own, needs, ["-N3", "-c", "2"]) == Request(1, 4, None, "gpu:2")
    groups = request.grouped(own, [Demand(needs, ("a",), 1), Demand(needs, ("b",), 1)], ["--gpus=4", "-x", "gpu07"])
    assert list(request.notes(groups, ["--gpus=4", "-x", "gpu07"])) == [
        "--gpus after -- replaces gpus: 2 of the experiment; its commands still get 2"
    ]


def test_variants_that_request_the_same_share_their_workers() -> None:
    demands = [Demand(NOTHING, ("a",), 6), Demand(Resources(gpus=2), ("b", "c"), 12), Demand(Resources(gpus=1), ("d",), 3)]
    small, large = request.grouped(site(gres="gpu:1"), demands)
    assert (small.variants, small.runs, small.needs) == (("a", "d"), 9, (NOTHING, Resources(gpus=1)))
    assert (large.variants, large.runs, large.requested) == (("b", "c"), 12, "gpus 2")
    parts = divided([small, large], 7, WorkerOptions(), 1001, None)
    assert [part.workers for part in parts] == [3, 4]
    assert [part.options.resources for part in parts] == [(NOTHING, Resources(gpus=1)), (Resources(gpus=2),)]
    read = WorkerOptions.model_validate_json(parts[0].options.arguments()[1])
    assert read.resources == (NOTHING, Resources(gpus=1))
    assert [part.workers for part in divided([small, large], 1, WorkerOptions(), 1001, None)] == [1, 1]


def test_workers_of_one_request_train_everything_unless_others_were_there_before() -> None:
    demands = [Demand(NOTHING, ("a",), 0), Demand(Resources(gpus=2), ("b",), 5)]
    groups = request.grouped(site(gres="gpu:1"), demands)
    (part,) = divided(groups, 3, WorkerOptions(), 1001, None)
    assert (part.workers, part.options.resources) == (3, (Resources(gpus=2),))
    (part,) = divided(request.grouped(site(gres="gpu:1"), demands[1:]), 9, WorkerOptions(), 1001, None)
    assert (part.workers, part.options.resources) == (5, ())


@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
        "sbatch: error: Batch job submission failed: Invalid generic resource (gres) specification",
        "sbatch: error: Memory specification can not be satisfied",
        "sbatch: error: CPU count per node can not be satisfied",
        "sbatch: error: Batch job submission failed: Node count specification invalid",
    ],
)
def test_a_refusal_names_the_resources_of_the_experiment(said: str) -> None:
    answer = cluster.Answer(1, "", said)
    assert "the experiment requests gpus 9, nodes 2: change its `resources`" in cluster.refusal(answer, "gpus 9, nodes 2")
    assert "see `gres`, `cpus`, `memory`" in cluster.refusal(answer)


def test_a_refusal_for_another_reason_does_not() -> None:
    answer = cluster.Answer(1, "", "sbatch: error: Batch job submission failed: Invalid partition name specified")
    assert "`partition` in the site's file" in cluster.refusal(answer, "gpus 9")
    assert "gpus 9" not in cluster.refusal(answer, "gpus 9")
