"""`mot-plugin evaluate` with the real lm-eval: the quickstart's student in transformers, and behind two kinds of endpoint."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fault_server import FaultServer
from llama_server import LlamaServer

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.contract

STUDENT = Path(__file__).parents[2] / "recipes" / "quickstart" / "student"
CODE = "import sys\nfrom mot_plugin import cli, cli_evaluate\ncli.app.command()(cli_evaluate.evaluate)\nsys.exit(cli.main())"


def evaluate(folder: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    """What the command says on its two channels about the quickstart's task, from a terminal of 100 columns."""
    command = [sys.executable, "-c", CODE, "evaluate", *arguments, "--tasks", "mot_quickstart"]
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    env |= {"COLUMNS": "100", "NO_PROXY": "*"}
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout, ended.stderr


def scored(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["tasks"]["mot_quickstart"]
    return found


def answers(folder: Path) -> list[list[str]]:
    lines = (folder / "samples_mot_quickstart.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line)["resps"][0] for line in lines]


def test_a_model_folder_and_then_what_is_kept(tmp_path: Path) -> None:
    said, _ = evaluate(tmp_path, str(STUDENT), "--limit", "8")
    (folder,) = (tmp_path / "runs" / "evaluations").iterdir()
    first = scored(folder)
    assert (first["problems"], first["problems_available"], first["repeats"]) == (8, 100, 4)
    head, titles, row, *notes = said.split("\n")
    assert head == f"quickstart-student on mot_quickstart; log {folder.relative_to(tmp_path)}/evaluate.log"
    assert titles.split() == ["task", "score", "n", "x", "k", "truncated", "no", "answer"]
    assert row.startswith("mot_quickstart (limited)  ")
    assert f"{100 * first['metrics']['score']['value']:.2f} ± " in row
    assert "8 x 4" in row
    assert notes[0].startswith("mot_quickstart: only the first 8 of 100 problems")
    assert max(map(len, said.split("\n"))) <= 100

    began = time.monotonic()
    evaluate(tmp_path, str(STUDENT), "--limit", "8", "--out", "again")
    assert time.monotonic() - began < 5  # no engine was started: that alone takes ten seconds
    assert scored(tmp_path / "again") == first
    assert "1 of 1 parts were kept" in (tmp_path / "again" / "evaluate.log").read_text(encoding="utf-8")


def test_requests_to_an_endpoint_and_its_faults(fault_server: FaultServer, tmp_path: Path) -> None:
    where = ("--endpoint", fault_server.url, "--model", "teacher", "--limit", "4", "--out", "out")
    fault_server.plan(right=1.0, unboxed=0.0, cut=0.0)
    said, _ = evaluate(tmp_path, *where)
    asked = [request["body"] for request in fault_server.requests()]
    assert len(asked) == 4 * 4
    assert {json.dumps({**body, "messages": None}, sort_keys=True) for body in asked} == {
        json.dumps(
            {
                "messages": None,
                "model": "teacher",
                "max_tokens": 160,
                "temperature": 0.6,
                "top_p": 0.95,
                "top_k": 20,
                "seed": None,  # lm-eval's own would be the same in every request
                "stop": [],
            },
            sort_keys=True,
        )
    }
    # This server gives equal requests equal answers, as one with a fixed seed does.
    assert "mot_quickstart: of 4 answers to a problem only 1.0 differ: is the seed fixed somewhere?" in said
    evaluate(tmp_path, *where)
    assert len(fault_server.requests()) == len(asked)  # kept in the folder itself
    evaluate(tmp_path, *where[:-1], "other")
    assert len(fault_server.requests()) == 2 * len(asked)  # and nowhere else: who knows what answers there now

    once = len(fault_server.requests())
    fault_server.plan([{"fault": "500"}], right=1.0)  # every prompt once
    evaluate(tmp_path, *where[:-1], "mended")
    assert len(fault_server.requests()) > once + len(asked)


def test_a_real_server_gives_four_answers_of_its_own(llama_teacher: LlamaServer, tmp_path: Path) -> None:
    where = ("--endpoint", llama_teacher.url, "--model", "student", "--concurrent", "4")
    evaluate(tmp_path, *where, "--limit", "8", "--out", "out")
    given = answers(tmp_path / "out")
    assert [len(texts) for texts in given] == [4] * 8
    # There are few ways to think about a short sum, so some are alike by chance; with one seed each four would be.
    different = sum(len(set(texts)) for texts in given)
    assert different > 16
    assert all("</think>" in text for texts in given for text in texts if "boxed" in text)
    assert scored(tmp_path / "out")["metrics"]["distinct"]["value"] == pytest.approx(different / 32)
