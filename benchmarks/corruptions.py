"""Changes random bytes and values in the files of a results folder and counts who notices.

    python benchmarks/corruptions.py --changes 2000 --json after.json

The folder is made of toy tasks: an experiment with interim looks, one that was replanned, and a search with its confirmation. For
each change, `harness report` and `harness verify` run on a copy, without drawing figures; then the copy is restored. A change is
*silent* if the text of the reports differs and nothing says why; *seen by report* if it ends with an exit code other than 0;
*seen by verify* likewise; *harmless* if no report changed and nobody said anything. Logs and leases, which reports do not read,
are changed less often. `--code` examines other code; `--record` makes one file of the tables of both.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
COMPARED = ("verdicts.json", "runs.csv", "trials.csv", "table.tex", "report.md")

LOOKS = """
question: Which walk is best?
task: toy_task:TOY
{body}
claims:
  - improves: better
  - at_least: {{base: 40}}
  - {{equivalent: same, margin: 4}}
"""
BODY = """seeds: {looks: [2, 3]}
margin: 2.0
variants:
  base: {}
  better: {effect: 6.0, noise: 0.5}
  same: {noise: 0.9}"""
SEARCH = """
question: Which walk is best?
task: toy_task:TOY
margin: 1.0
search:
  trials: 6
  seeds: 2
  objectives: score
  space:
    effect: {range: [0.0, 5.0]}
    noise: {range: [0.1, 2.0], log: true}
  confirm: {top: 2, seeds: 3}
"""


def call(command: Callable[[list[str]], int], *arguments: str) -> tuple[int, str]:
    """(exit code, output) of a command's `main`; -1 if it raised anything."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            code = command(list(arguments))
        except BaseException as error:  # a traceback is an outcome, too
            return -1, f"{output.getvalue()}{type(error).__name__}: {error}"
    return code, output.getvalue()


def make_results(folder: Path) -> Path:
    """Train the experiments in `folder`; returns the results folder."""
    from harness import run, sweep

    (folder / "toys.yaml").write_text(LOOKS.format(body=BODY))
    (folder / "again.yaml").write_text(LOOKS.format(body=BODY.replace("0.9", "0.7")))
    (folder / "hunt.yaml").write_text(SEARCH)
    quick = ("--workers", "1", "--device", "cpu", "--results", str(folder / "results"))
    for command, name, *options in (
        (run.main, "toys"),
        (run.main, "again"),
        (run.main, "again", "--replan"),
        (sweep.main, "hunt"),
    ):
        code, output = call(command, str(folder / f"{name}.yaml"), *quick, *options)
        if code != 0:
            sys.exit(f"{name}: exit code {code}\n{output}")
    return folder / "results"


def kind_of(path: Path) -> str:
    """The kind of a file: its path with names and numbers left out."""
    text = re.sub(r"(?<=/)[0-9a-f]{12,}", lambda found: "RUN" if len(found[0]) == 12 else "DIGEST", path.as_posix())
    text = re.sub(r"ledger/DIGEST/\d+", "ledger/DIGEST/N", text)
    text = re.sub(r"plans/replaced/.+", "plans/replaced", re.sub(r"plans/[^/]+\.json", "plans/NAME.json", text))
    text = re.sub(r"studies/[^/]+/", "studies/NAME/", text)
    return re.sub(r"trials/\d+", "trials/N", re.sub(r"(lease|result|provenance)\.\d+", r"\1.N", text))


def files_by_kind(results: Path) -> dict[str, list[Path]]:
    """The files that may be changed: all but reports, which are written again."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(results.rglob("*")):
        inside = path.relative_to(results)
        if path.is_file() and inside.parts[0] not in ("reports", "README.md"):
            found[kind_of(inside)].append(inside)
    return dict(sorted(found.items()))


def change(path: Path, others: list[Path], chance: random.Random) -> str:
    """Change the file; returns how. Each way is as likely as the others, as far as it is possible."""
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    numbers = list(NUMBER.finditer(data))
    ways: dict[str, Callable[[], bytes | None]] = {"removed": lambda: None}
    if data:
        ways["bit"] = lambda: _bit(data, chance)
        ways["zeros"] = lambda: _zeros(data, chance)
        ways["truncated"] = lambda: data[: chance.randrange(len(data))]
    if numbers:
        ways["digit"] = lambda: _digit(data, chance.choice(numbers), chance)
        ways["value"] = lambda: _number(data, chance.choice(numbers), chance)
    if len(lines) > 1:
        ways["line removed"] = lambda: _without(lines, chance)
        ways["line twice"] = lambda: _twice(lines, chance)
        ways["lines swapped"] = lambda: _swapped(lines, chance)
    if path.suffix in (".json", ".jsonl", ".log") and data.lstrip()[:1] == b"{":
        ways["key removed"] = lambda: _edited(data, chance, remove=True)
        ways["value edited"] = lambda: _edited(data, chance, remove=False)
    if others:
        ways["swapped with another"] = lambda: data
    way = chance.choice(sorted(ways))
    if way == "swapped with another":
        other = chance.choice(others)
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
        return way
    changed = ways[way]()
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)
    return way


def _bit(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def _zeros(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    count = min(chance.randint(1, 64), len(data) - start)
    return data[:start] + bytes(count) + data[start + count :]


def _digit(data: bytes, found: re.Match[bytes], chance: random.Random) -> bytes:
    digits = [place for place in range(found.start(), found.end()) if data[place : place + 1].isdigit()]
    place = chance.choice(digits)
    return data[:place] + chance.choice([b"%d" % digit for digit in range(1, 10)]) + data[place + 1 :]


def _number(data: bytes, found: re.Match[bytes], chance: random.Random) -> bytes:
    value = chance.choice([b"0", b"1", b"-1", b"0.5", b"1000", f"{chance.uniform(-100, 100):.4f}".encode()])
    return data[: found.start()] + value + data[found.end() :]


def _without(lines: list[bytes], chance: random.Random) -> bytes:
    place = chance.randrange(len(lines))
    return b"".join(lines[:place] + lines[place + 1 :])


def _twice(lines: list[bytes], chance: random.Random) -> bytes:
    place = chance.randrange(len(lines))
    return b"".join(lines[: place + 1] + lines[place:])


def _swapped(lines: list[bytes], chance: random.Random) -> bytes:
    one, other = sorted(chance.sample(range(len(lines)), 2))
    return b"".join([*lines[:one], lines[other], *lines[one + 1 : other], lines[one], *lines[other + 1 :]])


def _edited(data: bytes, chance: random.Random, *, remove: bool) -> bytes:
    """JSON, or one of its lines, without a random key, or with another value of its type."""
    lines = data.splitlines()
    try:
        whole, place = json.loads(data), None
    except ValueError:
        place = chance.randrange(len(lines))
        try:
            whole = json.loads(lines[place])
        except ValueError:
            return _bit(data, chance)
    spots = list(_spots(whole))
    if not spots:
        return _bit(data, chance)
    holder, key = chance.choice(spots)
    if remove:
        del holder[key]
    else:
        holder[key] = _other_value(holder[key], chance)
    if place is None:
        return (json.dumps(whole, indent=1) + "\n").encode()
    return b"\n".join([*lines[:place], json.dumps(whole).encode(), *lines[place + 1 :]]) + b"\n"


def _spots(value: Any) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [spot for key, below in items for spot in [(value, key), *_spots(below)]]


def _other_value(value: Any, chance: random.Random) -> Any:
    words = {"completed": "diverged", "diverged": "completed", "failed": "completed", "improves": "worsens", "better": "base"}
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + chance.choice([-1, 1, 10])
    if isinstance(value, float):
        return value * chance.choice([0.5, 0.99, 1.01, 2.0, -1.0])
    if isinstance(value, str):
        return words.get(value, value[:-1] + chance.choice("0123456789abcdef")) if value else "x"
    return value[:-1] if isinstance(value, list) else {**value, "made_up": 99.9} if isinstance(value, dict) else 1.0


def read_reports(results: Path) -> dict[str, str]:
    """The numbers and verdicts of all reports, by path; without what says that files do not fit."""
    return {
        path.relative_to(results).as_posix(): path.read_text()
        for path in sorted((results / "reports").rglob("*"))
        if path.name in COMPARED
    }


def outcome(results: Path) -> tuple[bool, bool, dict[str, str], str]:
    """(seen by report, seen by verify, reports, what both said)."""
    from harness import report, verify

    shutil.rmtree(results / "reports", ignore_errors=True)
    code, said = call(report.main, "--results", str(results))
    reports = read_reports(results)
    checked, told = call(verify.main, "--results", str(results))
    return code != 0, checked != 0, reports, f"{code} {checked}\n{said}\n{told}"


def contents(results: Path) -> dict[Path, bytes]:
    """The bytes of every file but the reports."""
    return {
        path: path.read_bytes()
        for path in results.rglob("*")
        if path.is_file() and path.relative_to(results).parts[0] != "reports"
    }


def restore(results: Path, whole: Mapping[Path, bytes]) -> None:
    """Undo a change, and remove what the commands wrote since, such as entries of the ledger."""
    now = contents(results)
    for path in now.keys() - whole.keys():
        path.unlink()
    for path, data in whole.items():
        if now.get(path) != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def use(folder: Path) -> None:
    """Import the harness from `folder`, without what takes time and is not examined."""
    os.chdir(folder)  # workers import what is in the current folder
    code = [str(Path.cwd()), str(Path.cwd() / "tests")]
    sys.path[:0] = code
    os.environ["PYTHONPATH"] = os.pathsep.join(code)
    os.environ["WANDB_MODE"] = "disabled"
    from harness.reporting.pages import pictures, search_pictures
    from harness.store import frame_cache

    os.fsync = lambda _: None  # the power does not fail here
    frame_cache.WORTHWHILE = 0  # a cache even of these few runs
    pictures.draw = search_pictures.draw = lambda *_: []  # type: ignore[assignment]  # drawing takes most of the time


def main() -> int:
    """Make the folder, change it again and again, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write the table")
    parser.add_argument("--results", type=Path, help="use this results folder instead of training one")
    parser.add_argument("--code", type=Path, default=REPOSITORY, help="the repository whose code is examined")
    parser.add_argument("--show", action="store_true", help="print every silent change")
    parser.add_argument("--record", metavar="FOLDER", type=Path, help="only combine its before*.json and after*.json")
    options = parser.parse_args()
    if options.record:
        return combine(options.record)
    table = options.json and options.json.resolve()
    use(options.code)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        original = options.results or make_results(folder)
        copy = folder / "copy"
        shutil.copytree(original, copy)
        seen, noticed, reference, said = outcome(copy)
        kinds = files_by_kind(copy)
        whole = contents(copy)
        if seen or noticed:
            sys.exit(f"the folder that nobody changed is not in order:\n{said}")
        counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
        turns = [kind for turn in range(8) for kind in kinds if turn == 0 or not re.search(r"log\.txt|worker-|lease", kind)]
        for number in range(options.changes):
            chance = random.Random(f"{options.seed}/{number}")
            kind = turns[number % len(turns)]
            inside = chance.choice(kinds[kind])
            others = [copy / other for other in kinds[kind] if other != inside]
            way = change(copy / inside, others, chance)
            if contents(copy) == whole:
                counts[kind]["unchanged"] += 1
                continue
            seen, noticed, reports, said = outcome(copy)
            silent = reports != reference and not seen
            counts[kind].update(
                {
                    "changes": 1,
                    "silent": silent,
                    "report": seen,
                    "verify": noticed,
                    "harmless": reports == reference and not seen and not noticed,
                    "crashes": "-1" in said.split("\n", 1)[0],
                }
            )
            if options.show and (silent or said.split("\n", 1)[0].find("-1") >= 0):
                print(f"{'silent' if silent else 'crash'}{'' if noticed else ', also to verify'}: {inside}: {way}", flush=True)
            restore(copy, whole)
            if table and (number % 50 == 49 or number == options.changes - 1):
                write(table, counts, options.seed)
    show(counts)
    return 0


def write(path: Path, counts: dict[str, Counter[str]], seed: int) -> None:
    """The table as JSON."""
    path.write_text(json.dumps({"seed": seed, **as_table(counts)}, indent=1) + "\n")


def combine(folder: Path) -> int:
    """The tables before*.json and after*.json, each summed over its seeds, as benchmarks/results/corruptions.json."""
    import record

    sides = {side: summed(sorted(folder.glob(f"{side}*.json"))) for side in ("before", "after")}
    record.write("corruptions", sides, about=record.machine(("pydantic", "pandas", "pyarrow", "optuna")))
    return 0


def summed(paths: list[Path]) -> dict[str, Any]:
    """Tables of several seeds as one."""
    tables = [json.loads(path.read_text()) for path in paths]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for table in tables:
        for kind, own in table["by_kind"].items():
            counts[kind].update(own)
    return {"seeds": [table["seed"] for table in tables], **as_table(counts)}


def as_table(counts: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """JSON values: the sum over all kinds of files, and each kind."""
    table = {kind: dict(sorted(own.items())) for kind, own in counts.items()}
    return {"total": dict(sorted(sum(counts.values(), Counter()).items())), "by_kind": table}


def show(counts: dict[str, Counter[str]]) -> None:
    """The table as text."""
    names = ("changes", "silent", "report", "verify", "harmless")
    print(f"{'file':36}" + "".join(f"{name:>10}" for name in names))
    for kind, own in [*counts.items(), ("total", sum(counts.values(), Counter()))]:
        print(f"{kind:36}" + "".join(f"{own[name]:>10}" for name in names))


if __name__ == "__main__":
    sys.exit(main())
