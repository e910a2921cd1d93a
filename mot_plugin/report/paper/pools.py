"""Which experiments left out a teacher, and which had few: MoT's pools beside the full one of their student and source."""

from mot_plugin.report.paper.entries import Experiment
from mot_plugin.report.paper.scene import Scene


def removals(s: Scene) -> list[tuple[str, str, str, Experiment]]:
    """(source, student, teacher left out, experiment) of every MoT with all teachers but one."""
    found = []
    for source, student, pool, full in _pools(s):
        if len(pool) == len(full) - 1:
            (gone,) = full - pool
            found.append((source, student, gone, Experiment(student, source, pool, "MoT")))
    return found


def peers(s: Scene) -> list[tuple[str, str, Experiment]]:
    """(source, student, experiment) of every MoT with at least two teachers fewer than all."""
    return [
        (source, student, Experiment(student, source, pool, "MoT"))
        for source, student, pool, full in _pools(s)
        if len(pool) < len(full) - 1
    ]


def _pools(s: Scene) -> list[tuple[str, str, frozenset[str], frozenset[str]]]:
    mot = {experiment for experiment in s.results.experiments if experiment.method == "MoT"}
    return [
        (source, student, pool, full)
        for source in s.sources
        for student in s.students
        for full in [s.results.full(student, source)]
        for pool in s.results.pools(student, source)
        if pool < full and Experiment(student, source, pool, "MoT") in mot
    ]
