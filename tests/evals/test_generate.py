"""Step `generate` with the fake lm-eval as real processes: shards, what is kept of them, and what is said of failures."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mot_plugin.errors import CheckFailed, FileError, MissingInput, MissingTool, MotError, StepFailed
from mot_plugin.evals import answered, collect, generate, merge, wanted
from mot_plugin.evals.answered import Answered
from mot_plugin.evals.kept import Kept
from mot_plugin.evals.shards import parts

FAKE = Path(__file__).parents[1] / "fakes" / "lm_eval"
TASK = """\
custom_dataset: !function some.module.load
test_split: test
repeats: {repeats}
generation_kwargs: {{do_sample: true, temperature: 0.6}}
task: {task}
metadata: {{version: 1.0, scorer: integer}}
"""
REPEATS = {"four": 4, "once": 1}


@dataclass(frozen=True)
class Room:
    """A folder with a model and two tasks, one of four repeats and one of one. Commands run in `root`."""

    root: Path

    def config(self, **changes: Any) -> generate.Config:
        place = {"command": [sys.executable, str(FAKE)], "batch_size": 8, "store": "kept", **changes.pop("place", {})}
        given = {
            "model": "model",
            "tasks": ["four", "once"],
            "engine": "hf",
            "seed": 1,
            "include": "eval",
            "out": "work/e",
        }
        return generate.Config.model_validate({**given, **changes, "place": place})

    def generate(self, **changes: Any) -> None:
        generate.run(self.config(**changes))

    def refused(self, kind: type[MotError], **changes: Any) -> str:
        with pytest.raises(kind) as raised:
            self.generate(**changes)
        assert raised.type is kind
        return str(raised.value)

    def scored(self, out: str = "work/e", tasks: tuple[str, ...] = ("four", "once")) -> bytes:
        collect.run(collect.Config(out=out, tasks=list(tasks)))
        return (self.root / out / "scores.json").read_bytes()

    def samples(self, task: str, out: str = "work/e") -> list[dict[str, Any]]:
        text = (self.root / out / f"samples_{task}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]

    def fault(self, fault: str, match: str = "", times: int = 1, seconds: float = 0.0) -> None:
        asked = [{"tool": "lm_eval", "match": match, "fault": fault, "times": times, "seconds": seconds}]
        (self.root / "faults.json").write_text(json.dumps(asked), encoding="utf-8")

    def log(self, event: str) -> list[dict[str, Any]]:
        file = self.root / "starts.jsonl"
        lines = file.read_text(encoding="utf-8").split("\n") if file.exists() else []
        return [row for row in (json.loads(line) for line in lines if line) if row["event"] == event]

    def seeds(self) -> list[str]:
        """The seeds of all starts, sorted."""
        return sorted(row["argv"][row["argv"].index("--seed") + 1] for row in self.log("start"))

    def popen(self, **changes: Any) -> subprocess.Popen[str]:
        (self.root / "config.json").write_text(self.config(**changes).model_dump_json(), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "mot_plugin", "step", "generate", "config.json"],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> set[int]:
        """Those that were started in this room."""
        found, mark = set(), f"FAKE_LOG={self.root}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes() and process.name != str(os.getpid()):
                    found.add(int(process.name))
            except OSError:
                continue
        return found


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    root = tmp_path / "it's a room"
    for folder in ("model", "eval/room"):
        (root / folder).mkdir(parents=True)
    (root / "model" / "model.safetensors").write_bytes(b"weights")
    (root / "model" / "chat_template.jinja").write_text("template", encoding="utf-8")
    for task, repeats in REPEATS.items():
        (root / "eval" / "room" / f"{task}.yaml").write_text(TASK.format(task=task, repeats=repeats), encoding="utf-8")
    monkeypatch.chdir(root)
    monkeypatch.setenv("FAKE_LOG", str(root / "starts.jsonl"))
    monkeypatch.setenv("FAKE_FAULTS", str(root / "faults.json"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Room(root)


def until(what: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


# What comes of it


def test_one_shard_is_scored_as_lm_eval_itself_is(room: Room) -> None:
    argv = [
        "run",
        "--model",
        "hf",
        "--tasks",
        "four,once",
        "--include_path",
        "eval",
        "--seed",
        "1",
        "--batch_size",
        "8",
    ]
    argv += ["--output_path", "plain/results.json", "--log_samples", "--model_args", "pretrained=model"]
    subprocess.run([sys.executable, str(FAKE), *argv], check=True, capture_output=True)
    room.generate()
    assert room.scored() == room.scored("plain")
    assert room.seeds() == ["1", "1"]
    left = sorted(file.name for file in (room.root / "work/e").iterdir())
    assert left == ["results.json", "samples_four.jsonl", "samples_once.jsonl", "scores.json"]
    entry = next((room.root / "kept").glob("*/samples.jsonl"))
    assert entry.stat().st_nlink == 2, "the answers are on disk once"


def test_two_shards(room: Room) -> None:
    room.generate(shards=2)
    assert room.seeds() == ["2", "3"], "one start for both tasks of a shard"
    four, once = room.samples("four"), room.samples("once")
    assert [row["doc_id"] for row in four] == [row["doc_id"] for row in once] == [0, 1, 2, 3]
    assert [len(row["resps"][0]) for row in (*four, *once)] == [4] * 4 + [1] * 4
    assert all((row["shards"], row["seeds"]) == ([0, 0, 1, 1], [2, 2, 3, 3]) for row in four)
    assert [(row["shards"], row["seeds"]) for row in once] == [([0], [2]), ([1], [3])] * 2
    assert [row["doc"]["id"] for row in once] == ["0", "1", "2", "3"]
    assert "score" not in four[0], "lm-eval's was that of two answers"
    assert "filtered_resps" not in four[0]
    scores = json.loads(room.scored())["tasks"]
    assert [(task["problems"], task["repeats"], task["shards"]) for task in scores.values()] == [(4, 4, 2), (4, 1, 2)]
    boxes = [[int("999" not in text) for text in row["resps"][0]] for row in four]
    assert scores["four"]["hits"] == boxes
    results = json.loads((room.root / "work/e/results.json").read_text(encoding="utf-8"))
    assert [(part["shard"], part["seed"], part["repeats"]) for part in results["shards"]["four"]] == [
        (0, 2, 2),
        (1, 3, 2),
    ]


def test_repeats_that_do_not_divide_and_more_shards_than_problems_have_repeats(room: Room) -> None:
    room.generate(shards=3)
    assert {tuple(row["shards"]) for row in room.samples("four")} == {(0, 0, 1, 2)}
    assert [row["shards"] for row in room.samples("once")] == [[0], [1], [2], [0]]
    room.scored()


def test_a_look_at_two_problems(room: Room) -> None:
    room.generate(shards=2, limit=2)
    assert [len(room.samples(task)) for task in REPEATS] == [2, 2]
    scores = json.loads(room.scored())["tasks"]
    assert {(task["problems"], task["problems_available"]) for task in scores.values()} == {(2, 4)}
    assert "shards" not in scores["once"]


# What is kept


def test_what_is_kept_is_not_generated_again(room: Room) -> None:
    room.generate(shards=2)
    shutil.copytree(room.root / "model", room.root / "copy")
    first = room.scored()
    room.generate(shards=2, model="copy", out="work/again")
    assert room.scored("work/again") == first
    assert len(room.log("start")) == 2
    room.generate(shards=2, tasks=["once"], out="work/one")
    assert (room.root / "work/one/samples_once.jsonl").read_bytes() == (
        room.root / "work/e/samples_once.jsonl"
    ).read_bytes()
    assert len(room.log("start")) == 2


def test_a_task_more_is_all_that_is_generated(room: Room) -> None:
    room.generate(tasks=["once"])
    room.generate()
    assert [row["argv"][row["argv"].index("--tasks") + 1] for row in room.log("start")] == ["once", "four"]


SCIENCE: dict[str, dict[str, Any]] = {
    "seed": {"seed": 2},
    "shards": {"shards": 2},
    "limit": {"limit": 3},
    "engine": {"engine": "vllm"},
    "precision": {"place": {"model_args": {"dtype": "bfloat16"}}},
}
PLACE: dict[str, dict[str, Any]] = {
    "where": {"out": "elsewhere", "include": "eval/room"},
    "batch": {"place": {"batch_size": 1, "device": "cuda:0"}},
    "GPUs": {"place": {"gpus": 8, "gpus_per_engine": 2}},
    "parallel": {"place": {"model_args": {"gpu_memory_utilization": 0.5, "tensor_parallel_size": 2}}},
    "tool": {"place": {"command": ["/opt/lm_eval"], "env": {"A": "b"}}},
}


def keys(room: Room, config: generate.Config) -> set[str]:
    files = wanted.task_files(Path(config.include), config.tasks)
    asked = config.model_dump(include={"model", "engine", "tasks", "seed", "limit"})
    found = wanted.parts(
        Kept(room.root / "kept"), files, model_args=config.place.model_args, count=config.shards, **asked
    )
    return {json.dumps(settings, sort_keys=True) for settings in found.values()}


@pytest.mark.parametrize("changes", SCIENCE.values(), ids=SCIENCE)
def test_what_makes_other_answers(room: Room, changes: dict[str, Any]) -> None:
    assert keys(room, room.config(**changes)).isdisjoint(keys(room, room.config()))


@pytest.mark.parametrize("file", ["model/model.safetensors", "model/chat_template.jinja", "eval/room/once.yaml"])
def test_whose_content_makes_other_answers(room: Room, file: str) -> None:
    before = keys(room, room.config(tasks=["once"]))
    with (room.root / file).open("a") as opened:
        opened.write("\n# more")
    assert keys(room, room.config(tasks=["once"])).isdisjoint(before)


def test_problems_that_ship_with_a_task_are_known_by_their_content(room: Room) -> None:
    with (room.root / "eval/room/once.yaml").open("a") as task:
        task.write(f"dataset_kwargs: {{path: {room.root}/rows.jsonl}}\n")
    (room.root / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    before = keys(room, room.config(tasks=["once"]))
    (room.root / "rows.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    assert keys(room, room.config(tasks=["once"])).isdisjoint(before)


@pytest.mark.parametrize("changes", PLACE.values(), ids=PLACE)
def test_where_and_how_fast_makes_no_others(room: Room, changes: dict[str, Any]) -> None:
    if "include" in changes:  # the same files below another name
        shutil.copytree(room.root / "eval", room.root / "tasks")
        changes = {**changes, "include": "tasks"}
    assert keys(room, room.config(**changes)) == keys(room, room.config())


def test_a_broken_entry_is_generated_again_and_no_other(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    room.generate(shards=2)
    before = room.scored()
    file = next(file for file in (room.root / "kept").glob("*/samples.jsonl") if '"seeds": [3, 3]' in file.read_text())
    file.write_text(file.read_text(encoding="utf-8").replace("boxed", "baxed", 1), encoding="utf-8")
    room.generate(shards=2)
    assert room.scored() == before
    assert room.seeds() == ["2", "3", "3"]
    assert f"{file.parent}.broken: this is not what was kept there" in capsys.readouterr().out


def test_shards_of_different_data_are_refused(room: Room) -> None:
    room.fault("other-data", match="--seed 3")
    said = room.refused(CheckFailed, shards=2)
    assert said.startswith(
        "four: shard 1 of 2 and shard 2 of 2 are not of one evaluation, they differ in doc_hash of problem 0"
    )
    folders = [line.strip() for line in said.split("\n") if "/kept/" in line]
    assert len(folders) == 2
    shutil.rmtree(folders[1])  # as the message says
    (room.root / "faults.json").unlink()
    room.generate(shards=2)
    room.scored()


@pytest.mark.parametrize("what", ["version", "generation_kwargs", "chat_template_sha", "problems"])
def test_shards_of_different_settings_are_refused(room: Room, what: str) -> None:
    room.generate(shards=2, tasks=["four"])
    about = next(file for file in (room.root / "kept").glob("*/about.json") if '"seed": 3' in file.read_text())
    content = json.loads(about.read_text(encoding="utf-8"))
    (content["config"] if what == "generation_kwargs" else content)[what] = 9
    about.write_text(json.dumps(content), encoding="utf-8")
    said = room.refused(CheckFailed, shards=2, tasks=["four"])
    assert "are not of one evaluation, they differ in" in said
    assert str(about.parent) in said


def test_shards_that_repeat_each_other_are_refused(room: Room) -> None:
    room.fault("fixed-seed", times=2)
    room.generate(shards=2)
    with pytest.raises(CheckFailed, match=r"four: shards 1 and 2 gave the same answers to 4 of 4 problems(.|\n)*seed"):
        room.scored()


def test_what_a_scorer_noted_of_an_answer_stays_with_it(tmp_path: Path) -> None:
    store = Kept(tmp_path)
    about = {"config": {}, "version": 1.0, "chat_template_sha": "", "problems": 1, "results": {}, "lm_eval": {}}
    about["n_samples"] = {"original": 1, "effective": 1}
    finished = []
    for part in parts({"a": 3}, seed=1, shards=2):
        texts = [f"{part.shard}.{number}" for number in range(part.repeats)]
        row = {"doc_id": 0, "resps": [texts], "metrics": ["score", "verdicts"], "score": 1.0, "verdicts": [*texts]}
        row |= {"shards": [part.shard] * part.repeats, "seeds": [part.seed] * part.repeats}
        finished.append(merge.Finished(part, store.publish({"shard": part.shard}, [row], about)))
    merge.merge(finished, tmp_path / "merged.jsonl")
    row = json.loads((tmp_path / "merged.jsonl").read_text(encoding="utf-8"))
    assert row["verdicts"] == row["resps"][0] == ["0.0", "0.1", "1.0"]
    assert "score" not in row


# Several at once, failures, kills


def test_two_engines_at_once_have_a_gpu_each(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6")
    room.fault("slow", times=2, seconds=1)
    begun = time.monotonic()
    room.generate(shards=3, place={"gpus": 2})
    assert sorted(row["visible"] for row in room.log("engine")) in (["3", "3", "5"], ["3", "5", "5"])
    assert [row["event"] for row in order(room)][:2] == ["start", "start"]
    assert time.monotonic() - begun < 30


def order(room: Room) -> list[dict[str, Any]]:
    lines = (room.root / "starts.jsonl").read_text(encoding="utf-8").split("\n")
    return [row for row in (json.loads(line) for line in lines if line) if row["event"] in ("start", "end")]


def test_gpus_per_engine(room: Room) -> None:
    room.generate(shards=2, place={"gpus": 5, "gpus_per_engine": 2})
    assert sorted(row["visible"] for row in room.log("engine")) == ["0,1", "2,3"]


@pytest.mark.parametrize(("shards", "gpus"), [(1, 8), (2, 0), (2, 1)])
def test_a_lone_engine_sees_all(room: Room, shards: int, gpus: int) -> None:
    room.generate(shards=shards, place={"gpus": gpus})
    assert {row["visible"] for row in room.log("engine")} == {None}
    assert [row["event"] for row in order(room)] == ["start", "end"] * shards


def test_an_engine_that_dies_leaves_the_other_its_time(room: Room, capfd: pytest.CaptureFixture[str]) -> None:
    room.fault("out-of-memory", match="--seed 2")
    said = room.refused(StepFailed, shards=2, place={"gpus": 2})
    assert said.split("\n") == [
        "shard 1 of 2 (four, once): python ended with exit code 1".replace("python", Path(sys.executable).name),
        "  memory ran out: lower eval.batch_size in the machine file, or in eval.model_args what vLLM takes "
        "(max_model_len, max_num_seqs, gpu_memory_utilization)",
        "    torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "2 of 4 parts are kept: run again, and only the others are generated",
    ]
    assert "torch.OutOfMemoryError" in capfd.readouterr().out, "the step's own log has it, the work folder is cleared"
    room.generate(shards=2, place={"gpus": 2})
    assert room.seeds() == ["2", "2", "3"]
    again = room.scored()
    shutil.rmtree(room.root / "kept")
    room.generate(shards=2, out="work/undisturbed")
    assert room.scored("work/undisturbed") == again


def test_after_a_failure_no_other_engine_is_begun(room: Room) -> None:
    room.fault("exit1", match="--seed 4")
    said = room.refused(StepFailed, shards=4)
    assert "ValueError: something odd happened\n0 of 8 parts are kept" in said
    assert room.seeds() == ["4"]


def test_a_part_that_is_not_what_was_asked(room: Room) -> None:
    room.fault("fewer-samples", match="--seed 3")
    said = room.refused(CheckFailed, shards=2, tasks=["four"])
    assert said.startswith("shard 2 of 2: four: 2 answers per problem were asked for, but problem 0 has 1")
    assert said.endswith("1 of 2 parts are kept: run again, and only the others are generated")


def test_an_engine_that_was_killed(room: Room) -> None:
    room.fault("killed")
    said = room.refused(StepFailed)
    assert " was killed by SIGKILL\n  killed from outside: most often memory ran out" in said


def test_an_engine_that_leaves_nothing(room: Room) -> None:
    room.fault("exit0-nothing")
    assert "lm-eval wrote no results file there" in room.refused(StepFailed)


def test_the_command_that_failed_can_be_pasted(room: Room, capfd: pytest.CaptureFixture[str]) -> None:
    room.fault("exit1", match="--seed 3")
    room.refused(StepFailed, shards=2, place={"env": {"HF_TOKEN": "hf_secret", "A": "b c"}})
    out = capfd.readouterr().out
    commands = re.findall(r"^\$ (.*)$", out, re.MULTILINE)
    assert len(commands) == 2
    assert "hf_secret" not in out
    pasted = subprocess.run(["bash", "-c", commands[1]], capture_output=True, text=True, check=False, cwd="/")
    assert pasted.returncode == 0, pasted.stdout + pasted.stderr
    assert list((room.root / "work/e/shards/1").glob("samples_four_*.jsonl"))


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ended_in_the_second_shard_and_begun_again(room: Room, number: int) -> None:
    room.generate(shards=2, place={"store": "undisturbed"})
    undisturbed = room.scored()
    (room.root / "starts.jsonl").unlink()
    room.fault("slow", match="--seed 3", seconds=60)
    process = room.popen(shards=2)
    until(lambda: len(room.log("start")) == 2)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert (
        process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[signal.Signals(number)]
    ), said
    until(lambda: not room.processes(), seconds=15)
    room.generate(shards=2)
    assert room.seeds() == ["2", "3", "3"]
    assert room.scored() == undisturbed


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_grandchild_outlives_it(room: Room, number: int) -> None:
    room.fault("grandchild", seconds=60)
    process = room.popen()
    until(lambda: room.log("grandchild"))
    until(lambda: room.log("grandchild")[0]["child"] in room.processes())
    process.send_signal(number)
    process.communicate(timeout=30)
    until(lambda: not room.processes(), seconds=20)


# Before anything starts


def test_what_is_not_there(room: Room) -> None:
    assert "eval has no" not in room.refused(FileError, tasks=["four", "five"])
    assert room.refused(FileError, tasks=["four", "five"]) == "there is no task five below eval"
    assert room.refused(MissingInput, model="nowhere") == "nowhere: there is no such model folder"
    said = room.refused(MissingTool, place={"command": ["no-such-program"]})
    assert said.startswith("no-such-program is not installed here")


def test_a_task_whose_problems_cannot_be_shared_out(room: Room) -> None:
    file = room.root / "eval/room/once.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("custom_dataset", "dataset_path"), encoding="utf-8")
    said = room.refused(FileError, shards=2)
    assert said.startswith("once has no custom_dataset, so its problems cannot be shared out: set eval.shards to 1")
    assert room.log("start") == []
    room.generate()


def test_a_link_to_a_store_that_is_not_there_yet(room: Room) -> None:
    (room.root / "kept").symlink_to("../far/away")
    room.generate()
    assert list((room.root.parent / "far/away").glob("*/about.json"))


def test_programs_that_a_model_wrote_share_the_cores(room: Room) -> None:
    with (room.root / "eval/room/four.yaml").open("a") as task:
        task.write("unsafe_code: true\n")
    room.generate(shards=2, place={"gpus": 2, "datasets": "/sets"})
    for row in room.log("start"):
        assert "--confirm_run_unsafe_code" in row["argv"]
        metadata = json.loads(row["argv"][row["argv"].index("--metadata") + 1])
        assert metadata == {"mot_data_dir": "/sets", "mot_code_workers": max(1, len(os.sched_getaffinity(0)) // 2)}


# How far it is


BAR = "Running generate_until requests:  10%|# | {}/{} [00:01<00:09]\r"


def test_answers_are_counted_over_all_shards(tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    moments = iter([5.0, 5.1, 5.2, 6.5, 6.6, 7.9, 8.0])
    counts = Answered(tmp_path, {logs[0]: 4, logs[1]: 4, logs[2]: 2}, kept=7)
    counts.look(lambda: next(moments))
    assert counts.counts() is None
    assert not (tmp_path / answered.FILE).exists()
    logs[0].write_text(BAR.format(0, 120) + BAR.format(30, 120), encoding="utf-8")
    counts.look(lambda: next(moments))
    assert counts.counts() is None, "once a second"
    counts.look(lambda: next(moments))
    assert counts.counts() == (37, 7 + 120 + 120 + 60), "the others will be as long, by what they are asked"
    logs[1].write_text(BAR.format(5, 100), encoding="utf-8")
    counts.look(lambda: next(moments))
    assert counts.counts() == (42, 7 + 220 + 55)
    assert json.loads((tmp_path / answered.FILE).read_text(encoding="utf-8")) == {"done": 42, "of": 282}
