"""The loss of a model on encoded rows, without leaving a trace in the training that it interrupts."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

Row = dict[str, Any]
"""An encoded row: input_ids, attention_mask, labels."""
Collate = Callable[[list[Row]], Any]
IGNORED = -100
"""The label of a token that does not count."""


def tokens(row: Row) -> int:
    """Tokens that count in the loss: those of the answer. The first of a row has nothing before it and never counts."""
    return sum(label != IGNORED for label in row["labels"][1:])


def of_rows(
    model: Any, rows: Sequence[Row], collate: Collate, device: torch.device, rank: int = 0, world: int = 1
) -> list[float]:
    """Each row's summed token losses, in nats.

    One row at a time: no padding, so a row's number does not depend on its neighbours or on the number of processes.
    Process r takes rows r, r + world, ...; all make as many passes, for weights that are gathered from every process.
    """
    sums = torch.zeros(len(rows), dtype=torch.float64)
    for first in range(0, len(rows), world):
        number = first + rank
        mine = number < len(rows)
        row = dict(rows[number if mine else first])
        batch = {name: _on(value, device) for name, value in collate([row]).items()}
        mean = model(**batch, use_cache=False).loss
        if mine:
            sums[number] = float(mean) * tokens(rows[number])
    if world > 1:
        shared = sums.to(device)
        torch.distributed.all_reduce(shared)
        sums = shared.cpu()
    return [float(one) for one in sums]


@contextmanager
def undisturbed(model: Any, device: torch.device) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module's mode and every random generator is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    chance = random.getstate(), np.random.get_state(), torch.get_rng_state()
    there = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        random.setstate(chance[0])
        np.random.set_state(chance[1])
        torch.set_rng_state(chance[2])
        if there is not None:
            torch.cuda.set_rng_state(there, device)


def _on(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, torch.Tensor) else value
