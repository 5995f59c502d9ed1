"""The end of a program's output and its exit code -> what it failed of. Pure.

A Python traceback says more than the last line, because launchers, loggers and shells print their own lines when a program has
failed. Of several ranks the one that failed first is shown.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Literal

from harness.tasks.command.tracebacks import Line, Traceback, lines_of, tracebacks
from harness.tasks.protocol import TrainingFailed

Reason = Literal["exit", "oom", "disk", "killed"]

SIGNALS_FROM_OUTSIDE = (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
# Exit codes of these signals, also as reported by a shell.
FROM_OUTSIDE = {code: number.name for number in SIGNALS_FROM_OUTSIDE for code in (-number, 128 + number)}
LONGEST = 200  # characters of a quoted line
MOST_AFTER = 12  # lines after a traceback, such as the rest of its message; more: the program went on

OUT_OF_MEMORY = re.compile(
    r"out of memory|OutOfMemory|\bMemoryError|bad_alloc|ResourceExhaustedError|\bOOM when allocating"
    r"|CU(?:BLAS|DNN|SOLVER|SPARSE|FFT)_(?:STATUS_)?ALLOC_FAILED|RESOURCE_EXHAUSTED: (?:.*allocat|OOM)"
    r"|Unable to allocate [\d.]+ ?[KMGTP]?i?B|Cannot allocate memory|can't allocate memory|not enough memory: you tried"
    r"|hipErrorOutOfMemory|HSA_STATUS_ERROR_OUT_OF_RESOURCES"
    r"|DataLoader worker \(pid.*\) is killed by signal: (?:Killed|Bus error)",
    re.IGNORECASE,
)
DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded|Errno 28\b", re.IGNORECASE)
REASONS: dict[Reason, re.Pattern[str]] = {"oom": OUT_OF_MEMORY, "disk": DISK_FULL}
KERNEL_KILLED = re.compile(r"oom[-_ ]?kill|Out Of Memory|line \d+: +\d+ Killed\b|^Killed\b", re.IGNORECASE)  # shells, SLURM
CRASH = re.compile(r"Fatal Python error: |terminate called after throwing|\s*what\(\): ")
CHANGING = re.compile(r"/tmp/\S+|0x[0-9a-f]+|\b(?=\w*\d)[0-9a-f]{8,}\b|\d+", re.IGNORECASE)

# Lines that something else prints when a program has failed.
TRAILERS = re.compile(
    r"""\s*$
    |Set\ the\ environment\ variable\ HYDRA_FULL_ERROR=1
    |wandb:
    |(?:[^|]{0,200}[\s:])?\d{1,3}%\| |(?:[^\[]{0,200}\s)?\d+it\ \[\d\d:\d\d                                # tqdm
    |srun:|slurmstepd:|mpirun|prterun|make(?:\[\d+\])?:\ \*\*\*
    |\S+:\ line\ \d+:\ +\d+\ (?:Killed|Terminated|Aborted|Segmentation\ fault|Bus\ error)\b
    |(?:Killed|Terminated|Aborted|Segmentation\ fault|Bus\ error)(?:\ \(core\ dumped\))?$
    |\[?[WEI]\d{4}\ \d\d:\d\d:\d\d                                            # glog, as torchrun prints
    |(?:WARNING|ERROR|INFO):torch\.distributed
    |\[[\d\-\ :,.]+\]\ (?:torch\.distributed|\[(?:INFO|ERROR|WARNING)\]\ \[launch\.py)   # older torchrun; deepspeed
    |\[rank:\ \d+\]\ Child\ process\ with\ PID                                # lightning
    |ERROR\ conda\.cli
    |\S+:\d+:\ UserWarning:\ resource_tracker:|\s+warnings\.warn\(
    |(?:real|user|sys)\t
    """,
    re.VERBOSE,
)
LAUNCHERS = re.compile(
    r"/accelerate/|/deepspeed/|/torch/distributed/|/lightning|/composer/|/bin/(?:accelerate|deepspeed|torchrun)$"
)
LAUNCHED = re.compile(r"(?:\w+\.)*(?:ChildFailedError|CalledProcessError|ProcessExitedException)\b")
FOOTER_RANK = re.compile(r"\s*rank\s*: (\d+) ")
FOOTER_CODE = re.compile(r"\s*exitcode\s*: (-?\d+) ")
# What a rank raises because another one has ended.
SECONDARY = re.compile(
    r"SignalException|KeyboardInterrupt|BrokenPipe|ConnectionReset|EOFError|Connection (?:closed|reset)|Broken pipe|Dist\w*Error"
    r"|NCCL|ncclInternal|gloo|ProcessGroup",
)


@dataclass(frozen=True)
class _Found:
    """What the output says. `exception`: quoted text is an exception's line; `about`: texts that decide the reason."""

    quoted: str
    about: tuple[str, ...]
    place: object
    exception: bool = False
    where: str = ""  # `train.py line 3`
    rank: int | None = None
    code: int | None = None  # of the rank

    @property
    def who(self) -> str:
        """The process that failed."""
        return "the program" if self.rank is None else f"rank {self.rank}"


def failure(output: bytes, code: int, memory_kills: int = 0) -> TrainingFailed:
    """The failure of a program that ended with `code`, negative for a signal, after printing `output` (its end is enough).

    `memory_kills`: how many processes of its control group the kernel killed for lack of memory while it ran. The place of the
    failure is the same in every run that fails there: numbers, addresses and temporary names are masked.
    """
    lines = lines_of(output.decode(errors="backslashreplace"))
    found = _found(lines)
    place = f"exit {code} {found.place}"
    how = f"exit code {code}" if code >= 0 else f"the program was ended by {_signal(-code)}"
    own = found.code if found.code is not None and found.code < 0 else code  # a launcher's own code says nothing
    if memory_kills and FROM_OUTSIDE.get(own) == "SIGKILL":
        return TrainingFailed("oom", f"the kernel killed {found.who} for lack of memory{_last(found)}", place)
    for reason, pattern in REASONS.items():
        if (decisive := next(filter(pattern.search, found.about), None)) is not None:
            return TrainingFailed(reason, f"{how}{_last(found, decisive)}", place)
    if any(KERNEL_KILLED.search(line.text) for line in _trailers(lines)):
        return TrainingFailed("oom", f"{how}{_last(found)}", place)
    if own in FROM_OUTSIDE:
        named = FROM_OUTSIDE[own]
        guess = ": short of memory?" if named == "SIGKILL" else ""
        how = named if own < 0 else f"exit code {own}: {named}"
        return TrainingFailed("killed", f"{found.who} was killed ({how}{guess}){_last(found)}", place)
    if own != code:
        how = f"{found.who} was ended by {_signal(-own)}"
    return TrainingFailed("exit", f"{how}{_last(found)}", place)


def last_line(output: bytes) -> str:
    """`; it last printed: …` for messages."""
    texts = [line.text for line in lines_of(output.decode(errors="backslashreplace")) if line.text.strip()]
    return f"; it last printed: {_end(texts[-1].strip())}" if texts else "; it printed nothing"


def _found(lines: Sequence[Line]) -> _Found:
    """The fault in the output, without what launchers add."""
    blocks = tracebacks(lines)
    footer = next(
        (one for one in reversed(blocks) if "ChildFailedError" in one.exception and _ends(lines, one, footer=True)), None
    )
    rank = code = None
    if footer is not None:
        after = "\n".join(line.text for line in lines[footer.end :])
        ranks, codes = FOOTER_RANK.findall(after), FOOTER_CODE.findall(after)
        rank, code = int(ranks[-1]) if ranks else None, int(codes[-1]) if codes else None
        embedded = [one for one in blocks if one.start > footer.end]
        lines, blocks = lines[: footer.start], [one for one in blocks if one.end < footer.start]
        chosen = _first_failed(lines, blocks, rank) or (embedded[-1] if embedded else None)
        if chosen is None:
            return replace(_printed(lines, launched=True), rank=rank, code=code)
        return replace(_raised(chosen), rank=rank, code=code)
    while blocks and _is_launcher(lines, blocks) and _printed(lines[: blocks[-1].start]).quoted:
        lines, blocks = lines[: blocks[-1].start], blocks[:-1]
    ranks_seen = {one.rank for one in blocks if one.rank is not None}
    if len(ranks_seen) > 1:
        chosen = _first_failed(lines, blocks, None)
        return _printed(lines) if chosen is None else replace(_raised(chosen), rank=chosen.rank)
    if blocks and _ends(lines, blocks[-1]):
        return _raised(blocks[-1])
    return _printed(lines)


def _first_failed(lines: Sequence[Line], blocks: Sequence[Traceback], rank: int | None) -> Traceback | None:
    """Of the tracebacks at the end, that of `rank`, else the first that no other rank's end explains."""
    last: list[Traceback] = []
    limit = len(lines)
    for block in reversed(blocks):
        if last and not _ends(lines[:limit], block):
            break
        if last or _ends(lines, block):
            last.insert(0, block)
            limit = min(limit, block.start)
    own = [one for one in last if one.rank == rank is not None]
    primary = [one for one in own or last if not SECONDARY.search(one.exception)]
    return next(iter(primary or own or last), None)


def _is_launcher(lines: Sequence[Line], blocks: Sequence[Traceback]) -> bool:
    """Whether the output ends with a traceback of the program that started the failed one."""
    last = blocks[-1]
    if not LAUNCHED.match(last.exception) or not _ends(lines, last):
        return False
    by_launcher = any(LAUNCHERS.search(file) for file, _ in last.frames)
    return by_launcher or (len(blocks) > 1 and _ends(lines[: last.start], blocks[-2]))


def _ends(lines: Sequence[Line], block: Traceback, footer: bool = False) -> bool:
    """Whether the program ended with this traceback; `footer`: whatever length follows it in torchrun's footer."""
    after = [line for line in lines[block.end + 1 :] if line.rank == block.rank or block.rank is None]
    if footer:
        return any(set(line.text) == {"="} for line in after)
    after = list(dropwhile(lambda line: line.text[:1].isspace(), after))  # of its message, such as a list of missing keys
    return sum(not TRAILERS.match(line.text) for line in after) <= MOST_AFTER


def _raised(block: Traceback) -> _Found:
    """An exception as the fault."""
    name = ""
    place: object = CHANGING.sub("#", block.exception)
    if block.frames:
        name = "{} line {}".format(*_named(block.own_frame))
        place = _named(block.frames[-1])
    quoted = block.exception if not block.parts else f"{block.exception}, the first: {block.parts[0]}"
    return _Found(quoted, (block.exception, *block.causes, *block.parts), place, exception=True, where=name)


def _named(frame: tuple[str, int]) -> tuple[str, str]:
    return frame[0].rpartition("/")[2], str(frame[1])


def _printed(lines: Sequence[Line], launched: bool = False) -> _Found:
    """The last line that the program itself printed, for a crash what it was; without any the last of all unless `launched`."""
    texts = [line.text.strip() for line in lines if line.text.strip()]
    own = [text for text in texts if not TRAILERS.match(text)]
    crashes = [text for text in texts[-60:] if CRASH.match(text)]
    quoted = (crashes or own or ([] if launched else texts) or [""])[-1]
    return _Found(quoted, (quoted,), CHANGING.sub("#", quoted))


def _trailers(lines: Sequence[Line]) -> list[Line]:
    """What others printed after the program's own last line."""
    place = len(lines)
    while place and TRAILERS.match(lines[place - 1].text):
        place -= 1
    return list(lines[place:])


def _last(found: _Found, decisive: str = "") -> str:
    """What it raised or last printed; `decisive`: the exception of a chain that decided the reason."""
    if found.exception:
        raised = decisive or found.quoted
        which = "" if found.rank is None else f"rank {found.rank}: "
        return f"; {which}{_short(raised)}{f' ({found.where})' if found.where else ''}"
    return f"; it last printed: {_end(found.quoted)}" if found.quoted else "; it printed nothing"


def _short(text: str) -> str:
    """The start of an exception, which has its type."""
    return _shown(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def _end(text: str) -> str:
    """The end of a line, which may be one of many bars and counters."""
    return _shown(text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}")


def _shown(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
