"""Step `problems`: from files to the problems that are asked, with an account of the others."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from corpus_samples import Line, contents, read_jsonl, write_jsonl
from pydantic import ValidationError
from source_samples import BOXED, boba, config, problem, s1k

from mot_plugin.errors import CheckFailed, FileError, MissingInput
from mot_plugin.sources.benchmarks import Benchmark
from mot_plugin.sources.problems import Problem, read_problems
from mot_plugin.sources.step import Config, run


def outcome(made: Config) -> tuple[list[Problem], list[Line], dict[str, Any]]:
    """Problems, what was dropped, and the summary."""
    run(made)
    out = Path(made.out)
    return (
        read_problems(out / "problems.jsonl"),
        read_jsonl(out / "dropped.jsonl"),
        json.loads((out / "summary.json").read_text()),
    )


BOBA = [
    boba(problem(1), "1", name="b"),
    boba(problem(2), "2", name="a"),
    boba(problem(3), name="c"),
    boba(problem(2).upper(), "2", name="d"),
    boba(problem(4).replace("How many are", "How many of them are"), "4", name="e"),
    boba(problem(4), "4", name="f"),
    boba(problem(5), "5", name="g"),
    boba("Sort a list.", task="code", name="h"),
    boba(problem(2), "2", name="a"),
]


def test_a_source_folder(tmp_path: Path) -> None:
    against = write_jsonl(tmp_path / "bench.jsonl", [{"id": 3, "question": problem(5)}, {"problem": "2 + 2?"}])
    made = config(tmp_path, BOBA, format="boba", benchmarks={"bench": str(against)}, license="apache-2.0")
    problems, dropped, summary = outcome(made)

    assert problems == [
        Problem("a", f"{problem(2)} {BOXED}", ("2",)),
        Problem("b", f"{problem(1)} {BOXED}", ("1",)),
        Problem("c", f"{problem(3)} {BOXED}", (), "no_reference"),
        Problem("f", f"{problem(4)} {BOXED}", ("4",)),
    ]
    near = next(line for line in dropped if line["reason"] == "near_duplicate")
    assert 0.95 <= near.pop("share") < 1
    assert dropped == [
        {"stage": "decontaminate", "reason": "exact", "id": "g", "against": "bench:3", "share": 1.0},
        {"stage": "deduplicate", "reason": "duplicate", "id": "d", "against": "a", "share": 1.0},
        {"stage": "deduplicate", "reason": "near_duplicate", "id": "e", "against": "f"},
        {"stage": "identify", "reason": "repeated", "id": "a", "against": "a"},
        {"stage": "read", "reason": "not_math", "where": "rows.jsonl:8"},
    ]
    digest = hashlib.sha256(Path(str(made.rows)).read_bytes()).hexdigest()
    assert summary["benchmarks"]["bench"].pop("sha256")
    assert summary == {
        "source": "TOY-3",
        "hub": None,
        "revision": None,
        "license": "apache-2.0",
        "files": [{"name": "rows.jsonl", "sha256": digest}],
        "format": "boba",
        "seed": 0,
        "sample": None,
        "verify": "answers",
        "unverifiable": {"no_reference": 1},
        "counts": {"rows": 9, "problems": 8, "deduplicated": 5, "decontaminated": 4, "drawn": 4},
        "dropped": {
            "read": {"not_math": 1},
            "identify": {"repeated": 1},
            "deduplicate": {"duplicate": 1, "near_duplicate": 1},
            "decontaminate": {"exact": 1},
        },
        "benchmarks": {"bench": {"problems": 2, "too_short_but_for_copies": 1, "found": {"exact": 1}, "review": []}},
        "ids": ["a", "b", "c", "f"],
    }
    assert str(tmp_path) not in (Path(made.out) / "summary.json").read_text()


ROWS = [{"id": number, "problem": problem(number), "answer": str(number)} for number in range(40)]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "digests"])
def test_the_order_of_rows_and_files_changes_nothing(tmp_path: Path, ids: bool) -> None:  # noqa: FBT001
    rows = ROWS if ids else [{key: value for key, value in row.items() if key != "id"} for row in ROWS]
    rows = [*rows, {**rows[3], "problem": problem(3).upper(), "id": 90}, {**rows[7], "id": 91}, *rows[5:15]]
    first = config(tmp_path / "first", rows, sample=15)
    shuffled = random.Random(1).sample(rows, len(rows))
    folder = tmp_path / "parts"
    write_jsonl(folder / "a.jsonl", shuffled[:20])
    write_jsonl(folder / "b.jsonl", shuffled[20:])
    second = config(tmp_path / "second", folder, sample=15)
    drawn, dropped, summary = outcome(first)
    assert len(drawn) == 15
    assert outcome(second)[:2] == (drawn, dropped)
    again = json.loads((Path(second.out) / "summary.json").read_text())
    assert [file["name"] for file in again.pop("files")] == ["a.jsonl", "b.jsonl"]
    del summary["files"]
    assert again == summary


def test_the_same_config_writes_the_same_bytes(tmp_path: Path) -> None:
    made = config(tmp_path, ROWS, sample=15)
    run(made)
    once = contents(Path(made.out))
    run(made)
    assert contents(Path(made.out)) == once
    assert set(once) == {"problems.jsonl", "dropped.jsonl", "summary.json"}


def test_problems_without_a_reference_stay_or_go(tmp_path: Path) -> None:
    rows = [
        s1k(problem(1), "12"),
        s1k(problem(2), None),
        s1k("Prove that $1 = 1$.", "It is."),
        s1k(problem(3), "\\boxed{4}"),
    ]
    problems, _, summary = outcome(config(tmp_path, rows, format="s1k"))
    assert sorted(str(one.unverifiable) for one in problems) == ["None", "None", "no_reference", "proof"]
    assert summary["unverifiable"] == {"no_reference": 1, "proof": 1}
    problems, dropped, summary = outcome(config(tmp_path, rows, format="s1k", keep_unverifiable=False))
    assert {one.references for one in problems} == {("12",), ("4",)}
    assert sorted(line["reason"] for line in dropped) == ["no_reference", "proof"]
    assert (summary["counts"]["verifiable"], summary["unverifiable"]) == (2, {})


def test_without_any_reference_nothing_can_be_verified(tmp_path: Path) -> None:
    rows = [{"question": problem(number)} for number in range(3)]
    columns = {"problem": "question"}
    with pytest.raises(CheckFailed, match=r"none of 3 problems has a reference \(no_reference 3\)\n.*verify: none"):
        run(config(tmp_path, rows, columns=columns))
    problems, _, _ = outcome(config(tmp_path, rows, columns=columns, verify="none", keep_unverifiable=False))
    assert len(problems) == 3


def test_duplicates_stay_if_they_may(tmp_path: Path) -> None:
    made = config(tmp_path, BOBA, format="boba", deduplicate=False)
    assert [one.id for one in outcome(made)[0]] == ["a", "b", "c", "d", "e", "f", "g"]


def test_too_few_are_told_with_what_became_of_the_others(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        run(config(tmp_path, BOBA, format="boba", sample=6))
    assert str(caught.value) == (
        "TOY-3: 6 problems are wanted, 5 are left\n"
        "  rows                 9\n"
        "  problems             8\n"
        "  deduplicated         5\n"
        "  decontaminated       5\n"
        "  drawn                5\n"
        "  left out, read: not_math 1\n"
        "  left out, identify: repeated 1\n"
        "  left out, deduplicate: duplicate 1, near_duplicate 1"
    )
    assert not (tmp_path / "out").exists()
    assert len(outcome(config(tmp_path, BOBA, format="boba", sample=5))[0]) == 5


def test_rows_of_another_format_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"none of 40 rows is a problem of format s1k \(no_problem 40\)\n.*answer, id, problem$"
    ):
        run(config(tmp_path, ROWS, format="s1k"))


def test_a_benchmark_is_never_passed_over(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"none\.jsonl: no such file"):
        run(config(tmp_path, ROWS, benchmarks={"aime": str(tmp_path / "none.jsonl")}))
    odd = write_jsonl(tmp_path / "odd.jsonl", [{"text": "One?", "answer": "1"}])
    with pytest.raises(FileError, match=r"odd\.jsonl:1: a problem of aime has text in .* there are text, answer"):
        run(config(tmp_path, ROWS, benchmarks={"aime": str(odd)}))


def test_a_task_brings_its_own_problems(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "task.jsonl", [{"id": "x", "problem": problem(3), "answer": 3}])
    benchmark = Benchmark(loader="mot_plugin.evals.loaders.shipped", arguments={"path": str(file)})
    made = config(tmp_path, ROWS, benchmarks={"toy": benchmark})
    problems, dropped, _ = outcome(made)
    assert len(problems) == 39
    assert dropped == [{"stage": "decontaminate", "reason": "exact", "id": "3", "against": "toy:x", "share": 1.0}]


@pytest.mark.parametrize(
    ("benchmark", "error", "said"),
    [
        (Benchmark(loader="None", arguments={}), FileError, "None is no loader of problems"),
        (Benchmark(loader="mot_plugin.evals.loaders.none", arguments={}), FileError, "is no loader of problems"),
        (
            Benchmark(loader="mot_plugin.evals.loaders.aime", arguments={"year": 2024, "mot_data_dir": "nowhere"}),
            MissingInput,
            r"mot_data_dir has no copy of math-ai/aime24: neither nowhere.aime24\.jsonl",
        ),
    ],
)
def test_a_task_without_problems_is_told(
    tmp_path: Path, benchmark: Benchmark, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        run(config(tmp_path, ROWS, benchmarks={"toy": benchmark}))


def test_what_should_be_looked_at_is_listed_if_it_is_drawn(tmp_path: Path) -> None:
    words = problem(100).split()
    mixed = " ".join([*words[:11], "and", *words[12:22], *(f"Why{n}?" for n in range(20))])
    rows = [*ROWS, {"id": "mixed", "problem": mixed, "answer": "1"}]
    against = {"toy": str(write_jsonl(tmp_path / "toy.jsonl", [{"id": "x", "problem": problem(100)}]))}
    problems, _, summary = outcome(config(tmp_path, rows, benchmarks=against))
    assert "mixed" in {one.id for one in problems}
    found = summary["benchmarks"]["toy"]
    assert found["found"] == {"review": 1}
    assert found["review"] == [{"id": "mixed", "against": "x", "share": 0.4118}]
    problems, _, summary = outcome(config(tmp_path, rows, benchmarks=against, sample=3))
    assert "mixed" not in {one.id for one in problems}
    assert summary["benchmarks"]["toy"] == found | {"review": []}


def test_missing_rows_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"none\.parquet: no such file"):
        run(config(tmp_path, tmp_path / "none.parquet"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows": None}, "either rows or hub"),
        ({"hub": "a/b", "file": "c"}, "either rows or hub"),
        ({"rows": None, "hub": "a/b"}, "needs file with hub"),
        ({"file": "c"}, "needs file with hub"),
        ({"format": "bobba"}, "no format 'bobba', did you mean 'boba'?"),
        ({"columns": {"reference": "a"}}, "says not which column"),
        ({"sample": 0}, "greater than 0"),
        ({"smaple": 1}, "Extra inputs"),
    ],
)
def test_impossible_configs(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Config(**(config(tmp_path, Path("x.jsonl")).model_dump() | changed))


def test_a_config_is_json_both_ways(tmp_path: Path) -> None:
    task = Benchmark(loader="a.b", arguments={"year": 2024})
    made = config(tmp_path, Path("x.jsonl"), benchmarks={"a": "b.jsonl", "c": task}, sample=200)
    assert Config.model_validate_json(made.model_dump_json()) == made
