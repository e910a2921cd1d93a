"""Tables of a run's other evaluations: selected models on more benchmarks (Tables 3 and 4), and mixtures with the base."""

from collections.abc import Iterator, Sequence

from mot_plugin.report import rounding
from mot_plugin.report.paper import general_tables, names, remarks
from mot_plugin.report.paper.results import Results
from mot_plugin.report.paper.runs import entries_of
from mot_plugin.report.paper.scene import scene
from mot_plugin.report.scores import Checkpoint, Score
from mot_plugin.report.table import MISSING, Table

PROBE = (
    "Weights lambda x base + (1 - lambda) x model: lambda 0 is the trained model, lambda 1 the base. ± is one standard error "
    "over problems."
)


_BASE = Checkpoint("base").title


def general(student: str, source: str, teachers: Sequence[str], scores: Sequence[Score]) -> Iterator[tuple[str, Table]]:
    """Tables 3 and 4, each where some model has scores for it."""
    found = [score for score in scores if score.purpose in ("main", "general")]
    shown = scene(Results(entries_of(student, source, teachers, found)))
    tasks = {score.task for score in found if score.purpose == "general"}
    for number, make in ((3, general_tables.table3), (4, general_tables.table4)):
        sheet = make(shown)
        if any(names.task(task) in {column.name for column in sheet.columns} for task in tasks):
            table = sheet.table()
            notes = (*table.notes, *remarks.sizes(shown, sheet))
            yield f"table{number}", Table(**{**vars(table), "notes": notes})


def probe(scores: Sequence[Score]) -> Table | None:
    """One row per lambda, a column per model and task; None where nothing was probed."""
    found = {(_whose(s), s.task, s.share): s for s in scores if s.purpose == "probe" and s.share is not None}
    columns = list(dict.fromkeys((whose, task) for whose, task, _ in found if whose != _BASE))
    if not columns:
        return None
    shares = sorted({share for *_, share in found})
    # All lines end at one base, which is evaluated once.
    found |= {(whose, task, 1.0): end for whose, task in columns if (end := found.get((_BASE, task, 1.0)))}
    rows = tuple(
        (f"{share:g}", *(_cell(found.get((whose, task, share))) for whose, task in columns)) for share in shares
    )
    header = ("lambda", *(f"{whose} {names.task(task)}" for whose, task in columns))
    sizes = ", ".join(dict.fromkeys(f"{names.task(s.task)} {s.problems} x {s.repeats}" for s in found.values()))
    return Table("Probe: from each model to the base", header, rows, (f"Problems x answers to each: {sizes}.", PROBE))


def _whose(score: Score) -> str:
    return Checkpoint(score.method, score.teacher).title


def _cell(score: Score | None) -> str:
    return MISSING if score is None else rounding.plus_minus(str(rounding.percent(score.value)), score.stderr)
