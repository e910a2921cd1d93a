"""Whole runs with a teacher that is asked: what is asked for, what is shared and kept, and what makes it stale."""

import contextlib
import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_world import World, copy_world, wait_for, write_traces
from fault_server import FaultServer
from live_world import (
    CONCURRENCY,
    DATA,
    MACHINE,
    NOWHERE,
    SAMPLING,
    asked,
    build,
    corpora,
    kill_when,
    make_live_world,
    on_disk,
    place,
    process_of,
    start_build,
    write_rows,
    write_sums,
)

from mot_plugin import machine as machines
from mot_plugin import shipped
from mot_plugin.run import Prepared, prepare

pytestmark = pytest.mark.process

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def made(built: World, tmp_path: Path, fault_server: FaultServer) -> Iterator[World]:
    """A copy of the world whose corpora are made, with a server of its own that nobody has asked yet."""
    world = copy_world(built, tmp_path / "world")
    place(world, endpoint=fault_server.url)
    yield world
    world.end_all()


@pytest.fixture
def live(tmp_path: Path, fault_server: FaultServer) -> Iterator[World]:
    """A new world."""
    world = make_live_world(tmp_path / "world", fault_server.url)
    yield world
    world.end_all()


def prepared(world: World, recipe: str = "tiny.yaml") -> Prepared:
    """The plan and what is done of it, in this process: `plan` as a command takes half a second."""
    with contextlib.chdir(world.root):
        return prepare(Path(recipe), machines.load(Path(MACHINE)))


def steps_of(world: World, recipe: str = "tiny.yaml") -> dict[str, str]:
    """State of each step."""
    return {name: status.state for name, status in prepared(world, recipe).found.items()}


def test_corpus_build_stops_before_the_first_training(built: World) -> None:
    assert list(built.done()) == DATA
    assert built.log() == [], "no tool was started"
    assert not (built.run_folder / "report").exists()
    rows = [json.loads(line) for line in corpora(built)["corpus/anna/provenance.jsonl"].split(b"\n")[:-1]]
    assert 4 < len(rows) <= 8
    assert {row["id"] for row in rows} <= {f"s{number}" for number in range(10)}


def test_a_second_build_asks_nothing_even_if_it_could_not(made: World, fault_server: FaultServer) -> None:
    place(made, endpoint=NOWHERE, api_key_env="A_KEY_THAT_IS_NOT_SET")
    again = build(made)
    assert (again.returncode, again.stderr) == (0, "")
    assert "everything is done" in again.stdout
    assert fault_server.requests() == []


def test_other_recipes_share_samples_and_steps(made: World, fault_server: FaultServer) -> None:
    before = on_disk(made)

    def build_other(name: str, change: Change) -> tuple[int, set[str]]:
        """How many requests a changed recipe takes, and which steps it does not share."""
        first = len(fault_server.requests())
        made.edit(lambda recipe: (recipe.update(name=name), change(recipe)), to=f"{name}.yaml")
        anew = {step for step, state in steps_of(made, f"{name}.yaml").items() if state == "todo"} & set(DATA)
        ended = build(made, f"{name}.yaml")
        assert ended.returncode == 0, ended.stderr
        repeated = [sample for sample, times in asked(fault_server, first).items() if times > 1]
        assert repeated == []
        return len(fault_server.requests()) - first, anew

    assert build_other("std", lambda recipe: recipe["methods"].update(std={"steps": 2, "save_steps": 2})) == (0, set())

    count, anew = build_other("more", lambda recipe: recipe["source"].update(sample=10))
    assert count > 0
    assert {request["prompt"].split("\n")[0] for request in fault_server.requests()} == the_other_two(made)
    assert anew == set(DATA) - {"base/student"}

    count, anew = build_other("every", lambda recipe: recipe["sampling"].update(mode="all"))
    assert count == 8 * SAMPLING["n"] - len(before)
    assert anew == {"traces/anna", "corpus/anna"}
    assert not before & set(asked(fault_server)), "what was there is not asked for again"

    count, anew = build_other("hot", lambda recipe: recipe["sampling"].update(temperature=0.9))
    assert count >= 8
    assert {request["body"]["temperature"] for request in fault_server.requests()[-count:]} == {0.9}
    assert anew == {"traces/anna", "corpus/anna"}
    assert steps_of(made)["traces/anna"] == "done"


def the_other_two(world: World) -> set[str]:
    """The problems that eight of ten leave out."""
    lines = corpora(world)["source/problems/problems.jsonl"].split(b"\n")[:-1]
    return {f"What is {n} + 1?" for n in range(10)} - {json.loads(line)["problem"] for line in lines}


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (MACHINE, {"endpoint": "https://elsewhere.example/v1"}),
        (MACHINE, {"concurrency": 64, "attempts": 1, "timeout_seconds": 5.0, "backoff_seconds": 3.0}),
        (MACHINE, {"api_key_env": "A_KEY_THAT_IS_NOT_SET"}),
        (MACHINE, {"model": "another-name", "body": {"reasoning_format": "none"}}),
        (MACHINE, {"endpoint": None, "server": ["llama-server", "{model}", "{port}"]}),
        (MACHINE, {"endpoint": None, "serve": {"max_model_len": 4096}}),
        (MACHINE, {"endpoint": None}),
        ("tiny.yaml", {"max_tokens_total": 10}),
    ],
)
def test_where_a_teacher_answers_makes_nothing_stale(made: World, file: str, change: dict[str, Any]) -> None:
    before = steps_of(made)
    assert {before[name] for name in DATA} == {"done"}
    if file == MACHINE:
        place(made, **change)
    else:
        made.edit(lambda recipe: recipe["sampling"].update(change))
    assert steps_of(made) == before


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (lambda recipe: recipe["sampling"].update(max_tokens=200), {"traces/anna", "corpus/anna"}),
        (lambda recipe: recipe["sampling"].update(extra={"min_p": 0.1}), {"traces/anna", "corpus/anna"}),
        (lambda recipe: recipe["teachers"]["anna"].update(prompt="Now: {problem}"), {"traces/anna", "corpus/anna"}),
        (lambda recipe: recipe["teachers"]["anna"].update(model="org/anna@2"), {"traces/anna", "corpus/anna"}),
        (lambda recipe: recipe.update(seed=5), set(DATA) - {"base/student"}),
        (lambda recipe: recipe["source"].update(name="OTHER"), set()),
    ],
)
def test_what_is_asked_makes_it_stale(made: World, change: Change, stale: set[str]) -> None:
    made.edit(change)
    assert {name for name, state in steps_of(made).items() if state == "todo"} & set(DATA) == stale


def test_the_place_of_the_benchmarks_makes_nothing_stale(live: World) -> None:
    """Where a copy of the benchmarks lies, or whether the hub has it, is no difference of science."""
    live.edit(lambda recipe: recipe["source"].update(decontaminate=["mot_aime24"]))

    def prints(datasets: str | None) -> dict[str, str]:
        live.edit(lambda machine: machine["storage"].update(datasets=datasets), MACHINE)
        return dict(prepared(live).plan.prints)

    assert prints("here") == prints("there") == prints(None)


def test_killed_in_the_middle_nothing_is_asked_twice(live: World, slow: World, fault_server: FaultServer) -> None:
    """The driver, the supervisor and the step itself, each in the middle of sampling; the last is tried again at once."""
    longer(live)
    fault_server.plan(latency=0.12, jitter=0.08, right=0.3)

    victims = ("mot_plugin corpus build", "mot_plugin exec", "mot_plugin step sample")
    for words in victims:
        first, kept = len(fault_server.requests()), on_disk(live)
        code, said = kill_when(
            live, lambda first=first: len(fault_server.requests()) >= first + 7, words, signal.SIGKILL
        )
        again = set(asked(fault_server, first))
        assert not again & kept
        assert len(on_disk(live)) >= len(kept) + 7 - CONCURRENCY
        if words != victims[-1]:
            assert code == (-signal.SIGKILL if words == victims[0] else 3), said
            assert "corpus/anna" not in live.done()
    assert code == 0, said
    repeated = {sample: times for sample, times in asked(fault_server).items() if times > 1}
    assert sum(times - 1 for times in repeated.values()) <= len(victims) * CONCURRENCY, "what was under way"
    assert corpora(live) == corpora(slow)
    assert set(asked(fault_server)) == on_disk(slow)


def longer(world: World) -> None:
    """More problems, for a sampling that can be killed several times; one digit more makes no duplicate here."""
    write_sums(world, range(20))
    world.edit(lambda recipe: recipe["source"].update(sample=16, deduplicate=False))


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What the world of the kills leaves when nobody disturbs it."""
    folder = tmp_path_factory.mktemp("slow")
    with FaultServer(folder / "server") as server:
        server.plan(right=0.3)
        world = make_live_world(folder / "world", server.url)
        longer(world)
        ended = build(world)
        assert ended.returncode == 0, ended.stderr
        return world


def test_a_benchmarks_problem_is_dropped_before_anybody_is_asked(live: World, fault_server: FaultServer) -> None:
    planted = json.loads(shipped.path("recipes", "quickstart", "problems.jsonl").read_bytes().split(b"\n")[1])
    row = {"id": "copied", "question": planted["problem"].upper(), "answer": f"#### {planted['answer']}"}
    sums = [json.loads(line) for line in (live.root / "sums.jsonl").read_bytes().split(b"\n")[:-1]]
    write_rows(live.root / "sums.jsonl", [*sums[:3], row])
    live.edit(lambda recipe: recipe["source"].update(sample=None, decontaminate=["mot_quickstart"]))
    ended = build(live)
    assert ended.returncode == 0, ended.stderr
    dropped = [json.loads(line) for line in corpora(live)["source/problems/dropped.jsonl"].split(b"\n")[:-1]]
    assert [(one["stage"], one["id"], one["against"]) for one in dropped] == [
        ("decontaminate", "copied", f"mot_quickstart:{planted['id']}")
    ]
    assert "3 of 4 rows" in ended.stdout
    assert {request["prompt"].split("\n")[0] for request in fault_server.requests()} == {
        one["question"] for one in sums[:3]
    }


def test_without_the_benchmarks_nobody_is_asked(live: World, fault_server: FaultServer) -> None:
    """No `decontaminate`: the tasks of the recipe's own evaluation, and their data is not there."""
    (live.root / "benchmarks").mkdir()
    live.edit(lambda recipe: recipe["source"].pop("decontaminate"))
    live.edit(lambda machine: machine["storage"].update(datasets="benchmarks"), MACHINE)
    ended = build(live)
    assert ended.returncode == 3
    assert "source/problems" in ended.stderr.split("\n")[0]
    assert str(live.root / "benchmarks" / "aime24") in ended.stderr, "the file that should be there"
    assert fault_server.requests() == []
    assert "traces/anna" not in live.records()


def test_recorded_traces_answer_the_sources_problems_and_are_judged_by_its_references(live: World) -> None:
    """Other ids, other spaces and case, a wrong reference, a problem that the source has not."""
    file = live.root / "bert.jsonl"
    write_traces(file, "bert", prompts=12)
    rows = [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
    rows[2]["problem"] = "  what IS 2 +   1?"
    rows[3]["reference"] = "999"
    rows[4]["samples"] = [{"text": "<think>\nno\n</think>\n\n\\boxed{999}"}]
    rows[4]["reference"] = "999"
    write_rows(file, [row | {"id": f"theirs-{99 - number}"} for number, row in enumerate(rows)])
    live.edit(lambda recipe: recipe["source"].update(sample=None))
    live.edit(lambda recipe: recipe["teachers"].pop("anna"))
    ended = build(live)
    assert ended.returncode == 0, ended.stderr
    folder = live.run_folder / "artifacts" / "corpus" / "bert"
    origins = [json.loads(line) for line in (folder / "provenance.jsonl").read_bytes().split(b"\n")[:-1]]
    wanted = [n for n in range(10) if n != 4]
    assert [(one["id"], one["references"]) for one in origins] == [(f"s{n}", [str(n + 1)]) for n in wanted]
    texts = [
        json.loads(line)["messages"][0]["content"] for line in (folder / "corpus.jsonl").read_bytes().split(b"\n")[:-1]
    ]
    assert [text.split("\n")[0] for text in texts] == [f"What is {n} + 1?" for n in wanted]
    summary = json.loads((folder / "summary.json").read_bytes())
    assert (summary["prompts"], summary["kept"], summary["not_in_source"]) == (10, 9, 2)
    assert summary["dropped"] == {"no_correct_sample": 1}


def test_the_view_of_a_sampling_that_goes_on(live: World, fault_server: FaultServer) -> None:
    """Also before the first problem is done: nobody is right here, so each takes six samples."""
    fault_server.plan(latency=0.4, right=0)
    process = start_build(live)
    seen = []

    def told() -> bool:
        assert process.poll() is None, process.communicate()
        if not (live.run_folder / "plan.json").is_file() or not process_of(live, "step sample"):
            return False
        said = live.mot("status", "runs/tiny", "--json")
        row = next(row for row in json.loads(said.stdout)["steps"] if row["name"] == "traces/anna")
        seen.append((row["state"], row["what"]))
        return bool(row["what"] != "working")

    wait_for(told, seconds=30)
    assert {state for state, _ in seen} <= {"running"}
    assert re.fullmatch(r"0 of 8 prompts, 0 kept, \w+ \d+.*; \d+ tok/s", seen[-1][1])
    progress = json.loads((live.run_folder / "work" / "traces" / "anna" / "progress.json").read_text())
    assert 0 < progress["asked"] < 48
    assert progress["prompts"] == 8
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert live.processes() == {}
