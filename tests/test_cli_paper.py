"""`mot-plugin paper` as it is typed."""

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
    done = CliRunner().invoke(app, ["paper", str(run), "--out", str(out), "--against", "none", "--groups", "corrected"])
    assert done.exit_code == 0, done.output
    assert len(list(out.iterdir())) == 13 * 4 + 3
    assert "paper (measured)" not in (out / "paper.md").read_text(encoding="utf-8")


def test_a_table_that_is_not_there() -> None:
    for given, said in (("14", "no Table 14; there are 1 to 13"), ("one", "takes numbers, got 'one'")):
        done = CliRunner().invoke(app, ["paper", "--tables", given])
        assert done.exit_code != 0
        assert said in str(done.exception)
