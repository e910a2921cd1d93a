"""A small world for whole runs: a student of two tensors, recorded answers of two teachers, a recipe, and fake tools."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from fakes.faults import rounded, write_weights
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

FAKES = Path(__file__).parent / "fakes"
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
MOT = [sys.executable, "-m", "mot_plugin"]
TEACHERS = ("anna", "bert")
STEP = re.compile(r" (?:configs|work)/(\S+?)(?:\.yaml|/shards/)")  # of a tool's command line
TOOLS = ("llamafactory-cli", "mergekit-yaml", "lm_eval")


@dataclass(frozen=True)
class World:
    """A folder with a recipe and all that it needs; commands run in it as real processes."""

    root: Path

    @property
    def runs(self) -> Path:
        """Where its runs lie."""
        return self.root / "runs"

    @property
    def run_folder(self) -> Path:
        """The run of its recipe."""
        return self.runs / "tiny"

    def environment(self) -> dict[str, str]:
        """Where the fakes log and look for faults; no GPU, whatever computer this is."""
        mine = {"FAKE_LOG": str(self.root / "starts.jsonl"), "FAKE_FAULTS": str(self.root / "faults.json")}
        return {**os.environ, **mine, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}

    def before(self) -> list[str]:
        """What stands before every command of ours."""
        return []

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command of ours, in a session of its own."""
        return subprocess.Popen(
            [*self.before(), *MOT, *arguments],
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def mot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours to its end."""
        process = self.popen(*arguments)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, recipe: str = "tiny.yaml") -> subprocess.CompletedProcess[str]:
        """`mot-plugin run`."""
        return self.mot("run", recipe, "--machine", "machine.yaml")

    def start(self, recipe: str = "tiny.yaml") -> subprocess.Popen[str]:
        """`mot-plugin run`, not waited for."""
        return self.popen("run", recipe, "--machine", "machine.yaml")

    def start_ignoring(self, number: int) -> subprocess.Popen[str]:
        """The same with a signal ignored, as `nohup` does it."""
        before = signal.signal(number, signal.SIG_IGN)
        try:
            return self.start()
        finally:
            signal.signal(number, before)

    def plan(self, recipe: str = "tiny.yaml") -> dict[str, dict[str, Any]]:
        """What `plan --json` says, by step."""
        said = self.mot("plan", recipe, "--machine", "machine.yaml", "--json")
        assert said.returncode == 0, said.stderr
        return {row["name"]: row for row in json.loads(said.stdout)["steps"]}

    def todo(self, recipe: str = "tiny.yaml") -> list[str]:
        """The steps that would run."""
        return [name for name, row in self.plan(recipe).items() if row["state"] == "todo"]

    def edit(self, change: Callable[[dict[str, Any]], object], file: str = "tiny.yaml", to: str = "") -> None:
        """Change a YAML file, or write the changed one under another name."""
        data = yaml.safe_load((self.root / file).read_text(encoding="utf-8"))
        change(data)
        (self.root / (to or file)).write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")

    def fault(
        self, tool: str, fault: str, match: str = "", times: int = 1, seconds: float = 0.0, rank: str = ""
    ) -> None:
        """Ask a fake to fail: `match` is a part of its command line, `rank` that of its node where there are several."""
        file = self.root / "faults.json"
        asked = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        wanted = {"tool": tool, "match": match, "rank": rank}
        asked.append({**wanted, "fault": fault, "times": times, "seconds": seconds})
        file.write_text(json.dumps(asked), encoding="utf-8")

    def mend(self) -> None:
        """No more faults."""
        (self.root / "faults.json").unlink(missing_ok=True)

    def log(self, event: str = "start") -> list[dict[str, Any]]:
        """What the fakes logged."""
        file = self.root / "starts.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [row for row in map(json.loads, lines) if row["event"] == event]

    def starts(self, tool: str = "", match: str = "") -> int:
        """How often a tool was started so far."""
        return sum(tool in row["tool"] and match in " ".join(row["argv"]) for row in self.log())

    def forget(self) -> None:
        """Start counting again."""
        (self.root / "starts.jsonl").unlink(missing_ok=True)

    def records(self) -> dict[str, dict[str, Any]]:
        """The record of every step of the run's plan that has one."""
        plan = json.loads((self.run_folder / "plan.json").read_text(encoding="utf-8"))
        files = {name: self.runs / ".store" / print_ / "record.json" for name, print_ in plan["prints"].items()}
        return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()}

    def done(self) -> dict[str, float]:
        """Finished steps, and when each attempt that finished it began."""
        return {name: record["started"] for name, record in self.records().items() if record["state"] == "done"}

    def ended_twice(self, kept: Collection[str] | None = None) -> list[str]:
        """Commands that ended well more than once; of the steps `kept` only, if given.

        A driver or node may be killed after a command has ended and before its step's record says so: that step runs again.
        What was done before an attack (`kept`) must not.
        """
        counted = Counter((row["tool"], " ".join(row["argv"])) for row in self.log("end"))
        twice = [f"{tool} {argv}" for (tool, argv), times in counted.items() if times > 1]
        return [command for command in twice if kept is None or STEP.findall(command)[0] in kept]

    def result(self) -> dict[str, str]:
        """Digests of all that a run is for: weights, scores, the card, the report. No times, and no commit of this checkout."""
        found = {}
        for name in (*json.loads((self.run_folder / "plan.json").read_text(encoding="utf-8"))["prints"], "student"):
            folder = self.run_folder / ("student" if name == "student" else f"artifacts/{name}")
            for file in sorted(folder.rglob("*")):
                if file.is_file() and not re.match(r"results\.json|trainer_state|provenance\.json|.*\.bin$", file.name):
                    found[f"{name}/{file.relative_to(folder)}"] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def processes(self) -> dict[int, str]:
        """Every process that works in this folder or was started for it: pid -> its command line."""
        found, mark = {}, str(self.root).encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command, environment = ((process / part).read_bytes() for part in ("cmdline", "environ"))
                here = (process / "cwd").readlink().is_relative_to(self.root)
            except OSError:
                continue
            if here or mark in command or b"FAKE_LOG=" + mark in environment:
                found[int(process.name)] = command.replace(b"\0", b" ").decode()
        return {pid: command for pid, command in found.items() if pid != os.getpid()}

    def end_all(self) -> None:
        """End whatever a failed test left behind."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def wait_for(what: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def make_world(root: Path, rounds: int = 2) -> World:
    """A new world in a new folder."""
    root.mkdir(parents=True)
    draw = np.random.default_rng(1)
    shapes = {"model.embed_tokens.weight": (304, 8), "model.norm.weight": (8,)}
    weights = {name: rounded(draw.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()}
    student = root / "student"
    student.mkdir()
    write_weights(student / "model.safetensors", weights)
    config = {"model_type": "qwen3", "tie_word_embeddings": True, "use_cache": True, "eos_token_id": 2}
    (student / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (student / "generation_config.json").write_text('{"eos_token_id": [2]}', encoding="utf-8")
    (student / "tokenizer_config.json").write_text('{"eos_token": "<|im_end|>"}', encoding="utf-8")
    (student / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([TEMPLATE], trainer)
    tokenizer.save(str(student / "tokenizer.json"))
    for teacher in TEACHERS:
        write_traces(root / f"{teacher}.jsonl", teacher)
    _write(root / "tiny.yaml", recipe(rounds))
    _write(root / "machine.yaml", machine())
    return World(root)


def write_traces(file: Path, teacher: str, prompts: int = 6) -> None:
    """Recorded answers: two right ones to each sum."""
    rows = []
    for number in range(prompts):
        texts = [f"<think>\n{teacher} adds {number}, way {way}\n</think>\n\n\\boxed{{{number + 1}}}" for way in (1, 2)]
        samples = [{"text": text, "finish_reason": "stop"} for text in texts]
        problem = f"What is {number} + 1?"
        rows.append({"id": f"p{number}", "problem": problem, "reference": str(number + 1), "samples": samples})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def recipe(rounds: int) -> dict[str, Any]:
    """Two teachers, two optimizer steps a round."""
    return {
        "name": "tiny",
        "source": {"name": "SUMS"},
        "student": "./student",
        "teachers": {teacher: {"traces": f"{teacher}.jsonl"} for teacher in TEACHERS},
        "methods": {"base": {}, "mot": {"rounds": rounds, "steps": 2}},
        "global_batch_size": 4,
        "sft": {"template": "qwen3", "cutoff_len": 512, "learning_rate": 0.01},
        "eval": {"tasks": ["mot_aime24", "mot_aime25"]},
    }


def machine() -> dict[str, Any]:
    """No GPU, the fake tools, a short patience."""
    return {
        "name": "test",
        "gpus": 0,
        "tools": {tool: {"command": [sys.executable, str(FAKES / tool)]} for tool in TOOLS},
        "train": {"use_cpu": True, "per_device_train_batch_size": 4},
        "eval": {"engine": "hf", "batch_size": 8},
        "storage": {"runs": "runs"},
        "retries": 1,
        "backoff_seconds": 0.05,
    }


def copy_world(world: World, root: Path) -> World:
    """The same world somewhere else, with everything that was done in it."""
    shutil.copytree(world.root, root, symlinks=True)
    return World(root)


def _write(file: Path, data: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
