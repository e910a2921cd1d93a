"""lm-eval's command line, its task files, and its progress bar."""

import json
from typing import Any

import pytest
import yaml

from mot_plugin.tools import lm_eval
from mot_plugin.tools.lm_eval import TaskFile

FILES = (
    TaskFile("aime/_shared_yaml", "repeats: 16\n"),
    TaskFile(
        "aime/a24.yaml", "task: a24\ncustom_dataset: !function some.module.load\nmetadata:\n  dataset: org/aime\n"
    ),
    TaskFile("aime/a25.yaml", "include: _shared_yaml\ntask: a25\n"),
    TaskFile("aime/score.py", "task: not one\n"),
    TaskFile("other/group.yaml", "group: all\ntask: [a24, a25]\n"),
    TaskFile("other/list.yaml", "- 1\n"),
    TaskFile("other/b.yaml", "task: b\nmetadata:\n  dataset: recipes/quickstart/problems.jsonl\n"),
    TaskFile("top.yaml", "task: top\n"),
)


def argv(**changes: Any) -> list[str]:
    return list(made(**changes).args)


def made(**changes: Any) -> Any:
    given: dict[str, Any] = {
        "model": "artifacts/base/student/model",
        "tasks": ("a24", "a25"),
        "include": "eval",
        "out": "work/base/evaluate/shards/0",
        "seed": 3,
        "engine": "hf",
        "model_args": {},
        "batch_size": "auto",
        "device": None,
    }
    return lm_eval.evaluate(**{**given, **changes})


def after(line: list[str], flag: str) -> str:
    return line[line.index(flag) + 1]


def test_a_command_for_transformers() -> None:
    assert argv(model_args={"dtype": "float32"}, device="cpu", batch_size=8) == [
        *("run", "--model", "hf", "--tasks", "a24,a25", "--include_path", "eval", "--apply_chat_template"),
        *("--log_samples", "--output_path", "work/base/evaluate/shards/0/results.json", "--seed", "3"),
        *("--model_args", "pretrained=artifacts/base/student/model,dtype=float32", "--batch_size", "8"),
        *("--device", "cpu"),
    ]


def test_vllm_gets_its_own_seed_and_its_gpus() -> None:
    assert after(argv(engine="vllm", model_args={"tensor_parallel_size": 8}, gpus=8), "--model_args") == (
        "pretrained=artifacts/base/student/model,tensor_parallel_size=8,"
        "enable_thinking=True,think_end_token=mot-keeps-the-thought,seed=3"
    )
    assert "tensor_parallel_size=2," in after(argv(engine="vllm", gpus=2), "--model_args")
    assert "tensor" not in after(argv(engine="vllm", gpus=4, model_args={"pipeline_parallel_size": 4}), "--model_args")
    assert "parallel" not in after(argv(engine="vllm", gpus=1), "--model_args")
    assert after(argv(engine="hf", gpus=2), "--model_args") == "pretrained=artifacts/base/student/model"


def test_vllm_lets_a_model_think_unless_it_is_told_otherwise() -> None:
    assert lm_eval.thinking("vllm", {"dtype": "x"})["enable_thinking"] is True
    assert lm_eval.thinking("vllm", {"enable_thinking": False}) == {}
    assert lm_eval.thinking("vllm", {"think_end_token": "</think>"}) == {}
    assert lm_eval.thinking("hf", {}) == lm_eval.thinking("local-chat-completions", {}) == {}
    line = after(argv(engine="vllm", model_args={"enable_thinking": False}), "--model_args")
    assert line == "pretrained=artifacts/base/student/model,enable_thinking=False,seed=3"


def test_an_endpoint_is_asked_without_a_fixed_seed() -> None:
    line = argv(engine="local-chat-completions", model="qwen", model_args={"base_url": "http://127.0.0.1:1/v1"})
    assert after(line, "--model_args") == "model=qwen,base_url=http://127.0.0.1:1/v1"
    assert after(line, "--gen_kwargs") == "seed=None"
    assert "--gen_kwargs" not in argv(), "transformers refuses a seed"


def test_what_a_task_may_need() -> None:
    assert after(argv(limit=8), "--limit") == "8"
    assert argv(unsafe=True)[-1] == "--confirm_run_unsafe_code"
    assert not {"--limit", "--metadata", "--confirm_run_unsafe_code"} & {*argv()}


def test_only_a_command_that_needs_the_hub_may_ask_it() -> None:
    assert dict(made().env) == {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    assert made(online=True).env == ()


@pytest.mark.parametrize("folder", ["/sets", '/a "b" \\ c', "/größe"])
def test_a_folder_of_data_is_json(folder: str) -> None:
    assert json.loads(after(argv(metadata={"mot_data_dir": folder}), "--metadata")) == {"mot_data_dir": folder}


def test_the_arguments_that_shape_an_answer() -> None:
    given = {"max_model_len": 9, "dtype": "bfloat16", "tensor_parallel_size": 2, "gpu_memory_utilization": 0.9}
    assert lm_eval.science(given) == {"dtype": "bfloat16", "max_model_len": 9}
    assert lm_eval.science({"nobody_knows": 1}) == {"nobody_knows": 1}


def test_arguments_that_would_make_runs_repeat_each_other() -> None:
    assert [key for key, _ in lm_eval.refuse({"seed": 1, "dtype": "x", "data_parallel_size": 8})] == [
        "seed",
        "data_parallel_size",
    ]


def test_a_shards_own_task_file() -> None:
    text = lm_eval.variant("a25", FILES, "../../eval/aime/a25.yaml", repeats=4)
    assert yaml.safe_load(text) == {"include": "../../eval/aime/a25.yaml", "task": "a25", "repeats": 4}


def test_a_task_file_for_some_of_the_problems() -> None:
    files = (TaskFile("_shared", "custom_dataset: !function some.module.load\ndataset_kwargs: {year: 1}\n"),)
    files += (TaskFile("a.yaml", "include: _shared\ntask: a\ntest_split: val\n"),)
    text = lm_eval.variant("a", files, "a.yaml", repeats=1, first=2, every=3)
    assert yaml.load(text, lm_eval.Loader) == {
        "include": "a.yaml",
        "task": "a",
        "repeats": 1,
        "custom_dataset": "mot_plugin.evals.documents.some",
        "dataset_kwargs": {
            "year": 1,
            "mot_loader": "some.module.load",
            "mot_split": "val",
            "mot_first": 2,
            "mot_every": 3,
        },
    }
    with pytest.raises(ValueError, match="top has no custom_dataset"):
        lm_eval.variant("top", FILES, "top.yaml", repeats=1, first=0, every=2)


def test_what_a_task_asks_for() -> None:
    assert [lm_eval.repeats(task, FILES) for task in ("a25", "a24", "top")] == [16, 1, 1]
    code = (TaskFile("c.yaml", "task: c\nunsafe_code: true\n"), *FILES)
    assert [lm_eval.unsafe([task], code) for task in ("c", "a24")] == [True, False]


def test_names_of_tasks() -> None:
    assert {name: file.path for name, file in lm_eval.names(FILES).items()} == {
        "a24": "aime/a24.yaml",
        "a25": "aime/a25.yaml",
        "b": "other/b.yaml",
        "top": "top.yaml",
    }


@pytest.mark.parametrize(
    ("tasks", "paths"),
    [
        (["a25"], ["aime/_shared_yaml", "aime/a25.yaml", "aime/score.py"]),
        (["b"], ["other/b.yaml"]),
        (["top"], ["top.yaml"]),
        (["b", "top"], ["other/b.yaml", "top.yaml"]),
    ],
)
def test_a_task_comes_with_what_it_needs(tasks: list[str], paths: list[str]) -> None:
    assert [file.path for file in lm_eval.find(tasks, FILES)] == paths


def test_an_unknown_task() -> None:
    with pytest.raises(KeyError, match="a26"):
        lm_eval.find(["a26"], FILES)


@pytest.mark.parametrize(("task", "hub"), [("a24", True), ("b", False), ("top", False)])
def test_which_tasks_need_the_hub(task: str, hub: bool) -> None:  # noqa: FBT001
    assert lm_eval.needs_hub(lm_eval.find([task], FILES)) == hub


BAR = "Running generate_until requests:"


@pytest.mark.parametrize(
    ("log", "progress"),
    [
        ("", None),
        ("Loading checkpoint shards: 100%|####| 4/4 [00:01]\n", None),
        (f"{BAR}   0%|          | 0/960 [00:00<?, ?it/s]", (0, 960)),
        (f"{BAR}   0%|    | 0/960 [00:00<?]\r{BAR}  12%|#   | 120/960 [01:00<07:00]\rother 3/4\n", (120, 960)),
        (f"{BAR} 100%|####| 20/20 [00:01<00:00, 1.0it/s]\n{BAR}   5%|    | 1/20 [00:00<?]", (1, 20)),
        # vLLM answers at once what has the same settings, here 480 of 960, and only then moves lm-eval's bar.
        (f"{BAR}   0%|  | 0/960 [00:00<?]\nProcessed prompts:  40%|#  | 192/480 [00:09, est. speed: 9/s]", (192, 960)),
        (f"Processed prompts: 100%|##| 480/480 [1:00]\r{BAR}  50%|# | 480/960 [1:00<1:00]\r", (480, 960)),
        (f"{BAR}  50%|# | 480/960 [1:00]\r\nProcessed prompts:   2%|  | 9/480 [00:01]", (489, 960)),
        ("Processed prompts:   2%|  | 9/480 [00:01]", None),
    ],
)
def test_progress_is_the_last_bar(log: str, progress: tuple[int, int] | None) -> None:
    assert lm_eval.progress(log) == progress
