"""lm-eval's command line, its task files, and its progress bar."""

import json
from typing import Any

import pytest

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
    command = made(**changes)
    return [*command.args, *command.place]


def made(**changes: Any) -> Any:
    given: dict[str, Any] = {
        "model": "artifacts/base/student/model",
        "tasks": ("a24", "a25"),
        "out": "work/base/evaluate",
        "seed": 3,
        "engine": "hf",
        "model_args": {},
        "batch_size": "auto",
        "device": None,
        "datasets": None,
        "hub": False,
    }
    return lm_eval.evaluate(**{**given, **changes})


def test_a_command_for_transformers() -> None:
    assert argv(model_args={"dtype": "float32"}, device="cpu", batch_size=8) == [
        *("run", "--model", "hf", "--tasks", "a24,a25", "--include_path", "eval", "--apply_chat_template"),
        *("--log_samples", "--output_path", "work/base/evaluate/results.json", "--seed", "3"),
        *("--model_args", "pretrained=artifacts/base/student/model,dtype=float32", "--batch_size", "8"),
        *("--device", "cpu"),
    ]


def test_vllm_gets_its_own_seed() -> None:
    line = argv(engine="vllm", model_args={"tensor_parallel_size": 8})
    assert line[line.index("--model_args") + 1] == (
        "pretrained=artifacts/base/student/model,tensor_parallel_size=8,seed=3"
    )
    assert "seed=9" in argv(engine="vllm", model_args={"seed": 9})[-3]
    assert "seed=" not in argv(engine="hf")[-3]


def test_only_a_command_that_needs_the_hub_may_ask_it() -> None:
    assert dict(made(hub=False).env) == {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    assert made(hub=True).env == ()
    assert dict(made(hub=True, datasets="/sets").env)["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize("folder", ["/sets", '/a "b" \\ c', "/größe"])
def test_a_folder_of_data_is_json(folder: str) -> None:
    line = argv(datasets=folder)
    assert json.loads(line[line.index("--metadata") + 1]) == {"mot_data_dir": folder}


def test_the_place_stays_out_of_the_fingerprint() -> None:
    one = made()
    other = made(model_args={"x": 1}, batch_size=1, device="cuda", datasets="/sets")
    assert one.args == other.args
    assert one.place != other.place
    for change in ({"seed": 4}, {"engine": "vllm"}, {"tasks": ("a24",)}, {"out": "elsewhere"}):
        assert made(**change).args != one.args


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
    ],
)
def test_progress_is_the_last_bar(log: str, progress: tuple[int, int] | None) -> None:
    assert lm_eval.progress(log) == progress
