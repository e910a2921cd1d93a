"""Step `report` on a run folder, complete and with holes."""

import json
from pathlib import Path
from typing import Any

import pytest

from mot_plugin.errors import FileError
from mot_plugin.report import write

TABLES = ["answers.md", "comparisons.md", "table1.md", "table10.md", "table11.md", "table2.md"]
FILES = sorted([*TABLES, "report.md", "scores.csv", "scores.json", "verdict.md"])


def tasks(hits: list[list[int]]) -> dict[str, Any]:
    value = sum(map(sum, hits)) / len(hits) / len(hits[0])
    metrics = {"score": {"value": value, "stderr": 0.1}, "truncated": {"value": 0.0, "stderr": 0.0}}
    entry = {"problems": len(hits), "repeats": len(hits[0]), "metrics": metrics, "hits": hits, "doc_hashes": ["a", "b"]}
    return {"tasks": {"mot_quickstart": entry}}


@pytest.fixture
def config(tmp_path: Path) -> write.Config:
    for name, hits in (("base", [[0, 1], [0, 0]]), ("mot", [[1, 1], [1, 1]])):
        (tmp_path / f"{name}.json").write_text(json.dumps(tasks(hits)), encoding="utf-8")
    summary = {
        "name": "tiny-one",
        "source": "tiny",
        "teacher": "one",
        "prompts": 4,
        "samples": 8,
        "kept": 3,
        "tokens": {"min": 1, "median": 2, "max": 3, "total": 6},
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    rows = [
        {"method": "base", "scores": str(tmp_path / "base.json"), "fingerprint": "aa"},
        {"method": "MoT", "round": 1, "scores": str(tmp_path / "mot.json"), "fingerprint": "bb"},
        {"method": "MoT", "round": 2, "scores": str(tmp_path / "not-yet.json"), "fingerprint": "cc"},
    ]
    return write.Config.model_validate(
        {
            "recipe": "tiny",
            "student": "Student",
            "source": "tiny",
            "rows": rows,
            "corpora": [str(tmp_path / "summary.json"), str(tmp_path / "lost.json")],
            "out": str(tmp_path / "out"),
        }
    )


def test_files(config: write.Config) -> None:
    write.run(config)
    out = Path(config.out)
    assert sorted(file.name for file in out.iterdir()) == FILES
    assert (out / "scores.csv").read_text(encoding="utf-8") == (
        "method,teacher,round,step,task,metric,value,stderr,problems,repeats,fingerprint,purpose,share\n"
        "base,,,,mot_quickstart,score,0.25,0.1,2,2,aa,main,\n"
        "base,,,,mot_quickstart,truncated,0.0,0.0,2,2,aa,main,\n"
        "MoT,,1,,mot_quickstart,score,1.0,0.1,2,2,bb,main,\n"
        "MoT,,1,,mot_quickstart,truncated,0.0,0.0,2,2,bb,main,\n"
    )
    content = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert content["missing"] == ["MoT round 2"]
    assert [row["value"] for row in content["scores"]] == [0.25, 0.0, 1.0, 0.0]
    text = (out / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# tiny: Student on tiny\n\n* MoT round 1 scores 100.00, Base 25.00: ↑75.00 ± 25.00 points")
    assert "Missing: MoT round 2." in text
    assert f"Missing: {config.corpora[1]}." in text
    for name in ("Table 1:", "Table 2:", "Table 10:", "Table 11:", "tiny-one"):
        assert name in text


def test_the_same_bytes_again(config: write.Config) -> None:
    write.run(config)
    first = {file.name: file.read_bytes() for file in Path(config.out).iterdir()}
    write.run(config)
    assert {file.name: file.read_bytes() for file in Path(config.out).iterdir()} == first
    assert all(text.endswith(b"\n") for text in first.values())


def test_what_the_command_line_prints(config: write.Config) -> None:
    write.run(config)
    text = write.render(Path(config.out))
    assert text.startswith("**Table 2")
    assert "MoT round 1 scores 100.00" in text


def test_nothing_there_yet(config: write.Config, tmp_path: Path) -> None:
    for name in ("base", "mot", "summary"):
        (tmp_path / f"{name}.json").unlink()
    write.run(config)
    text = (Path(config.out) / "report.md").read_text(encoding="utf-8")
    assert "The base has no complete score" in text
    assert "Missing: Base, MoT round 1, MoT round 2." in text


@pytest.mark.parametrize("broken", ["{", "[]", '{"tasks": {"t": {}}}'])
def test_a_file_that_is_something_else(config: write.Config, broken: str) -> None:
    Path(config.rows[0].scores).write_text(broken, encoding="utf-8")
    with pytest.raises(FileError, match=r"base\.json: not"):
        write.run(config)


def test_rows_given_twice_and_unknown_keys_are_refused(config: write.Config) -> None:
    content = config.model_dump()
    with pytest.raises(ValueError, match="given twice: MoT round 1"):
        write.Config.model_validate({**content, "rows": [content["rows"][1]] * 2})
    with pytest.raises(ValueError, match="extra"):
        write.Config.model_validate({**content, "figures": True})
