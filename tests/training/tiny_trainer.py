"""A tiny language model with the face of a transformers one, and the words that a Trainer tells its callbacks."""

from types import SimpleNamespace
from typing import Any

import torch
from transformers import TrainerState


class Tiny(torch.nn.Module):
    """Two layers with dropout between them; its loss is the mean over the labels that are not -100, as transformers' is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.words = torch.nn.Embedding(11, 8)
        self.drop = torch.nn.Dropout(0.5)
        self.frozen = torch.nn.LayerNorm(8)
        self.head = torch.nn.Linear(8, 11)
        self.train()
        self.frozen.eval()

    def logits(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.frozen(self.drop(self.words(input_ids))))

    def forward(self, input_ids: Any, attention_mask: Any, labels: Any, use_cache: bool) -> SimpleNamespace:  # noqa: FBT001
        assert not use_cache
        logits = self.logits(input_ids)[:, :-1].flatten(0, 1)
        return SimpleNamespace(loss=torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten()))


def state(step: int = 0, total: int = 8, *, first: bool = True, tokens: int = 0) -> TrainerState:
    """The Trainer's state after `step` optimizer steps, in the first process or another."""
    return TrainerState(
        global_step=step, max_steps=total, is_world_process_zero=first, num_input_tokens_seen=tokens, epoch=0.0
    )
