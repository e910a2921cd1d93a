"""`mot-plugin train` against `llamafactory-cli train` of the same YAML: the same weights, byte for byte, and true numbers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

BIN = Path(sys.executable).parent
RECIPES = Path(__file__).parents[2] / "recipes"
STUDENT = RECIPES / "quickstart" / "student"
SECONDS = 400
STEPS = 4
BATCH = 4

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not (BIN / "llamafactory-cli").exists(), reason="LLaMA-Factory is not in this environment"),
]

SETTINGS = {
    "model_name_or_path": "student",
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "full",
    "template": "qwen3",
    "cutoff_len": 512,
    "learning_rate": 3.0e-3,
    "flash_attn": "sdpa",
    "dataset_dir": "data",
    "dataset": "taught",
    "disable_shuffling": True,
    "overwrite_output_dir": True,
    "max_steps": STEPS,
    "save_strategy": "no",
    "logging_steps": 1,
    "average_tokens_across_devices": True,
    "seed": 7,
    "report_to": "none",
    "disable_tqdm": True,
    "use_cpu": True,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": BATCH // 2,
    "preprocessing_num_workers": 1,
    "overwrite_cache": True,
}
Start = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart's student, rows to train on, the rows of the first batch, and others in a bare file."""
    place = tmp_path_factory.mktemp("lab")
    (place / "student").symlink_to(STUDENT)
    (place / "data").mkdir()
    traces = (RECIPES / "quickstart" / "traces" / "columns.jsonl").read_text(encoding="utf-8").splitlines()
    rows = []
    for trace in map(json.loads, traces[:27]):
        turns = {"user": trace["problem"], "assistant": trace["samples"][0]["text"]}
        rows.append({"messages": [{"role": role, "content": content} for role, content in turns.items()]})
    tags = {f"{role}_tag": role for role in ("role", "content", "user", "assistant", "system")}
    entry = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    for name, part in {"taught": rows[: STEPS * BATCH], "first": rows[:BATCH], "others": rows[STEPS * BATCH :]}.items():
        (place / "data" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    info = {name: entry | {"file_name": f"{name}.jsonl"} for name in ("taught", "first")}
    (place / "data" / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    (place / "x.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def start(lab: Path) -> Start:
    """Run a command in the lab, as one process or as several below torchrun."""

    def run(*argv: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        env |= {"CUDA_VISIBLE_DEVICES": ""}
        if processes > 1:
            env |= {"FORCE_TORCHRUN": "1", "NPROC_PER_NODE": str(processes)}
            if argv[0].endswith("llamafactory-cli"):  # it looks for torchrun there; ours needs no help
                env["PATH"] = f"{BIN}{os.pathsep}{env['PATH']}"
        return subprocess.run(argv, cwd=lab, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)

    return run


def theirs(start: Start, out: str, *more: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    return start(str(BIN / "llamafactory-cli"), "train", "x.yaml", f"output_dir={out}", *more, processes=processes)


def ours(start: Start, out: str, *more: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "mot_plugin", "train", "x.yaml", f"output_dir={out}")
    return start(*command, *more, processes=processes)


def good(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout + ended.stderr


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


PROBES = ("--probe", "first", "--probe", "data/others.jsonl", "--every", "3")


@pytest.fixture(scope="module")
def one(lab: Path, start: Start) -> Path:
    """A training in one process, by LLaMA-Factory alone, with our callbacks, and with the probe."""
    good(theirs(start, "one/theirs"))
    good(ours(start, "one/ours"))
    good(ours(start, "one/probed", *PROBES))
    return lab / "one"


@pytest.fixture(scope="module")
def two(lab: Path, start: Start) -> Path:
    """The same global batches in two processes."""
    fewer = "per_device_train_batch_size=1"
    good(theirs(start, "two/theirs", fewer, processes=2))
    good(ours(start, "two/ours", fewer, processes=2))
    good(ours(start, "two/probed", fewer, *PROBES, processes=2))
    return lab / "two"


def test_one_process_weights_are_the_same_bytes(one: Path) -> None:
    same_weights(one)


def test_two_processes_weights_are_the_same_bytes(two: Path) -> None:
    same_weights(two)


def same_weights(folder: Path) -> None:
    weights = (folder / "theirs" / "model.safetensors").read_bytes()
    assert weights != (STUDENT / "model.safetensors").read_bytes()
    for other in ("ours", "probed"):
        assert (folder / other / "model.safetensors").read_bytes() == weights, other
    logged = [[row.get("loss") for row in rows(folder / kind / "trainer_log.jsonl")] for kind in ("theirs", "probed")]
    assert logged[0] == logged[1]
    assert (folder / "probed" / "probe_loss.jsonl").exists() and not (folder / "ours" / "probe_loss.jsonl").exists()


def test_the_probe_is_measured_at_the_start_every_n_steps_and_at_the_end(one: Path) -> None:
    found = rows(one / "probed" / "probe_loss.jsonl")
    assert [(row["step"], row["corpus"]) for row in found] == [
        (step, name) for step in (0, 3, 4) for name in ("first", "others")
    ]
    assert all(0 < row["loss"] < 2 for row in found)
    by_step = {row["step"]: row["loss"] for row in found if row["corpus"] == "others"}
    assert len(set(by_step.values())) == 3


def test_on_the_rows_of_a_batch_it_is_the_training_loss(one: Path) -> None:
    """What A-08 compares: the loss logged at step 1 is that of the start, on the first batch."""
    logged = rows(one / "probed" / "trainer_log.jsonl")[0]
    assert logged["current_steps"] == 1
    start = next(row for row in rows(one / "probed" / "probe_loss.jsonl") if row["corpus"] == "first")
    assert start["loss"] == pytest.approx(logged["loss"], rel=1e-6)


def test_it_is_the_mean_over_the_answers_tokens(lab: Path, one: Path) -> None:
    """Against a computation without LLaMA-Factory."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(STUDENT)
    model = AutoModelForCausalLM.from_pretrained(STUDENT, dtype=torch.float32)
    total, count = 0.0, 0
    for row in rows(lab / "data" / "others.jsonl"):
        user, assistant = (turn["content"] for turn in row["messages"])
        prompt = tokenizer.encode(f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n")
        answer = tokenizer.encode(f"{assistant}<|im_end|>\n")
        with torch.no_grad():
            logs = model(torch.tensor([prompt + answer])).logits[0].double().log_softmax(-1)
        total -= sum(float(logs[len(prompt) + at - 1, token]) for at, token in enumerate(answer))
        count += len(answer)
    start = next(row for row in rows(one / "probed" / "probe_loss.jsonl") if row["corpus"] == "others")
    assert start["tokens"] == count
    assert start["loss"] == pytest.approx(total / count, rel=1e-5)


def test_the_number_of_processes_does_not_matter(one: Path, two: Path) -> None:
    """Of the same model: at the start to the last bit. There are 11 other rows, which two processes cannot halve."""
    starts = [rows(folder / "probed" / "probe_loss.jsonl")[:2] for folder in (one, two)]
    assert starts[0] == starts[1]
    ends = [rows(folder / "probed" / "probe_loss.jsonl")[-1]["loss"] for folder in (one, two)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


def test_progress_agrees_with_the_log(one: Path, two: Path) -> None:
    for folder in (one, two):
        found, logged = rows(folder / "ours" / "progress.jsonl"), rows(folder / "ours" / "trainer_log.jsonl")
        assert [row["step"] for row in found] == [1, 2, 3, 4]
        assert [row["loss"] for row in found] == [row["loss"] for row in logged if "loss" in row]
        assert all(row["grad_norm"] > 0 and row["total"] == STEPS for row in found)
    tokens = [rows(folder / "ours" / "progress.jsonl")[-1]["tokens"] for folder in (one, two)]
    assert tokens[0] == tokens[1], "padding is not counted"


def test_a_start_can_be_measured_alone(lab: Path, one: Path, start: Start) -> None:
    good(ours(start, "alone/start", "--probe", "data/others.jsonl", "--probe-only"))
    (row,) = rows(lab / "alone" / "start" / "probe_loss.jsonl")
    assert row == next(row for row in rows(one / "probed" / "probe_loss.jsonl") if row["corpus"] == "others")
    assert [file.name for file in (lab / "alone" / "start").iterdir()] == ["probe_loss.jsonl"]


def test_a_start_can_be_measured_by_two_processes(lab: Path, start: Start) -> None:
    """They must come to their end too: a process group that is left while the model is held waits for ever."""
    good(ours(start, "alone/two", "--probe", "first", "--probe-only", processes=2))
    good(ours(start, "alone/one", "--probe", "first", "--probe-only"))
    found = [rows(lab / "alone" / name / "probe_loss.jsonl") for name in ("one", "two")]
    assert found[0] == found[1]
    assert len(found[0]) == 1


def test_callbacks_from_python(lab: Path, one: Path, start: Start) -> None:
    code = """
import yaml
from llamafactory.train.tuner import run_exp
from mot_plugin.training import ProbeLoss, Progress, StopOnNonFinite

args = yaml.safe_load(open("x.yaml")) | {"output_dir": "python"}
run_exp(args, callbacks=[ProbeLoss("first", every=3, settings=args), Progress("far.jsonl"), StopOnNonFinite()])
"""
    good(start(sys.executable, "-c", code))
    same = [one / "theirs", lab / "python"]
    assert len({(folder / "model.safetensors").read_bytes() for folder in same}) == 1
    assert [row["step"] for row in rows(lab / "python" / "probe_loss.jsonl")] == [0, 3, 4]
    assert len(rows(lab / "far.jsonl")) == STEPS


def test_nan_stops_with_its_step_where_llamafactory_goes_on(lab: Path, start: Start) -> None:
    absurd = "learning_rate=1.0e+30"
    good(theirs(start, "nan/theirs", absurd))
    assert (lab / "nan" / "theirs" / "model.safetensors").exists(), "it exits 0 and saves what came of it"
    state = json.loads((lab / "nan" / "theirs" / "trainer_state.json").read_text(encoding="utf-8"))
    norms = {row["step"]: row["grad_norm"] for row in state["log_history"] if "grad_norm" in row}
    first = min(step for step, norm in norms.items() if not norm < float("inf"))
    ended = ours(start, "nan/ours", absurd)
    assert ended.returncode == 65
    assert f"error: step {first} of {STEPS}: the gradient is not finite" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (lab / "nan" / "ours" / "model.safetensors").exists()


def test_nan_stops_all_processes(lab: Path, start: Start) -> None:
    ended = ours(start, "nan/two", "learning_rate=1.0e+30", "per_device_train_batch_size=1", processes=2)
    assert ended.returncode == 1
    assert "the gradient is not finite" in ended.stderr
    assert "error: torchrun exited with 1" in ended.stderr
    assert not (lab / "nan" / "two" / "model.safetensors").exists()


def test_a_probe_that_is_not_there_is_a_sentence(start: Start) -> None:
    ended = ours(start, "absent", "--probe", "frist")
    assert ended.returncode == 6
    assert ended.stderr.splitlines()[-1].startswith("error: probe corpus frist: no such file")
    assert "did you mean 'first'" in ended.stderr
