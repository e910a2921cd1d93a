"""`mot-plugin paper` as it is typed."""

import json
from pathlib import Path

from paper_runs import report
from typer.testing import CliRunner

from mot_plugin.cli import app


def test_the_paper_s_own_numbers() -> None:
    done = CliRunner().invoke(app, ["paper", "--tables", "7,13"])
    assert done.exit_code == 0, done.output
    assert done.output.count("**Table ") == 2
    assert "| QWEN3-14B     | -0.21      |" in done.output


def test_runs_into_a_folder(tmp_path: Path) -> None:
    run, out = report(tmp_path / "run"), tmp_path / "out"
    done = CliRunner().invoke(
        app, ["paper", str(run), "--out", str(out), "--against", "none", "--grouping", "corrected"]
    )
    assert done.exit_code == 0, done.output
    assert len(list(out.iterdir())) == 13 * 4 + 3
    assert "paper (measured)" not in (out / "paper.md").read_text(encoding="utf-8")


def test_whole_runs_have_figures_too(tmp_path: Path) -> None:
    run, out = report(tmp_path / "run"), tmp_path / "out"
    rows = []
    for number, teacher in enumerate(("a", "b")):
        hits = [[1, 0], [number, 0]]
        metrics = {"score": {"value": sum(map(sum, hits)) / 4, "stderr": 0.1}}
        entry = {"problems": 2, "repeats": 2, "metrics": metrics, "hits": hits, "doc_hashes": ["x", "y"]}
        (run / f"{teacher}.json").write_text(json.dumps({"tasks": {"mot_aime24": entry}}), encoding="utf-8")
        rows.append(
            {"method": "STD", "teacher": teacher, "step": 50, "scores": f"{teacher}.json", "fingerprint": teacher}
        )
    config = {"recipe": "r", "student": "s", "source": "q", "rows": rows, "corpora": [], "out": "work/report"}
    (run / "configs").mkdir()
    (run / "configs/report.report.json").write_text(json.dumps(config), encoding="utf-8")
    done = CliRunner().invoke(app, ["paper", str(run), "--out", str(out), "--tables", "5"])
    assert done.exit_code == 0, done.output
    assert (out / "figures/figure1.csv").is_file()
    assert "Figure 1: the best teacher is not universal" in (out / "paper.html").read_text(encoding="utf-8")


def test_a_table_that_is_not_there() -> None:
    for given, said in (("14", "no Table 14; there are 1 to 13"), ("one", "takes numbers, got 'one'")):
        done = CliRunner().invoke(app, ["paper", "--tables", given])
        assert done.exit_code != 0
        assert said in str(done.exception)
