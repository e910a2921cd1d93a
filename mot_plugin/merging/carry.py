"""The exact carry as mergekit files: between rounds the student is kept in float32, and only its rounding is trained.

After a round, `accumulator += mean(branch - start)`, in float32; the next round starts from bfloat16(accumulator). What
bfloat16 rounds away in one round is not lost but added to the next one. Both are mergekit `linear` merges with signed
weights, so no arithmetic is ours. Where the branches come from is the caller's business: these are texts made of paths.
"""

from collections.abc import Sequence
from typing import Any, Literal

import yaml

DType = Literal["float32", "bfloat16"]


def accumulate(
    branches: Sequence[str],
    start: str,
    accumulator: str | None,
    weights: Sequence[float] | None = None,
    out_dtype: DType = "float32",
) -> str:
    """mergekit file for accumulator + sum(w * (branch - start)) / sum(w). Without an accumulator yet, the start is it.

    The order of the models is the order of mergekit's float32 sum and matters. Of bfloat16 branches, the sum and the
    start taken off it are exact, so that only adding the accumulator and the division round: each weight ends within
    1.5 units in the last place of the largest number that was added (3 for float32 branches, up to five of them).
    Weights are whole numbers that mergekit divides by; 1 / K, accumulator first, was 2 to 90 times worse.

    For a method that is no mean, give its output (`widened`) as the only branch. With `bfloat16` and the student of a
    bfloat16 carry as `accumulator` it is what that carry would make of the same updates.
    """
    each = [1.0] * len(branches) if weights is None else [float(weight) for weight in weights]
    models = [_entry(path, weight) for path, weight in zip(branches, each, strict=True)]
    if accumulator is not None and accumulator != start:
        total = sum(each)
        models += [_entry(start, -total), _entry(accumulator, total)]
    return _linear(models, out_dtype)


def ship(accumulator: str) -> str:
    """mergekit file for the next round's start: the accumulator, each weight rounded once to bfloat16."""
    return _linear([_entry(accumulator, 1.0)], "bfloat16")


def widened(filled: str) -> str:
    """A filled mergekit file of any method with its output kept in float32, to be accumulated as the only branch."""
    wanted = yaml.safe_load(filled)
    return _text(wanted | {"out_dtype": "float32"})


def _entry(path: str, weight: float) -> dict[str, Any]:
    return {"model": path, "parameters": {"weight": weight}}


def _linear(models: list[dict[str, Any]], out_dtype: DType) -> str:
    """`base_model` gives config and tokenizer: it is one of the models, so that it is not averaged in once more."""
    return _text(
        {
            "merge_method": "linear",
            "base_model": models[0]["model"],
            "models": models,
            "parameters": {"normalize": True},
            "dtype": "float32",
            "out_dtype": out_dtype,
        }
    )


def _text(wanted: dict[str, Any]) -> str:
    return yaml.safe_dump(wanted, sort_keys=False, width=120)
