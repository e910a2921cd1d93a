"""The student of a round and what a trainer makes of it, as tiny folders."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import Tensors, random_tensors, write_model, write_training


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """The student a round starts from, in BF16."""
    return write_model(tmp_path / "start", random_tensors(0, "BF16"))


@pytest.fixture
def trained(tmp_path: Path, start: Path) -> Callable[..., Path]:
    """Makes what LLaMA-Factory leaves: a model of 50 steps, changed against `start`."""

    def make(
        name: str = "branch", seed: int = 1, steps: int = 50, tensors: Tensors | None = None, **config: object
    ) -> Path:
        folder = write_model(tmp_path / name, random_tensors(seed) if tensors is None else tensors, **config)
        write_training(folder, steps)
        return folder

    return make
