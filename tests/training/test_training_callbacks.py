"""Progress, the stop at what is not finite, and where the probe begins, on the words that a Trainer says."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_trainer import state

from mot_plugin.errors import CheckFailed
from mot_plugin.training import ProbeLoss, Progress, StopOnNonFinite
from mot_plugin.training.probe import _begin

pytestmark = pytest.mark.contract  # with the real torch and Trainer, which take seconds to import

LOGS = {"loss": 1.5, "grad_norm": 0.25, "learning_rate": 1e-5, "epoch": 0.1}


def lines(file: Path) -> list[dict]:
    return [json.loads(line, parse_constant=pytest.fail) for line in file.read_text(encoding="utf-8").splitlines()]


def test_progress_says_what_programs_ask(arguments: SimpleNamespace) -> None:
    progress = Progress()
    progress.on_train_begin(arguments, state(), None)
    assert arguments.include_num_input_tokens_seen == "non_padding"
    progress.on_log(arguments, state(1, tokens=100), None, logs=LOGS)
    progress.on_log(arguments, state(2, tokens=230), None, logs=LOGS | {"loss": math.nan, "grad_norm": math.inf})
    progress.on_log(arguments, state(2, tokens=230), None, logs={"train_runtime": 1.0, "train_loss": 1.5})
    first, second = lines(Path(arguments.output_dir) / "progress.jsonl")
    assert {name: first[name] for name in ("step", "total", "loss", "lr", "grad_norm", "tokens")} == {
        "step": 1,
        "total": 8,
        "loss": 1.5,
        "lr": 1e-5,
        "grad_norm": 0.25,
        "tokens": 100,
    }
    assert (second["step"], second["loss"], second["grad_norm"]) == (2, None, None)
    assert second["eta"] == pytest.approx(3 * second["seconds"], abs=2e-3)


def test_progress_counts_time_from_where_a_training_goes_on(arguments: SimpleNamespace) -> None:
    progress = Progress()
    progress.on_train_begin(arguments, state(4), None)
    progress.on_log(arguments, state(5), None, logs=LOGS)
    (row,) = lines(Path(arguments.output_dir) / "progress.jsonl")
    assert row["eta"] == pytest.approx(3 * row["seconds"], abs=2e-3)
    assert row["tokens"] is None


def test_one_process_writes(arguments: SimpleNamespace, tmp_path: Path) -> None:
    progress = Progress(str(tmp_path / "mine.jsonl"))
    progress.on_train_begin(arguments, state(first=False), None)
    progress.on_log(arguments, state(1, first=False), None, logs=LOGS)
    assert not (tmp_path / "mine.jsonl").exists()


def test_a_users_way_of_counting_stays(arguments: SimpleNamespace) -> None:
    arguments.include_num_input_tokens_seen = "all"
    Progress().on_train_begin(arguments, state(), None)
    assert arguments.include_num_input_tokens_seen == "all"


def with_gradients(model: torch.nn.Module, value: float) -> torch.nn.Module:
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    model.head.weight.grad[2, 3] = value
    return model


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_broken_gradient_stops_before_its_update(
    tiny: torch.nn.Module, arguments: SimpleNamespace, value: float
) -> None:
    model = with_gradients(tiny, value)
    with pytest.raises(
        CheckFailed, match=r"step 7 of 8: the gradient is not finite in 1 of \d tensors, first in head.weight"
    ):
        StopOnNonFinite().on_pre_optimizer_step(arguments, state(6), None, model=model)
    arguments.fp16 = True  # there the Trainer skips such a step, and lowers its scale
    StopOnNonFinite().on_pre_optimizer_step(arguments, state(6), None, model=model)


def test_a_finite_gradient_goes_on(tiny: torch.nn.Module, arguments: SimpleNamespace) -> None:
    stop = StopOnNonFinite()
    stop.on_train_begin(arguments, state(), None)
    assert arguments.logging_nan_inf_filter is False
    stop.on_pre_optimizer_step(arguments, state(1), None, model=with_gradients(tiny, 1e18))
    stop.on_pre_optimizer_step(arguments, state(1), None, model=torch.nn.Linear(2, 2))  # DeepSpeed keeps them elsewhere
    stop.on_log(arguments, state(1), None, logs=LOGS)
    stop.on_log(arguments, state(1), None, logs={"train_runtime": 1.0})


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_what_is_logged_stops_too(arguments: SimpleNamespace, name: str) -> None:
    with pytest.raises(CheckFailed, match=f"step 3 of 8: {name} is not finite"):
        StopOnNonFinite().on_log(arguments, state(3), None, logs=LOGS | {name: math.nan})


def test_only_the_loss_counts_under_fp16(arguments: SimpleNamespace) -> None:
    arguments.fp16 = True
    StopOnNonFinite().on_log(arguments, state(3), None, logs=LOGS | {"grad_norm": math.inf})
    with pytest.raises(CheckFailed, match="loss is not finite"):
        StopOnNonFinite().on_log(arguments, state(3), None, logs=LOGS | {"loss": math.inf})


def test_a_probe_needs_a_corpus_and_a_step() -> None:
    with pytest.raises(ValueError, match="needs a corpus"):
        ProbeLoss()
    with pytest.raises(ValueError, match="every >= 1"):
        ProbeLoss("x", every=0)


def test_a_training_that_goes_on_measures_its_step_once(tmp_path: Path) -> None:
    file = tmp_path / "new" / "probe_loss.jsonl"
    _begin(file, 0)
    assert file.read_text(encoding="utf-8") == ""
    file.write_text("".join(f'{{"step": {step}}}\n' for step in (0, 2, 4, 6)), encoding="utf-8")
    _begin(file, 4)
    assert [row["step"] for row in lines(file)] == [0, 2]
    _begin(file, 0)
    assert lines(file) == []
