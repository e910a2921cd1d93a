"""Which command fills a table's holes."""

from collections.abc import Iterable, Sequence

from mot_plugin import shipped
from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Experiment
from mot_plugin.report.paper.results import Results
from mot_plugin.report.paper.runs import Run

GENERAL = (3, 4)
"""Tables of other benchmarks than the ones that methods are compared by."""
_WITHOUT = (
    "No run left a teacher out; `mot-plugin ablate RECIPE --drop-teacher NAME` writes the recipe of one that does."
)
_FEW = "No run had few teachers; `mot-plugin ablate RECIPE --keep-teachers A,B` writes the recipe of one that has."
ADVICE = {
    7: _WITHOUT,
    8: _FEW,
    9: "No student taught; a teacher `NAME-mot: {run: RUN, student: MoT}` in a recipe is one that does (docs/corpora.md).",
    12: _WITHOUT,
    13: _FEW,
}
"""What makes the experiments of a table that has none."""
MORE = {"one-shot": "-one-shot", "STD-matched": "-matched", "MTD-matched": "-matched"}
"""Methods that the paper has not, and how recipes with them are named."""


def commands(
    wanted: Iterable[Experiment], table: int, results: Results, paper: Results, runs: Sequence[Run]
) -> list[str]:
    """One sentence for each thing to do; none where nothing is missing."""
    again: dict[str, int] = {}
    recipes: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for one in wanted:
        if there(one, table, results):
            continue
        run = next((run for run in runs if run.missing and _covers(run, one)), None)
        if run is not None:
            again[run.folder] = len(run.missing)
        elif (name := recipe(one, table, paper)) is not None:
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


def recipe(one: Experiment, table: int, paper: Results) -> str | None:
    """The stem of the shipped recipe that makes an experiment for a table; None where none of them does."""
    source = one.source or next(iter(paper.sources))
    stem = f"{one.student}-{names.file_word(source)}{_variant(one, table, paper.full(one.student, source))}"
    return stem if shipped.path("recipes", "paper", f"{stem}.yaml").is_file() else None


def _variant(one: Experiment, table: int, full: frozenset[str]) -> str:
    """What the recipe's name has after student and source."""
    taught = next((teacher for teacher in one.pool if names.taught(teacher)), None)
    if taught:
        return f"-taught-by-{taught}"
    if table in GENERAL:
        return "-general"
    if one.method in MORE:
        return MORE[one.method]
    if one.method != "MoT" or one.pool >= full or not one.pool:
        return ""
    gone = full - one.pool
    return f"-no-{names.teacher_word(next(iter(gone)))}" if len(gone) == 1 else "-peers"


def there(one: Experiment, table: int, results: Results) -> bool:
    """Whether an experiment has what a table shows of it."""
    if table in GENERAL:
        return bool(results.general(one))
    return bool(results.bases(one.student, table) if one.method == "base" else results.chosen(one))


def _covers(run: Run, one: Experiment) -> bool:
    same = run.student == one.student and (not one.source or run.source == one.source)
    return same and (one.pool == run.pool or (len(one.pool) < 2 and one.pool <= run.pool))
