"""The paper's matrix as recipes: all of it is there, each variant is one line's difference, and what they share is planned once."""

import difflib
import time
from pathlib import Path

import pytest

from mot_plugin import machine as machines
from mot_plugin import materials, recipe, several
from mot_plugin.plan import plan
from mot_plugin.recipe import Recipe
from mot_plugin.step import Plan

ROOT = Path(__file__).parents[1] / "recipes"
PAPER = ROOT / "paper"
FILES = {file.stem: file for file in sorted(PAPER.glob("*.yaml"))}
STUDENTS, SOURCES = ("qwen3-8b", "qwen3-14b", "qwen3-30b-a3b"), ("boba200", "s1k200")
MAIN = [f"{student}-{source}" for student in STUDENTS for source in SOURCES]
TAUGHT = [
    f"{student}-boba200-taught-by-{teacher}-{config}"
    for student, teacher in (("qwen3-8b", "qwen3-14b"), ("qwen3-14b", "qwen3-30b-a3b"))
    for config in ("base", "std", "mot")
]
LINES = {
    "-no-r1": ["-  deepseek-r1: "],
    "-peers": ["-  qwen3-235b: ", "-  deepseek-r1: "],
    "-general": ["+general: "],
    "-probe": ["+probe: "],
    "-one-shot": ["+  one_shot: "],
    "-matched": ["+  matched: "],
}
"""What a variant's lines differ in from its main recipe's, besides title and name."""
QUICK = {
    "-no-shifted": ["-  shifted: ", "-  std: ", "-  mtd: "],
    "-only-columns": ["-  chunks: ", "-  shifted: ", "-  std: ", "-  mtd: "],
    "-general": ["+general: "],
    "-probe": ["+probe: "],
    "-one-shot": ["+  one_shot: "],
    "-matched": ["+  matched: "],
}
MACHINE = machines.default(8)


def planned(file: Path) -> Plan:
    made = recipe.load(file)
    return plan(made, MACHINE, materials.gather(made, file, MACHINE))


def lines(file: Path) -> list[str]:
    """What a recipe says, without its title and its name."""
    return [line for line in file.read_text(encoding="utf-8").split("\n")[1:] if not line.startswith("name: ")]


def difference(one: Path, other: Path) -> list[str]:
    found = list(difflib.unified_diff(lines(one), lines(other), lineterm="", n=0))[2:]
    return [line for line in found if not line.startswith("@@")]


def test_the_whole_matrix_is_there() -> None:
    variants = {f"{main}-general" for main in MAIN} | {f"{student}-boba200-no-r1" for student in STUDENTS}
    variants |= {f"qwen3-8b-{source}-probe" for source in SOURCES} | {"qwen3-30b-a3b-boba200-peers"}
    variants |= {"qwen3-8b-boba200-one-shot", "qwen3-8b-boba200-matched"}
    assert set(FILES) == {*MAIN, *variants, *TAUGHT}
    for name, file in FILES.items():
        assert recipe.load(file).name == name


@pytest.mark.parametrize("name", [name for name in FILES if name not in (*MAIN, *TAUGHT)])
def test_a_variant_is_one_line_s_difference(name: str) -> None:
    main = max((main for main in MAIN if name.startswith(main)), key=len)
    changed = difference(FILES[main], FILES[name])
    expected = LINES[name.removeprefix(main)]
    assert len(changed) == len(expected)
    assert all(line.startswith(start) for line, start in zip(changed, expected, strict=True))


@pytest.mark.parametrize("suffix", QUICK)
def test_so_is_a_variant_of_the_quickstart(suffix: str) -> None:
    changed = difference(ROOT / "quickstart.yaml", ROOT / f"quickstart{suffix}.yaml")
    assert [line[: len(start)] for line, start in zip(changed, QUICK[suffix], strict=True)] == QUICK[suffix]


def test_the_front_door_is_the_first_of_them() -> None:
    for source in SOURCES:
        assert difference(ROOT / f"{source}.yaml", FILES[f"qwen3-8b-{source}"]) == []
        shared = planned(ROOT / f"{source}.yaml").prints
        own = planned(FILES[f"qwen3-8b-{source}"]).prints
        assert {name for name in own if own[name] != shared[name]} == {"ship", "report"}


def test_students_of_one_source_are_trained_alike() -> None:
    """A main recipe's student is all that it has of its own."""
    for source in SOURCES:
        for student in STUDENTS[1:]:
            changed = difference(FILES[f"{STUDENTS[0]}-{source}"], FILES[f"{student}-{source}"])
            assert [line[:10] for line in changed] == ["-student: ", "+student: "]


def test_students_that_teach_are_those_of_the_main_runs() -> None:
    students = {"base": "base", "std": "STD", "mot": "MoT"}
    for name in TAUGHT:
        made = recipe.load(FILES[name])
        teacher, _, config = name.partition("-taught-by-")[2].rpartition("-")
        ((called, taught),) = made.teachers.items()
        assert (called, taught.student) == (f"{teacher}-{config}", students[config])
        assert taught.run == f"../../runs/{teacher}-boba200"
        assert made.methods.std is not None
        assert made.methods.std.steps == 250
        main = recipe.load(FILES[name.partition("-taught-by-")[0]])
        same = Recipe.model_fields.keys() - {"name", "teachers", "methods", "general"}
        assert {key for key in same if getattr(made, key) != getattr(main, key)} == set()


def test_the_matrix_counts_as_the_paper_s() -> None:
    """Its text names no counts; these follow from its tables (reference: 6 MoT runs of 20 branches, 24 STD, 6 MTD, ...)."""
    steps: dict[str, tuple[str, str, str]] = {}
    for name in (*MAIN, *(f"{student}-boba200-no-r1" for student in STUDENTS), "qwen3-30b-a3b-boba200-peers", *TAUGHT):
        made = planned(FILES[name])
        for step in made.steps:
            steps.setdefault(made.prints[step.name], (step.kind, step.method, name))
    trained = [(method, name) for kind, method, name in steps.values() if kind == "train"]
    mains = [method for method, name in trained if name in MAIN]
    assert {method: mains.count(method) for method in set(mains)} == {"MoT": 6 * 20, "STD": 6 * 4, "MTD": 6}
    # The first round's branches of three remaining teachers are the main run's own.
    assert sum(method == "MoT" and name.endswith("-no-r1") for method, name in trained) == 3 * 3 * 4
    assert sum(method == "MoT" and name.endswith("-peers") for method, name in trained) == 2 * 4
    assert sum(name in TAUGHT for _, name in trained) == 6


def test_runs_of_teachers_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT.parent)
    given = several.arrange(list(FILES.values()), MACHINE)
    place = {one.recipe.name: number for number, one in enumerate(given)}
    assert set(place) == set(FILES)
    for name in TAUGHT:
        teacher = name.partition("-taught-by-")[2].rpartition("-")[0]
        assert place[f"{teacher}-boba200"] < place[name]


def test_a_plan_of_all_is_quick() -> None:
    begun = time.process_time()
    for file in FILES.values():
        planned(file)
    taken = time.process_time() - begun
    print(f"{len(FILES)} recipes planned in {taken:.2f} s of processor time")
    assert taken < 0.25 * len(FILES)
