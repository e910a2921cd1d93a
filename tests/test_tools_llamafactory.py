"""LLaMA-Factory's YAML, its batch arithmetic, what is refused, and its progress file."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mot_plugin import recipe
from mot_plugin.tools import llamafactory, parallel
from mot_plugin.tools.advice import advise
from mot_plugin.tools.call import File

BOBA = Path(__file__).parents[1] / "recipes" / "boba200.yaml"
SFT = {"template": "qwen3", "cutoff_len": 1024, "learning_rate": 1e-5}


def files(**changes: Any) -> tuple[File, ...]:
    given: dict[str, Any] = {
        "title": "mot/round-1/branches/qwq",
        "sft": SFT,
        "place": {},
        "gpus": 1,
        "global_batch": 64,
        "start": "artifacts/base/student/model",
        "data": "work/x/data",
        "dataset": "qwq",
        "out": "work/x/model",
        "steps": 50,
        "save_steps": None,
        "seed": 7,
        "exact": True,
    }
    return llamafactory.config(**{**given, **changes})


def read(**changes: Any) -> dict[str, Any]:
    """The file as LLaMA-Factory's PyYAML (YAML 1.1) reads it."""
    loaded = yaml.safe_load(files(**changes)[0].text)
    assert isinstance(loaded, dict)
    return loaded


def test_boba200_has_every_hyper_parameter_of_the_papers_c_1() -> None:
    made = recipe.load(BOBA)
    config = read(sft=made.sft, gpus=8, global_batch=made.global_batch_size)
    paper = {
        "finetuning_type": "full",
        "optim": "adamw_torch",
        "learning_rate": 1e-5,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.01,
        "adam_beta1": 0.9,
        "adam_beta2": 0.95,
        "weight_decay": 0.1,
        "max_grad_norm": 1.0,
        "bf16": True,
        "cutoff_len": 25600,
        "max_steps": 50,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
    }
    assert {key: config[key] for key in paper} == paper
    assert {key: type(config[key]) for key in paper} == {key: type(value) for key, value in paper.items()}


def test_every_key_is_one_that_llamafactory_knows() -> None:
    config = read(sft=recipe.load(BOBA).sft, place={"deepspeed": "zero3"}, save_steps=50)
    assert set(config) <= llamafactory.KEYS
    assert llamafactory.PLAN_KEYS <= llamafactory.KEYS
    # fsdp and the other places are checked too: a key that does not exist would be refused with the wrong words
    assert llamafactory.PLACE_KEYS <= llamafactory.KEYS
    assert not llamafactory.PLAN_KEYS & llamafactory.PLACE_KEYS


def test_words_survive_yaml_1_1() -> None:
    config = read(sft={**SFT, "eval_strategy": "no", "learning_rate": 5e-7})
    assert config["save_strategy"] == config["eval_strategy"] == "no"
    assert (config["learning_rate"], type(config["learning_rate"])) == (5e-7, float)


def test_a_branch_saves_once_and_a_baseline_every_checkpoint() -> None:
    branch, baseline = read(), read(steps=2400, save_steps=100)
    assert "save_steps" not in branch
    assert (baseline["save_strategy"], baseline["save_steps"], baseline["save_only_model"]) == ("steps", 100, True)
    assert baseline["save_total_limit"] >= 24


def test_what_would_go_wrong_in_silence_is_always_said() -> None:
    said = {
        "overwrite_output_dir": True,  # else a leftover checkpoint is resumed
        "logging_nan_inf_filter": False,  # else a NaN loss is logged as 0
        "average_tokens_across_devices": True,  # else the loss depends on how many GPUs there are
        "packing": False,  # else a row is not an example
        "report_to": "none",
    }
    config = read()
    assert {key: config[key] for key in said} == said


def test_exact_batches_are_not_shuffled_again() -> None:
    assert (read()["disable_shuffling"], read(exact=False)["disable_shuffling"]) == (True, False)


def test_the_plan_has_the_last_word() -> None:
    config = read(sft={**SFT, "output_dir": "elsewhere", "max_steps": 1, "seed": 1})
    assert (config["output_dir"], config["max_steps"], config["seed"]) == ("work/x/model", 50, 7)


@pytest.mark.parametrize(
    ("gpus", "rows", "steps"), [(0, 1, 64), (1, 1, 64), (2, 1, 32), (8, 1, 8), (8, 8, 1), (4, 2, 8), (1, 64, 1)]
)
def test_accumulation_makes_the_batch_whole(gpus: int, rows: int, steps: int) -> None:
    assert parallel.accumulation(64, gpus, rows) == steps
    config = read(gpus=gpus, place={"per_device_train_batch_size": rows})
    assert (config["per_device_train_batch_size"], config["gradient_accumulation_steps"]) == (rows, steps)


@pytest.mark.parametrize("zero", parallel.DEEPSPEED)
def test_deepspeed_gets_its_file(zero: str) -> None:
    config, settings = files(place={"deepspeed": zero}, gpus=2)
    assert yaml.safe_load(config.text)["deepspeed"] == settings.path == f"configs/deepspeed/{zero}.json"
    loaded = json.loads(settings.text)
    stage = loaded["zero_optimization"]
    assert stage["stage"] == (2 if zero == "zero2" else 3)
    assert ("offload_optimizer" in stage) == (zero == "zero3-offload")
    # Stage 3 holds weights in pieces: without this key it saves none that can be merged.
    assert stage.get("stage3_gather_16bit_weights_on_model_save", False) == (zero != "zero2")
    assert loaded["train_micro_batch_size_per_gpu"] == loaded["gradient_accumulation_steps"] == "auto"


def test_the_fingerprint_sees_the_science_only() -> None:
    (plain,) = files()
    moved, settings = files(
        gpus=8, place={"per_device_train_batch_size": 2, "deepspeed": "zero3", "preprocessing_num_workers": 9}
    )
    assert plain.text != moved.text
    assert plain.identity == moved.identity
    assert settings.identity == ""
    for change in ({"seed": 8}, {"global_batch": 32}, {"steps": 51}, {"start": "x"}, {"sft": {**SFT, "bf16": True}}):
        assert files(**change)[0].identity != plain.identity


def test_several_processes_go_through_torchrun() -> None:
    path = "configs/x.yaml"
    one, two = dict(llamafactory.train(path, 1, {}).env), dict(llamafactory.train(path, 2, {}).env)
    sharded = dict(llamafactory.train(path, 1, {"deepspeed": "zero3"}).env)
    assert "FORCE_TORCHRUN" not in one
    assert two["FORCE_TORCHRUN"] == sharded["FORCE_TORCHRUN"] == "1"
    # Always said: LLaMA-Factory would otherwise start one process per GPU that it sees, and multiply the batch.
    assert [env["NPROC_PER_NODE"] for env in (one, two, sharded)] == ["1", "2", "1"]
    assert dict(llamafactory.train(path, 0, {}).env)["NPROC_PER_NODE"] == "1"
    assert one["HF_HUB_OFFLINE"] == "1"
    assert llamafactory.train(path, 1, {}).args == ("train", path)


@pytest.mark.parametrize("key", sorted(llamafactory.PLAN_KEYS))
def test_what_the_plan_sets_a_recipe_may_not(key: str) -> None:
    assert llamafactory.refuse({**SFT, key: 1}) == [((key,), "set by the plan, not by a recipe")]


@pytest.mark.parametrize("key", sorted(llamafactory.PLACE_KEYS))
def test_what_a_machine_says_a_recipe_may_not(key: str) -> None:
    ((path, message),) = llamafactory.refuse({**SFT, key: 1})
    assert path == (key,)
    assert message.startswith("belongs under `train:` in the machine file")


def test_an_empty_block_names_what_it_needs() -> None:
    assert [message.split(" ", 1)[0] for _, message in llamafactory.refuse({})] == [
        "template",
        "cutoff_len",
        "learning_rate",
    ]
    assert llamafactory.refuse(SFT) == []


def test_a_suggestion_says_when_it_is_the_plans_to_set() -> None:
    ((_, message),) = llamafactory.refuse({**SFT, "output_dr": 1})
    assert message == "LLaMA-Factory has no such key, did you mean 'output_dir'? It is set by the plan"


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True, None])
def test_rows_per_device_are_a_number(value: Any) -> None:
    ((path, message),) = llamafactory.refuse_place({"per_device_train_batch_size": value})
    assert path == ("per_device_train_batch_size",)
    assert message == f"must be a whole number of rows, got {value!r}"


def test_progress_is_the_last_loss(tmp_path: Path) -> None:
    assert llamafactory.progress(tmp_path) is None
    log = tmp_path / "trainer_log.jsonl"
    log.write_text("", encoding="utf-8")
    assert llamafactory.progress(tmp_path) is None
    rows = [{"current_steps": n, "total_steps": 50, "loss": 1 / n} for n in (1, 2)]
    end = {"current_steps": 2, "total_steps": 50, "elapsed_time": "0:00:01"}
    text = "".join(json.dumps(row) + "\n" for row in [*rows, end])
    log.write_text(text + '{"current_steps": 3, "tot', encoding="utf-8")  # half a line: it is being written
    assert llamafactory.progress(tmp_path) == (2, 50, 0.5)


@pytest.mark.parametrize(
    ("log", "words", "again"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried", "per_device_train_batch_size", True),
        ("OSError: [Errno 28] No space left on device", "disk is full", False),
        ("ValueError: Some keys are not used by the HfArgumentParser: ['lerning']", "does not know these keys", False),
        ("ValueError: Template qwen9 does not exist.", "sft.template", False),
        ("something new", None, True),
    ],
)
def test_a_log_is_turned_into_advice(log: str, words: str | None, again: bool) -> None:  # noqa: FBT001
    remedy, retry = advise(llamafactory.ADVICE, log)
    assert (words in remedy) if words and remedy else remedy is words
    assert retry == again
