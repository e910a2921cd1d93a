"""mot_plugin/tools/llamafactory_keys.txt against the arguments of the real parser, under the pinned versions."""

import dataclasses
from pathlib import Path

import pytest

from mot_plugin.tools import llamafactory

pytestmark = pytest.mark.contract


def test_the_list_of_keys_is_the_parsers() -> None:
    parser = pytest.importorskip("llamafactory.hparams.parser")
    known = {field.name for part in parser._TRAIN_ARGS for field in dataclasses.fields(part) if field.init}
    assert len(known) > 300
    assert sorted(known - llamafactory.KEYS) == []
    assert sorted(llamafactory.KEYS - known) == []


def test_the_list_is_sorted_and_has_each_key_once() -> None:
    file = Path(llamafactory.__file__).with_name("llamafactory_keys.txt")
    keys = file.read_text(encoding="utf-8").splitlines()
    assert keys == sorted(set(keys))


def test_the_parser_takes_what_a_plan_writes(tmp_path: Path) -> None:
    """Types too: a learning rate that arrives as a word would only fail after the model was loaded."""
    parser = pytest.importorskip("llamafactory.hparams.parser")
    import yaml
    from transformers import HfArgumentParser

    (file,) = llamafactory.config(
        title="x",
        sft={"template": "qwen3", "cutoff_len": 512, "learning_rate": 1e-5, "warmup_steps": 0.01},
        place={"use_cpu": True, "per_device_train_batch_size": 4},
        gpus=1,
        global_batch=16,
        start="model",
        data="data",
        dataset="qwq",
        out=str(tmp_path / "out"),
        steps=3,
        save_steps=None,
        seed=1,
        exact=True,
    )
    parts = HfArgumentParser(parser._TRAIN_ARGS).parse_dict(yaml.safe_load(file.text))
    found = {key: value for part in parts for key, value in vars(part).items()}
    assert (found["learning_rate"], found["max_steps"], found["gradient_accumulation_steps"]) == (1e-5, 3, 4)
    assert found["save_strategy"].value == "no"
    assert found["disable_shuffling"] is True
