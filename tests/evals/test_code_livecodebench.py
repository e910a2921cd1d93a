"""The scorer and the loader of LiveCodeBench on invented problems: what is stored, what is run, what is refused."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import code_rows
import pytest

from mot_plugin.errors import FileError, MissingInput, MissingTool
from mot_plugin.evals.code import livecodebench, problems
from mot_plugin.evals.code.livecodebench import Grade
from mot_plugin.evals.code.run_tests import key

bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture(autouse=True)
def bench(monkeypatch: pytest.MonkeyPatch) -> problems.Bench:
    """What a process knows before it has loaded anything."""
    new = problems.Bench()
    monkeypatch.setattr(problems, "BENCH", new)
    return new


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    code_rows.write_slice(folder)
    return folder


def load(folder: Path, **more: Any) -> Any:
    return problems.livecodebench(mot_data_dir=str(folder), version=1.0, pretrained="ignored", **more)["test"]


def answer(program: str) -> str:
    return f"<think>Shift it. ```python\nprint(0)\n```</think>\nHere it is:\n\n```python\n{program}\n```\n"


@pytest.fixture
def texts() -> Iterator[list[str]]:
    """Answers to problem 4, one of each kind."""
    right = code_rows.solution(4)
    return [
        answer(right),
        answer(right) + "Done.",
        answer("print(1"),
        answer("1 / 0"),
        answer("print(5)"),
        f"<think>closed</think>{right}",
        f"<think>I write ```python\n{right}\n```",
        f"```python\n{right}\n```",  # a model that does not think
    ]


VERDICTS = ["passed", "passed", "compile_error", "runtime_error", "wrong_answer", "no_code", "truncated", "passed"]
METRICS = {
    "score": 3 / 8,
    "pass_at_k": 1.0,
    "compile_error": 1 / 8,
    "runtime_error": 1 / 8,
    "timeout": 0.0,
    "wrong_answer": 1 / 8,
    "no_code": 1 / 8,
    "truncated": 1 / 8,
    "ungraded": 0.0,
    "distinct": 1.0,
}


def test_docs_are_small_and_plain(folder: Path) -> None:
    docs = load(folder)
    assert len(docs) == 167
    assert docs[4] == {
        "id": "invented_4",
        "problem": "Invented problem 4: shift by 4, please.",
        "starter_code": "",
        "function": "",
        "platform": "atcoder",
        "difficulty": "medium",
        "contest_date": "2024-11-02T00:00:00",
        "tests": 3,
        "tests_digest": docs[4]["tests_digest"],
    }
    assert docs[5]["starter_code"] == code_rows.STARTER.rstrip()
    assert docs[5]["function"] == "twice"
    assert len({doc["tests_digest"] for doc in docs}) == 167
    assert all("304" not in json.dumps(doc) for doc in docs)  # an expected output of problem 4


def test_tests_are_found_again_by_their_digest(folder: Path) -> None:
    docs = load(folder)
    for number in (0, 4, 5, 166):
        cases = problems.tests_for(docs[number]["tests_digest"])
        assert cases.digest == docs[number]["tests_digest"]
        assert cases.cases[2].expected == (f"{2 * (300 + number)}" if number % 2 else f"{300 + number}\n" * 2)


def test_a_subset_keeps_its_strata_and_does_not_depend_on_the_order(folder: Path, tmp_path: Path) -> None:
    some = load(folder, fraction=0.25)
    assert len(some) == 42
    assert len(Counter((doc["platform"], doc["difficulty"]) for doc in some)) == 6
    file = code_rows.write_slice(tmp_path)
    lines = file.read_text(encoding="utf-8").strip().split("\n")
    file.write_text("\n".join(reversed(lines)), encoding="utf-8")
    assert {doc["id"] for doc in load(tmp_path, fraction=0.25)} == {doc["id"] for doc in some}


def test_several_slices(tmp_path: Path) -> None:
    file = code_rows.write_slice(tmp_path)
    rows = [{**code_rows.row(n), "question_id": f"other_{n}"} for n in range(175)]
    (file.parent / "test6.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert len(load(tmp_path, slices=["v5", "v6"])) == 167 + 175


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines[:-1], "166 rows with 166 different question_id; slice v5 has 167"),
        (lambda lines: [*lines[:-1], lines[0]], "167 rows with 166 different"),
        (lambda lines: ["version https://git-lfs.github.com/spec/v1", *lines], "byte 0: not JSON(.|\n)*LFS"),
        (lambda lines: [*lines[:3], lines[3][:-9], *lines[4:]], r"at byte \d+: not JSON(.|\n)*hf download"),
        (lambda lines: [*lines, "[]"], "not a JSON object"),
        (lambda lines: [lines[0].replace("question_id", "x"), *lines[1:]], "row 1: no text in `question_id`"),
        (
            lambda lines: [*lines[:2], lines[2].replace('"gASV', '"AAAA').replace('"eJ', '"xx')],
            "row 3: its hidden tests",
        ),
    ],
)
def test_a_file_that_is_not_the_slice(edit: Any, message: str, tmp_path: Path) -> None:
    file = code_rows.write_slice(tmp_path)
    file.write_text("\n".join(edit(file.read_text(encoding="utf-8").strip().split("\n"))), encoding="utf-8")
    with pytest.raises(FileError, match=message):
        load(tmp_path)


def test_settings_that_are_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"(?s)livecodebench/test5\.jsonl: no such file.*hf download"):
        load(tmp_path)
    with pytest.raises(FileError, match="no slice 'v7', only v1"):
        load(folder, slices=["v7"])
    with pytest.raises(FileError, match="mot_code_unsafe is 'no'"):
        load(folder, mot_code_unsafe="no")


def test_the_hub_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingInput, match=r"(?s)test5\.jsonl of the data set livecodebench/.*mot_data_dir"):
        problems.livecodebench()


@bwrap
def test_grades_of_an_answer_of_each_kind(folder: Path, texts: list[str]) -> None:
    doc = load(folder)[4]
    graded = livecodebench.grades(doc, texts)
    assert [one.verdict for one in graded] == VERDICTS
    assert [one.test for one in graded] == [3, 3, 1, 1, 1, 0, 0, 3]
    assert livecodebench.grade(texts[0], doc) == graded[0]
    assert graded[0] == Grade("passed", 3, key(code_rows.solution(4), doc["tests_digest"]))
    assert livecodebench.hits(doc, texts) == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert livecodebench.metrics(doc, texts) == METRICS
    assert list(METRICS) == list(livecodebench.metrics(doc, texts))


@bwrap
def test_functions_are_called(folder: Path) -> None:
    doc = load(folder)[5]
    right, wrong = (code_rows.solution(n, function=True) for n in (5, 6))
    assert livecodebench.hits(doc, [answer(right), answer(wrong)]) == [1.0, 0.0]


@bwrap
def test_stored_verdicts_are_enough(folder: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample from lm-eval is scored again elsewhere: no tests, no sandbox, the same numbers."""
    doc = load(folder)[4]
    result = livecodebench.process_results(doc, [texts])
    stored = json.loads(json.dumps({**doc, "verdicts": result.pop("verdicts")}))
    assert result == METRICS
    monkeypatch.setattr(problems, "BENCH", problems.Bench())
    monkeypatch.setenv("PATH", "")
    assert livecodebench.metrics(stored, texts) == METRICS
    assert livecodebench.hits(stored, texts) == livecodebench.hits(stored, list(texts))
    assert [asdict(one) for one in livecodebench.grades(stored, texts)] == stored["verdicts"]


def sample(program: str, verdict: str = "passed", digest: str = "0" * 32) -> dict[str, Any]:
    doc = {"id": "a", "tests_digest": digest}
    return {**doc, "verdicts": [{"verdict": verdict, "test": 3, "key": key(program, digest)}]}


def test_a_stored_verdict_holds_for_its_program_and_tests_only() -> None:
    assert livecodebench.hits(sample("print(1)"), [answer("print(1)")] * 2) == [1.0, 1.0]
    for doc, program in (
        (sample("print(1)"), "print(2)"),
        ({**sample("print(1)"), "tests_digest": "1" * 32}, "print(1)"),
        (sample("print(1)", "ungraded"), "print(1)"),
        ({"id": "a", "tests_digest": "0" * 32}, "print(1)"),
    ):
        with pytest.raises(MissingInput, match="cannot be graded"):
            livecodebench.hits(doc, [answer(program)])


def test_answers_without_a_program_need_nothing() -> None:
    doc = {"id": "a", "tests_digest": "0" * 32}
    assert livecodebench.metrics(doc, ["<think>", "prose"]) == {
        **dict.fromkeys(METRICS, 0.0),
        "truncated": 0.5,
        "no_code": 0.5,
        "distinct": 1.0,
    }
    with pytest.raises(ValueError, match="without answers"):
        livecodebench.metrics(doc, [])


def test_one_text_from_a_filter_that_keeps_one() -> None:
    result = livecodebench.process_results({"tests_digest": ""}, ["prose"])
    assert result["no_code"] == 1.0
    assert result["verdicts"] == [{"verdict": "no_code", "test": 0, "key": ""}]
    assert livecodebench.number([result["verdicts"]] * 3) == 3.0


def test_a_file_that_changes_in_between(tmp_path: Path) -> None:
    file = code_rows.write_slice(tmp_path)
    digest = load(tmp_path)[0]["tests_digest"]
    file.write_bytes(file.read_bytes().replace(b"2\\\\n1 1\\\\n", b"2\\\\n7 7\\\\n"))
    with pytest.raises(FileError, match="changed while it was in use"):
        problems.tests_for(digest)


def test_readiness_needs_a_sandbox_or_a_clear_word(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = load(folder)  # the problems alone, as for decontamination, need none
    problems.proof.chosen.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="bubblewrap"):
        problems.ready(docs)
    docs = load(folder, mot_code_unsafe=True, mot_code_workers=1)
    assert problems.ready(docs) is docs
    assert not problems.BENCH.grader().box.sandboxed
    assert problems.BENCH.grader().workers == 1
    assert livecodebench.hits(docs[4], [answer(code_rows.solution(4)), answer("print(1)")]) == [1.0, 0.0]
    problems.proof.chosen.cache_clear()
