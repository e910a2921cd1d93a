"""How a training is spread over processes: the batch stays exact, and each way of sharding has the keys that make it save."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.tools import llamafactory, parallel
from mot_plugin.tools.call import Command, File

counts = st.integers(min_value=1, max_value=96)


def config(place: dict[str, Any], gpus: int = 8, nodes: int = 1) -> tuple[dict[str, Any], tuple[File, ...]]:
    """The trainer's keys as LLaMA-Factory reads them, and all files."""
    sft = {"template": "qwen3", "cutoff_len": 1024, "learning_rate": 1e-5}
    yaml_file, *more = llamafactory.config(
        title="x",
        sft=sft,
        place=place,
        gpus=gpus,
        nodes=nodes,
        global_batch=64,
        start="student",
        data="data",
        dataset="all",
        out="out",
        steps=2,
        save_steps=None,
        seed=7,
        exact=True,
    )
    return yaml.safe_load(yaml_file.text), (yaml_file, *more)


def env(command: Command) -> dict[str, str]:
    return dict(command.env)


@given(batch=st.integers(min_value=1, max_value=4096), gpus=st.integers(0, 32), nodes=st.integers(1, 8), rows=counts)
def test_every_step_sees_the_whole_batch_or_an_error_says_what_would_do(
    batch: int, gpus: int, nodes: int, rows: int
) -> None:
    world = max(gpus, 1) * nodes
    try:
        steps = parallel.accumulation(batch, gpus, rows, nodes)
    except ValueError as error:
        assert batch % (world * rows)
        try_what_it_says(str(error), batch, gpus, nodes, rows)
    else:
        assert steps >= 1 and steps * rows * world == batch


def try_what_it_says(said: str, batch: int, gpus: int, nodes: int, rows: int) -> None:
    ways = said.partition("makes it exact: ")[2].split("; ")
    assert ways
    for way in ways:
        key, _, values = re.sub(r"(\w) (\d)", r"\1|\2", way, count=1).partition("|")
        for value in map(int, re.findall(r"\d+", values)):
            tried = {
                "train.per_device_train_batch_size": (batch, gpus, value, nodes),
                "steps.train.gpus": (batch, value, rows, nodes),
                "steps.train.nodes": (batch, gpus, rows, value),
                "the recipe's global_batch_size": (value, gpus, rows, nodes),
            }[key]
            assert parallel.accumulation(*tried) >= 1
            assert tried != (batch, gpus, rows, nodes)


def test_several_nodes_are_named() -> None:
    with pytest.raises(ValueError, match=r"not a multiple of 8 x 3 nodes = 24 processes x 1 rows each") as raised:
        parallel.accumulation(64, 8, 1, 3)
    assert "steps.train.nodes 1, 2 or 4;" in str(raised.value)


def test_the_batch_counts_every_node() -> None:
    made, _ = config({}, gpus=4, nodes=2)
    assert made["gradient_accumulation_steps"] == 8
    on_processors, _ = config({}, gpus=0, nodes=2)
    assert on_processors["gradient_accumulation_steps"] == 32


@pytest.mark.parametrize("word", parallel.FSDP)
def test_fsdp_shards_blocks_and_saves_whole_weights(word: str) -> None:
    place = {"fsdp": word}
    made, files = config(place)
    assert made["fsdp"].split()[0] == word.removesuffix("-offload") and "auto_wrap" in made["fsdp"]
    assert ("offload" in made["fsdp"]) == word.endswith("offload")
    assert made["fsdp_config"]["version"] == 2 and made["use_reentrant_gc"] is False and len(files) == 1
    assert set(made) <= llamafactory.KEYS
    command = llamafactory.train("x.yaml", 8, place)
    # Without it version 2 saves no weights that can be merged, and the trainer exits with 0.
    assert env(command)["FSDP_STATE_DICT_TYPE"] == "FULL_STATE_DICT"
    assert env(command)["FORCE_TORCHRUN"] == "1" and command.program == ""


def test_fsdp_takes_further_settings() -> None:
    made, _ = config({"fsdp": "full_shard", "fsdp_config": {"reshard_after_forward": False}})
    assert made["fsdp_config"] == {"version": 2, "cpu_ram_efficient_loading": True, "reshard_after_forward": False}


def test_fsdp_needs_several_gpus() -> None:
    with pytest.raises(ValueError, match=r"train\.fsdp: full_shard shards .* give it more with `steps\.train\.gpus`"):
        config({"fsdp": "full_shard"}, gpus=1)
    assert config({"fsdp": "full_shard"}, gpus=1, nodes=2)[0]["fsdp"] == "full_shard auto_wrap"


@pytest.mark.parametrize(
    ("place", "key", "said"),
    [
        ({"fsdp": "full"}, ("fsdp",), "must be one of full_shard, shard_grad_op, full_shard-offload, got 'full'"),
        ({"deepspeed": "zero1"}, ("deepspeed",), "must be one of zero2, zero3, zero3-offload, got 'zero1'"),
        ({"fsdp": "full_shard", "deepspeed": "zero3"}, ("fsdp",), "deepspeed is there, too: choose one of them"),
        ({"fsdp": "full_shard", "use_cpu": True}, ("fsdp",), "shards over GPUs only"),
        ({"fsdp_config": {}}, ("fsdp_config",), "has no effect without fsdp"),
        ({"fsdp": "full_shard", "fsdp_config": "f.json"}, ("fsdp_config",), "must be a block of keys and values"),
        (
            {"fsdp": "full_shard", "fsdp_config": {"fsdp_version": 1}},
            ("fsdp_config", "fsdp_version"),
            "follows from fsdp",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(place: dict[str, Any], key: tuple[str, ...], said: str) -> None:
    ((found, message),) = llamafactory.refuse_place(place)
    assert found == key and said in message


@pytest.mark.parametrize("zero", parallel.DEEPSPEED)
def test_deepspeed_on_processors(zero: str) -> None:
    command = llamafactory.train("x.yaml", 2, {"deepspeed": zero, "use_cpu": True})
    assert env(command)["DS_ACCELERATOR"] == "cpu"
    # Stage 3 needs the processes to find each other first, which only ours sees to.
    assert command.program == ("" if zero == "zero2" else "mot-plugin")
    on_gpus = llamafactory.train("x.yaml", 2, {"deepspeed": zero})
    assert on_gpus.program == "" and "DS_ACCELERATOR" not in env(on_gpus)
    assert command.args == on_gpus.args == ("train", "x.yaml")


def test_the_fingerprint_does_not_see_how_a_model_is_sharded() -> None:
    seen = set()
    for place in ({}, {"fsdp": "full_shard"}, {"deepspeed": "zero3"}, {"per_device_train_batch_size": 2}):
        _, (trainer, *more) = config(place)
        assert all(file.identity == "" and json.loads(file.text) for file in more)
        command = llamafactory.train("x.yaml", 8, place)
        seen.add((command.tool, command.args, trainer.identity))
    assert len(seen) == 1
