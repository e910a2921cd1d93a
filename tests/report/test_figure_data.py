"""What figures are drawn from, read from a run folder that is not finished, and from one that is none."""

import json
from pathlib import Path

import pytest

from mot_plugin.errors import FileError
from mot_plugin.report import figure_data
from mot_plugin.report.scores import Checkpoint
from mot_plugin.report.write import Config, Row, Training


def evaluated(folder: Path, name: str, value: float) -> str:
    file = folder / "artifacts" / name / "scores.json"
    file.parent.mkdir(parents=True)
    entry = {
        "problems": 2,
        "repeats": 1,
        "hits": [[1], [0]],
        "doc_hashes": ["a", "b"],
        "metrics": {"score": {"value": value, "stderr": 0.1}, "other": {"value": 0.0, "stderr": 0.0}},
    }
    file.write_text(json.dumps({"tasks": {"t": entry}}), encoding="utf-8")
    return f"artifacts/{name}/scores.json"


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "artifacts/std/model/trainer_log.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text('{"current_steps": 1, "total_steps": 9, "loss": 0.5}\n', encoding="utf-8")
    rows = [
        Row(method="base", scores=evaluated(tmp_path, "base", 0.5), fingerprint="f"),
        Row(method="STD", teacher="qwq", step=9, scores="artifacts/later/scores.json", fingerprint="f"),
        Row(method="MoT", share=0.0, purpose="probe", scores=evaluated(tmp_path, "p", 0.25), fingerprint="f"),
    ]
    trainings = [
        Training(method="STD", teacher="qwq", steps=9, step_name="std", log="artifacts/std/model/trainer_log.jsonl"),
        Training(method="MTD", steps=9, step_name="mtd", log="artifacts/mtd/model/trainer_log.jsonl"),
    ]
    known = {"recipe": "r", "student": "Qwen3-8B", "source": "BOBA-200", "corpora": ["not/there"], "out": "out"}
    config = Config(rows=rows, trainings=trainings, teachers=["qwq"], **known)
    (tmp_path / "configs").mkdir()
    (tmp_path / figure_data.CONFIG).write_text(config.model_dump_json(), encoding="utf-8")
    run, spent = figure_data.read(tmp_path)
    assert (run.name, run.setting, run.teachers) == ("r", "Qwen3-8B on BOBA-200", ("qwq",))
    assert run.board.average(Checkpoint("base")) == 50
    assert [(one.method, one.rows) for one in run.losses] == [("STD", ((1, 0.5),)), ("MTD", ())]
    assert [(score.share, score.metric, score.hits) for score in run.probe] == [(0.0, "score", ((1,), (0,)))]
    assert spent == []


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is not a run folder"):
        figure_data.read(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / figure_data.CONFIG).write_text('{"recipe": 1}', encoding="utf-8")
    with pytest.raises(FileError, match="not written by this version"):
        figure_data.read(tmp_path)
