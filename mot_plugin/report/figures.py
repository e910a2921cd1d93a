"""The figures of one run, and of several, from plain data. Each is there when there is something to show in it."""

import re
from collections.abc import Sequence
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


def of_runs(runs: Sequence[Run], *, teacher: str | None = None, png: bool = False) -> list[Figure]:
    """Figures 1 and 5 over all runs, and Figure 4 wherever several runs have one student and one source.

    `Run.name` tells those apart (report/figure_data.py names them by their teachers).
    """
    settings: dict[str, list[Run]] = {}
    for run in runs:
        settings.setdefault(run.setting, []).append(run)
    richest = [max(group, key=lambda run: len(run.board.series("STD"))) for group in settings.values()]
    pairs = [group for group in settings.values() if sum(bool(run.board.series("MoT")) for run in group) > 1]
    made = [
        figure_teachers.choice(richest, png=png),
        *(
            figure_dynamics.against_each_other(group, teacher, name=_slug(group) if len(pairs) > 1 else "", png=png)
            for group in pairs
        ),
        figure_probe.probe([run for run in runs if run.probe], png=png),
    ]
    return [figure for figure in made if figure is not None]


def _slug(group: Sequence[Run]) -> str:
    return re.sub(r"[^a-z0-9]+", "-", group[0].setting.lower()).strip("-")


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
