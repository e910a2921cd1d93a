"""What stopping at the first correct sample saves, on a corpus that a real teacher really gives; killed once on the way.

    python benchmarks/corpus.py MODEL.gguf PROBLEMS.jsonl [--problems 40] [--samples 4] [--max-tokens 400] [--dir DIR]

MODEL is what `benchmarks/teacher/fetch.py` gets, PROBLEMS has GSM8K's rows. Serves the model, runs `mot-plugin corpus build`
in mode until_correct, kills it with SIGKILL once, runs it again to its end, then builds the same corpus in mode all: it has the
samples of the first already and asks for the others, so both modes are measured on the same draws. Prints tokens per kept trace
and checks that no finished sample was asked for twice. The folder stays, to be looked at with `mot-plugin corpus show`.
"""

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TEACHER = Path(__file__).with_name("teacher")
MOT = [sys.executable, "-m", "mot_plugin"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("problems_file", type=Path)
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--dir", type=Path)
    asked = parser.parse_args()
    home = asked.dir or Path(tempfile.mkdtemp(prefix="mot-corpus-"))
    home.mkdir(parents=True, exist_ok=True)
    (home / "problems.jsonl").write_bytes(asked.problems_file.read_bytes())
    for mode in ("until_correct", "all"):
        recipe = recipe_of(mode, asked.problems, asked.samples, asked.max_tokens)
        (home / f"{mode}.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    with Server(asked.model, home) as url:
        place = {"name": "bench", "gpus": 0, "retries": 0, "teachers": {"coder": {"endpoint": url, "concurrency": 8}}}
        (home / "machine.yaml").write_text(yaml.safe_dump(place), encoding="utf-8")
        begun = time.perf_counter()
        killed_at = build_and_kill(home, "until_correct", after=asked.problems // 2)
        build(home, "until_correct")
        first = time.perf_counter() - begun
        build(home, "all")
        whole = time.perf_counter() - begun
    report(home, killed_at, first, whole)


class Server:
    """The teacher, for the time of the measurement."""

    def __init__(self, model: Path, home: Path) -> None:
        command = [
            sys.executable,
            str(TEACHER / "serve.py"),
            str(model),
            "--port",
            "0",
            "--slots",
            "8",
            "--context",
            "1024",
        ]
        self.log = home / "server.log"
        self.process = subprocess.Popen(command, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)

    def __enter__(self) -> str:
        for _ in range(600):
            up = [line for line in self.log.read_text(errors="replace").split("\n") if line.startswith("UP ")]
            if up:
                return up[0].removeprefix("UP ").strip()
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"the server did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def recipe_of(mode: str, problems: int, samples: int, max_tokens: int) -> dict[str, Any]:
    """A recipe with one live teacher; training and evaluation are never reached."""
    quickstart = yaml.safe_load((ROOT / "recipes" / "quickstart.yaml").read_text(encoding="utf-8"))
    return {
        "name": f"corpus-{mode.replace('_', '-')}",
        "source": {
            "name": f"GSM8K-{problems}",
            "file": "problems.jsonl",
            "columns": {"problem": "question", "reference": "answer", "reference_after": "####"},
            "sample": problems,
        },
        "student": str(ROOT / "recipes" / "quickstart" / "student"),
        "teachers": {
            "coder": {
                "model": "Qwen2.5-Coder-1.5B-Instruct-Q4_K_M",
                "prompt": (TEACHER / "prompt.txt").read_text(encoding="utf-8"),
            }
        },
        "sampling": {
            "mode": mode,
            "n": samples,
            "temperature": 0.6,
            "top_p": 0.95,
            "top_k": 20,
            "max_tokens": max_tokens,
        },
        "methods": {"base": {}},
        "sft": quickstart["sft"] | {"cutoff_len": 4096},
        "eval": {"tasks": ["mot_quickstart"]},
    }


def build_and_kill(home: Path, mode: str, after: int) -> int:
    """Start, and end everything with SIGKILL once `after` samples are there: how many there were."""
    process = subprocess.Popen(
        [*MOT, "corpus", "build", f"{mode}.yaml", "--machine", "machine.yaml", "--plain"],
        cwd=home,
        start_new_session=True,
    )
    while process.poll() is None and len(records(home)) < after:
        time.sleep(0.2)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return len(records(home))


def build(home: Path, mode: str) -> None:
    """To its end."""
    subprocess.run(
        [*MOT, "corpus", "build", f"{mode}.yaml", "--machine", "machine.yaml", "--plain"], cwd=home, check=True
    )


def records(home: Path) -> list[dict[str, Any]]:
    """All samples so far; a line that is being written is none yet."""
    files = list((home / "runs" / ".store" / "samples").glob("*/samples.jsonl"))
    lines = files[0].read_bytes().split(b"\n")[:-1] if files else []
    return [json.loads(line) for line in lines]


def report(home: Path, killed_at: int, first: float, whole: float) -> None:
    """Tokens per kept trace in both modes, on the same draws."""
    made = {
        mode: json.loads(
            (home / "runs" / f"corpus-{mode.replace('_', '-')}" / "artifacts/traces/coder/summary.json").read_text()
        )
        for mode in ("until_correct", "all")
    }
    times = Counter(record["custom_id"] for record in records(home))
    assert max(times.values()) == 1, f"asked for again: {times.most_common(3)}"
    every, until = made["all"], made["until_correct"]
    assert every["tokens_per_kept"]["until_correct"] == until["completion_tokens"] / until["kept"]
    print(
        f"\n{platform.machine()}, {os.cpu_count()} cores, {datetime.date.today()}, {until['prompts']} problems, one run"
    )
    print(
        f"killed with SIGKILL at {killed_at} samples and run again; {len(times)} samples in all, none asked for twice"
    )
    print(f"until_correct {first:.0f} s with the kill, then all {whole - first:.0f} s for what was left\n")
    print("| mode | samples | completion tokens | kept | tokens per kept trace |\n| --- | ---: | ---: | ---: | ---: |")
    for mode, found in made.items():
        spent = found["completion_tokens"]
        print(f"| {mode} | {found['samples']} | {spent:,} | {found['kept']} | {spent / found['kept']:,.0f} |")
    ratio = every["completion_tokens"] / every["kept"] / (until["completion_tokens"] / until["kept"])
    print(f"\nall / until_correct: {ratio:.2f}; verdicts in all: {every['verdicts']}")
    print(f"look at it: mot-plugin corpus show {home}/runs/corpus-all")


if __name__ == "__main__":
    main()
