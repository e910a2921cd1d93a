"""The figures of one run, and of several, from plain data. Each is there when there is something to show in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mot_plugin.report import figure_cost, figure_dynamics, figure_probe, figure_teachers
from mot_plugin.report.cost import Spent
from mot_plugin.report.curves import Run
from mot_plugin.report.plots import Figure

__all__ = ["Figure", "Run", "of_run", "of_runs", "write"]


def of_run(run: Run, spent: Sequence[Spent] = (), *, teacher: str | None = None, png: bool = False) -> list[Figure]:
    """Figures 1, 3 and 5 and the cost of a run. `teacher`: whose STD Figure 3 shows, by default the best one's."""
    made = (
        figure_teachers.choice([run], png=png),
        figure_dynamics.against_std(run, teacher, png=png),
        figure_probe.probe([run], png=png),
        figure_cost.spending(run, spent, png=png),
    )
    return [figure for figure in made if figure is not None]


def of_runs(
    runs: Sequence[Run],
    pairs: Mapping[str, Sequence[Run]] | None = None,
    *,
    teacher: str | None = None,
    png: bool = False,
) -> list[Figure]:
    """Figures 1 and 5 over all runs, and Figure 4: of all runs, or of each group in `pairs`, by what tells it apart.

    `Run.name` is what a run is called beside the others of its group.
    """
    groups = {"": runs} if pairs is None else pairs
    made = [
        figure_teachers.choice(runs, png=png),
        *(figure_dynamics.against_each_other(group, teacher, name=name, png=png) for name, group in groups.items()),
        figure_probe.probe(runs, png=png),
    ]
    return [figure for figure in made if figure is not None]


def write(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """`<name>.svg` and `<name>.csv` of each, and `<name>.png` where there is one; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for figure in figures:
        texts = {".svg": figure.svg.encode(), ".csv": figure.csv.encode(), ".png": figure.png}
        for ending, content in texts.items():
            if content:
                file = folder / f"{figure.name}{ending}"
                file.write_bytes(content)
                files.append(file)
    return files
