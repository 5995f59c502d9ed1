"""The results of a plan, printed by `run` and `report`: the table of variants and the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import median

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from harness.analysis.verdicts import Estimate, Judgement, Table, Verdict
from harness.analysis.verdicts.pairing import pairings
from harness.experiment.plan import Plan
from harness.reporting import phrases
from harness.reporting.tables.variants import variant_table
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.terminal.pipe import Pipe
from harness.terminal.tables import GAP, INDENT, WARNING, Sentence, TerminalTable, folded, placed, styled
from harness.terminal.versions import code_lines
from harness.terminal.wrapping import printable, wrap

LEAST_ROOM = 12  # minimum width of a claim
LEAST_RESULT = 44  # of a result beside claim and verdict
LEAST_BELOW = 34  # of a result beside a verdict that is below its claim
STYLES = {
    "SUPPORTED": "bold green",
    "REFUTED": "bold red",
    "EQUIVALENT": "bold cyan",
    "INCONCLUSIVE": "bold yellow",
    "WAITING": "bold",
}


def plan_results(
    plan: Plan,
    records: Mapping[str, Record],
    table: Table,
    judgement: Judgement,
    metrics: Mapping[str, Metric],
    *,
    mixed: Sequence[str] = (),
    report: str | None = None,
    broken: Sequence[str | None] = (),
) -> RenderableType:
    """The table with its legend, one line per claim, and the path of the report. `metrics`: all that claims may use.

    `mixed`: what the runs were not trained alike with. `broken`: what does not fit in the files, which comes first.
    """
    lines: list[RenderableType] = [Sentence(line, WARNING) for line in broken if line]
    lines += [Text()] if lines else []
    variants = TerminalTable(variant_table(plan, records, table, metrics[table.metric]))
    lines += [*code_lines(plan), variants]
    note = "; ".join(filter(None, [variants.units, phrases.table_note(plan, table, metrics[table.metric].unit)]))
    legend = [note, correlation(table), stopped(plan, judgement), phrases.not_needed(plan, judgement)]
    lines += [Sentence(line) for line in legend if line]
    marker = phrases.rehearsal(plan)
    lines += [Sentence(marker, WARNING)] if marker else []
    lines += [
        Sentence(line, WARNING) for line in (*(f"OPTIMISTIC: {each}" for each in phrases.optimistic_results(metrics)), *mixed)
    ]
    if judgement.verdicts:
        lines += [Text(), claims(plan, records, judgement, metrics)]
    return Group(*lines, *([Text(), styled(f"report  {report}")] if report else []))


def correlation(table: Table) -> str | None:
    """The effect of pairing by seed on the intervals; None without comparisons or with fewer than 3 seeds."""
    found = pairings(table)
    if not found:
        return None
    low, high = min(one.rho for one in found), max(one.rho for one in found)
    shown = f"{low:z.2f}" if len(found) == 1 else f"{low:z.2f} to {high:z.2f}"
    percent = round(100 * (1 - median(one.ratio for one in found)))
    intervals = "the interval" if len(found) == 1 else "the median interval"
    width = f"{abs(percent)} % {'narrower' if percent > 0 else 'wider'}" if percent else "no narrower"
    return f"seed correlation {shown}: pairing by seed made {intervals} {width}"


def stopped(plan: Plan, judgement: Judgement) -> str | None:
    """The look at which training stopped early; None otherwise."""
    last = plan.looks[-1]
    if not judgement.finished or judgement.look >= last or phrases.seeds(plan) > last:
        return None
    return f"stopped at {judgement.look} of {last} seeds; effects at an early stop are inflated"


def claims(plan: Plan, records: Mapping[str, Record], judgement: Judgement, metrics: Mapping[str, Metric]) -> RenderableType:
    """One line per claim: number, claim, verdict and result; claims about several variants add one line per variant."""
    first = next(iter(metrics))
    entries = []
    for place, verdict in enumerate(judgement.verdicts, 1):
        warning = phrases.RETROSPECTIVE if verdict.retrospective else ""
        result = _result(plan, records, judgement, verdict, metrics)
        claim = phrases.short_claim(verdict.claim, named=verdict.claim.metric != first)
        entries.append(_ClaimLine(str(place), claim, verdict.verdict.upper(), result, warning))
        if verdict.contradicted:
            entries.append(_ClaimLine("", "", "", phrases.CONTRADICTED, style=WARNING))
        if len(verdict.rows) > 1:
            entries += [
                _ClaimLine("", f"  {row.subject}", row.verdict.upper(), _part(plan, verdict, row, metrics))
                for row in verdict.rows
            ]
    lines: list[RenderableType] = [_ClaimLines(tuple(entries))]
    lines += [Sentence(note) for note in [bracketed(judgement.verdicts)] if note]
    lines += [*_later_seeds(judgement.verdicts, metrics), *_seed_remarks(judgement.verdicts)]
    lines += [Sentence(line, WARNING) for line in phrases.retrospective_claims(judgement.verdicts, plan)]
    if judgement.holding:
        held = ", ".join(f"{variant} seed {seed}" for variant, seed in judgement.holding)
        advice = "after fixing the cause: --retry failed"
        lines.append(Sentence(f"held by failed runs: {held}; {advice}", WARNING))
    return Group(*lines)


def bracketed(verdicts: Sequence[Verdict]) -> str:
    """`in brackets: 95 % interval`; where claims were decided at different looks, with the number of seeds of each level."""
    counts: dict[float, set[int]] = {}
    for row in (row for verdict in verdicts for row in verdict.rows):
        if row.interval is not None and not any(map(isnan, row.interval)):
            counts.setdefault(row.level, set()).add(row.n)
    if len(counts) < 2:
        return "".join(f"in brackets: {phrases.confidence(level)}" for level in counts)
    levels = sorted(counts.items(), key=lambda each: min(each[1]))
    which = [
        f"{phrases.confidence(level)} where n is {phrases.listed([f'{n:,d}' for n in sorted(own)], 'or')}"
        for level, own in levels
    ]
    return f"in brackets: {', '.join(which)}"


def _part(plan: Plan, verdict: Verdict, row: Estimate, metrics: Mapping[str, Metric]) -> str:
    """The result for one variant of a claim; with its seeds if they are fewer than the claim's."""
    text = phrases.part(verdict, row, metrics, settle=not verdict.open, alpha=plan.alpha)
    early = len(plan.looks) > 1 and row.verdict != "inconclusive" and row.n < max(each.n for each in verdict.rows)
    return f"{text}, decided at {phrases.plural(row.n, 'seed')}" if early else text


def _later_seeds(verdicts: Sequence[Verdict], metrics: Mapping[str, Metric]) -> list[RenderableType]:
    """A line on the later seeds of each claim that they contradict."""
    found = [(place, verdict) for place, verdict in enumerate(verdicts, 1) if verdict.contradicted]
    return [Sentence(f"claim {place}: {phrases.later_seeds(verdict, metrics)}", WARNING) for place, verdict in found]


def _seed_remarks(verdicts: Sequence[Verdict]) -> list[RenderableType]:
    """A line on single seeds that matter, and one on the largest failure rate that supported claims do not exclude."""
    lines: list[RenderableType] = []
    about = [(place, remark) for place, verdict in enumerate(verdicts, 1) for remark in phrases.seed_remarks(verdict)]
    if about:
        place, remark = about[0]
        further = f"; {phrases.plural(len(about) - 1, 'further remark')} in the report" if len(about) > 1 else ""
        lines.append(Sentence(f"claim {place}: {remark}{further}", WARNING))
    supported = [(place, verdict) for place, verdict in enumerate(verdicts, 1) if verdict.failure_limit is not None]
    if supported:
        _, largest = max(supported, key=lambda each: each[1].failure_limit or 0.0)
        places = [str(place) for place, verdict in supported if verdict.failure_limit == largest.failure_limit]
        which = f"{'claim' if len(places) == 1 else 'claims'} {phrases.listed(places)}: " if len(verdicts) > 1 else ""
        lines.append(Sentence(f"{which}{phrases.failure_limit(largest)}"))
    return lines


def expected(plan: Plan, records: Mapping[str, Record]) -> RenderableType:
    """One line per claim before the first look."""
    several = len({claim.metric for claim in plan.claims}) > 1
    return _ClaimLines(
        tuple(
            _ClaimLine(str(place), phrases.short_claim(claim, named=several), "WAITING", waiting(plan, records))
            for place, claim in enumerate(plan.claims, 1)
        )
    )


def _result(
    plan: Plan, records: Mapping[str, Record], judgement: Judgement, verdict: Verdict, metrics: Mapping[str, Metric]
) -> str:
    """The text after the verdict."""
    if verdict.verdict == "waiting":
        return waiting(plan, records)
    following = next((look for look in plan.looks if look > judgement.look), None)
    following = None if judgement.finished else following
    result = phrases.outcome(verdict, metrics, following, phrases.as_chosen(plan), plan.alpha)
    if verdict.verdict == "inconclusive" and verdict.open and not judgement.finished:
        return f"so far {result}"
    early = verdict.decided_at is not None and verdict.decided_at < judgement.look
    return f"{result}, decided at {phrases.plural(verdict.decided_at or 0, 'seed')}" if early else result


def waiting(plan: Plan, records: Mapping[str, Record]) -> str:
    """When the first verdict comes: `first look at 3 seeds: 4 of 6 runs finished`."""
    first = plan.looks[0]
    seeds = plan.first_seeds(first)
    finished = [records[run.id].finished for run in plan.runs if run.seed in seeds]
    what = "first look" if len(plan.looks) > 1 else "judged"
    return f"{what} at {phrases.plural(first, 'seed')}: {sum(finished)} of {len(finished)} runs finished"


@dataclass(frozen=True)
class _ClaimLine:
    """The cells of a claim, or of one of its variants, and a warning after them."""

    number: str
    claim: str
    word: str
    result: str
    warning: str = ""
    style: str = ""  # of the result

    @property
    def outcome(self) -> Text:
        """The result and the warning."""
        after = ((" " * GAP, ""), (self.warning, WARNING)) if self.warning else ()
        return styled((printable(self.result), self.style), *after)


@dataclass(frozen=True)
class _ClaimLines:
    """Claims with their verdicts beside them or, where there is little room for the results, below them."""

    entries: tuple[_ClaimLine, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        number = INDENT + max(len(entry.number) for entry in self.entries) + 2
        word = max(10, *(len(entry.word) for entry in self.entries)) + GAP
        claim = max(cell_len(printable(entry.claim)) for entry in self.entries) + GAP + 1
        result = max(cell_len(entry.outcome.plain) for entry in self.entries)
        room = result if isinstance(console, Pipe) else options.max_width - number - claim - word
        for entry in self.entries:
            start = f"{' ' * INDENT}{entry.number}".ljust(number)
            if room >= min(result, LEAST_RESULT):
                start += placed(printable(entry.claim), claim, "left")
                yield from _judged(entry, start, word, room)
            else:
                yield from _below(entry, start, options.max_width, word)


def _judged(entry: _ClaimLine, start: str, word: int, room: int) -> Iterator[Text]:
    """The lines of the verdict, in `word` cells after `start`, with the result in `room` cells beside it."""
    outcome, first = entry.outcome, (start, (entry.word.ljust(word if entry.result else 0), STYLES.get(entry.word, "")))
    for place, text in enumerate(folded(outcome, room)):
        yield styled(*first, text) if place == 0 else styled(" " * (len(start) + word), text)


def _below(entry: _ClaimLine, start: str, width: int, word: int) -> Iterator[Text]:
    """The lines of a claim, then those of its verdict, with the result beside it or below it."""
    for line in wrapped(entry.claim, width - len(start)) if entry.claim else ():
        yield styled(start, line)
        start = " " * len(start)
    start += indent_of(entry.claim)
    if width - len(start) - word >= LEAST_BELOW:
        yield from _judged(entry, start, word, width - len(start) - word)
        return
    if entry.word:
        yield styled(start, (entry.word, STYLES.get(entry.word, "")))
    start += " " * INDENT
    for text in folded(entry.outcome, width - len(start)):
        yield styled(start, text)


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of `width` cells, each with the indentation of `text`."""
    indent = indent_of(text)
    return [indent + line for line in wrap(printable(text.lstrip()), max(width - len(indent), LEAST_ROOM))]


def indent_of(text: str) -> str:
    """The spaces before it."""
    return " " * (len(text) - len(text.lstrip()))
