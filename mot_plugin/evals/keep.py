"""The filter of all our lm-eval tasks: nothing is dropped between the model and the scorer."""

from collections.abc import Sequence


def keep_all(resps: Sequence[Sequence[str]], _docs: object) -> list[list[str]]:
    """lm-eval filter: every answer to every problem (n lists of k texts), where its default keeps the first only."""
    return [list(texts) for texts in resps]
