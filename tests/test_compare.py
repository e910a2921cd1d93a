"""Two scores.json side by side: rows, refusals, words, and the command on files and runs."""

import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from mot_plugin import cli_eval, compare
from mot_plugin.errors import FileError
from mot_plugin.evals import levels, paired, statistics
from mot_plugin.step import Plan, Step, arrange
from mot_plugin.tools.call import Call

Content = dict[str, Any]
SIZES = {
    "aime24": (30, 16),
    "aime25": (30, 16),
    "ceval": (1346, 1),
    "gpqa_diamond": (198, 16),
    "ifeval": (541, 1),
    "livecodebench": (167, 16),
    "mmlu_pro": (12032, 1),
    "mmlu_redux": (5700, 1),
    "phybench": (100, 16),
    "simpleqa_judged": (4326, 1),
    "supergpqa": (26529, 1),
}


def entry(task: str, shift: float = 0.0, size: tuple[int, int] = (30, 4), seed: int = 0) -> Content:
    """What step `scores` writes of one task, for a model whose chances lie `shift` above those of all others."""
    n, k = size
    chances = np.random.default_rng(len(task)).beta(1.2, 0.6, size=n)
    random = np.random.default_rng([seed, round(1000 * shift) + 1000])
    hits = (random.random((n, k)) < np.clip(chances + shift, 0, 1)[:, None]).astype(int).tolist()
    return {
        "version": 1.0,
        "problems": n,
        "problems_available": n,
        "repeats": k,
        "metrics": {
            "score": {"value": statistics.mean(hits), "stderr": statistics.clustered_stderr(hits)},
            "truncated": {"value": 0.01, "stderr": 0.001},
        },
        "stderr_sampling": statistics.sampling_stderr(hits),
        "hits": hits,
        "doc_ids": list(range(n)),
        "doc_hashes": [f"{task}-{number}" for number in range(n)],
    }


def scores(*tasks: str, shift: float = 0.0, **more: Any) -> Content:
    return {"tasks": {f"mot_{task}": entry(task, shift, **more) for task in tasks}}


def compared(a: Content, b: Content, **more: Any) -> list[compare.Row]:
    return compare.compare(a, b, "base", "student", **more)


def test_rows_and_their_average() -> None:
    a, b = scores("one", "other"), scores("one", "other", shift=0.3)
    rows = compared(a, b)
    assert [row.title for row in rows] == ["one", "other", "average"]
    pairs = [(b["tasks"][task]["hits"], a["tasks"][task]["hits"]) for task in ("mot_one", "mot_other")]
    for row, (left, right) in zip(rows, pairs, strict=False):
        assert (row.problems, row.repeats) == (30, (4,))
        assert (row.a, row.b) == (levels.level(right), levels.level(left))
        assert row.difference == paired.compared(left, right)
        assert row.verdict == "higher"
    assert rows[-1].difference == paired.averaged(pairs)
    assert rows[-1].b.value == pytest.approx((rows[0].b.value + rows[1].b.value) / 2)
    assert [row.verdict for row in compared(b, a)] == ["lower"] * 3


def test_one_task_needs_no_average() -> None:
    assert [row.task for row in compared(scores("one"), scores("one"))] == ["mot_one"]


def test_a_model_beside_itself() -> None:
    rows = compared(scores("one", "other"), scores("one", "other"))
    assert {row.verdict for row in rows} == {"not distinguishable"}
    assert {row.difference.value for row in rows} == {0}


def test_problems_are_found_again_in_another_order() -> None:
    a, b = scores("one"), scores("one", shift=0.2)
    mixed = copy.deepcopy(b)
    for key in ("hits", "doc_hashes", "doc_ids"):
        mixed["tasks"]["mot_one"][key].reverse()
    assert compared(a, b) == compared(a, mixed)


def test_only_the_tasks_that_are_asked_for() -> None:
    a, b = scores("one", "other", "third"), scores("one", "other", "third", shift=0.1)
    assert [row.title for row in compared(a, b, tasks=["mot_third", "mot_one"])] == ["third", "one", "average"]
    with pytest.raises(FileError, match="base has no task mot_thirt, did you mean 'mot_third'"):
        compared(a, b, tasks=["mot_thirt"])
    with pytest.raises(FileError, match="student has no task mot_third; there are mot_one"):
        compared(a, scores("one"), tasks=["mot_third"])


def test_tasks_of_one_model_alone_are_said() -> None:
    a, b = scores("one", "other"), scores("one", "third")
    rows = compared(a, b)
    assert [row.title for row in rows] == ["one"]
    notes = compare.notes(a, b, "base", "student", rows)
    assert "Only base has mot_other: not compared, not in the average." in notes
    assert "Only student has mot_third: not compared, not in the average." in notes
    with pytest.raises(FileError, match="base and student have no task in common: mot_one; mot_other"):
        compared(scores("one"), scores("other"))


JUDGE = {"model": "judge-a", "wording": 1, "settings": {}, "answered_as": ["judge-a-0301"]}


@pytest.mark.parametrize(
    ("here", "there", "message"),
    [
        ({}, {"version": 2.0}, "one: task version: 1.0, 2.0"),
        ({}, {"score_kind": "string_match"}, "one: kind of score: None, string_match"),
        ({}, {"problems_available": 60}, "one: problems: 30 of 30, 30 of 60"),
        ({"judge": JUDGE}, {}, "one: judge: .*judge-a.*, None"),
        ({"judge": JUDGE}, {"judge": {**JUDGE, "model": "judge-b"}}, "one: judge: .*judge-a.*judge-b"),
        ({}, {"doc_hashes": [f"new-{n}" for n in range(30)]}, "one: different problems: 30 of 30 only in the first"),
    ],
)
def test_what_does_not_compare(here: Content, there: Content, message: str) -> None:
    a, b = scores("one"), scores("one")
    a["tasks"]["mot_one"] |= here
    b["tasks"]["mot_one"] |= there
    with pytest.raises(FileError, match=f"base and student do not compare\n  mot_{message}"):
        compared(a, b)


def test_all_that_does_not_compare_is_said_at_once() -> None:
    a, b = scores("one", "other", "third"), scores("one", "other", "third")
    b["tasks"]["mot_one"]["version"] = 2.0
    b["tasks"]["mot_third"] = entry("third", size=(20, 4)) | {"problems_available": 30}
    with pytest.raises(FileError) as caught:
        compared(a, b)
    assert str(caught.value).split("\n") == [
        "base and student do not compare",
        "  mot_one: task version: 1.0, 2.0",
        "  mot_third: problems: 30 of 30, 20 of 30",
        "  evaluate both with the same tasks, limits and settings",
    ]
    assert [row.task for row in compared(a, b, tasks=["mot_other"])] == ["mot_other"]


LONG, SHORT = {"max_tokens": 38912, "engine": "vllm"}, {"max_tokens": 32768, "engine": "hf"}


def with_settings(*tasks: str, made: Content, **more: Any) -> Content:
    content = scores(*tasks, **more)
    for task in content["tasks"].values():
        task["settings"] = made
    return content


def test_answers_of_another_length_do_not_compare() -> None:
    a, b = with_settings("one", "other", made=SHORT), with_settings("one", "other", made=LONG, shift=0.3)
    with pytest.raises(FileError) as caught:
        compared(a, b)
    assert str(caught.value).split("\n") == [
        "base and student do not compare",
        "  mot_one: max_tokens: 32768, 38912",
        "  mot_other: max_tokens: 32768, 38912",
        "  evaluate both with the same tasks, limits and settings; --anyway shows them all the same, as not comparable",
    ]
    rows = compared(a, b, anyway=True)
    assert [row.verdict for row in rows] == ["not comparable"] * 3
    assert rows[0].difference == compared(scores("one"), scores("one", shift=0.3))[0].difference
    said = compare.sentences(rows, "base", "student")
    assert said[0] == "student and base are not comparable on one: max_tokens: 32768, 38912."
    assert said[2] == "student and base are not comparable on average: max_tokens: 32768, 38912."
    notes = compare.notes(a, b, "base", "student", rows)
    assert notes[-2:] == [
        "one, other: answered differently (engine: hf, vllm).",
        "NOT COMPARABLE: one, other, answered with other settings (max_tokens: 32768, 38912).",
    ]


def test_other_problems_do_not_compare_anyway() -> None:
    a, b = scores("one"), scores("one")
    b["tasks"]["mot_one"]["version"] = 2.0
    with pytest.raises(FileError, match=r"task version: 1.0, 2.0\n  evaluate both .* settings$"):
        compared(a, b, anyway=True)


def test_older_scores_compare_with_a_note() -> None:
    a, b = scores("one"), with_settings("one", made=LONG)
    rows = compared(a, b)
    words = "one: base does not say with which settings it was answered, so they may differ."
    assert words in compare.notes(a, b, "base", "student", rows)
    assert rows[0].unfair == ()


def test_a_judge_may_answer_under_another_name() -> None:
    a, b = scores("one"), scores("one")
    a["tasks"]["mot_one"]["judge"] = JUDGE
    b["tasks"]["mot_one"]["judge"] = JUDGE | {"answered_as": ["judge-a-0417"]}
    assert len(compared(a, b)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "base: not the scores.json of an evaluation .it has no `tasks`"),
        ({"scores": [], "verdict": []}, "base: .*but a report's: name an evaluation's"),
        (
            {"tasks": {"mot_one": {"problems": 3}}},
            "base: not the scores.json of an evaluation\n  mot_one.repeats: Field required",
        ),
        ({"tasks": {"mot_one": entry("one") | {"repeats": 5}}}, "30 problems x 5 answers, but 30 rows of .4. hits"),
        ({"tasks": {"mot_one": entry("one") | {"doc_hashes": []}}}, "and 0 doc_hashes"),
        (
            {"tasks": {"mot_one": entry("one") | {"hits": [[2] * 4] * 30}}},
            "mot_one.hits.0.0: .*less than or equal to 1",
        ),
        ({"tasks": []}, "not the scores.json of an evaluation"),
    ],
)
def test_what_is_no_evaluation(content: Content, message: str) -> None:
    with pytest.raises(FileError, match=message):
        compared(content, scores("one"))


def test_numbers_of_answers_may_differ_and_are_said() -> None:
    a, b = scores("one"), {"tasks": {"mot_one": entry("one", size=(30, 16))}}
    rows = compared(a, b)
    assert rows[0].repeats == (4, 16)
    assert "one: 4 answers to each problem against 16." in compare.notes(a, b, "base", "student", rows)


def test_notes_on_what_is_odd() -> None:
    a, b = scores("one", "other", "third"), scores("one", "other", "third", shift=0.05)
    b["tasks"]["mot_one"]["metrics"]["truncated"]["value"] = 0.123
    b["tasks"]["mot_third"]["chance"] = 0.62
    a["tasks"]["mot_other"]["chance"] = 0.1
    notes = compare.notes(a, b, "base", "student", compared(a, b))
    assert notes[0].startswith("Found with 80 % power, in points: one ")
    assert notes[1:] == [
        "3 tasks are 3 tests: of twenty with no difference, one is called one.",
        "student on one: 12.3% of the answers were cut off before their thought ended.",
        "student on third: within 3 standard errors of guessing (62.0%): "
        "see whether the prompt shows the options and the answers are read.",
    ]


def test_sentences() -> None:
    far = compare.sentences(compared(scores("one", "other"), scores("one", "other", shift=0.3)), "base", "student")
    assert all(said.startswith("student scores ") and " points above base on " in said for said in far)
    assert "on average (95 % interval" in far[-1]
    assert "p < 0.001" in far[-1]
    down = compare.sentences(compared(scores("one", shift=0.3), scores("one")), "base", "student")
    assert "points below base on one" in down[0]
    same = compare.sentences(compared(scores("one"), scores("one")), "base", "student")
    assert same[0].startswith("student and base are not distinguishable on one: 0.00 points (95 % interval -")
    assert same[0].endswith(", p 1.000).")


def eleven(shift: float) -> Content:
    return {"tasks": {f"mot_{task}": entry(task, shift, size, seed=1) for task, size in SIZES.items()}}


def test_the_table_fits_into_100_columns() -> None:
    rows = compared(eleven(0.0), eleven(-0.02))
    text = io.StringIO()
    Console(file=text, width=100).print(cli_eval.table(rows))
    lines = text.getvalue().rstrip("\n").split("\n")
    assert len(lines) == 13  # none is broken into two
    assert lines[0].split() == "task n x k A B B - A p B is".split()
    assert lines[6].startswith("livecodebench    167 x 16   ")
    assert max(len(line.rstrip()) for line in lines) <= 100
    assert not any("…" in line for line in lines)
    assert lines[-1].startswith("average ")
    assert any(line.rstrip().endswith("not distinguishable") for line in lines)


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(cli_eval.compare)
    return app


def leave(folder: Path, content: Content) -> Path:
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_the_command_shows_a_table(tmp_path: Path, command: typer.Typer) -> None:
    a = leave(tmp_path / "first", scores("one", "other"))
    b = leave(tmp_path / "second", scores("one", "other", shift=0.3))
    done = CliRunner().invoke(command, [str(a), str(b / "scores.json")])
    assert done.exit_code == 0, done.output
    lines = done.output.split("\n")
    assert lines[0] == f"A  first  ({a / 'scores.json'})"
    assert lines[1] == f"B  second  ({b / 'scores.json'})"
    assert lines[3].startswith("one ")
    assert lines[3].rstrip().endswith("higher")
    assert "Found with 80 % power" in lines[6]


def test_the_command_for_programs(tmp_path: Path, command: typer.Typer) -> None:
    a = leave(tmp_path / "first", scores("one", "other"))
    b = leave(tmp_path / "second", scores("one", "other", shift=0.3))
    done = CliRunner().invoke(command, [str(a), str(b), "--json", "--tasks", "mot_one, mot_other"])
    found = json.loads(done.output)
    assert list(found) == ["a", "b", "rows", "sentences", "notes"]
    assert [row["task"] for row in found["rows"]] == ["mot_one", "mot_other", None]
    assert found["rows"][0]["verdict"] == "higher"
    assert found["rows"][0]["repeats"] == [4]
    assert set(found["rows"][0]["difference"]) == {"value", "stderr", "low", "high", "p", "exact", "detectable"}
    assert len(found["sentences"]) == 3


def make_run(root: Path) -> Path:
    """A run folder with three evaluations planned, two done."""
    names = ("base/evaluate", "mot/round-1/evaluate", "mot/round-2/evaluate")
    steps = [Step(name, "evaluate", "MoT", Call((), (), ())) for name in names]
    root.mkdir(parents=True)
    (root / "plan.json").write_bytes(pydantic.TypeAdapter(Plan).dump_json(arrange("tiny", steps, {}, {})))
    for name, shift in zip(names[:2], (0.0, 0.1), strict=True):
        leave(root / "artifacts" / name, scores("one", shift=shift))
    return root


def test_evaluations_of_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "tiny")
    done = run / "artifacts" / "mot" / "round-1" / "evaluate" / "scores.json"
    for path in (run / "mot" / "round-1", run / "mot" / "round-1" / "evaluate", done.parent, done):
        assert cli_eval.scores_file(path) == done
    base = cli_eval.scores_file(run / "base")
    assert cli_eval.labels(base, done) == ("base", "mot/round-1")
    assert cli_eval.labels(done, done) == (str(done), str(done))


def test_what_is_no_evaluation_of_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "tiny")
    there = f"no evaluation; there are {run / 'base'}, {run / 'mot/round-1'}$"
    for path in (run, run / "mot" / "round-2", run / "mot" / "round-9"):
        with pytest.raises(FileError, match=there):
            cli_eval.scores_file(path)
    with pytest.raises(FileError, match=r"no scores\.json there: name an evaluation's folder"):
        cli_eval.scores_file(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_file_that_is_no_evaluation(tmp_path: Path, command: typer.Typer, text: str) -> None:
    file = tmp_path / "scores.json"
    file.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(command, [str(file), str(file)])
    assert isinstance(done.exception, FileError)
    assert str(done.exception).startswith(f"{file}: not")
