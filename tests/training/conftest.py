"""What the tests of callbacks share."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tiny_trainer import Tiny


@pytest.fixture
def tiny() -> "Tiny":
    from tiny_trainer import Tiny

    return Tiny()


@pytest.fixture
def arguments(tmp_path: Path) -> SimpleNamespace:
    """The part of TrainingArguments that callbacks read and write."""
    return SimpleNamespace(
        output_dir=str(tmp_path / "out"), fp16=False, logging_nan_inf_filter=True, include_num_input_tokens_seen="no"
    )
