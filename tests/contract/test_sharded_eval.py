"""Step `generate` with the real lm-eval on the quickstart's student: shards, a kill, and the same scores as by hand."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mot_plugin import shipped

LM_EVAL = Path(sys.executable).parent / "lm_eval"

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not LM_EVAL.exists(), reason="lm_eval is not installed in this environment"),
]

STUDENT = shipped.path("recipes", "quickstart", "student")
TASK, ONCE = "mot_quickstart", "mot_quickstart_once"
SECONDS = 300


@dataclass(frozen=True)
class Room:
    """A folder with the quickstart's task as it is, and once more with one answer per problem."""

    root: Path

    def start(self, tasks: list[str], shards: int, **changes: Any) -> subprocess.Popen[str]:
        place = {"command": [str(LM_EVAL)], "model_args": {"dtype": "float32"}, "batch_size": 128, "device": "cpu"}
        config = {"model": str(STUDENT), "tasks": tasks, "engine": "hf", "seed": 1, "shards": shards, "include": "eval"}
        text = json.dumps({**config, "place": {**place, "store": "kept"}, "out": "out", **changes})
        (self.root / "generate.json").write_text(text, encoding="utf-8")
        return self.popen(sys.executable, "-m", "mot_plugin", "step", "generate", "generate.json")

    def popen(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            argv,
            cwd=self.root,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TEST_ROOM": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *argv: str) -> None:
        self.ended(self.popen(*argv))

    def ended(self, process: subprocess.Popen[str]) -> str:
        try:
            said, _ = process.communicate(timeout=SECONDS)
        finally:
            process.kill()  # one that takes too long does not stay behind
        assert process.returncode == 0, said
        return said

    def generate(self, tasks: list[str], shards: int, **changes: Any) -> str:
        return self.ended(self.start(tasks, shards, **changes))

    def scores(self, tasks: list[str], out: str = "out") -> bytes:
        (self.root / "scores.json").write_text(json.dumps({"out": out, "tasks": tasks}), encoding="utf-8")
        self.run(sys.executable, "-m", "mot_plugin", "step", "scores", "scores.json")
        return (self.root / out / "scores.json").read_bytes()

    def samples(self, task: str) -> list[dict[str, Any]]:
        text = (self.root / "out" / f"samples_{task}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]

    def processes(self) -> list[str]:
        mark, found = f"TEST_ROOM={self.root}".encode(), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes():
                    found.append(process.name)
            except OSError:
                continue
        return found


def make_room(root: Path) -> Room:
    folder = root / "eval" / "quickstart"
    folder.mkdir(parents=True)
    own = shipped.path("eval", "quickstart", "mot_quickstart.yaml").read_text(encoding="utf-8")
    (folder / f"{TASK}.yaml").write_text(own, encoding="utf-8")
    (folder / f"{ONCE}.yaml").write_text(f"include: {TASK}.yaml\ntask: {ONCE}\nrepeats: 1\n", encoding="utf-8")
    return Room(root)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Room:
    room = make_room(tmp_path_factory.mktemp("undisturbed"))
    room.generate([TASK, ONCE], shards=2)
    room.scores([TASK, ONCE])
    return room


def test_two_shards_of_four_repeats(undisturbed: Room) -> None:
    rows = undisturbed.samples(TASK)
    assert [row["doc_id"] for row in rows] == list(range(100))
    assert all((row["shards"], row["seeds"]) == ([0, 0, 1, 1], [2, 2, 3, 3]) for row in rows)
    texts = [row["resps"][0] for row in rows]
    assert {len(answers) for answers in texts} == {4}
    different = [len(set(answers)) for answers in texts]
    assert sum(different) / 100 > 2.3, "it is short-spoken, but shards that repeat each other would give 2 at most"
    assert max(different) == 4
    task = json.loads((undisturbed.root / "out/scores.json").read_text(encoding="utf-8"))["tasks"][TASK]
    assert (task["problems"], task["problems_available"], task["repeats"], task["shards"]) == (100, 100, 4, 2)
    assert [len(row) for row in task["hits"]] == [4] * 100


def test_scores_say_what_the_engine_was_asked(undisturbed: Room) -> None:
    """The generation settings are those that lm-eval notes with every sample, so they were really used."""
    tasks = json.loads((undisturbed.root / "out/scores.json").read_text(encoding="utf-8"))["tasks"]
    said = tasks[TASK]["settings"]
    asked = [row["arguments"]["gen_args_0"]["arg_1"] for row in undisturbed.samples(TASK)]
    assert all(one == asked[0] for one in asked)
    names = {"max_gen_toks": "max_tokens"}
    assert {names.get(name, name): value for name, value in asked[0].items()}.items() <= said.items()
    assert (said["max_tokens"], said["temperature"], said["repeats"], said["seeds"], said["shards"]) == (
        160,
        0.6,
        4,
        [2, 3],
        2,
    )
    assert (said["engine"], said["model_args"], said["chat_template"]) == ("hf", {"dtype": "float32"}, True)
    assert len(said["chat_template_sha"]) == 64
    assert said["lm_eval"].startswith("0.4.")
    assert tasks[ONCE]["settings"] == {**said, "repeats": 1}


def test_scores_by_hand_say_the_same(undisturbed: Room) -> None:
    where = ("--model", "hf", "--model_args", f"pretrained={STUDENT},dtype=float32", "--include_path", "eval")
    how = ("--seed", "2", "--batch_size", "128", "--device", "cpu", "--limit", "8")
    undisturbed.run(
        str(LM_EVAL), "run", *where, *how, "--tasks", TASK, "--log_samples", "--output_path", "hand/results.json"
    )
    undisturbed.scores([TASK], "hand")
    ours, theirs = (
        json.loads((undisturbed.root / out / "scores.json").read_text(encoding="utf-8"))["tasks"][TASK]["settings"]
        for out in ("out", "hand")
    )
    assert (theirs["chat_template"], theirs["chat_template_sha"]) == (False, None)  # it was left off
    same = {"chat_template": True, "chat_template_sha": ours["chat_template_sha"], "shards": 2, "seeds": [2, 3]}
    assert theirs | same == ours


def test_a_task_of_one_answer_is_shared_out_by_problems(undisturbed: Room) -> None:
    rows = undisturbed.samples(ONCE)
    assert [row["doc_id"] for row in rows] == list(range(100))
    assert [row["shards"] for row in rows] == [[0], [1]] * 50
    whole = {row["doc_id"]: row for row in undisturbed.samples(TASK)}
    for row in rows:
        for name in ("doc", "doc_hash", "prompt_hash", "target_hash"):
            assert row[name] == whole[row["doc_id"]][name]
    task = json.loads((undisturbed.root / "out/scores.json").read_text(encoding="utf-8"))["tasks"][ONCE]
    assert (task["problems"], task["problems_available"], task["repeats"]) == (100, 100, 1)


def test_killed_in_the_second_shard_and_begun_again(undisturbed: Room, tmp_path: Path) -> None:
    room = make_room(tmp_path)
    process = room.start([TASK, ONCE], shards=2)
    log, until = room.root / "out/shards/1/engine.log", time.monotonic() + SECONDS
    while not (log.is_file() and b"Building contexts" in log.read_bytes()):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    until = time.monotonic() + 30
    while room.processes():
        assert time.monotonic() < until, "an engine outlived the step"
        time.sleep(0.1)
    assert len(list((room.root / "kept").glob("*/about.json"))) == 2
    said = room.generate([TASK, ONCE], shards=2)
    assert said.count("lm_eval run ") == 1
    assert room.scores([TASK, ONCE]) == (undisturbed.root / "out/scores.json").read_bytes()
    for task in (TASK, ONCE):
        assert room.samples(task) == undisturbed.samples(task)


def test_one_shard_is_lm_eval_by_hand(tmp_path: Path) -> None:
    room = make_room(tmp_path)
    room.generate([TASK], shards=1)
    argv = [str(LM_EVAL), "run", "--model", "hf", "--tasks", TASK, "--include_path", "eval", "--apply_chat_template"]
    argv += ["--log_samples", "--output_path", "hand/results.json", "--seed", "1", "--batch_size", "128"]
    room.run(*argv, "--model_args", f"pretrained={STUDENT},dtype=float32", "--device", "cpu")
    assert room.scores([TASK]) == room.scores([TASK], "hand")


def test_a_look_at_three_problems(tmp_path: Path) -> None:
    room = make_room(tmp_path)
    room.generate([TASK, ONCE], shards=2, limit=3)
    scores = json.loads(room.scores([TASK, ONCE]))["tasks"]
    assert {(task["problems"], task["problems_available"]) for task in scores.values()} == {(3, 100)}
