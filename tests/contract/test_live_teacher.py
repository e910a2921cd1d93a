"""A real model asked through llama.cpp's server: killed and resumed, byte for byte the same; and LLaMA-Factory trains on it."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_world import World
from live_world import MACHINE, attempts, build, corpora, kill_when
from llama_server import LlamaServer

pytestmark = pytest.mark.contract

RECIPES = Path(__file__).parents[2] / "recipes"
TRAINER = Path(sys.executable).parent / "llamafactory-cli"
PROBLEMS = 24
SAMPLING = {"n": 8, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_tokens": 160}


@pytest.fixture(scope="module")
def make(llama_teacher: LlamaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Makes worlds: the quickstart, with its student asked as one teacher, and another teacher's recorded traces."""
    recorded = RECIPES / "quickstart" / "traces" / "columns.jsonl"
    lines = [json.loads(line) for line in recorded.read_bytes().split(b"\n")[: 2 * PROBLEMS]]
    rows = [{"question": line["problem"], "answer": f"It is #### {line['reference']}"} for line in lines]
    columns = {"problem": "question", "reference": "answer", "reference_after": "####"}
    source = {"name": "STORIES-24", "file": "stories.jsonl", "columns": columns, "sample": PROBLEMS, "license": "MIT"}
    recipe = yaml.safe_load((RECIPES / "quickstart.yaml").read_text(encoding="utf-8")) | {
        "name": "tiny",
        "source": source,
        "student": str(RECIPES / "quickstart" / "student"),
        "teachers": {"anna": {"model": "quickstart/student@1"}, "bert": {"traces": str(recorded)}},
        "sampling": SAMPLING,
        "methods": {"mot": {"rounds": 1, "steps": 2}},
    }
    place = {"endpoint": llama_teacher.url, "model": "student", "concurrency": 4, "backoff_seconds": 0.1}
    machine = yaml.safe_load((RECIPES / "machines" / "processor.yaml").read_text(encoding="utf-8"))
    worlds = []

    def made() -> World:
        root = tmp_path_factory.mktemp("live")
        (root / "stories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (root / "tiny.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        changed = machine | {"teachers": {"anna": place}, "backoff_seconds": 0.1}
        (root / MACHINE).write_text(yaml.safe_dump(changed), encoding="utf-8")
        worlds.append(World(root))
        return worlds[-1]

    yield made
    for world in worlds:
        world.end_all()


@pytest.fixture(scope="module")
def undisturbed(make: Any) -> World:
    world: World = make()
    ended = build(world)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return world


def records(world: World) -> list[dict[str, Any]]:
    """Every sample on disk, in the order in which they came."""
    files = (world.runs / ".store" / "samples").glob("*/samples.jsonl")
    return [json.loads(line) for file in files for line in file.read_bytes().split(b"\n")[:-1]]


def test_a_real_teacher_is_asked_until_it_is_right(undisturbed: World) -> None:
    summary = json.loads(corpora(undisturbed)["traces/anna/summary.json"])
    assert (summary["prompts"], summary["answered_as"]) == (PROBLEMS, ["student"])
    assert summary["kept"] > PROBLEMS / 2
    assert PROBLEMS < summary["samples"] < PROBLEMS * SAMPLING["n"]
    assert summary["samples_without_usage"] == 0
    assert summary["completion_tokens"] == sum(
        one["response"]["body"]["usage"]["completion_tokens"] for one in records(undisturbed)
    )
    cost = summary["tokens_per_kept"]
    assert cost["all_is_estimated"] and cost["until_correct"] < cost["all"]
    rows = [json.loads(line) for line in corpora(undisturbed)["corpus/anna/corpus.jsonl"].split(b"\n")[:-1]]
    assert len(rows) == summary["kept"]
    for row in rows:
        assert re.fullmatch(r"<think>\n.+\n</think>\n\n.*\\boxed\{-?\d+\}.*", row["messages"][1]["content"], re.DOTALL)


def test_killed_in_the_middle_it_is_the_same(undisturbed: World, make: Any) -> None:
    world = make()
    begun = lambda: len(records(world)) >= 12  # noqa: E731
    code, said = kill_when(world, begun, "mot_plugin step sample", signal.SIGKILL)
    assert code == 0, said
    assert (attempts(world), attempts(undisturbed)) == (2, 1)
    assert set(Counter(record["custom_id"] for record in records(world)).values()) == {1}
    notes = [json.loads(line) for line in corpora(world)["traces/anna/traces.jsonl"].split(b"\n")[:-1]]
    assert len(notes) == PROBLEMS
    assert corpora(world) == corpora(undisturbed)


@pytest.mark.skipif(not TRAINER.exists(), reason="llamafactory-cli is not installed in this environment")
def test_llama_factory_trains_on_the_folder_as_its_card_says(undisturbed: World, tmp_path: Path) -> None:
    folder = undisturbed.run_folder / "artifacts" / "corpus" / "anna"
    card = (folder / "README.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)[-1])
    assert "learning rate, batch and number of steps" in card
    here = {"model_name_or_path": str(RECIPES / "quickstart" / "student"), "output_dir": str(tmp_path / "trained")}
    ours = {"learning_rate": 1.0e-4, "per_device_train_batch_size": 4, "max_steps": 2, "logging_steps": 1}
    place = {"use_cpu": True, "bf16": False, "flash_attn": "sdpa", "report_to": "none", "save_strategy": "no"}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(shown | here | ours | place), encoding="utf-8")
    command = [str(TRAINER), "train", str(tmp_path / "train.yaml")]
    environment = undisturbed.environment() | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    rows = corpora(undisturbed)["corpus/anna/corpus.jsonl"].count(b"\n")
    assert f"Num examples = {rows}" in ended.stderr
    log = [json.loads(line) for line in (tmp_path / "trained" / "trainer_log.jsonl").read_text().split("\n") if line]
    assert [line["current_steps"] for line in log if "loss" in line] == [1, 2]
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        Path(name).name for name in corpora(undisturbed) if name.startswith("corpus/anna/")
    )
