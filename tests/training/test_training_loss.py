"""Sums of token losses row by row, and that measuring leaves no trace."""

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from mot_plugin.training import loss

pytestmark = pytest.mark.contract  # with the real torch and Trainer, which take seconds to import

CPU = torch.device("cpu")
ROWS = [
    {"input_ids": [1, 2, 3, 4], "attention_mask": [1] * 4, "labels": [-100, -100, 3, 4]},
    {"input_ids": [5, 6, 7, 8, 9, 10], "attention_mask": [1] * 6, "labels": [-100, 6, 7, 8, 9, 10]},
    {"input_ids": [7, 7], "attention_mask": [1] * 2, "labels": [7, 7]},
]


def collate(rows: list[loss.Row]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([row.pop(name) for row in rows]) for name in list(rows[0])}


def test_a_rows_sum_is_that_of_its_answers_tokens(tiny: torch.nn.Module) -> None:
    with loss.undisturbed(tiny, CPU):
        found = loss.of_rows(tiny, ROWS, collate, CPU)
        logs = [tiny.logits(torch.tensor(row["input_ids"])).log_softmax(-1).double() for row in ROWS]
    by_hand = [
        -sum(float(log[at - 1, label]) for at, label in enumerate(row["labels"]) if at and label != -100)
        for row, log in zip(ROWS, logs, strict=True)
    ]
    assert found == pytest.approx(by_hand, rel=1e-6)
    assert [loss.tokens(row) for row in ROWS] == [2, 5, 1]
    assert ROWS[0]["input_ids"] == [1, 2, 3, 4], "a collator takes its rows apart: it must be given copies"


def chance() -> tuple:
    return random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()


def modes(model: torch.nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


@pytest.mark.parametrize("broken", [False, True])
def test_measuring_leaves_no_trace(tiny: torch.nn.Module, broken: bool) -> None:  # noqa: FBT001
    before, were = chance(), modes(tiny)
    assert True in were and False in were, "a frozen part must stay in evaluation mode afterwards"
    with pytest.raises(ZeroDivisionError) if broken else nullcontext(), loss.undisturbed(tiny, CPU):
        assert not any(modes(tiny))
        assert not torch.is_grad_enabled()
        random.random(), np.random.rand(), torch.rand(3)
        1 // (not broken)
    assert chance() == before
    assert modes(tiny) == were
    assert torch.is_grad_enabled()


def test_dropout_is_off_while_measuring(tiny: torch.nn.Module) -> None:
    with loss.undisturbed(tiny, CPU):
        assert loss.of_rows(tiny, ROWS, collate, CPU) == loss.of_rows(tiny, ROWS, collate, CPU)
