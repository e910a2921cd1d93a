"""From all problems of a data set to the N that teachers are asked: what is left out, stage by stage, and why.

No stage looks at the order of the rows, so a shuffled file gives the same problems.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mot_plugin.sources.contamination import CONTAMINATED, EIGHT, contamination, surest
from mot_plugin.sources.near import near_duplicates, normalise
from mot_plugin.sources.problems import Problem, digest

STAGES = ("read", "identify", "verify", "deduplicate", "decontaminate")
Texts = Mapping[str, Sequence[tuple[str, str]]]
"""Task -> its problems: id and text."""


@dataclass(frozen=True)
class Dropped:
    """A problem that was left out. `id` is None where a row is no problem: `where` says which row of which file.

    `against` is the problem that it repeats: an id, or task and id of a benchmark. `share`: how much of it, 0 to 1.
    """

    stage: str
    reason: str
    id: str | None = None
    where: str | None = None
    against: str | None = None
    share: float | None = None


def identify(problems: Iterable[Problem]) -> tuple[list[Problem], list[Dropped]]:
    """One problem per id, ordered by id.

    The same text twice under one id is one problem. Different texts under one id both stay, each with the digest of its
    text at the end of its id.
    """
    by_id: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_id[problem.id].append(problem)
    kept: list[Problem] = []
    dropped: list[Dropped] = []
    for name, several in by_id.items():
        by_text: dict[str, list[Problem]] = defaultdict(list)
        for problem in several:
            by_text[normalise(problem.problem)].append(problem)
        for alike in by_text.values():
            first = min(alike, key=_preference)
            new = name if len(by_text) == 1 else f"{name}-{digest(first.problem)[:8]}"
            kept.append(replace(first, id=new))
            dropped += [Dropped("identify", "repeated", new, against=new)] * (len(alike) - 1)
    return _by_id(kept), dropped


def verifiable(problems: Iterable[Problem]) -> tuple[list[Problem], list[Dropped]]:
    """Only what has a reference."""
    every = list(problems)
    dropped = [Dropped("verify", problem.unverifiable, problem.id) for problem in every if problem.unverifiable]
    return [problem for problem in every if not problem.unverifiable], dropped


def deduplicate(problems: Iterable[Problem]) -> tuple[list[Problem], list[Dropped]]:
    """No two with the same text but for spaces and case (kept: one with a reference, then the first by id), then none
    with nearly the same (kept: the shorter)."""
    first_of: dict[str, Problem] = {}
    dropped: list[Dropped] = []
    for problem in sorted(problems, key=lambda problem: (problem.unverifiable is not None, problem.id)):
        first = first_of.setdefault(normalise(problem.problem), problem)
        if first is not problem:
            dropped.append(Dropped("deduplicate", "duplicate", problem.id, against=first.id, share=1.0))
    different = list(first_of.values())
    near = near_duplicates(list(first_of))
    for one in near:
        share = round(one.ratio / 100, 4)
        dropped.append(
            Dropped("deduplicate", "near_duplicate", different[one.dropped].id, None, different[one.kept].id, share)
        )
    gone = {one.dropped for one in near}
    return [problem for number, problem in enumerate(different) if number not in gone], dropped


def decontaminate(
    problems: Sequence[Problem], benchmarks: Texts
) -> tuple[list[Problem], list[Dropped], dict[str, dict[str, Any]]]:
    """None that a benchmark has too; and for each task what was found: see `contamination`.

    A report counts problems by their surest rule against that task, and lists those for `review`, which stay.
    """
    owner = [(task, name) for task, rows in benchmarks.items() for name, _ in rows]
    findings = contamination(
        [problem.problem for problem in problems], [text for rows in benchmarks.values() for _, text in rows]
    )
    report: dict[str, dict[str, Any]] = {}
    for task, rows in benchmarks.items():
        of_task = surest([one for one in findings if owner[one.benchmark][0] == task]).values()
        rules = Counter(one.rule for one in of_task)
        review = [
            {"id": problems[one.problem].id, "against": owner[one.benchmark][1], "share": one.share}
            for one in of_task
            if one.rule == "review"
        ]
        report[task] = {
            "problems": len(rows),
            "too_short_but_for_copies": sum(len(normalise(text).split()) < EIGHT for _, text in rows),
            "found": dict(sorted(rules.items())),
            "review": sorted(review, key=lambda entry: str(entry["id"])),
        }
    bad = {number: one for number, one in surest(findings).items() if one.rule in CONTAMINATED}
    dropped = [
        Dropped("decontaminate", one.rule, problems[number].id, None, ":".join(owner[one.benchmark]), one.share)
        for number, one in bad.items()
    ]
    return [problem for number, problem in enumerate(problems) if number not in bad], dropped, report


def draw(problems: Iterable[Problem], count: int | None, seed: int) -> list[Problem]:
    """`count` of them at random, ordered by id; all for None.

    Each id has its own number, of the seed and nothing else, and the smallest are drawn. So more of them hold the
    same ones, and a problem more or less in the data set changes one drawn problem at most: traces that were paid for
    stay useful when a benchmark is added, or an option changed.
    """
    every = sorted(problems, key=lambda problem: hashlib.sha256(f"{seed}|{problem.id}".encode()).digest())
    return _by_id(every[:count])


def _preference(problem: Problem) -> tuple[bool, str, tuple[str, ...], str]:
    return problem.unverifiable is not None, problem.problem, problem.references, str(sorted(problem.meta.items()))


def _by_id(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.id)
