"""The sections of a model card with numbers: scores with their errors, and what choosing by them did to them."""

from collections.abc import Mapping, Sequence

from mot_plugin.corpus import card_text
from mot_plugin.evals import selection_bias, statistics
from mot_plugin.report import rounding
from mot_plugin.report.scores import Checkpoint, Score
from mot_plugin.shipping.student import Student

_HOLE = "\N{EN DASH}"


def title(task: str) -> str:
    """What tables call a task."""
    return task.removeprefix("mot_").upper()


def table(student: Student) -> list[str]:
    """The base and the models among which the student was chosen, then what was measured on it alone."""
    tasks = student.recipe.eval.tasks
    head = ["model", *map(title, tasks), *(["AVG"] if len(tasks) > 1 else [])]
    rows = []
    for checkpoint in student.checkpoints():
        scores = student.of(checkpoint)
        name = checkpoint.name + (" (this model)" if checkpoint == student.checkpoint else "")
        rows.append([name, *(_cell(scores.get(task)) for task in tasks), *_average(scores, tasks)])
    lines = [*card_text.table(head, rows), "", _sizes(student, "main"), *_base_is_missing(student)]
    if (general := general_of(student)) is not None:
        lines += ["", "Other benchmarks, measured on this model and on the base after it was chosen:", ""]
        models = [("Base", Checkpoint("base")), ("this model", general)]
        names = list(dict.fromkeys(s.task for s in student.scores if s.purpose == "general"))
        found = [(name, student.of(one, "general")) for name, one in models]
        found = [(name, scores) for name, scores in found if scores]
        cells = [[title(task), *(_cell(scores.get(task)) for _, scores in found)] for task in names]
        lines += [*card_text.table(["benchmark", *(name for name, _ in found)], cells), "", _sizes(student, "general")]
    return lines


def general_of(student: Student) -> Checkpoint | None:
    """How the shipped model is called where other benchmarks were measured on it: by its method alone."""
    wanted = Checkpoint(student.checkpoint.method)
    return wanted if wanted != Checkpoint("base") and student.of(wanted, "general") else None


def chosen(student: Student) -> list[str]:
    """Which of how many, by which rule, and by how much that flatters it."""
    rows = student.choice["considered"]
    metric, tasks = student.choice["metric"], [title(task) for task in student.choice["tasks"]]
    what = "rounds" if student.checkpoint.method == "MoT" else "checkpoints"
    name = student.checkpoint.name
    if len(rows) == 1:
        return [f"There was nothing to choose from: {name} is the only one that was scored."]
    lines = [
        f"{name} has the highest average `{metric}` on {card_text.listed(tasks)} of the {len(rows)} {what} that were scored, "
        f"the earliest of equals: " + ", ".join(f"{row['label']} {row['average']:.2f}" for row in rows) + ".",
        "",
        "> **Selection bias.** It was chosen on the very problems on which its scores above are reported, which flatters it. "
        + _bias(student),
    ]
    last = max(rows, key=lambda row: (row["round"] or 0, row["step"] or 0))
    if student.checkpoint.method == "MoT" and last["round"] != student.checkpoint.round:
        lines += [">", f"> The last, {last['label']}, which nobody chose, scores {last['average']:.2f}."]
    return lines


def _bias(student: Student) -> str:
    alike = [c for c in student.checkpoints() if c.series == student.checkpoint.series]
    tables = [[score.hits for score in student.of(one).values()] for one in alike]
    shapes = {tuple((len(hits), len(hits[0]) if hits else 0) for hits in one) for one in tables}
    if student.checkpoint not in alike or len(shapes) != 1 or not all(all(one) for one in tables):
        return "By how much cannot be said: outcomes per problem are not there for all of them."
    found = selection_bias.selection(tables, alike.index(student.checkpoint))
    return selection_bias.sentence(found, student.checkpoint.name)


def _cell(score: Score | None) -> str:
    return _HOLE if score is None else rounding.plus_minus(str(rounding.percent(score.value)), score.stderr)


def _average(scores: Mapping[str, Score], tasks: Sequence[str]) -> list[str]:
    if len(tasks) == 1:
        return []
    if any(task not in scores for task in tasks):
        return [_HOLE]
    printed = rounding.average([rounding.percent(scores[task].value) for task in tasks])
    return [rounding.plus_minus(str(printed), statistics.average_stderr([scores[task].stderr for task in tasks]))]


def _sizes(student: Student, purpose: str) -> str:
    found = {s.task: f"{title(s.task)} {s.problems} x {s.repeats}" for s in student.scores if s.purpose == purpose}
    return f"Percent. Problems x answers to each: {', '.join(found.values())}; ± is one standard error over problems."


def _base_is_missing(student: Student) -> list[str]:
    return (
        []
        if student.of(Checkpoint("base"))
        else ["", "The base student was not measured: there are no gains to state."]
    )
