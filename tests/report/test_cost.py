"""What a checkpoint took: every branch counted, shares of trainings, what is unknown left unknown; and read from a run folder."""

import json
from pathlib import Path

import pytest
from figure_runs import spent

from mot_plugin.report import cost, cost_files
from mot_plugin.report.cost import Spent
from mot_plugin.report.scores import Checkpoint

EACH = 3200 * 9000


@pytest.mark.parametrize(
    ("checkpoint", "steps", "asked", "hours"),
    [
        (Checkpoint("base"), 0, 0, 0),
        (Checkpoint("STD", "QWQ", step=50), 50, 1, 10),
        (Checkpoint("STD", "QWQ", step=250), 250, 1, 50),
        (Checkpoint("MTD", step=250), 250, 4, 50),
        (Checkpoint("MTD-matched", step=500), 500, 4, 100),
        (Checkpoint("MoT", round=1), 200, 4, 40),
        (Checkpoint("MoT", round=5), 1000, 4, 200),
        (Checkpoint("one-shot"), 1000, 4, 200),
    ],
)
def test_all_that_was_done_for_it(checkpoint: Checkpoint, steps: int, asked: int, hours: float) -> None:
    found = cost.of(checkpoint, spent())
    assert found is not None
    assert (found.steps, found.sequences) == (steps, 64 * steps)
    assert found.teacher_tokens == asked * EACH
    assert found.training_tokens == steps * 64 * 9000
    assert found.tokens == found.teacher_tokens + found.training_tokens
    assert found.hours == pytest.approx(hours), "merges ran without a GPU"


def test_what_is_not_known_stays_unknown() -> None:
    some = [Spent("train", "STD", "QWQ", steps=100, sequences=None, tokens=5.0, seconds=3600, gpus=0)]
    found = cost.of(Checkpoint("STD", "QWQ", step=50), some)
    assert found is not None
    assert (found.steps, found.sequences, found.teacher_tokens, found.training_tokens) == (50, None, None, 2.5)
    assert found.tokens is None
    assert found.hours == 0.5, "hours, where there is no GPU"
    assert cost.of(Checkpoint("STD", "other", step=50), some) is None


def test_a_teacher_that_ran_here_counts_with_its_time() -> None:
    asked = Spent("traces", teacher="QWQ", tokens=10.0, seconds=7200, gpus=8)
    trained = [one for one in spent() if one.kind != "traces" or one.teacher != "QWQ"]
    found = cost.of(Checkpoint("STD", "QWQ", step=250), [asked, *trained])
    assert found is not None
    assert found.hours == pytest.approx(50 + 16)


def write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def test_read_from_a_run_folder(tmp_path: Path) -> None:
    root, store = tmp_path / "run", tmp_path / "store"
    names = {
        "corpus/qwq": ("corpus", "data", None, None),
        "corpus/union": ("corpus", "data", None, None),
        "mot/round-1/branches/qwq": ("train", "MoT", "qwq", 1),
        "mot/round-1/merge": ("merge", "MoT", None, 1),
        "std/qwq/train": ("train", "STD", "qwq", None),
        "mtd/train": ("train", "MTD", None, None),
    }
    steps = [
        {"name": name, "kind": kind, "method": method, "teacher": teacher, "round": number, "gpus": 2, "at": 10}
        for name, (kind, method, teacher, number) in names.items()
    ]
    write(root / "plan.json", {"steps": steps})
    for place, name in enumerate(names):
        out = store / str(place) / "out"
        out.mkdir(parents=True)
        state = "running" if name == "mtd/train" else "done"
        went_on = {"resumed": 5} if name == "std/qwq/train" else {}  # half of its ten steps are not in these seconds
        write(out.parent / "record.json", {"state": state, "started": 100.0, "ended": 160.0, **went_on})
        (root / "artifacts" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "artifacts" / name).symlink_to(out)
    summary = {"samples": 40, "kept": 10, "tokens": {"total": 500}}
    write(root / "artifacts/corpus/qwq/summary.json", summary)
    write(root / "artifacts/corpus/union/summary.json", {**summary, "per_teacher": {}})
    write(root / "configs/std/qwq/train.order.json", {"rows": 160})
    (root / "artifacts/mot/round-1/branches/qwq/model").mkdir()
    (root / "artifacts/mot/round-1/branches/qwq/model/trainer_log.jsonl").write_text(
        '{"current_steps": 10, "total_steps": 10, "total_tokens": 777}\n', encoding="utf-8"
    )
    assert cost_files.read(root) == [
        Spent("traces", teacher="qwq", tokens=2000.0, estimated=True),
        Spent("train", "MoT", "qwq", 1, 10, None, 777, 60.0, 2),
        Spent("merge", "MoT", None, 1, seconds=60.0, gpus=2),
        Spent("train", "STD", "qwq", None, 10, 160, 8000.0, 120.0, 2, estimated=True),
    ], "the union is no teacher's, and what still runs took nothing yet"


def test_no_run_folder(tmp_path: Path) -> None:
    assert cost_files.read(tmp_path) == []
