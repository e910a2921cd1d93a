"""Table 9: students as teachers; what a smaller student scores that learnt from the base, the best STD or MoT."""

from collections.abc import Sequence

from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Entry, Experiment, Point
from mot_plugin.report.paper.general_tables import PURE
from mot_plugin.report.paper.scene import Scene, scores
from mot_plugin.report.paper.sheet import Column, Row, Sheet


def table9(s: Scene) -> Sheet:
    """AVG is the mean of all columns. A teacher that was a student is called so: `qwen3-14b-mot`."""
    found = taught(s)
    tasks = (*s.tasks, *(task for task in PURE if task not in s.tasks and _has(s, task, found)))
    rows = []
    for source, model, student in dict.fromkeys((one.source, model, one.student) for model, _, one in found):
        labels = (names.printed(source), names.printed(model), names.printed(student))
        for config in names.CONFIGS:
            fitting = [
                one for *what, one in found if (*what, one.source, one.student) == (model, config, source, student)
            ]
            points = [_whole(s, point) for one in fitting for point in s.results.chosen(one)]
            rows.append(Row((*labels, config), scores(points, tasks), " ".join(labels)))
    columns = tuple(Column(names.task(task, full=True), best=True) for task in tasks)
    return Sheet(
        9,
        "students as teachers",
        ("Dataset", "Teacher model", "Student model", "Teacher Config"),
        (*columns, Column("AVG", best=True)) if len(tasks) > 1 else columns,
        tuple(rows),
        wants=tuple(one for *_, one in found),
        folds=("Dataset",),
    )


def taught(s: Scene) -> list[tuple[str, str, Experiment]]:
    """(teacher's model, what it was, experiment) of every STD whose teacher was a student."""
    return [
        (*known, one)
        for one in s.results.experiments
        if one.method == "STD" and one.teacher and one.student in s.students and (known := names.taught(one.teacher))
    ]


def _whole(s: Scene, point: Point) -> Point:
    """The point with its model's other benchmarks: those of its run's best STD, where that run had no other teacher."""
    experiment = point.experiment
    same = [experiment, Experiment(experiment.student, experiment.source, experiment.pool, "STD")]
    more: dict[str, Entry] = {}
    for one in same:
        for other in s.results.general(one):
            if (other.run, other.seed) == (point.run, point.seed):
                more |= other.scores
    return Point(experiment, point.run, point.seed, point.when, {**more, **point.scores})


def _has(s: Scene, task: str, found: Sequence[tuple[str, str, Experiment]]) -> bool:
    return not found or any(entry.task == task for entry in s.results.entries if entry.purpose == "general")
