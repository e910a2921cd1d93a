"""Which recorded traces answer the problems of the source, and with which references they are judged."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mot_plugin.sources.problems import digest, read_problems
from mot_plugin.teachers.traces import Prompt


def sourced(prompts: Iterable[Prompt], problems: str | None) -> tuple[list[Prompt], int]:
    """A prompt for each problem of the source, by id, with what the teacher said to it; and how many prompts are of other problems.

    Problems are found by their text, as ids differ between a data set and those who sampled it. The source's references count
    where it has some. Without a source all prompts are its problems.
    """
    every = list(prompts)
    if problems is None:
        return sorted(every, key=lambda prompt: prompt.id), 0
    said = {digest(prompt.problem): prompt for prompt in every}
    found: list[Prompt] = []
    for problem in read_problems(Path(problems)):
        prompt = said.pop(digest(problem.problem), Prompt(problem.id, problem.problem, (), ()))
        known = problem.references or prompt.references
        found.append(replace(prompt, id=problem.id, problem=problem.problem, references=known))
    return sorted(found, key=lambda prompt: prompt.id), len(said)
