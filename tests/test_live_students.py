"""Teachers that are served for the time of their step: the students of a run, from its folder, and a model by vLLM."""

import hashlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_world import FAKES, World, make_world
from fault_plan import as_plan
from live_world import MACHINE, SAMPLING, build, kill_when, on_disk, place, write_sums

from mot_plugin.students import of_run

pytestmark = pytest.mark.process

SERVER = Path(__file__).parent / "student_server.py"
STUDENTS = ("MoT", "STD", "MTD", "base")
PLACES = {
    "MoT": "student",
    "STD": "artifacts/std/{}/select/model",
    "MTD": "artifacts/mtd/select/model",
    "base": "artifacts/base/student/model",
}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A run with every method, and a second recipe whose teachers are its four students; that one's corpora are made."""
    world = make_world(tmp_path_factory.mktemp("taught") / "world", rounds=1)
    world.edit(lambda recipe: (recipe["teachers"].pop("bert"), recipe["methods"].pop("base")))
    world.edit(
        lambda recipe: recipe["methods"].update(std={"steps": 2, "save_steps": 2}, mtd={"steps": 2, "save_steps": 2})
    )
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    write_sums(world, range(10))
    world.edit(as_teachers, to="next.yaml")
    server = [sys.executable, str(SERVER), "{model}", "{port}", str(world.root / "served.jsonl")]
    world.edit(lambda machine: machine.update(teachers={"*": {"server": server, "concurrency": 3}}), MACHINE)
    ended = build(world, "next.yaml")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    yield world
    world.end_all()


def as_teachers(recipe: dict[str, Any]) -> None:
    columns = {"problem": "question", "reference": "answer", "reference_after": "####"}
    recipe.update(
        name="next",
        source={"name": "SUMS", "file": "sums.jsonl", "columns": columns, "sample": 4, "decontaminate": []},
        teachers={name.lower(): {"run": "runs/tiny", "student": name} for name in STUDENTS},
        sampling=SAMPLING,
    )


def served(world: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (world.root / "served.jsonl").read_bytes().split(b"\n") if line]


def test_each_student_is_served_from_its_run_and_gone_afterwards(taught: World) -> None:
    notes = served(taught)
    assert [note["model"] for note in notes] == [f"inputs/teachers/{name.lower()}" for name in STUDENTS]
    wanted = [taught.run_folder / PLACES[name].format("anna") / "model.safetensors" for name in STUDENTS]
    assert [note["weights"] for note in notes] == [hashlib.sha256(file.read_bytes()).hexdigest() for file in wanted]
    assert len({note["weights"] for note in notes}) == len(STUDENTS)
    assert not [note for note in notes if Path(f"/proc/{note['pid']}").exists()]
    assert taught.processes() == {}
    for name in STUDENTS:
        folder = taught.runs / "next" / "artifacts" / "corpus" / name.lower()
        assert json.loads((folder / "summary.json").read_bytes())["kept"] > 0
    lines = len(list((taught.runs / ".store" / "samples").glob("*/samples.jsonl")))
    assert lines == len(STUDENTS), "no student has another's samples"


def test_a_second_build_serves_nobody(taught: World) -> None:
    before = served(taught)
    assert "everything is done" in build(taught, "next.yaml").stdout
    assert served(taught) == before


def test_another_student_makes_the_traces_stale(taught: World) -> None:
    """Its own traces, its corpus and what is made of all corpora are stale; those of the other students are not."""
    (chosen,) = taught.run_folder.glob("artifacts/mot/round-*/select/model")
    file = chosen / "generation_config.json"  # what lies in `student` has a card beside it, and is no teacher
    before = file.read_bytes()
    content = before + b"\n"
    stale = {"traces/mot", "corpus/mot", "corpus/union"}
    try:
        replace(file, content)
        todo = {name for name in taught.todo("next.yaml") if name.startswith(("traces", "corpus"))}
    finally:
        replace(file, before)
    assert todo == stale
    assert not stale & set(taught.todo("next.yaml"))


def replace(file: Path, content: bytes) -> None:
    """Another file in its place: what it was may be linked from elsewhere."""
    part = file.with_name("part")
    part.write_bytes(content)
    part.replace(file)


def test_where_a_run_lies_makes_nothing_stale(taught: World) -> None:
    """The same recipe in another folder, with another way to the run."""
    home = taught.root / "elsewhere"
    home.mkdir()
    for name in ("sums.jsonl", "student"):
        (home / name).symlink_to(taught.root / name)
    way = {name.lower(): {"run": "../runs/../runs/tiny/", "student": name} for name in STUDENTS}
    taught.edit(lambda recipe: recipe.update(teachers=way), "next.yaml", "elsewhere/next.yaml")
    assert taught.todo("elsewhere/next.yaml") == taught.todo("next.yaml")
    assert not [name for name in taught.todo("next.yaml") if name.startswith("traces")]


def test_a_server_that_refuses_its_model_is_told(taught: World) -> None:
    """The step's message has the server's last words."""
    taught.edit(
        lambda recipe: recipe.update(
            name="broken", teachers={"mot": recipe["teachers"]["mot"]}, sampling=SAMPLING | {"temperature": 0.1}
        ),
        "next.yaml",
        "broken.yaml",
    )
    taught.edit(
        lambda machine: machine["teachers"]["*"].update(server=["/bin/sh", "-c", "echo no {model}; exit 3", "{port}"]),
        MACHINE,
        "sh.yaml",
    )
    taught.edit(lambda machine: machine.update(retries=0), "sh.yaml", "sh.yaml")
    said = taught.mot("corpus", "build", "broken.yaml", "--machine", "sh.yaml")
    assert said.returncode == 3
    assert "the server ended with exit code 3" in said.stderr
    assert "no inputs/teachers/mot" in said.stderr
    assert taught.processes() == {}


def test_the_best_of_several_std_students_teaches(tmp_path: Path) -> None:
    for teacher, average in (("anna", 9.5), ("bert", 10.25), ("carl", 10.2)):
        folder = tmp_path / "artifacts" / "std" / teacher / "select"
        folder.mkdir(parents=True)
        (folder / "choice.json").write_text(json.dumps({"average": average}))
    assert of_run(tmp_path, "STD") == tmp_path / "artifacts" / "std" / "bert" / "select" / "model"


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", rounds=1)
    write_sums(world, range(10))
    world.edit(as_teachers)
    gone = {name.lower(): {"run": "../runs/gone", "student": name} for name in STUDENTS}
    world.edit(lambda recipe: recipe.update(teachers=gone))
    said = build(world)
    assert said.returncode == 6
    head, *lines = said.stderr.split("\n")
    assert head == "error: recipe next cannot start, inputs are missing"
    assert lines[:4] == [
        f"  teachers/{name.lower()}: {tmp_path}/runs/gone/{PLACES[name].format('*')} is not there"
        for name in sorted(STUDENTS, key=str.lower)
    ]
    assert not (world.runs / "next" / "plan.json").exists(), "nothing was begun"


def test_a_model_that_vllm_serves_is_gone_whatever_is_killed(
    unasked: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it said is not asked for again by the next server."""
    requests, plan = tmp_path / "requests.jsonl", tmp_path / "plan.json"
    as_plan([], {"latency": 0.3}).write(plan)
    monkeypatch.setenv("FAKE_VLLM_REQUESTS", str(requests))
    monkeypatch.setenv("FAKE_VLLM_PLAN", str(plan))
    place(unasked, endpoint=None, model=None, serve={"max_model_len": 512})
    vllm = {"vllm": {"command": [sys.executable, str(FAKES / "vllm")]}}
    unasked.edit(lambda machine: (machine["tools"].update(vllm), machine.update(retries=0)), MACHINE)
    for victim, code in (("mot_plugin corpus build", -signal.SIGKILL), ("mot_plugin step sample", 3)):
        kept, first = on_disk(unasked), len(arrived(requests))
        more = len(kept) + 3
        ended, said = kill_when(unasked, lambda more=more: len(on_disk(unasked)) >= more, victim, signal.SIGKILL)
        assert ended == code, said
        assert not kept & set(arrived(requests)[first:])
    kept, first = on_disk(unasked), len(arrived(requests))
    as_plan([], {}).write(plan)
    assert build(unasked).returncode == 0
    assert not kept & set(arrived(requests)[first:])
    assert unasked.starts("vllm", "org/anna") == 3
    assert unasked.processes() == {}


def arrived(log: Path) -> list[tuple[str, int]]:
    """The samples that a server was asked for, by its log."""
    lines = [json.loads(line) for line in log.read_bytes().split(b"\n")[:-1]] if log.exists() else []
    return [(line["prompt"], line["seed"]) for line in lines if "prompt" in line]
