"""check-branch: everything that LLaMA-Factory reports as success and is none."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_models import random_tensors, write_model, write_training

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.branch import Config, run
from mot_plugin.merging.weights import from_bfloat16

Make = Callable[..., Path]
EMBEDDING, UP = "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"


def problems(model: Path, start: Path, steps: int = 50, save_steps: int | None = None) -> str:
    with pytest.raises(CheckFailed) as caught:
        run(Config(model=str(model), start=str(start), steps=steps, save_steps=save_steps))
    return str(caught.value)


def check(model: Path, start: Path, steps: int = 50, save_steps: int | None = None) -> None:
    run(Config(model=str(model), start=str(start), steps=steps, save_steps=save_steps))


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_sound_branch(start: Path, trained: Make, dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    branch = trained(tensors=random_tensors(1, dtype))
    check(branch, start)
    assert capsys.readouterr().out == f"{branch}: 50 steps, 3 tensors, {dtype}\n"


@pytest.mark.parametrize(
    ("done", "message"), [(49, "stopped at step 49 of 50"), (51, "trained 51 steps instead of 50")]
)
def test_wrong_number_of_steps(start: Path, trained: Make, done: int, message: str) -> None:
    found = problems(trained(steps=done), start)
    assert message in found
    assert "losses logged" not in found
    assert ("LLaMA-Factory resumes by itself" in found) == (done == 51)


@pytest.mark.parametrize(
    "last",
    [
        {"loss": float("nan")},
        {"grad_norm": float("inf")},
        {"loss": 0.0, "grad_norm": float("nan")},
        {"loss": 0.0, "grad_norm": None},
        {"loss": 0, "grad_norm": 0.0},
        {"loss": "nan"},
    ],
)
def test_a_training_that_went_to_nan(start: Path, trained: Make, last: dict[str, object]) -> None:
    branch = trained()
    write_training(branch, 50, **last)
    found = problems(branch, start)
    assert "not a number in 1 of 50 steps, first at step 50" in found
    assert "logs loss 0 in place of NaN and still exits 0" in found


@pytest.mark.parametrize("last", [{"loss": 0.0, "grad_norm": 0.02}, {"grad_norm": None}])
def test_a_tiny_loss_or_no_logged_norm_is_sound(start: Path, trained: Make, last: dict[str, object]) -> None:
    branch = trained()
    write_training(branch, 50, **last)
    check(branch, start)


def test_logging_steps_must_be_one(start: Path, trained: Make) -> None:
    branch = trained()
    state = json.loads((branch / "trainer_state.json").read_text())
    state["log_history"] = state["log_history"][::10]
    (branch / "trainer_state.json").write_text(json.dumps(state))
    assert "`logging_steps` must be 1" in problems(branch, start)


def test_no_training_state(start: Path, trained: Make) -> None:
    branch = trained()
    (branch / "trainer_state.json").unlink()
    assert "trainer_state.json: no such file" in problems(branch, start)
    (branch / "trainer_state.json").write_text('{"global_step": 50, "log_hist')
    assert "trainer_state.json: not readable as JSON" in problems(branch, start)


def test_everything_wrong_is_said_at_once(start: Path, trained: Make) -> None:
    tensors = random_tensors(1)
    tensors[EMBEDDING][3, 2] = np.nan
    tensors[UP] = tensors[UP][:4]
    tensors["model.extra.weight"] = tensors.pop("model.norm.weight")
    branch = trained(tensors=tensors, steps=51)
    (branch / "generation_config.json").unlink()
    (branch / "tokenizer_config.json").write_bytes(b"")
    found = problems(branch, start)
    for said in (
        "is not the training that was asked for",
        "lacks generation_config.json, tokenizer_config.json",
        "51 steps instead of 50",
        "tensors missing: model.norm.weight",
        "tensors too many: model.extra.weight",
        f"wrong shapes: {UP} [4, 8] instead of [8, 8]",
        f"NaN or Inf in {EMBEDDING}",
        "run again: it starts afresh",
    ):
        assert said in found


def test_truncated_weights(start: Path, trained: Make) -> None:
    branch = trained()
    file = branch / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    assert f"{file}: cut short, 3 bytes are missing" in problems(branch, start)


def test_unchanged_weights(tmp_path: Path, start: Path, trained: Make) -> None:
    bits = random_tensors(0, "BF16")
    same = {name: from_bfloat16(array.ravel()).reshape(array.shape) for name, array in bits.items()}
    assert f"no weight differs from {start}: it trained nothing" in problems(trained(tensors=same), start)
    same["model.norm.weight"][-1] *= np.float32(1 + 2**-23)
    check(trained(tensors=same), start)


def test_rounding_a_float32_start_is_no_training(tmp_path: Path, trained: Make) -> None:
    exact = write_model(tmp_path / "exact", random_tensors(0))
    rounded = trained(tensors=random_tensors(0, "BF16"))
    with pytest.raises(CheckFailed):  # random_tensors cuts instead of rounding: bits that differ from the rounded start
        check(rounded, write_model(tmp_path / "cut", {"x": np.ones(1, np.float32)}))
    from mot_plugin.merging.weights import to_bfloat16

    bits = {name: to_bfloat16(array) for name, array in random_tensors(0).items()}
    assert "it trained nothing" in problems(trained(name="round", tensors=bits), exact)


def test_half_precision_branch_is_refused(start: Path, trained: Make) -> None:
    half = {name: array.astype(np.float16) for name, array in random_tensors(1).items()}
    assert "weights are stored as F16; a branch is F32 or BF16" in problems(trained(tensors=half), start)


def test_extra_head_of_a_tied_model_is_tolerated_and_named(
    tmp_path: Path, trained: Make, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = random_tensors(1)
    tensors["lm_head.weight"] = tensors[EMBEDDING]
    check(trained(tensors=tensors), start)
    assert "with an unused lm_head.weight (tied)" in capsys.readouterr().out
    untied = write_model(tmp_path / "untied", random_tensors(0), tie_word_embeddings=False)
    branch = trained(tensors=tensors, tie_word_embeddings=False)
    assert "tensors too many: lm_head.weight" in problems(branch, untied)


def test_tokenizer_must_give_the_same_ids(start: Path, trained: Make) -> None:
    branch = trained()
    original = json.loads((branch / "tokenizer.json").read_text())
    original["added_tokens"] = [{"id": 4, "content": "<end>", "special": True}]
    for folder in (branch, start):
        (folder / "tokenizer.json").write_text(json.dumps(original))
    # Another library version: merges joined, absent keys written, spacing changed.
    rewritten = {**original, "version": "1.0", "model": {**original["model"], "merges": ["a b"], "unk_token": None}}
    (branch / "tokenizer.json").write_text(json.dumps(rewritten, indent=3))
    check(branch, start)
    rewritten["added_tokens"] = [*original["added_tokens"], {"id": 5, "content": "<|im_end|>", "special": True}]
    (branch / "tokenizer.json").write_text(json.dumps(rewritten))
    assert "(added_tokens differ)" in problems(branch, start)
    rewritten["added_tokens"] = original["added_tokens"]
    rewritten["model"]["vocab"] = {"!": 0, "a": 2, "b": 1, "ab": 3}
    (branch / "tokenizer.json").write_text(json.dumps(rewritten))
    assert "(model differ): the chat template" in problems(branch, start)
    (branch / "tokenizer.json").write_text("{")
    assert "tokenizer.json: not readable as JSON" in problems(branch, start)


def test_template_inside_tokenizer_config_counts(start: Path, trained: Make) -> None:
    branch = trained()
    (branch / "chat_template.jinja").unlink()
    assert "lacks chat_template.jinja" in problems(branch, start)
    (branch / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    check(branch, start)


def test_every_checkpoint_must_be_there_and_sound(start: Path, trained: Make) -> None:
    branch = trained()
    for step in (20, 40):
        trained(name=f"branch/checkpoint-{step}", steps=step, seed=step)
    check(branch, start, save_steps=20)
    file = branch / "checkpoint-40" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    (branch / "checkpoint-20").rename(branch / "elsewhere")
    found = problems(branch, start, save_steps=20)
    assert "checkpoint-20: not there; it must be saved after step 20" in found
    assert "checkpoint-40/model.safetensors: cut short" in found


def test_nothing_was_left(tmp_path: Path, start: Path) -> None:
    assert "not there" in problems(tmp_path / "nothing", start)
