"""Which command fills a table's holes."""

from collections.abc import Iterable, Sequence

from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Experiment
from mot_plugin.report.paper.results import Results
from mot_plugin.report.paper.runs import Run

GENERAL = (3, 4)
"""Tables of other benchmarks than the ones that methods are compared by."""
OF_PAPER = ("base", "STD", "MTD", "MoT")


def commands(
    wanted: Iterable[Experiment], table: int, results: Results, paper: Results, runs: Sequence[Run]
) -> list[str]:
    """One sentence for each thing to do; none where nothing is missing."""
    again: dict[str, int] = {}
    recipes: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for one in wanted:
        if _there(one, table, results):
            continue
        run = next((run for run in runs if run.missing and _covers(run, one)), None)
        if run is not None:
            again[run.folder] = len(run.missing)
        elif (name := recipe(one, paper)) is not None:
            recipes[f"`mot-plugin run recipes/paper/{name}.yaml`"] = None
        else:
            unknown[one.title] = None
    said = [
        f"{folder} is not finished ({count} models without scores): `mot-plugin run` its recipe again."
        for folder, count in again.items()
    ]
    if recipes:
        said.append(f"Missing; filled by {', '.join(recipes)}.")
    if unknown:
        said.append(f"Missing, and in no recipe that comes with the package: {'; '.join(unknown)}.")
    return said


def recipe(one: Experiment, paper: Results) -> str | None:
    """The stem of the shipped recipe that makes an experiment; None for a student, source or method that the paper has not."""
    source = one.source or next(iter(paper.sources))
    if one.student not in paper.students or source not in paper.sources or one.method not in OF_PAPER:
        return None
    stem = f"{one.student}-{names.file_word(source)}"
    taught = next((known for teacher in one.pool if (known := names.taught(teacher))), None)
    full = paper.full(one.student, source)
    if taught:
        return f"{stem}-taught-by-{taught[0]}"
    if one.method != "MoT" or one.pool >= full or not one.pool:
        return stem
    gone = full - one.pool
    return f"{stem}-no-{names.teacher_word(next(iter(gone)))}" if len(gone) == 1 else f"{stem}-peers"


def _there(one: Experiment, table: int, results: Results) -> bool:
    if table in GENERAL:
        return bool(results.general(one))
    return bool(results.bases(one.student, table) if one.method == "base" else results.chosen(one))


def _covers(run: Run, one: Experiment) -> bool:
    same = run.student == one.student and (not one.source or run.source == one.source)
    return same and (one.pool == run.pool or (len(one.pool) < 2 and one.pool <= run.pool))
