"""Evaluations by hand: what is evaluated, into which folder, and what runs have answered before. With the fake lm_eval."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_world import World

from mot_plugin import claims, compare, evaluating
from mot_plugin import machine as machines
from mot_plugin.errors import FileError, MissingInput, RunConflict
from mot_plugin.evaluating import Asked
from mot_plugin.report.rounding import average, percent
from mot_plugin.subject import Subject, local, served

CODE = "import sys\nfrom mot_plugin import cli, cli_evaluate\ncli.app.command()(cli_evaluate.evaluate)\nsys.exit(cli.main())"
ASKED = Asked(("mot_quickstart",))


def evaluate(world: World, *arguments: str, code: int = 0) -> tuple[str, str]:
    """What `mot-plugin evaluate` says on its two channels."""
    command = [sys.executable, "-c", CODE, "evaluate", *arguments, "--machine", "machine.yaml"]
    ended = subprocess.run(
        command, cwd=world.root, env=world.environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout, ended.stderr


def tasks_in(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["tasks"]
    return found


def test_what_is_evaluated(tmp_path: Path) -> None:
    for folder in ("runs/tiny/artifacts/base/student/model", "Qwen3-8B", "mine/checkpoint-20"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "runs/tiny/plan.json").write_text("{}", encoding="utf-8")
    run = tmp_path / "runs/tiny"
    assert local(str(run), "base") == Subject("tiny-base", str(run / "artifacts/base/student/model"))
    with pytest.raises(MissingInput, match=r"tiny has no MoT student \(yet\)"):
        local(str(run))
    folder = tmp_path / "Qwen3-8B"
    assert local(str(folder)) == Subject("Qwen3-8B", str(folder))
    assert local(str(tmp_path / "mine/checkpoint-20")).label == "mine-checkpoint-20"
    with pytest.raises(FileError, match=r"--student is one of a run, but .*Qwen3-8B is no run folder"):
        local(str(folder), "STD")
    for name in ("./none", "none", "a/b/c"):
        with pytest.raises(MissingInput, match="no such folder; name a model folder, a run folder, or a hub's"):
            local(name)


@pytest.mark.parametrize("url", ["http://here:1/v1", "http://here:1/v1/", "http://here:1/v1/chat/completions"])
def test_an_endpoint(url: str, tmp_path: Path) -> None:
    subject = served(url, "org/teacher")
    assert subject == Subject("teacher", "org/teacher", "http://here:1/v1/chat/completions")
    config = evaluating.config(subject, ASKED, machines.default(0), tmp_path / "out", concurrent=3)
    assert (config.engine, config.model) == ("local-chat-completions", "org/teacher")
    assert config.place.model_args == {
        "base_url": "http://here:1/v1/chat/completions",
        "num_concurrent": 3,
        "max_length": 40960,
        "max_retries": 8,
        "timeout": 7200,
    }
    assert config.place.store == str(tmp_path / "out" / "kept")


def test_two_evaluations_never_share_a_folder_unasked() -> None:
    one, other = Subject("a b", "/models/a"), Subject("a b", "/others/a")
    machine = machines.default(0)
    outs = [evaluating.config(one, asked, machine, None).out for asked in (ASKED, Asked(("mot_quickstart",), seed=2))]
    outs += [evaluating.config(one, Asked(("mot_quickstart",), limit=8), machine, None).out]
    outs += [evaluating.config(other, ASKED, machine, None).out]
    assert len(set(outs)) == 4
    assert all(Path(out).parent == Path("runs/evaluations").resolve() for out in outs)
    assert all(Path(out).name.startswith("a-b-") for out in outs)
    assert evaluating.config(one, ASKED, machine, None).out == outs[0]


def test_a_folder_is_of_one_evaluation(tmp_path: Path) -> None:
    machine = machines.default(0)
    wanted = evaluating.config(Subject("a", "/models/none"), ASKED, machine, tmp_path / "out")
    with pytest.raises(MissingInput, match="there is no such model folder"):
        evaluating.run(wanted)
    other = evaluating.config(Subject("a", "/models/none"), Asked(("mot_quickstart",), 2), machine, tmp_path / "out")
    with pytest.raises(FileError, match=r"out is of another evaluation \(seed\): name another folder with --out"):
        evaluating.run(other)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(FileError, match="mine has something else in it"):
        evaluating.run(evaluating.config(Subject("a", "/models/none"), ASKED, machine, tmp_path / "mine"))
    with claims.held(tmp_path / "out" / ".claim"), pytest.raises(RunConflict, match="another process evaluates into"):
        evaluating.run(wanted)


@pytest.mark.process
def test_what_a_run_has_answered_is_not_asked_again(finished: World) -> None:
    said, _ = evaluate(finished, "runs/tiny", "--student", "base", "--tasks", "mot_aime", "--out", "base")
    assert finished.starts() == 0
    assert tasks_in(finished.root / "base/scores.json") == tasks_in(
        finished.run_folder / "artifacts/base/evaluate/scores.json"
    )
    assert said.startswith("tiny-base on mot_aime24, mot_aime25; log base/evaluate.log\n")
    assert "mot_aime25" in said
    assert "4 x 16" in said
    base = tasks_in(finished.root / "base/scores.json")
    mean = average([percent(one["metrics"]["score"]["value"]) for one in base.values()])
    assert f"average     {mean} ± " in said
    assert said.endswith("beside another: mot-plugin compare base OTHER\n")

    evaluate(finished, "runs/tiny", "--tasks", "mot_aime24", "--out", "mot")  # a student is a candidate that was scored
    assert finished.starts() == 0
    evaluate(finished, "student", "--tasks", "mot_aime25", "--out", "copy")  # found by its content
    assert finished.starts() == 0
    evaluate(finished, "student", "--tasks", "mot_aime25", "--seed", "2", "--out", "fresh")
    assert finished.starts() == 1
    assert tasks_in(finished.root / "fresh/scores.json") != tasks_in(finished.root / "copy/scores.json")
    evaluate(finished, "student", "--tasks", "mot_aime25", "--seed", "2", "--out", "fresh")
    assert finished.starts() == 1


@pytest.mark.process
def test_a_limited_score_is_never_compared_with_a_whole_one(finished: World) -> None:
    said, _ = evaluate(finished, "student", "--tasks", "mot_aime24", "--limit", "2", "--out", "two")
    assert "mot_aime24 (limited)" in said
    assert "mot_aime24: only the first 2 of 4 problems: it compares with nothing but these 2\n" in said
    evaluate(finished, "student", "--tasks", "mot_aime24", "--out", "four")
    two, four = (json.loads((finished.root / name / "scores.json").read_text()) for name in ("two", "four"))
    with pytest.raises(FileError, match=r"mot_aime24: problems: 2 of 4, 4 of 4"):
        compare.compare(two, four, "two", "four")
    assert compare.compare(two, two, "two", "two")[0].difference.value == 0
    shutil.rmtree(finished.root / "four")
    again, _ = evaluate(finished, "student", "--tasks", "mot_aime24", "--limit", "4", "--out", "four")
    assert "limited" not in again  # there are no more than four


def test_what_a_reader_should_know() -> None:
    def scored(hits: list[list[int]], **more: Any) -> dict[str, Any]:
        metrics = {name: {"value": more.pop(name, default)} for name, default in (("truncated", 0), ("distinct", 1))}
        size = {"problems": len(hits), "problems_available": len(hits), "repeats": len(hits[0])}
        return {**size, "hits": hits, "metrics": metrics, "chance": 0.0, **more}

    good = [[1, 1, 0, 1]] * 20 + [[1, 0, 0, 1]] * 20
    assert list(evaluating.remarks(scored(good))) == []
    assert list(evaluating.remarks(scored(good, truncated=0.051, distinct=0.25))) == [
        "5.1% of the answers were cut off before their thought ended",
        "of 4 answers to a problem only 1.0 differ: is the seed fixed somewhere?",
    ]
    (chance,) = evaluating.remarks(scored([[1], [0], [0], [0], [0]] * 8, chance=0.25, distinct=1))
    assert chance.startswith("within 3 standard errors of guessing (25.0%): ")
    kind, few = "string_match", {"problems_available": 41}
    assert [words.split(":")[0] for words in evaluating.remarks(scored(good, score_kind=kind, **few))] == [
        "only the first 40 of 41 problems",
        "a score of another kind (string_match), not for one column with others",
    ]


@pytest.mark.process
def test_shards_and_an_engine_that_fails(finished: World) -> None:
    finished.fault("lm_eval", "exit1", match="--seed 3", times=1)
    arguments = ("student", "--tasks", "mot_aime24", "--shards", "2", "--out", "two")
    _, wrong = evaluate(finished, *arguments, code=3)
    assert "shard 2 of 2 (mot_aime24)" in wrong
    assert "1 of 2 parts are kept: run again, and only the others are generated" in wrong
    assert not (finished.root / "two" / "scores.json").exists()
    assert finished.starts() == 2
    evaluate(finished, *arguments)
    assert finished.starts() == 3
    scored = tasks_in(finished.root / "two/scores.json")["mot_aime24"]
    assert (scored["repeats"], scored["shards"]) == (16, 2)


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("student",), "no tasks: name some with --tasks"),
        (("--tasks", "mot_aime24"), "name one model: a folder, a run, or a hub's; or --endpoint URL and --model NAME"),
        (("student", "--endpoint", "http://here/v1", "--tasks", "mot_aime24"), "name one model"),
        (("--endpoint", "http://here/v1", "--tasks", "mot_aime24"), "name one model"),
        (("student", "--tasks", "mot_quickstat"), "no task or group 'mot_quickstat', did you mean 'mot_quickstart'?"),
    ],
)
def test_mistakes_are_told(world: World, arguments: tuple[str, ...], said: str) -> None:
    assert said in evaluate(world, *arguments, code=2)[1]
