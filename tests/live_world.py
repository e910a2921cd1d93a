"""A fake world in which one teacher is asked and another was recorded, and what its tests look at."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fake_world import World, make_world, wait_for
from fault_server import FaultServer

TEACHER = "org/anna@1"
SAMPLING = {"n": 6, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_tokens": 300}
CONCURRENCY = 3
DATA = ["base/student", "source/problems", "traces/anna", "corpus/anna", "corpus/bert"]
NOWHERE = "http://127.0.0.1:9/v1"
"""Nobody listens there: port 9 is for throwing things away."""


def make_live_world(root: Path, url: str | None = NOWHERE) -> World:
    """Ten sums, of which eight are drawn; anna is asked at `url`, bert said something to six of them some time ago."""
    world = make_world(root, rounds=1)
    write_sums(world, range(10))
    columns = {"id": "id", "problem": "question", "reference": "answer", "reference_after": "####"}
    source = {"name": "SUMS", "file": "sums.jsonl", "columns": columns, "sample": 8, "decontaminate": []}
    teachers = {"anna": {"model": TEACHER}, "bert": {"traces": "bert.jsonl"}}
    world.edit(lambda recipe: recipe.update(source=source, teachers=teachers, sampling=SAMPLING))
    place = {"model": "teacher", "concurrency": CONCURRENCY, "attempts": 2, "backoff_seconds": 0.01}
    world.edit(lambda machine: machine.update(teachers={"anna": place | ({"endpoint": url} if url else {})}), MACHINE)
    return world


MACHINE = "machine.yaml"


def write_sums(world: World, numbers: Iterable[int]) -> None:
    """The source: what `fake_world.write_traces` has answers to, and more of the kind."""
    rows = [{"id": f"s{n}", "question": f"What is {n} + 1?", "answer": f"One more. #### {n + 1}"} for n in numbers]
    write_rows(world.root / "sums.jsonl", rows)


def write_rows(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON lines."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def place(world: World, **changes: Any) -> None:
    """Change where and how anna is asked; None takes a key away."""

    def change(machine: dict[str, Any]) -> None:
        found = machine["teachers"]["anna"] | changes
        machine["teachers"]["anna"] = {key: value for key, value in found.items() if value is not None}

    world.edit(change, MACHINE)


def build(world: World, recipe: str = "tiny.yaml") -> Any:
    """`mot-plugin corpus build`, to its end."""
    return world.mot("corpus", "build", recipe, "--machine", MACHINE)


def start_build(world: World) -> Any:
    """The same, not waited for."""
    return world.popen("corpus", "build", "tiny.yaml", "--machine", MACHINE)


def corpora(world: World) -> dict[str, bytes]:
    """The data that a run makes: problems, traces, corpora. What is left out says when and how fast."""
    found = {}
    for step in DATA[1:]:
        folder = world.run_folder / "artifacts" / step
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name not in ("progress.json", "server.log"):
                found[f"{step}/{file.relative_to(folder)}"] = file.read_bytes()
    return found


def asked(server: FaultServer, first: int = 0) -> Counter[tuple[str, int]]:
    """How often each sample was asked for, from the request with that number on."""
    return Counter((request["prompt"], request["seed"]) for request in server.requests()[first:])


def on_disk(world: World) -> set[tuple[str, int]]:
    """The samples that are kept, of all lines; the last line of a file may be half a one."""
    found = set()
    for file in (world.runs / ".store" / "samples").glob("*/samples.jsonl"):
        for record in map(json.loads, file.read_bytes().split(b"\n")[:-1]):
            if record["error"] is None:
                found.add((record["request"]["messages"][0]["content"], record["request"]["seed"]))
    return found


def forget_anna(world: World) -> None:
    """Take away what anna said and what was made of it, as if nobody had asked her yet."""
    prints = json.loads((world.run_folder / "plan.json").read_text(encoding="utf-8"))["prints"]
    store = world.runs / ".store"
    for name in ("samples", prints["traces/anna"], prints["corpus/anna"]):
        shutil.rmtree(store / name)


def attempts(world: World, step: str = "traces/anna") -> int:
    """How often a step was tried, by its logs."""
    plan = json.loads((world.run_folder / "plan.json").read_text(encoding="utf-8"))
    return len(list((world.runs / ".store" / plan["prints"][step]).glob("attempt-*.log")))


def process_of(world: World, words: str) -> int | None:
    """A process of this world whose command line has these words."""
    return next((pid for pid, line in world.processes().items() if words in line), None)


def kill_when(world: World, ready: Callable[[], object], words: str, number: int) -> tuple[int, str]:
    """Start a build, kill one of its processes at a moment: the exit code, and what was said. Nothing may go on after it."""
    process = start_build(world)
    wait_for(lambda: process.poll() is not None or (ready() and process_of(world, words)))
    pid = process_of(world, words)
    assert pid is not None, "it was over before it could be killed"
    os.kill(pid, number)
    out, err = process.communicate(timeout=120)
    wait_for(lambda: not world.processes(), seconds=5)
    return process.returncode, out + err


def failed(world: World, ended: Any) -> str:
    """What the message of a build says of anna's step, after the parts that every failure's message has."""
    assert ended.returncode == 3, ended.stdout + ended.stderr
    lines = ended.stderr.rstrip("\n").split("\n")
    assert re.fullmatch(r"error: step 3 of \d+, traces/anna: mot-plugin exited with \d+", lines[0])
    assert lines[1].startswith(f"  command   cd {world.run_folder} && ")
    assert lines[2] == "  log       runs/tiny/logs/traces/anna.log, last lines:"
    assert lines[-1] == "Nothing that was finished is lost. Run the same command again to go on from here."
    assert world.processes() == {}
    assert [name for name in DATA if name in world.done()] == ["base/student", "source/problems", "corpus/bert"]
    return "\n".join(lines[3:-1])
