"""Tables 3 and 4: what training did to other benchmarks, in groups, for the base, the best STD and MoT."""

from collections.abc import Sequence

from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Experiment, Point
from mot_plugin.report.paper.scene import Grouping, Scene, mean_change, score
from mot_plugin.report.paper.sheet import NONE, Cell, Column, Row, Sheet

PURE = ("mot_phybench", "mot_livecodebench", "mot_gpqa_diamond")
FORGETTING: dict[Grouping, tuple[str, ...]] = {
    "paper": ("mot_ceval", "mot_supergpqa", "mot_ifeval"),
    "corrected": ("mot_ceval", "mot_simpleqa", "mot_ifeval"),
}
REASONING: dict[Grouping, tuple[str, ...]] = {
    "paper": ("mot_simpleqa", "mot_mmlu_pro", "mot_mmlu_redux"),
    "corrected": ("mot_supergpqa", "mot_mmlu_pro", "mot_mmlu_redux"),
}
_EXCHANGED = "Grouped as corrected: SuperGPQA counts as reasoning and SimpleQA as sensitive to forgetting."
_AS_PRINTED = (
    "Grouped as the paper prints it. Its columns SG and SQ look exchanged (scores of about 10 and 32 fit SimpleQA and "
    "SuperGPQA); `--grouping corrected` takes them so."
)


def table3(s: Scene) -> Sheet:
    """Rows: student, source, configuration; columns: benchmarks sensitive to forgetting, then those of reasoning."""
    forgetting, reasoning = FORGETTING[s.grouping], REASONING[s.grouping]
    groups = [
        ("Catastrophic-forgetting-sensitive tasks", forgetting, "Avg drop"),
        ("Reasoning-related tasks", reasoning, "Avg gain"),
    ]
    if other := _others(s, (*forgetting, *reasoning, *PURE)):
        groups.append(("Other tasks", other, "Avg change"))
    groups = [group for group in groups if _any(s, group[1])] or groups
    rows = []
    wants: list[Experiment] = []
    for student in s.students:
        for source in s.sources:
            for config, points in _configs(s, student, source, 3, wants):
                cells = [cell for _, tasks, _ in groups for cell in _cells(points, tasks)]
                labels = (names.without_size(source), names.printed(student), config)
                rows.append(Row(labels, tuple(cells), f"{student} {source}"))
    columns = tuple(
        Column(name, (title,)) for title, tasks, change in groups for name in (*map(names.task, tasks), change)
    )
    notes = (_AS_PRINTED if s.grouping == "paper" else _EXCHANGED,)
    title = "general benchmarks beside the base"
    return Sheet(3, title, ("Dataset", "Base model", "Config"), columns, tuple(rows), notes, tuple(wants))


def table4(s: Scene) -> Sheet:
    """Rows: student and configuration; columns: the benchmarks of pure reasoning, per source."""
    rows = []
    wants: list[Experiment] = []
    for student in s.students:
        beside = [_configs(s, student, source, 4, wants) for source in s.sources]
        for place, (config, _) in enumerate(beside[0] if beside else []):
            cells = [cell for configs in beside for cell in _cells(configs[place][1], PURE)]
            rows.append(Row((names.printed(student), config), tuple(cells), student))
    columns = tuple(
        Column(name, (names.printed(source),)) for source in s.sources for name in (*map(names.task, PURE), "Avg gain")
    )
    return Sheet(4, "pure reasoning tasks", ("Base model", "Config"), columns, tuple(rows), wants=tuple(wants))


def _configs(
    s: Scene, student: str, source: str, table: int, wants: list[Experiment]
) -> list[tuple[str, list[tuple[Point, Point | None]]]]:
    """Base, Best STD and MoT, each with the base beside it."""
    full = s.results.full(student, source)
    listed = [
        ("Base", Experiment(student)),
        ("Best STD", Experiment(student, source, full, "STD")),
        ("MoT", Experiment(student, source, full, "MoT")),
    ]
    more = [
        ("MTD", Experiment(student, source, full, "MTD")),
        ("One-shot", Experiment(student, source, full, "one-shot")),
    ]
    listed += [(title, one) for title, one in more if s.results.general(one)]
    wants += [one for _, one in listed]
    bases = s.results.general(Experiment(student), table)
    return [
        (title, [(point, _beside(point, bases)) for point in s.results.general(one, table)]) for title, one in listed
    ]


def _beside(point: Point, bases: Sequence[Point]) -> Point | None:
    ranked = sorted(bases, key=lambda base: (base.run != point.run, base.seed != point.seed))
    return ranked[0] if ranked else None


def _cells(pairs: Sequence[tuple[Point, Point | None]], tasks: Sequence[str]) -> list[Cell]:
    points = [point for point, _ in pairs]
    base = bool(points) and points[0].experiment.method == "base"
    return [*(score(points, task) for task in tasks), NONE if base else mean_change(pairs, tasks)]


def _others(s: Scene, known: Sequence[str]) -> tuple[str, ...]:
    general = (entry.task for entry in s.results.entries if entry.purpose == "general")
    return tuple(task for task in dict.fromkeys(general) if task not in known)


def _any(s: Scene, tasks: Sequence[str]) -> bool:
    return any(entry.purpose == "general" and entry.task in tasks for entry in s.results.entries)
