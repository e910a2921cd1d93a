"""What a scaling says: a table, a sentence on the longest chain, and the steps of a schedule as rows."""

from collections.abc import Sequence

from mot_plugin.costs.scaling import Point, best, shares
from mot_plugin.costs.words import duration, hours
from mot_plugin.report.plots import csv_text
from mot_plugin.report.table import Table

NONE = "\N{EN DASH}"
RARE = 0.005


def table(points: Sequence[Point], title: str) -> Table:
    """A row for each number of GPUs: the time with every width, and of the best one what it is worth."""
    widths = list(dict.fromkeys(point.width for point in points))
    first, rows, bold = best(points)[0], [], set[tuple[int, int]]()
    for number, point in enumerate(best(points)):
        times = {one.width: one for one in points if one.gpus == point.gpus}
        cells = [duration(times[width].schedule.makespan) if width in times else NONE for width in widths]
        if widths[1:]:
            bold.add((number, 1 + widths.index(point.width)))
        faster = first.hours / point.hours if point.hours else 1.0
        efficiency = 100 * faster * first.gpus / point.gpus
        in_use = 100 * point.schedule.utilisation
        rows.append(
            (
                f"{point.gpus:,}",
                *cells,
                f"{faster:.1f}",
                f"{efficiency:.0f} %",
                hours(point.gpu_hours),
                f"{in_use:.0f} %",
                point.bound,
            )
        )
    header = (
        "GPUs",
        *(f"{width} per training" for width in widths),
        "Speed-up",
        "Efficiency",
        "GPU-hours",
        "In use",
        "Bound by",
    )
    return Table(title, header, tuple(rows), tuple(chains(points)), bold=frozenset(bold))


def chains(points: Sequence[Point]) -> list[str]:
    """For every width the longest chain: no number of GPUs is faster."""
    said = []
    for width in dict.fromkeys(point.width for point in points):
        schedule = next(point.schedule for point in points if point.width == width)
        parts = ", ".join(
            f"{kind} {100 * share:.0f} %" for kind, share in shares(schedule.critical).items() if share >= RARE
        )
        name = schedule.critical[-1].name if schedule.critical else ""
        said.append(
            f"Longest chain with {width} GPUs per training: {duration(schedule.path)} in {len(schedule.critical)} steps "
            f"up to {name} ({parts})"
        )
    return said


def csv(points: Sequence[Point]) -> str:
    """Every number of GPUs and width as CSV."""
    header = "gpus gpus_per_training makespan_hours longest_chain_hours gpu_hours in_use bound".split()
    rows = [
        (
            one.gpus,
            one.width,
            f"{one.hours:.4f}",
            f"{one.schedule.path / 3600:.4f}",
            f"{one.gpu_hours:.3f}",
            f"{one.schedule.utilisation:.4f}",
            one.bound,
        )
        for one in points
    ]
    return csv_text(header, rows)


def gantt(point: Point) -> str:
    """Every step of one schedule as CSV: when it runs, and on which nodes."""
    rows = [
        (bar.job.name, bar.job.kind, f"{bar.start:.1f}", f"{bar.end:.1f}", bar.job.gpus, " ".join(map(str, bar.nodes)))
        for bar in sorted(point.schedule.bars, key=lambda bar: (bar.start, bar.nodes))
    ]
    return csv_text("step kind start_seconds end_seconds gpus_per_node nodes".split(), rows)
