"""A site's file: those that ship, and every mistake with its line and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TESTS

from harness.common.durations import duration
from harness.errors import InputError
from harness.slurm.site import Site, clock, find_site, read_site

SHIPPED = sorted((TESTS.parent / "slurm" / "sites").glob("*.yaml"))


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refusal:
        read_site(path)
    return str(refusal.value).replace(str(tmp_path), "")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_site_that_ships_can_be_read(path: Path) -> None:
    assert read_site(path).margin_s == 300


def test_three_sites_are_shipped_and_say_what_to_fill_in() -> None:
    assert [path.stem for path in SHIPPED] == ["example", "local", "nyu-greene"]
    assert read_site(SHIPPED[1]).accelerator == "cpu"
    greene = read_site(SHIPPED[2])
    assert greene.gres == "gpu:1"
    assert (greene.container or "").startswith("singularity exec --nv --overlay ")
    for path in (SHIPPED[0], SHIPPED[2]):
        assert "<--" in path.read_text()


def test_every_mistake_is_reported_with_its_line(tmp_path: Path) -> None:
    said = refusal(tmp_path, "accelerator: gpu\npartiton: short\ntime: 04:00h\ncpus: 0\nsbatch: [exclusive]\n")
    assert said.splitlines() == [
        "/mine.yaml:1:14: accelerator: invalid value 'gpu'; did you mean cpu? choose from: cpu, cuda",
        "/mine.yaml:2:1: partiton: unknown key; did you mean partition?",
        "/mine.yaml:3:7: time: invalid duration '04:00h'; expected 90s, 10m, 3h50m, 1d, 1-12:30:00 or a number of seconds",
        "/mine.yaml:4:7: cpus: 0 is out of range; expected an integer from 1 or null",
        "/mine.yaml:5:10: sbatch[0]: 'exclusive' does not start with - or has several lines; allowed: one option per entry, "
        "such as --exclusive",
        "5 problems; nothing was started",
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            "accelerator: cpu",
            "time: missing; expected text such as 90s, 10m, 3h50m, 1d, 1-12:30:00 or a number from 0",
        ),
        (
            "accelerator: cuda\ntime: 4h",
            "accelerator: cuda, but no GPU is requested; add gres: gpu:1, or --gpus=1 under sbatch",
        ),
        ("accelerator: cpu\ntime: 6m\nmargin: 4m", "margin 4m is too long for time 6m; must be at most half of it"),
        ("accelerator: cpu\ntime: 3d\nmargin: 20h", "margin 20h is longer than SLURM's limit for --signal"),
        ("accelerator: cpu\ntime: 0s", "time: invalid duration '0s'; must be from 1s to 24855d"),
        ("accelerator: cpu\ntime: 24856d", "time: invalid duration '24856d'; must be from 1s to 24855d"),
        (
            "accelerator: cpu\ntime: 45",
            "time: 45s is probably too short: plain numbers are seconds here; write 45m, or 45s if it is meant",
        ),
        ("accelerator: cpu\ntime: 240", "margin 5m is too long for time 4m (240 seconds); must be at most half of it"),
        ("accelerator: cpu\ntime: 1h\nmargin: 0", "margin: invalid duration 0.0; must be at least 1s"),
        ("accelerator: cpu\ntime: true", "time: invalid duration true; expected 90s"),
        ("accelerator: cpu\ntime: 1h\nreport: {time: 30}", "report.time: 30s is probably too short"),
        ("accelerator: cpu\ntime: 1h\nidle: -5", "idle: invalid duration -5; expected 90s"),
        (
            "accelerator: cpu\ntime: 1h\naccount: 012345",
            "account: invalid value 12345; expected text or null; quote it: '012345'",
        ),
        ("accelerator: cpu\ntime: 1h\nmodules: [3.10]", "modules[0]: invalid value 3.1; expected text; quote it: '3.10'"),
        ("accelerator: cpu\ntime: 1h\nqos: true", "qos: invalid value true; expected text or null; quote it: 'true'"),
        ("accelerator: cpu\ntime: 1h\nworker: [--keep, true]", "worker[1]: invalid value true; expected text; quote it: 'true'"),
        (
            "accelerator: cpu\ntime: 1h\npartition: 'a b'",
            "partition: 'a b' contains spaces or quotes, or is empty; allowed: one word without quotes",
        ),
        ("accelerator: cpu\ntime: 1h\nscratch: /tmp/$(id)", "is not a valid folder; allowed: a path without spaces, quotes"),
        ("accelerator: cpu\ntime: 1h\nreport: {gpus: 1}", "report.gpus: unknown key"),
        (
            "accelerator: cpu\ntime: 1h\nworker: [--keeep, weights]",
            "/mine.yaml:3:9: worker: unrecognized arguments: --keeep",
        ),
        (
            "accelerator: cpu\ntime: 1h\nworker: [weights]",
            "/mine.yaml:3:9: worker: unrecognized arguments: weights",
        ),
        (
            "accelerator: cpu\ntime: 1h\nworker: [--help]",
            "/mine.yaml:3:9: worker: unrecognized arguments: --help",
        ),
        (
            "accelerator: cpu\ntime: 1h\nworker: [--keep, weight]",
            "worker: invalid value for --keep: 'weight'; choose from: weights",
        ),
        (
            "accelerator: cpu\ntime: 1h\nworker: [--idle=soon]",
            "worker: invalid value for --idle: invalid duration 'soon'; expected 90s",
        ),
    ],
)
def test_contradictory_settings_are_refused(tmp_path: Path, lines: str, words: str) -> None:
    assert words in refusal(tmp_path, lines)


def test_options_of_the_worker_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("accelerator: cpu\ntime: 1h\nworker: [--keep, weights, --checkpoint-every=5m]")
    assert read_site(tmp_path / "mine.yaml").worker == ("--keep", "weights", "--checkpoint-every=5m")


def test_a_gpu_may_be_requested_by_an_sbatch_option() -> None:
    assert Site(accelerator="cuda", time="4h", sbatch=("--gpus=1",)).gres is None


def test_times_are_written_as_slurm_reads_them() -> None:
    assert [clock(seconds) for seconds in (60, 3600, 13_800, 100_000)] == ["0-00:01:00", "0-01:00:00", "0-03:50:00", "1-03:46:40"]
    assert Site(accelerator="cpu", time="90s", margin="10s").time_s == 120


@pytest.mark.parametrize("text", ["5400", "90m", "1h30m", "1:30:00", "'1:30:00'", "90:00", "0-1:30", "1.5h"])
def test_a_time_limit_in_any_form_is_the_same_for_slurm(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(
        f"accelerator: cpu\ntime: {text}\nmargin: 120\nidle: 0\nworker: [--idle, 600]\nreport: {{time: 3600}}"
    )
    site = read_site(tmp_path / "mine.yaml")
    assert clock(site.time_s) == "0-01:30:00"
    assert duration(clock(site.time_s)) == site.time_s
    assert (site.margin_s, site.idle, site.report.time, site.worker) == (120, 0, 3600, ("--idle", "600"))


def test_a_site_is_found_by_path_by_name_and_among_those_that_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_site("sites/mine.yaml") == Path("sites/mine.yaml")
    assert read_site(find_site("local")).accelerator == "cpu"
    (tmp_path / "slurm" / "sites").mkdir(parents=True)
    (tmp_path / "slurm" / "sites" / "local.yaml").write_text("accelerator: cuda\ngres: gpu:1\ntime: 1h\n")
    assert find_site("local") == Path("slurm/sites/local.yaml")
    assert read_site(find_site("local")).accelerator == "cuda"
    with pytest.raises(
        InputError, match="invalid value for --site: 'greene'; expected the path of a file or a name; did you mean"
    ):
        find_site("greene")
    with pytest.raises(InputError, match=r"'zzz'; expected .*; choose from: example, local, nyu-greene$"):
        find_site("zzz")
