"""Files that are followed while a program writes them."""

import os

import pytest
from followed import everything, follower, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tasks.command.files.pace import Pace
from harness.tasks.command.files.stream import Stream
from harness.tasks.command.files.table import Table
from harness.tasks.protocol import TrainingFailed

HEADER = "epoch,acc\n"
ACC = {"acc": {"file": "r.csv"}}


def rows(*numbers):
    return "".join(f"{number},0.{number}\n" for number in numbers)


def readings(*numbers):
    return [(number, {"acc": float(f"0.{number}")}) for number in numbers]


def replaced(path, text):
    other = path.with_name("next")
    other.write_text(text)
    other.replace(path)


def appended(path, text):
    with path.open("a") as file:
        file.write(text)


def test_rows_are_read_as_soon_as_they_are_complete(tmp_path):
    found, path = follower(tmp_path, **ACC), tmp_path / "r.csv"
    assert found.poll() == []
    path.write_text(HEADER)
    assert found.poll() == []
    appended(path, "1,0.1\n2,0")
    assert plain(found.poll()) == readings(1)
    appended(path, ".2")
    assert found.poll() == []
    appended(path, "\n3,0.3")
    assert plain(found.poll()) == readings(2)
    assert plain(found.end()) == readings(3)


@pytest.mark.parametrize("write", [lambda path, text: path.write_text(text), replaced], ids=["in place", "by a rename"])
def test_a_file_that_is_written_anew_each_epoch_is_read_on(tmp_path, write):
    found, path, seen = follower(tmp_path, **ACC), tmp_path / "r.csv", []
    for last in range(1, 9):
        write(path, HEADER + rows(*range(1, last + 1)))
        seen += plain(found.poll())
        assert seen == readings(*range(1, last + 1))
    assert found.end() == []


def test_a_rewritten_file_may_have_other_columns_and_spelling(tmp_path):
    found, path = follower(tmp_path, **ACC, late={"file": "r.csv"}), tmp_path / "r.csv"
    path.write_text("epoch,acc\n1,0.5\n2,0.75\n")
    assert plain(found.poll()) == [(1, {"acc": 0.5}), (2, {"acc": 0.75})]
    path.write_text("late,epoch,lr,acc\n,1.0,1e-3,5e-1\n,2.0,1e-3,0.750\n7,2,1e-3,\n")
    assert plain(found.poll()) == [(2, {"late": 7.0})]


def test_the_last_row_may_get_its_missing_values_later(tmp_path):
    found, path = follower(tmp_path, loss={"file": "r.csv"}, acc={"file": "r.csv"}), tmp_path / "r.csv"
    seen = []
    for text in ("1,3,\n", "1,3,0.5\n", "1,3,0.5\n2,2,\n", "1,3,0.5\n2,2,0.6\n3,1,\n"):
        path.write_text("epoch,loss,acc\n" + text)
        seen += plain(found.poll())
    assert seen == [(1, {"loss": 3.0}), (1, {"acc": 0.5}), (2, {"loss": 2.0}), (2, {"acc": 0.6}), (3, {"loss": 1.0})]


def test_a_file_that_is_shorter_for_a_moment_is_waited_for(tmp_path):
    found, path = follower(tmp_path, **ACC), tmp_path / "r.csv"
    path.write_text(HEADER + rows(1, 2, 3))
    assert plain(found.poll()) == readings(1, 2, 3)
    for shorter in ("", HEADER, HEADER + rows(1), HEADER + rows(1, 2) + "3,0."):
        path.write_text(shorter)
        assert found.poll() == []
    path.unlink()
    assert found.poll() == []
    path.write_text(HEADER + rows(1, 2, 3, 4))
    assert plain(found.poll()) == readings(4)


@pytest.mark.parametrize("write", [lambda path, text: path.write_text(text), replaced], ids=["in place", "by a rename"])
@pytest.mark.parametrize("text", ["1,0.9\n2,0.2\n3,0.3\n", "1,0.1\n2,0.9\n", "7,0.1\n8,0.2\n9,0.3\n", "1,0.1\n1,0.2\n3,0.3\n"])
def test_other_earlier_rows_are_an_error(tmp_path, write, text):
    found, path = follower(tmp_path, **ACC), tmp_path / "r.csv"
    path.write_text(HEADER + rows(1, 2))
    found.poll()
    write(path, HEADER + text)
    with pytest.raises(TrainingFailed, match=r"r\.csv was rewritten with other rows"):
        found.poll()


def test_a_change_that_samples_do_not_show_is_found_at_the_end(tmp_path):
    found, path = follower(tmp_path, **ACC), tmp_path / "r.csv"
    before = HEADER + "".join(f"{number},0.5\n" for number in range(5000))
    path.write_text(before)
    assert len(found.poll()) == 5000
    appended(path, "5000,0.5\n")
    changed = before.index("2500,0.5") + len("2500,0.")
    with path.open("r+") as file:
        file.seek(changed)
        file.write("6")
    assert plain(found.poll()) == [(5000, {"acc": 0.5})]
    with pytest.raises(TrainingFailed, match="rewritten with other rows"):
        found.end()


def test_fewer_rows_at_the_end_are_an_error(tmp_path):
    found, path = follower(tmp_path, **ACC), tmp_path / "r.csv"
    path.write_text(HEADER + rows(1, 2, 3))
    found.poll()
    path.write_text(HEADER + rows(1))
    assert found.poll() == []
    with pytest.raises(TrainingFailed, match="with fewer rows: 3 were read before, now it has 1"):
        found.end()


def test_a_resumed_program_may_append_or_begin_its_file_again(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(HEADER + rows(1, 2))
    appending, beginning, idle = (follower(tmp_path, resumes=True, **ACC) for _ in range(3))
    assert appending.poll() == beginning.poll() == idle.poll() == []
    appended(path, rows(3))
    assert plain(appending.poll()) == readings(1, 2, 3)
    path.write_text(HEADER + rows(2, 3))
    assert plain(beginning.poll()) == readings(2, 3)
    path.write_text(HEADER + rows(1, 2))
    assert everything(follower(tmp_path, resumes=True, **ACC)) == readings(1, 2)


@pytest.mark.parametrize(
    ("left", "added", "expected"),
    [
        ("1,0.1\n2,0.", "2,0.2\n3,0.3\n", readings(1, 2, 3)),
        ("1,0.1\n2", "2,0.2\n3,0.3\n", readings(1, 2, 3)),
        ("1,0.1\n2,0.2", "\n3,0.3\n", readings(1, 2, 3)),
        ("1,0.1\n", "2,0.2\n", readings(1, 2)),
    ],
)
def test_a_row_that_a_kill_cut_off_is_not_joined_to_the_next_one(tmp_path, left, added, expected):
    path = tmp_path / "r.csv"
    path.write_text(HEADER + left)
    found = follower(tmp_path, resumes=True, **ACC)
    appended(path, added)
    assert everything(found) == expected


def test_an_unchanged_file_is_not_opened(tmp_path, monkeypatch):
    found, path = follower(tmp_path, **ACC), tmp_path / "r.csv"
    path.write_text(HEADER + rows(1))
    found.poll()
    with monkeypatch.context() as patched:
        patched.setattr(type(path), "open", None)
        assert [found.poll() for _ in range(100)] == [[]] * 100
    appended(path, rows(2))
    assert plain(found.poll()) == readings(2)


def test_of_a_long_file_only_what_was_appended_is_read(tmp_path):
    path = tmp_path / "r.csv"
    lines = Counting()
    stream = Stream(path, "r.csv", lambda: lines, chunk=1 << 16)
    path.write_text("".join(f"{number:05}\n" for number in range(50_000)))
    while stream.new() or stream.has_more:
        assert lines.most <= (1 << 16) // 6 + 1
        lines.most = 0
    assert lines.count == 50_000
    for number in range(20):
        appended(path, f"{number:05}\n")
        stream.new()
    assert lines.count == 50_020


def test_a_rewritten_long_file_is_parsed_again_only_if_its_bytes_differ(tmp_path):
    path, parsers = tmp_path / "r.csv", []

    def parser():
        parsers.append(Table("r.csv", {"acc": "acc"}))
        return parsers[-1]

    stream = Stream(path, "r.csv", parser)
    for last in range(2, 30):
        replaced(path, HEADER + rows(*range(1, last)))
        assert len(stream.new()) == 1
    assert len(parsers) == 1
    replaced(path, "acc,epoch\n" + "".join(f"0.{number},{number}\n" for number in range(1, 31)))
    assert plain(stream.new()) == readings(29, 30)
    assert len(parsers) == 2


def test_reading_takes_at_most_a_twentieth_of_the_time():
    now = 0.0
    pace = Pace(clock=lambda: now)
    worked = 0
    for _ in range(100_000):  # polls, each 0.1 s after the one before
        now += 0.1
        if pace.ready:
            with pace.work():
                now += 2.0
                worked += 1
    assert worked * 2.0 / now == pytest.approx(0.05, rel=0.02)


class Counting:
    """A parser that counts its lines."""

    count = most = 0

    def line(self, text, _number, *, whole):  # noqa: ARG002
        self.count += bool(text)
        self.most += bool(text)
        return ()


CELLS = st.sampled_from(["", "0.5", "12", "-3e-4", '"7"', "nan", '"1"', "NA"])
NOTES = st.sampled_from(["", "plain", '"a, b"', '"two\nlines"', '"say ""x"""', "\u00e4\u00f6"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(CELLS, NOTES, CELLS), max_size=12),
    st.data(),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_however_a_file_comes_about_it_is_read_as_if_at_once(tmp_path_factory, table, data, end, last_end):
    folder = tmp_path_factory.mktemp("files")
    lines = ["epoch,a,note,b", *(f"{number},{a},{note},{b}" for number, (a, note, b) in enumerate(table))]
    content = (end.join(lines) + (end if last_end else "")).encode()
    names = {"a": {"file": "r.csv"}, "b": {"file": "r.csv"}}
    found, path, seen = follower(folder, **names), folder / "r.csv", []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    for cut in [*cuts, len(content)]:
        if data.draw(st.booleans()):
            before = path.stat().st_size if path.exists() else 0
            with path.open("ab") as file:
                file.write(content[before:cut])
        else:
            other = folder / "next"
            other.write_bytes(content[:cut])
            if data.draw(st.booleans()):
                other.replace(path)
            else:
                path.write_bytes(content[:cut])
        seen += plain(found.poll())
    seen += plain(found.end())
    assert repr(seen) == repr(everything(follower(folder, **names)))  # nan is unequal to itself
    assert len(seen) == sum(any(cell not in ("", "NA") for cell in (a, b)) for a, _, b in table)
    assert os.path.getsize(path) == len(content)  # noqa: PTH202


WRITER = """
import os, random, sys
folder, mode = sys.argv[1:]
path, lines = f"{folder}/r.csv", ["epoch,a,b"]
for epoch in range(400):
    lines.append(f"{epoch},{random.random()},{'' if epoch % 3 else epoch}")
    if mode == "append":
        with open(path, "a") as file:
            file.write("\\n".join([*(lines[:1] if epoch == 0 else []), lines[-1], ""]))
        continue
    aim = path + ".next" if mode == "by a rename" else path
    space = " " * (epoch % 7) if mode == "in place, another text" else ""
    with open(aim, "w", buffering=64) as file:
        for line in lines:
            file.write(space + line.replace(",", space + ",") + "\\n")
    os.replace(aim, path)
"""


@pytest.mark.parametrize("mode", ["append", "in place", "in place, another text", "by a rename"])
def test_a_program_that_writes_meanwhile_is_read_whole(tmp_path, mode):
    import subprocess
    import sys

    names = {"a": {"file": "r.csv"}, "b": {"file": "r.csv"}}
    found, seen = follower(tmp_path, **names), []
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), mode]) as program:
        while program.poll() is None:
            seen += plain(found.poll())
    assert program.returncode == 0
    seen += plain(found.end())
    assert seen == everything(follower(tmp_path, **names))
    assert [step for step, _ in seen] == list(range(400))
