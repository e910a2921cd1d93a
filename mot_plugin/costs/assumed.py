"""What an estimate takes to be so without knowing it, in words."""

from collections.abc import Iterable, Sequence

from mot_plugin.costs import answers
from mot_plugin.costs.ground import Ground


def assumed(grounds: Sequence[Ground]) -> tuple[str, ...]:
    """A sentence for each assumption that some of these plans need."""
    found = [*_sizes(grounds), *_rows(grounds), *_samples(grounds), *_answers(grounds)]
    if any(not ground.machine.costs.model_fields_set for ground in grounds):
        found.append("this machine is as fast as docs/costs.md says: nothing was calibrated")
    return tuple(found)


def _sizes(grounds: Sequence[Ground]) -> list[str]:
    shapes = [shape for ground in grounds for shape in (ground.student, *ground.teachers.values())]
    return list(dict.fromkeys(shape.source for shape in shapes if shape.source))


def _rows(grounds: Sequence[Ground]) -> list[str]:
    unknown = [ground for ground in grounds if not ground.seen.rows]
    if not unknown:
        return []
    share = unknown[0].machine.costs.row_share
    return [f"a row has {_span(ground.row_tokens('') for ground in unknown)} tokens, {share:g} of cutoff_len"]


def _samples(grounds: Sequence[Ground]) -> list[str]:
    asked = [ground for ground in grounds if ground.live and ground.seen.problems is None]
    if not asked:
        return []
    sure = all(ground.recipe.source.sample for ground in asked)
    many = f"{_span(ground.problems for ground in asked)} problems{'' if sure else ', which nobody has counted'}"
    tokens = _span(ground.sample_tokens(name) for ground in asked for name in ground.live)
    return [f"a teacher is asked {many}, and a sample has {tokens} tokens"]


def _answers(grounds: Sequence[Ground]) -> list[str]:
    means = {
        task: answers.TOKENS.get(task, answers.UNKNOWN_TOKENS)
        for ground in grounds
        for task in ground.tasks
        if task not in ground.machine.costs.answer_tokens
    }
    return [f"an answer has {_span(means.values())} tokens on average, as the task is"] if means else []


def _span(values: Iterable[float]) -> str:
    """`10,240`, or `800 to 16,000`."""
    known = sorted({round(value) for value in values})
    return f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"
