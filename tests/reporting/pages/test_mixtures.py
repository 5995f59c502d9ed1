"""What runs were not trained alike with, from their provenances alone."""

from __future__ import annotations

from typing import Any

import pytest

from harness.reporting.pages.mixtures import compared, mixtures, unknown
from harness.store.provenance import Code, Provenance, restarted
from harness.tasks.environment import Environment, digest

OLD, NEW = {"numpy": "1.26.4", "scipy": "1.11", "torch": "2.1"}, {"numpy": "2.1.0", "torch": "2.1"}
LISTS = {digest(OLD): OLD, digest(NEW): NEW}
FIRST, SECOND = digest(OLD)[:8], digest(NEW)[:8]


EACH = " No variant was trained with more than one of them"


def origin(**fields: Any) -> Provenance:
    known = {"code": Code(commit=None, dirty=None, digest="d" * 64), "packages": {}, "python": "3.11.2", "platform": "Linux", "host": "here", "device": "A processor", "threads": 1, "command": (), "started": "2026-01-02T03:00:00+00:00"}  # fmt: skip
    return Provenance.model_validate({**known, **fields})


def by_program(packages: dict[str, str] | None = None, **fields: Any) -> Provenance:
    """A program with these packages installed."""
    listed = {} if packages is None else {"packages": digest(packages), "installed": len(packages), "python": "CPython 3.11.2"}
    return origin(environment=Environment.model_validate({"of": "program", **listed, **fields}))


def by_worker(installed: dict[str, str], **imported: str) -> Provenance:
    """A Python task in a worker that has imported these packages."""
    environment = Environment(of="worker", packages=digest(installed), installed=len(installed))
    return origin(environment=environment, packages=imported)


def test_sets_of_packages_are_flagged_with_what_differs() -> None:
    trained = [("a", by_program(OLD)), ("a", by_program(OLD)), ("b", by_program(OLD)), ("b", by_program(NEW))]
    assert [*mixtures(trained, LISTS)] == [
        f"Runs with 2 sets of installed packages of the program: {FIRST} (3), {SECOND} (1); they differ in numpy 1.26.4 / 2.1.0, scipy 1.11 / none."
    ]


def test_a_set_for_each_variant_is_the_worst_case() -> None:
    trained = [
        ("a", by_program(OLD)),
        ("a", by_program(OLD)),
        ("a", by_program(OLD)),
        ("b", by_program(NEW)),
        ("b", by_program(NEW)),
    ]
    (flag,) = mixtures(trained, LISTS)
    worst = f"No variant was trained with more than one of them ({FIRST}: a; {SECOND}: b), so they may make the differences between variants."
    assert flag.endswith(worst)


def test_devices_that_coincide_with_variants_are_the_worst_case_too() -> None:
    trained = [(variant, origin(device=device)) for variant, device in (("a", "X"), ("b", "Y")) for _ in range(3)]
    (flag,) = mixtures(trained, {})
    assert flag.startswith("Runs with 2 devices: X (3), Y (3). No variant was trained with more than one of them (X: a; Y: b)")


@pytest.mark.parametrize(
    ("first", "second", "flag"),
    [
        ({"image": "x:1"}, {"image": "x:2"}, "Runs with 2 container images: x:1 (1), x:2 (1)."),
        ({"image": "x", "image_digest": "sha256:" + "a" * 64}, {"image": "x", "image_digest": "sha256:" + "b" * 64}, "Runs with 2 container images: x aaaaaaaa (1), x bbbbbbbb (1)."),
        ({"called": "/bin/R", "executable": "sha256:" + "a" * 64}, {"called": "/opt/R", "executable": "sha256:" + "b" * 64}, "Runs with 2 executables: R aaaaaaaa (1), R bbbbbbbb (1)."),
        ({"called": "/bin/R", "executable": "size:1 mtime:2"}, {"called": "/bin/R", "executable": "size:1 mtime:3"}, "Runs with 2 executables: R size:1 mtime:2 (1), R size:1 mtime:3 (1)."),
        ({"python": "CPython 3.11.2"}, {"python": "PyPy 3.11.2"}, "Runs with 2 versions of the program's Python: CPython 3.11.2 (1), PyPy 3.11.2 (1)."),
        ({"folders": ("/a", "/b")}, {}, "Runs with 2 values of PYTHONPATH: /a:/b (1), none (1)."),
        ({"python": "P", "interpreter": "/a/python"}, {"python": "P", "interpreter": "/b/python"}, "Runs with 2 interpreters on here: /a/python (1), /b/python (1)."),
    ],
)  # fmt: skip
def test_other_differences_between_environments_are_flagged(first: dict[str, Any], second: dict[str, Any], flag: str) -> None:
    assert [*mixtures([("a", by_program(None, **first)), ("a", by_program(None, **second))], {})] == [flag]


def test_an_environment_has_other_paths_on_another_machine() -> None:
    here = by_program(OLD, interpreter="/a/python", called="/a/env/python")
    there = Provenance.model_validate({**dict(by_program(OLD, interpreter="/b/python")), "host": "there"})
    assert [*mixtures([("a", here), ("a", there)], LISTS)] == []


def test_a_restart_in_another_environment_is_a_mixture_in_one_run() -> None:
    moved = restarted(by_program(OLD), by_program(NEW), epoch=3)
    (flag,) = mixtures([("a", moved)], LISTS)
    assert f"{SECOND} (1), {FIRST} (1); they differ in numpy 2.1.0 / 1.26.4" in flag


def test_imported_packages_are_compared_where_both_runs_imported_them() -> None:
    trained = [("a", by_worker(OLD, scipy="1.11", torch="2.1")), ("b", by_worker(OLD, scipy="1.12", torch="2.1"))]
    assert [*mixtures(trained, LISTS)] == [
        f"Runs with 2 versions of scipy: 1.11 (1), 1.12 (1).{EACH} (1.11: a; 1.12: b), so they may make the differences between variants."
    ]


def test_a_package_that_one_run_imported_and_the_other_could_not_is_flagged() -> None:
    trained = [("a", by_worker(OLD, scipy="1.11")), ("b", by_worker(OLD, scipy="1.11")), ("b", by_worker(NEW))]
    assert [*mixtures(trained, LISTS)] == ["Runs with 2 versions of scipy: 1.11 (2), not installed (1)."]


def test_more_than_a_few_packages_are_counted() -> None:
    trained = [("a", by_worker(OLD, **dict.fromkeys("zyxwv", version))) for version in ("1", "2")]
    assert [*mixtures(trained, {})] == [
        *(f"Runs with 2 versions of {name}: 1 (1), 2 (1)." for name in "vwx"),
        "Runs with several versions of 2 more imported packages: y, z.",
    ]


def test_the_workers_packages_do_not_matter_to_a_program() -> None:
    moved = Provenance.model_validate({**dict(by_program(OLD)), "packages": {"torch": "1"}, "python": "3.12.0"})
    assert [*mixtures([("a", by_program(OLD)), ("b", moved)], LISTS)] == []


def test_a_package_that_one_run_did_not_need_is_not_flagged() -> None:
    assert [*mixtures([("a", by_worker(OLD, scipy="1.11")), ("b", by_worker(OLD))], LISTS)] == []
    assert [*mixtures([("a", by_worker(OLD, scipy="1.11")), ("b", origin())], LISTS)] == []  # from before it was recorded


def test_restarts_in_old_files_have_no_packages_to_compare() -> None:
    old = Provenance.model_validate({**dict(origin(packages={"torch": "2.1"}))})
    resumed = restarted(old, origin(), epoch=1)
    assert [*mixtures([("a", resumed), ("a", old)], {})] == []


def test_unknown_packages_are_counted_by_their_reason() -> None:
    code = Code(commit=None, dirty=None, digest="e" * 64)
    shell = by_program(OLD, unknown="started through bash", assumed=True)
    known = by_program(None, image="x", image_digest="sha256:1")
    trained = [("a", one) for one in (shell, shell, origin(program=code), by_program(OLD), known, by_worker(OLD), origin())]
    assert [*unknown(trained)] == [
        "The packages of 3 runs are unknown, so nothing is known about differences between them: started through bash (2), not recorded (1)."
    ]
    assert [*unknown([("a", restarted(by_program(OLD), shell, epoch=1))])]


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        ([by_program(OLD), by_program(OLD)], "packages (3 installed for the program)"),
        ([by_program(None, image="x", image_digest="sha256:1")], "container image"),
        ([by_worker(OLD)], "versions of all imported packages"),
        (
            [by_worker(OLD), origin(packages={"torch": "2", "numpy": "1"})],
            "versions of numpy and torch; other packages were not recorded",
        ),
        ([origin()], "Python version"),
    ],
)
def test_what_was_compared_is_said(origins: list[Provenance], words: str) -> None:
    assert compared(origins) == words


def test_versions_differ_by_design_but_what_else_differs_is_flagged() -> None:
    def trained_by(commit: str, **fields: Any) -> Provenance:
        code = Code(commit=commit, dirty=False, digest=commit[:8] * 8)
        return Provenance.model_validate({**dict(by_program(OLD, **fields)), "program": code})

    main, muon = "1" * 40, "2" * 40
    folders = {commit: (f"/results/code/{commit[:12]}-abc/src", "/shared") for commit in (main, muon)}
    trained = [(label, trained_by(commit, folders=folders[commit])) for label, commit in (("main", main), ("muon", muon))]
    assert [*mixtures(trained, LISTS, versions=True)] == []
    assert len([*mixtures(trained, LISTS)]) == 1
    elsewhere = [*trained, ("muon", trained_by(muon, folders=("/home/me/src", "/shared")))]
    (flag,) = mixtures(elsewhere, LISTS, versions=True)
    assert flag == "Runs with 2 values of PYTHONPATH: src:/shared (2), /home/me/src:/shared (1)."


def test_numbers_of_gpus_and_nodes_are_flagged_also_within_a_run() -> None:
    one, two = origin(), origin(resources={"gpus": 2, "nodes": 1, "memory": "64G"})
    assert [*mixtures([("a", one), ("a", two), ("b", two)], {})] == ["Runs with 2 numbers of GPUs: 2 (2), 1 (1)."]
    (flag,) = mixtures([("a", one), ("b", origin(resources={"nodes": 2}))], {})
    assert flag.startswith(f"Runs with 2 numbers of nodes: 1 (1), 2 (1).{EACH}")
    assert [*mixtures([("a", restarted(one, two, 3))], {})] == ["Runs with 2 numbers of GPUs: 1 (1), 2 (1)."]
    assert [*mixtures([("a", one), ("b", origin(resources={"gpus": 1, "cpus": 4}))], {})] == []
