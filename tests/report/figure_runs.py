"""Runs to draw: the paper's printed numbers as far as they can be read, and one of the paper's size, drawn with a seed."""

import functools
import math
import random

from mot_plugin.evals import statistics
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.cost import Spent
from mot_plugin.report.curves import Run
from mot_plugin.report.losses import Losses, Probe
from mot_plugin.report.scores import Checkpoint, Purpose, Score

TASKS = ("mot_aime24", "mot_aime25")
TEACHERS = ("QWQ", "QWEN3-32B", "QWEN3-235B", "DEEPSEEK-R1")
SKILL = {"QWQ": 0.4, "QWEN3-32B": 0.32, "QWEN3-235B": 0.2, "DEEPSEEK-R1": -0.6}
STUDENTS = ("Qwen3-8B", "Qwen3-14B", "Qwen3-30B-A3B")
# Table 2, per source: the base, then STD of each teacher, as (AIME24, AIME25) per student.
TABLE2 = {
    "BOBA-200": (
        ((75.83, 67.08), (79.17, 70.00), (80.63, 70.90)),
        ((76.25, 67.50), (79.58, 73.54), (79.79, 75.63)),
        ((75.42, 67.71), (77.71, 71.25), (81.04, 76.04)),
        ((74.58, 67.92), (79.17, 74.79), (81.88, 75.42)),
        ((67.71, 60.21), (74.38, 67.50), (78.33, 68.96)),
    ),
    "S1K-200": (
        ((75.83, 67.08), (79.17, 70.00), (80.63, 70.90)),
        ((76.04, 68.13), (80.21, 72.92), (81.46, 72.92)),
        ((77.50, 66.67), (79.79, 72.50), (79.58, 73.13)),
        ((74.38, 68.54), (77.08, 75.41), (79.17, 76.04)),
        ((70.00, 61.46), (73.75, 62.92), (78.54, 70.63)),
    ),
}
# Table 12, 8B: MoT without R1, rounds 1 to 5. Table 11: STD (QWQ) on BOBA-200, 8B, steps 50 to 250.
TABLE12 = ((75.21, 69.17), (75.42, 72.29), (76.67, 70.00), (78.13, 69.17), (76.46, 69.79))
TABLE11_QWQ = ((72.50, 64.38), (75.00, 67.08), (75.21, 67.29), (75.83, 65.83), (76.25, 67.50))


def printed(one: Checkpoint, pair: tuple[float, float]) -> list[Score]:
    return [
        Score(one.method, one.teacher, one.round, one.step, task, "score", value / 100, None, 30, 16, "paper")
        for task, value in zip(TASKS, pair, strict=True)
    ]


def paper_choice() -> list[Run]:
    """Table 2's rows of the base and of STD, one run per student and source."""
    runs = []
    for source, rows in TABLE2.items():
        for place, student in enumerate(STUDENTS):
            checkpoints = (BASE, *(Checkpoint("STD", teacher, step=250) for teacher in TEACHERS))
            pairs = zip(checkpoints, (row[place] for row in rows), strict=True)
            scores = [score for one, pair in pairs for score in printed(one, pair)]
            runs.append(Run(f"{student} {source}", student, source, Board(checkpoints, TASKS, tuple(scores))))
    return runs


def paper_dynamics() -> Run:
    """What can be read of the paper's scores along the way: MoT's are of Table 12, the run without R1."""
    mot = [Checkpoint("MoT", round=number) for number in range(1, 6)]
    std = [Checkpoint("STD", "QWQ", step=step) for step in range(50, 251, 50)]
    pairs = [(BASE, (75.83, 67.08)), *zip(mot, TABLE12, strict=True), *zip(std, TABLE11_QWQ, strict=True)]
    scores = tuple(score for one, pair in pairs for score in printed(one, pair))
    return Run("MoT without R1", "Qwen3-8B", "BOBA-200", Board((BASE, *mot, *std), TASKS, scores))


def drawn_score(
    one: Checkpoint, task: str, hits: list[list[int]], purpose: Purpose = "main", share: float | None = None
) -> Score:
    return Score(
        method=one.method,
        teacher=one.teacher,
        round=one.round,
        step=one.step,
        task=task,
        metric="score",
        value=statistics.mean(hits),
        stderr=statistics.clustered_stderr(hits),
        problems=len(hits),
        repeats=len(hits[0]),
        fingerprint="f" * 8,
        purpose=purpose,
        share=share,
        hits=tuple(tuple(row) for row in hits),
        doc_hashes=tuple(f"{task}-{i}" for i in range(len(hits))),
    )


@functools.cache
def full_size(
    name: str = "all teachers", seed: int = 1, source: str = "BOBA-200", *, teachers: tuple[str, ...] = TEACHERS
) -> Run:
    """A run as large as the paper's, with everything in it, invented."""
    draw = random.Random(seed)
    levels = {task: [draw.gauss(1.2, 1.6) for _ in range(30)] for task in TASKS}

    def answered(task: str, skill: float, repeats: int) -> list[list[int]]:
        chances = [1 / (1 + math.exp(-level - skill)) for level in levels[task]]
        return [[int(draw.random() < chance) for _ in range(repeats)] for chance in chances]

    skills = {BASE: 0.0}
    skills |= {Checkpoint("MoT", round=r): -0.1 + 0.2 * r - 0.015 * r**2 for r in range(1, 6)}
    for teacher in teachers:
        for s in range(1, 6):
            skills[Checkpoint("STD", teacher, step=50 * s)] = SKILL[teacher] * (0.2 * s if s < 4 else 1.2 - 0.2 * s)
    skills |= {Checkpoint("MTD", step=50 * s): -0.3 + 0.12 * s for s in range(1, 6)}
    skills |= {Checkpoint("MTD-matched", step=200 * s): -0.1 + 0.1 * s for s in range(1, 6)}
    skills[Checkpoint("one-shot")] = 0.25
    scores = tuple(drawn_score(one, task, answered(task, skill, 16)) for one, skill in skills.items() for task in TASKS)
    probe = []
    for one, height, rough in ((Checkpoint("MoT", round=5), 0.5, 0.0), (Checkpoint("MTD", step=250), 0.2, 0.35)):
        for place in range(11):
            share = place / 10
            skill = height * (1 - share) + 0.8 * share * (1 - share) + rough * math.sin(11 * share)
            probe.append(drawn_score(one, "mot_aime24_64", answered(TASKS[0], skill, 64), "probe", share))
    logs = tuple(logged(teachers, draw))
    return Run(name, "Qwen3-8B", source, Board(tuple(skills), TASKS, scores), logs, tuple(probe), teachers)


def logged(teachers: tuple[str, ...], draw: random.Random) -> list[Losses]:
    """Losses of every training: MoT's jump up where a round begins."""

    def loss(step: int, floor: float) -> float:
        return floor + 0.12 * math.exp(-step / 60) + draw.gauss(0, 0.012)

    mtd = tuple(Probe(step, 0.6 - 0.0006 * step, "QWQ") for step in range(0, 251, 50))
    found = [Losses("MTD", None, None, 250, (), mtd)]
    for teacher in teachers:
        found.append(Losses("STD", teacher, None, 250, tuple((s, loss(s, 0.45)) for s in range(1, 251))))
        for r in range(5):
            rows = tuple((s, loss(50 * r + s, 0.49) + 0.03 * math.exp(-s / 8)) for s in range(1, 51))
            probes = (Probe(0, 0.62 - 0.015 * r, "QWQ"), Probe(50, 0.6 - 0.015 * r, "QWQ"))
            found.append(Losses("MoT", teacher, r + 1, 50, rows, probes))
    return found


def spent(teachers: tuple[str, ...] = TEACHERS) -> list[Spent]:
    """What a run like `full_size` takes on eight GPUs."""

    def trained(steps: int) -> dict[str, object]:
        return {
            "steps": steps,
            "sequences": 64 * steps,
            "tokens": 64.0 * steps * 9000,
            "seconds": 90.0 * steps,
            "gpus": 8,
        }

    found = [Spent("traces", teacher=teacher, tokens=3200 * 9000.0, estimated=True) for teacher in teachers]
    for teacher in teachers:
        found.append(Spent("train", "STD", teacher, **trained(250)))  # type: ignore[arg-type]
        found += [Spent("train", "MoT", teacher, r, **trained(50)) for r in range(1, 6)]  # type: ignore[arg-type]
    found.append(Spent("train", "MTD", **trained(250)))  # type: ignore[arg-type]
    found.append(Spent("train", "MTD-matched", **trained(1000)))  # type: ignore[arg-type]
    found += [Spent("merge", "MoT", None, r, seconds=60.0) for r in range(1, 6)]
    return [*found, Spent("merge", "one-shot", seconds=60.0)]
