"""How much an evaluation generates: problems of every task, answers to each, and how long one is (docs/costs.md)."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from mot_plugin.materials import Suite
from mot_plugin.tools import lm_eval

PROBLEMS: Mapping[str, int] = {
    "mot_aime24": 30,
    "mot_aime24_64": 30,
    "mot_aime25": 30,
    "mot_ceval": 1346,
    "mot_gpqa_diamond": 198,
    "mot_hmmt": 30,
    "mot_ifeval": 541,
    "mot_livecodebench": 167,
    "mot_math500": 500,
    "mot_mmlu_pro": 12032,
    "mot_mmlu_redux": 5700,
    "mot_phybench": 100,
    "mot_quickstart": 100,
    "mot_quickstart_one_step": 40,
    "mot_quickstart_probe": 25,
    "mot_simpleqa": 4326,
    "mot_supergpqa": 26529,
    "mot_supergpqa_tenth": 2653,
}
"""Of the tasks that ship with us."""
UNKNOWN_PROBLEMS = 500

TOKENS: Mapping[str, float] = {
    "mot_aime24": 14_000,
    "mot_aime24_64": 14_000,
    "mot_aime25": 16_000,
    "mot_ceval": 1_500,
    "mot_gpqa_diamond": 8_000,
    "mot_hmmt": 18_000,
    "mot_ifeval": 1_200,
    "mot_livecodebench": 12_000,
    "mot_math500": 5_000,
    "mot_mmlu_pro": 2_500,
    "mot_mmlu_redux": 1_500,
    "mot_phybench": 11_000,
    "mot_quickstart": 50,
    "mot_quickstart_one_step": 50,
    "mot_quickstart_probe": 50,
    "mot_simpleqa": 800,
    "mot_supergpqa": 4_000,
    "mot_supergpqa_tenth": 4_000,
}
"""Mean tokens of one answer of a student that thinks: our assumption, until `mot-plugin calibrate` has counted."""
UNKNOWN_TOKENS = 4_000.0


@dataclass(frozen=True)
class Asked:
    """One model's evaluation on some tasks."""

    generations: int
    tokens: float
    longest: int
    """Tokens at which an answer is cut off."""


def asked(suite: Suite, told: Mapping[str, float | int]) -> Asked:
    """What a suite asks of one model; `told` are mean tokens of an answer where somebody has counted."""
    answers = _answers(suite.tasks, suite.files)
    tokens = sum(count * min(told.get(task, TOKENS.get(task, UNKNOWN_TOKENS)), most) for task, count, most in answers)
    return Asked(sum(count for _, count, _ in answers), tokens, max(most for _, _, most in answers))


@functools.cache
def _answers(tasks: tuple[str, ...], files: tuple[lm_eval.TaskFile, ...]) -> tuple[tuple[str, int, int], ...]:
    """(task, answers, tokens at most)."""
    return tuple(
        (
            task,
            PROBLEMS.get(task, UNKNOWN_PROBLEMS) * lm_eval.repeats(task, files),
            lm_eval.answer_tokens(task, files),
        )
        for task in tasks
    )
