"""A teacher that is asked in another place: requests out, results in, and a build without any endpoint."""

import random
import subprocess
from pathlib import Path

import pytest
from batch_results import answered, refused, requests, write
from fake_world import World
from live_world import MACHINE, TEACHER, build, corpora, make_live_world, on_disk, place

pytestmark = pytest.mark.process

Ended = subprocess.CompletedProcess[str]


@pytest.fixture
def away(unasked: World) -> World:
    """A world in which nobody says where anna could be asked; she was not asked yet."""
    place(unasked, endpoint=None)
    return unasked


def export(world: World, out: str, *options: str) -> Ended:
    return world.mot("corpus", "export", "tiny.yaml", "anna", "--machine", MACHINE, "--out", out, *options)


def take(world: World, *files: Path, recipe: str = "tiny.yaml") -> Ended:
    return world.mot("corpus", "import", recipe, "anna", *map(str, files), "--machine", MACHINE)


def test_asked_elsewhere_in_two_turns_the_corpora_are_the_same(away: World, built: World) -> None:
    """First one sample of each problem, some of which are refused; then all that is missing. Results come in any order."""
    said = export(away, "first", "--each", "1")
    assert said.returncode == 0, said.stderr
    sent = requests(away.root / "first")
    assert len(sent) == 8
    assert "vllm run-batch -i first/requests-000.jsonl" in said.stdout
    results = [answered(one) for one in sent[2:]] + [refused(sent[0]), refused(sent[1], 500)]
    file = write(away.root / "results-000.jsonl", results)
    assert "6 samples added, 0 were here, failed: http_400 1, http_500 1" in take(away, file).stdout

    unasked = build(away)
    assert unasked.returncode == 3
    assert "prompts lack samples of org/anna@1, and nobody says where it answers" in unasked.stderr

    assert export(away, "second", "--per-file", "7").returncode == 0
    files = sorted((away.root / "second").iterdir())
    assert len(files) > 1
    sent = requests(away.root / "second")
    results = [answered(one) for one in sent]
    random.Random(1).shuffle(results)
    halves = [write(away.root / f"more-{half}.jsonl", results[half::2]) for half in (0, 1)]
    said = take(away, *halves, file)
    assert f"{len(sent)} samples added, 8 were here\n" in said.stdout, "what was refused has been answered meanwhile"
    assert "0 samples added" in take(away, *halves).stdout
    assert "nothing to ask: all samples of anna are here" in export(away, "third").stdout

    ended = build(away)
    assert ended.returncode == 0, ended.stderr
    assert corpora(away) == corpora(built)


def test_what_cannot_be_taken_in(away: World) -> None:
    """Results of another sampling, a broken line, a file that is not there, a folder with requests, no such teacher."""
    assert export(away, "out", "--each", "1").returncode == 0
    results = [answered(one) for one in requests(away.root / "out")]
    file = write(away.root / "results.jsonl", results)

    away.edit(lambda recipe: recipe["sampling"].update(temperature=0.9), to="hot.yaml")
    said = take(away, file, recipe="hot.yaml")
    assert said.returncode == 2
    assert "error: 8 of 8 results answer no request of this recipe" in said.stderr
    assert "Nothing was imported" in said.stderr

    broken = away.root / "broken.jsonl"
    broken.write_bytes(file.read_bytes()[:-20])
    said = take(away, file, broken)
    assert said.returncode == 2
    assert "broken.jsonl:8 is not a result of a batch" in said.stderr
    assert on_disk(away) == set()

    assert take(away, away.root / "no.jsonl").returncode == 6
    again = export(away, "out")
    assert (again.returncode, "holds requests already" in again.stderr) == (2, True)
    said = away.mot("corpus", "export", "tiny.yaml", "bert", "--machine", MACHINE, "--out", "bert")
    assert said.returncode == 2
    assert "no teacher 'bert' that is asked; there are anna" in said.stderr
    assert not (away.root / "bert").exists()


def test_an_export_is_the_first_thing_that_is_done(tmp_path: Path) -> None:
    """In a new world: problems are drawn and the student's tokenizer is fetched, nothing else."""
    world = make_live_world(tmp_path / "world", url=None)
    said = export(world, "requests")
    assert said.returncode == 0, said.stderr
    sent = requests(world.root / "requests")
    assert len(sent) == 8 * 6
    assert {one["body"]["model"] for one in sent} == {"teacher"}, f"the place's name for {TEACHER}"
    assert list(world.done()) == ["base/student", "source/problems"]
    assert world.processes() == {}
