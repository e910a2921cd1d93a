"""`mot-plugin corpus build` and `show` in processes of their own: cards follow the recipe, and one can look at what is there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fake_world import World, make_world

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two teachers: anna errs at two of six sums, bert at all of them, so that bert has no corpus and the run no end."""
    world = make_world(tmp_path_factory.mktemp("corpora") / "world", rounds=1)
    for teacher, right in (("anna", 4), ("bert", 0)):
        file = world.root / f"{teacher}.jsonl"
        rows = [json.loads(row) for row in file.read_text(encoding="utf-8").split("\n") if row]
        for row in rows[right:]:
            row["reference"] = "-1"
        rows[0]["samples"].append({"text": "<think>[bold]and so on", "finish_reason": "length"})
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ended = world.mot("corpus", "build", "tiny.yaml", "--machine", "machine.yaml")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "corpus/bert" in ended.stderr
    yield world
    world.end_all()


def said(world: World, *arguments: str) -> str:
    ended = world.mot("corpus", "show", "runs/tiny", *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    return ended.stdout


def refused(world: World, code: int, *arguments: str) -> str:
    ended = world.mot("corpus", "show", "runs/tiny", *arguments)
    assert (ended.returncode, ended.stdout) == (code, ""), ended.stdout + ended.stderr
    return ended.stderr


def test_the_corpora_that_are_there(built: World) -> None:
    rows = [row.split() for row in said(built).split("\n")]
    assert rows[2][:9] == ["anna", "4", "of", "6", "13", "wrong", "4,", "truncated", "1"]
    assert rows[3] == ["bert", "not", "there", "yet"]


def test_one_teacher_s_prompts(built: World) -> None:
    text = said(built, "anna")
    assert text.startswith("anna on SUMS: 4 of 6 prompts kept\n")
    rows = {row.split()[0]: row.split()[1:] for row in text.split("\n\n")[1].split("\n")}
    assert rows["p4"] == ["xx", "no_correct_sample", "What", "is", "4", "+", "1?"]
    assert sorted(rows["p0"][0]) == sorted("✓+…")
    assert "Its boxed answer is not the reference." in text


def test_one_prompt(built: World) -> None:
    kept = said(built, "anna", "--id", "p1")
    assert kept.startswith("anna p1\nWhat is 1 + 1?\nreference 2\n")
    assert ", correct, kept ──\n<think>\nanna adds 1, way " in kept
    assert "── sample 2, truncated ──\n<think>[bold]and so on\n" in said(built, "anna", "--id", "p0", "--sample", "2")


def test_prompts_by_reason(built: World) -> None:
    text = said(built, "anna", "--rejected", "wrong")
    assert text.startswith("anna on SUMS: 2 of 6 prompts with wrong\n")
    assert "\nanna p4\nWhat is 4 + 1?\n" in text
    assert "── sample 0, wrong ──" in text


def test_mistakes_are_named(built: World) -> None:
    assert refused(built, 2, "ana") == "error: runs/tiny has no teacher 'ana', did you mean 'anna'?\n"
    assert refused(built, 2, "zoe") == "error: runs/tiny has no teacher 'zoe'; there are anna, bert\n"
    assert "runs/tiny/artifacts/corpus/bert: not there yet; `mot-plugin corpus build" in refused(built, 6, "bert")
    assert "no prompt has the id 'pp1', did you mean 'p1'?" in refused(built, 2, "anna", "--id", "pp1")
    assert "6 ids begin with 'p' (p0, p1, p2, p3, p4, ...)" in refused(built, 2, "anna", "--id", "p")
    assert "p1 has 2 samples, counted from 0" in refused(built, 2, "anna", "--id", "p1", "--sample", "2")
    assert "name that with --id" in refused(built, 2, "anna", "--sample", "0")
    assert "give one of them" in refused(built, 2, "anna", "--id", "p1", "--rejected", "wrong")
    assert "name its teacher after the run" in refused(built, 2, "--id", "p1")
    assert "nothing was rejected as 'wring', did you mean 'wrong'?" in refused(built, 2, "anna", "--rejected", "wring")
    ended = built.mot("corpus", "show", ".")
    assert (ended.returncode, ended.stderr.split(":")[1]) == (2, " . is not a run folder")


def test_cards_follow_the_recipe_and_nothing_else_does(world: World) -> None:
    world.edit(lambda recipe: recipe["methods"].update(mtd={"steps": 2, "save_steps": 2}))
    build = ("corpus", "build", "tiny.yaml", "--machine", "machine.yaml")
    assert world.mot(*build).returncode == 0
    card = world.run_folder / "artifacts" / "corpus" / "anna" / "README.md"
    union = card.parents[1] / "union" / "README.md"
    assert "\nlicense: unknown\n" in card.read_text(encoding="utf-8")
    assert "has the rows of all teachers: look at the corpus of one, anna or bert" in refused(world, 2, "union")
    assert [row.split()[0] for row in said(world).split("\n")[2:5]] == ["anna", "bert", "union"]

    before = world.done()
    world.edit(lambda recipe: recipe["source"].update(license="mit", name="ADDITIONS"))
    world.edit(lambda recipe: recipe["teachers"]["anna"].update(license="apache-2.0"))
    ended = world.mot(*build)
    assert (ended.returncode, "everything is done" in ended.stdout) == (0, True)
    assert world.done() == before
    front = yaml.safe_load(card.read_text(encoding="utf-8").split("---\n")[1])
    assert front["license"] == ["apache-2.0", "mit"]
    assert front["pretty_name"] == "ADDITIONS-ANNA"
    assert "* traces of bert: **unknown**" in union.read_text(encoding="utf-8")
    assert yaml.safe_load(union.read_text(encoding="utf-8").split("---\n")[1])["license"] == "unknown"
    again = card.stat().st_mtime_ns
    assert world.mot(*build).returncode == 0
    assert card.stat().st_mtime_ns == again
    assert not list(Path(card.parent).glob(".*"))
