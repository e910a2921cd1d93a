"""Which of a teacher's samples becomes the training label of a prompt (paper, sec. 4.1).

One correct sample, drawn at random; a prompt without a correct sample is left out for that teacher.
"""

from collections.abc import Sequence

from mot_plugin.chance import shuffled
from mot_plugin.teachers.traces import Prompt
from mot_plugin.teachers.verdicts import ACCEPTABLE


def choose(prompt: Prompt, verdicts: Sequence[str], seed: int, teacher: str) -> int | None:
    """Index of one acceptable sample, each as likely as the others; None if there is none."""
    return next(iter(preferences(prompt, verdicts, seed, teacher)), None)


def preferences(prompt: Prompt, verdicts: Sequence[str], seed: int, teacher: str) -> tuple[int, ...]:
    """Indices of all acceptable samples in random order: the first is the choice, the others stand in for it in turn.

    The order depends on seed, teacher and prompt id alone, so neither a file's order nor other prompts change a choice.
    """
    acceptable = [index for index, verdict in enumerate(verdicts) if verdict in ACCEPTABLE]
    return tuple(acceptable[place] for place in shuffled(len(acceptable), seed, teacher, prompt.id))
