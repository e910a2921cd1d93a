"""Step `select`: the paper's rule, ties to the earliest, the best so far carried on."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from mot_plugin.errors import CheckFailed
from mot_plugin.selection import Candidate, Config, run

TASKS = ["aime24", "aime25"]


@pytest.fixture
def candidate(tmp_path: Path):
    """Makes a scored model; its weights file holds its label."""

    def make(label: str, *values: object, round: int | None = None, step: int | None = None) -> Candidate:
        folder = tmp_path / label
        folder.mkdir()
        (folder / "model.safetensors").write_text(label)
        (folder / "config.json").write_text("{}")
        tasks = {
            task: {"metrics": {"score": {"value": value, "stderr": 0.02}}, "problems": 30, "repeats": 16}
            for task, value in zip(TASKS, values, strict=True)
        }
        (folder / "scores.json").write_text(json.dumps({"tasks": tasks}))
        return Candidate(
            label=label, method="MoT", round=round, step=step, model=str(folder), scores=str(folder / "scores.json")
        )

    return make


def choose(out: Path, *candidates: Candidate, previous: Sequence[Path] = (), tasks: list[str] = TASKS) -> dict:
    run(Config(candidates=list(candidates), previous=[str(path) for path in previous], tasks=tasks, out=str(out)))
    return json.loads((out / "choice.json").read_text())


def test_highest_average_wins_and_the_choice_tells_why(tmp_path: Path, candidate) -> None:
    made = [
        candidate("r1", 0.70, 0.60, round=1),
        candidate("r2", 0.72, 0.65, round=2),
        candidate("r3", 0.71, 0.65, round=3),
    ]
    found = choose(tmp_path / "out", *made)
    assert (found["label"], found["method"], found["round"], found["step"]) == ("r2", "MoT", 2, None)
    assert found["average"] == 68.5
    assert found["scores"] == {"aime24": 72.0, "aime25": 65.0}
    assert (found["tasks"], found["metric"]) == (TASKS, "score")
    assert [row["average"] for row in found["considered"]] == [65.0, 68.5, 68.0]
    weights = tmp_path / "out" / "model" / "model.safetensors"
    assert weights.samefile(tmp_path / "r2" / "model.safetensors")


def test_scores_count_as_printed(tmp_path: Path, candidate) -> None:
    """345/480 = 71.875 % prints 71.88, 344/480 prints 71.67: halves up, then the mean of the printed ones, halves up."""
    found = choose(tmp_path / "out", candidate("x", 345 / 480, 344 / 480))
    assert found["scores"] == {"aime24": 71.88, "aime25": 71.67}
    assert found["average"] == 71.78  # 71.775


def test_ties_go_to_the_earliest(tmp_path: Path, candidate) -> None:
    """Equal as printed is equal: the second is higher by less than a printed digit."""
    made = [candidate("early", 0.7, 0.7), candidate("late", 0.700001, 0.700001)]
    assert choose(tmp_path / "out", *made)["label"] == "early"


def test_the_best_so_far_is_carried_on(tmp_path: Path, candidate) -> None:
    choose(tmp_path / "one", candidate("r1", 0.7, 0.7, round=1))
    second = choose(tmp_path / "two", candidate("r2", 0.7, 0.7, round=2), previous=[tmp_path / "one"])
    assert (second["label"], second["round"]) == ("r1", 1)  # a tie: the earlier stays
    assert (tmp_path / "two" / "model" / "model.safetensors").read_text() == "r1"
    third = choose(tmp_path / "three", candidate("r3", 0.7, 0.71, round=3), previous=[tmp_path / "two"])
    assert third["label"] == "r3"
    assert [row["label"] for row in third["considered"]] == ["r1", "r2", "r3"]


def test_the_best_so_far_must_have_been_chosen_the_same_way(tmp_path: Path, candidate) -> None:
    choose(tmp_path / "one", candidate("r1", 0.7, 0.7), tasks=["aime24"])
    with pytest.raises(CheckFailed, match="not by this metric and tasks"):
        choose(tmp_path / "two", candidate("r2", 0.7, 0.7), previous=[tmp_path / "one"])
    with pytest.raises(CheckFailed, match="no such file"):
        choose(tmp_path / "two", candidate("r3", 0.7, 0.7), previous=[tmp_path / "nowhere"])


@pytest.mark.parametrize("value", [None, 43.0, float("nan"), -0.1, "0.4"])
def test_a_score_that_is_no_share(tmp_path: Path, candidate, value: object) -> None:
    with pytest.raises(CheckFailed, match=f"aime25 score is {value}, not a share"):
        choose(tmp_path / "out", candidate("x", 0.5, value))


def test_absent_task_metric_and_model(tmp_path: Path, candidate) -> None:
    made = candidate("x", 0.5, 0.5)
    with pytest.raises(CheckFailed, match="has no task gpqa, only aime24, aime25"):
        choose(tmp_path / "out", made, tasks=["gpqa"])
    with pytest.raises(CheckFailed, match="aime24 has no metric pass, only score"):
        run(Config(candidates=[made], tasks=TASKS, metric="pass", out=str(tmp_path / "out")))
    with pytest.raises(CheckFailed, match="is not there any more"):
        choose(tmp_path / "out", made.model_copy(update={"model": str(tmp_path / "gone")}))


def test_a_choice_needs_something_to_choose_from() -> None:
    with pytest.raises(ValidationError):
        Config(candidates=[], tasks=TASKS, out="out")


def test_the_best_of_several_choices(tmp_path: Path, candidate) -> None:
    """The best STD model is the best of each teacher's best: their checkpoints may be gone by then."""
    choose(tmp_path / "qwq", candidate("qwq 50", 0.7, 0.6, step=50), candidate("qwq 100", 0.6, 0.6, step=100))
    choose(tmp_path / "r1", candidate("r1 50", 0.5, 0.5, step=50), candidate("r1 100", 0.7, 0.7, step=100))
    best = choose(tmp_path / "best", previous=[tmp_path / "qwq", tmp_path / "r1"])
    assert (best["label"], best["step"]) == ("r1 100", 100)
    assert [row["label"] for row in best["considered"]] == ["qwq 50", "qwq 100", "r1 50", "r1 100"]
    assert (tmp_path / "best" / "model" / "model.safetensors").samefile(tmp_path / "r1 100" / "model.safetensors")
    tied = choose(tmp_path / "tied", previous=[tmp_path / "r1", tmp_path / "best"])
    assert tied["label"] == "r1 100"


def test_nothing_to_choose_from() -> None:
    with pytest.raises(ValidationError, match="nothing to choose from"):
        Config(tasks=TASKS, out="out")
