"""Two models' scores.json side by side: per task and on average, who is above whom and whether that is more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.errors import FileError
from mot_plugin.evals import levels, paired, scored, settings
from mot_plugin.evals.levels import Level
from mot_plugin.evals.paired import Paired
from mot_plugin.evals.scored import Scored
from mot_plugin.evals.statistics import Hits
from mot_plugin.report.rounding import percent, probability
from mot_plugin.report.verdict import BELOW, word
from mot_plugin.strict import suggest

CUT_OFF = 0.05
"""Share of truncated answers from which on a score is rather one of the length limit."""


@dataclass(frozen=True)
class Row:
    """One task, or the average of all (`task` is None there). `difference` is b - a; shares, 0..1.

    `remarks` are sentences on what the numbers of this row do not show.
    """

    task: str | None
    problems: int
    repeats: tuple[int, ...]
    a: Level
    b: Level
    difference: Paired
    remarks: tuple[str, ...] = ()
    unfair: tuple[str, ...] = ()
    """Settings that make other answers and differ, as `what: a, b`; there are some only where that was asked for."""
    settings: tuple[str, ...] = ()
    """Sentences on how else the two sides' answers were made differently."""

    @property
    def verdict(self) -> str:
        """What b is, beside a."""
        if self.unfair:
            return "not comparable"
        return word(self.difference)

    @property
    def title(self) -> str:
        """The task without our prefix, `average`."""
        return "average" if self.task is None else self.task.removeprefix("mot_")


def compare(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    name_a: str,
    name_b: str,
    tasks: Sequence[str] = (),
    *,
    anyway: bool = False,
) -> list[Row]:
    """A row per task that both scores.json have (or per one of `tasks`), and their plain average if there are several.

    Raises FileError where the contents are no scores, share no task, lack one of `tasks`, or have tasks whose scores are
    not comparable: other versions, kinds of score, judges, limits or problems, or answers made with other settings. All of
    them are named at once. `anyway` shows those with other settings all the same, labelled.
    """
    here, there = scored.read(a, name_a), scored.read(b, name_b)
    common = _common(here, there, name_a, name_b, tasks)
    refused = {task: _refusals(here[task], there[task]) for task in common}
    unfair = {task: settings.unfair(here[task].settings, there[task].settings) for task in common}
    if not anyway:
        refused = {task: refused[task] + unfair[task] for task in common}
    if any(refused.values()):
        listed = [f"  {task}: {why}" for task, found in refused.items() for why in found]
        hint = "" if refused != unfair else "; --anyway shows them all the same, as not comparable"
        remedy = f"  evaluate both with the same tasks, limits and settings{hint}"
        raise FileError("\n".join([f"{name_a} and {name_b} do not compare", *listed, remedy]))
    tables = {task: _tables(here[task], there[task]) for task in common}
    rows = [
        Row(
            task,
            problems=len(left),
            repeats=tuple(dict.fromkeys((here[task].repeats, there[task].repeats))),
            a=(a_level := levels.level(left)),
            b=(b_level := levels.level(right)),
            difference=paired.compared(right, left),
            remarks=(*_remarks(name_a, task, here[task], a_level), *_remarks(name_b, task, there[task], b_level)),
            unfair=tuple(unfair[task]),
            settings=_otherwise(here[task], there[task], name_a, name_b),
        )
        for task, (left, right) in tables.items()
    ]
    if len(rows) > 1:
        rows.append(_average(rows, [(right, left) for left, right in tables.values()]))
    return rows


def sentences(rows: Sequence[Row], name_a: str, name_b: str) -> list[str]:
    """What each row says, in percent points."""
    said = []
    for row in rows:
        found, where = row.difference, "on average" if row.task is None else f"on {row.title}"
        if row.unfair:
            said.append(f"{name_b} and {name_a} are not comparable {where}: {'; '.join(row.unfair)}.")
            continue
        size = f"95 % interval {percent(found.low)} to {percent(found.high)}, {probability(found.p)}"
        if found.distinguishable:
            way = "above" if found.value > 0 else "below"
            said.append(f"{name_b} scores {abs(percent(found.value))} points {way} {name_a} {where} ({size}).")
        else:
            said.append(f"{name_b} and {name_a} are {BELOW} {where}: {percent(found.value)} points ({size}).")
    return said


def notes(a: Mapping[str, Any], b: Mapping[str, Any], name_a: str, name_b: str, rows: Sequence[Row]) -> list[str]:
    """What a reader of the rows should know: how small a difference shows, what was left out, what is odd."""
    shown = [(row.title, row.difference.detectable) for row in rows]
    sizes = ", ".join(f"{title} {percent(size)}" for title, size in shown if size)
    lines = [f"Found with 80 % power, in points: {sizes}."] if sizes else []
    tests = sum(row.task is not None for row in rows)
    if tests > 2:
        lines.append(f"{tests} tasks are {tests} tests: of twenty with no difference, one is called one.")
    for row in rows:
        if len(row.repeats) > 1:
            lines.append(f"{row.title}: {row.repeats[0]} answers to each problem against {row.repeats[1]}.")
        lines += row.remarks
    single = [row for row in rows if row.task is not None]
    for words in dict.fromkeys(one for row in single for one in row.settings):
        lines.append(f"{', '.join(row.title for row in single if words in row.settings)}: {words}")
    for words in dict.fromkeys("; ".join(row.unfair) for row in single if row.unfair):
        titles = ", ".join(row.title for row in single if "; ".join(row.unfair) == words)
        lines.append(f"NOT COMPARABLE: {titles}, answered with other settings ({words}).")
    for name, mine, other in ((name_a, a, b), (name_b, b, a)):
        alone = sorted(mine["tasks"].keys() - other["tasks"].keys())
        if alone:
            lines.append(f"Only {name} has {', '.join(alone)}: not compared, not in the average.")
    return lines


def _common(
    here: Mapping[str, Scored], there: Mapping[str, Scored], name_a: str, name_b: str, tasks: Sequence[str]
) -> list[str]:
    for name, found in ((name_a, here), (name_b, there)):
        absent = [task for task in tasks if task not in found]
        if absent:
            known = ", ".join(sorted(found)) or "none"
            raise FileError(f"{name} has no task {absent[0]}{suggest(absent[0], found) or f'; there are {known}'}")
    common = list(dict.fromkeys(tasks)) or sorted(here.keys() & there.keys())
    if not common:
        lists = (", ".join(sorted(found)) or "none" for found in (here, there))
        raise FileError("{} and {} have no task in common: {}; {}".format(name_a, name_b, *lists))
    return common


def _refusals(a: Scored, b: Scored) -> list[str]:
    if found := a.differs(b):
        return found
    try:
        _tables(a, b)
    except ValueError as error:
        return [str(error)]
    return []


def _tables(a: Scored, b: Scored) -> tuple[Hits, Hits]:
    return paired.aligned(a.hits, a.doc_hashes, b.hits, b.doc_hashes)


def _average(rows: Sequence[Row], pairs: Sequence[tuple[Hits, Hits]]) -> Row:
    """In full precision, not from printed scores."""
    a, b = (levels.average([getattr(row, side) for row in rows]) for side in ("a", "b"))
    unfair = tuple(dict.fromkeys(why for row in rows for why in row.unfair))
    return Row(None, sum(row.problems for row in rows), (), a, b, paired.averaged(pairs), unfair=unfair)


def _otherwise(a: Scored, b: Scored, name_a: str, name_b: str) -> tuple[str, ...]:
    found = settings.remarkable(a.settings, b.settings)
    said = [f"answered differently ({'; '.join(found)})."] if found else []
    if (a.settings is None) != (b.settings is None):
        silent = name_a if a.settings is None else name_b
        said.append(f"{silent} does not say with which settings it was answered, so they may differ.")
    return tuple(said)


def _remarks(name: str, task: str, one: Scored, level: Level) -> list[str]:
    where = f"{name} on {task.removeprefix('mot_')}"
    found = []
    truncated = one.metrics.get("truncated")
    if truncated is not None and truncated.value > CUT_OFF:
        found.append(f"{where}: {truncated.value:.1%} of the answers were cut off before their thought ended.")
    if one.chance is not None and (words := levels.at_chance(level, one.problems, one.chance)):
        found.append(f"{where}: {words}.")
    return found
