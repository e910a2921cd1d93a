"""Configs of step `corpus`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus_samples import Line, write_jsonl

from mot_plugin.corpus.build import Config


@pytest.fixture
def corpus_config(tmp_path: Path, tokenizer_folder: Path) -> Callable[..., Any]:
    """A config of step `corpus` whose traces are the given lines."""

    def make(rows: list[Line], out: str = "out", **changed: Any) -> Config:
        teacher = changed.get("teacher", "qwq")
        fields = {
            "teacher": teacher,
            "source_name": "toy-3",
            "traces": str(write_jsonl(tmp_path / f"{out}.traces" / f"{teacher}.jsonl", rows)),
            "tokenizer": str(tokenizer_folder),
            "prompt": "{problem}\nUse {braces} and \\boxed{}.",
            "max_tokens": 1000,
            "seed": 3,
            "out": str(tmp_path / out),
        }
        return Config.model_validate(fields | changed)

    return make
