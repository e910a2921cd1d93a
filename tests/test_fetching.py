"""Copies of what the hub has, by the real huggingface_hub in processes of their own, from a hub on this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, serving

from mot_plugin.evals import catalogue
from mot_plugin.tools import lm_eval

pytest.importorskip("datasets")
pytestmark = pytest.mark.contract

CARD = b"---\nlicense: apache-2.0\ntags: [invented]\n---\n# Invented\n"
RECIPE = """\
name: far
student: ./student
source: {hub: org/questions@v1, file: all/rows.jsonl}
sampling: {mode: all, n: 1, temperature: 0.6, top_p: 0.95, top_k: 20, max_tokens: 100}
teachers: {anna: {model: org/anna@main}}
methods: {base: {}}
sft: {template: qwen3, learning_rate: 1.0e-5, cutoff_len: 100}
eval: {tasks: [mot_aime25]}
"""


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def problems(count: int) -> list[dict[str, Any]]:
    return [{"id": f"p{n}", "problem": f"What is {n} plus one?", "answer": str(n + 1)} for n in range(count)]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    from pyarrow import parquet as writer

    file = BytesIO()
    writer.write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


def math500(count: int = 500) -> bytes:
    more = {"subject": "Sums", "level": 1}
    return lines([{**row, **more, "unique_id": row["id"]} for row in problems(count)])


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Both years of AIME at their pinned commits, MATH-500, GPQA that is gated, and a source of problems."""
    repos = {
        "math-ai/aime24": {"README.md": CARD, "data/test-00000-of-00001.parquet": parquet(problems(30))},
        "math-ai/aime25": {"test.jsonl": lines(problems(30))},
        "HuggingFaceH4/MATH-500": {"README.md": CARD, "test.jsonl": math500()},
        "Idavidrein/gpqa": {"gpqa_diamond.csv": b"secret\n"},
        "org/questions": {"README.md": CARD, "all/rows.jsonl": lines(problems(7)), "all/other.jsonl": b"huge"},
    }
    every = catalogue.files()
    with serving(repos, gated={"Idavidrein/gpqa"}) as server:
        for task in ("mot_aime24", "mot_aime25"):
            about = lm_eval.data(task, every)[1]
            server.commits[about["dataset"]] = about["dataset_revision"]
        yield server


def fetch(hub: Hub, folder: Path, *arguments: str, code: int = 0, **more: str) -> tuple[str, str]:
    """What `mot-plugin fetch` says on its two channels."""
    command = [sys.executable, "-m", "mot_plugin", "fetch", *arguments, "--to", "copies"]
    environment = {**hub.environment(folder / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1", **more}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout, ended.stderr.rpartition("error: ")[2]


def test_a_group_and_its_copies(hub: Hub, tmp_path: Path) -> None:
    said, _ = fetch(hub, tmp_path, "mot_aime", "mot_aime24_64", "mot_quickstart")
    first, *rest = said.split("\n")
    assert first.startswith("math-ai/aime24 at 83a7f387baaa (apache-2.0): ")
    assert first.endswith("kB new")
    assert rest[:2] == ["  mot_aime24 reads 30 problems", "  mot_aime24_64 reads 30 problems"]
    assert rest[2].startswith("math-ai/aime25 at 563bb8404243 (its card names no licence): ")
    assert "mot_quickstart: its problems come with mot-plugin" in rest
    assert f"`storage: {{datasets: {tmp_path / 'copies'}}}`" in said
    assert (tmp_path / "copies" / "aime24" / "data" / "test-00000-of-00001.parquet").is_file()
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == ["aime24", "aime25"]
    assert len(hub.downloads()) == 3

    hub.asked.clear()
    again, _ = fetch(hub, tmp_path, "mot_aime", HF_HUB_OFFLINE="1")  # nothing is asked about what is pinned and there
    assert again.count(", nothing new\n") == 2
    assert hub.asked == []

    (tmp_path / "copies" / "aime25" / "test.jsonl").unlink()
    mended, _ = fetch(hub, tmp_path, "mot_aime")
    assert mended.count(", nothing new\n") == 1
    assert hub.downloads() == ["math-ai/aime25 test.jsonl"]


def test_what_cannot_be_had_does_not_stop_the_rest(hub: Hub, tmp_path: Path) -> None:
    said, missing = fetch(hub, tmp_path, "mot_gpqa_diamond", "mot_ceval", "mot_math500", code=1)
    assert "Idavidrein/gpqa: missing, see below\nceval/ceval-exam: missing, see below\n" in said
    assert "HuggingFaceH4/MATH-500 at " in said
    assert ", the newest (apache-2.0): " in said
    assert "  mot_math500 reads 500 problems\n" in said
    head, gated, remedy, unknown = missing.strip().split("\n")
    assert head == "2 of what was asked for is not there"
    assert gated == "mot_gpqa_diamond: Idavidrein/gpqa is gated: its terms must be accepted"
    assert "hf auth login" in remedy
    assert unknown.startswith("mot_ceval: ceval/ceval-exam (revision newest) is not to be had: ")
    assert not (tmp_path / "copies" / "gpqa_diamond").exists()


def test_a_copy_that_its_task_cannot_read(hub: Hub, tmp_path: Path) -> None:
    hub.repos["HuggingFaceH4/MATH-500"]["test.jsonl"] = math500(499)
    _, missing = fetch(hub, tmp_path, "mot_math500", "mot_aime25", code=1)
    assert missing.startswith("1 of what was asked for is not there\nmot_math500 cannot read its copy: ")
    assert "499 rows, but the `test` split of HuggingFaceH4/MATH-500 has 500" in missing

    hub.repos["HuggingFaceH4/MATH-500"]["test.jsonl"] = math500()  # a newer commit
    said, _ = fetch(hub, tmp_path, "mot_math500")
    assert "  mot_math500 reads 500 problems\n" in said


def test_a_download_that_breaks_off_is_no_copy_and_goes_on_later(hub: Hub, tmp_path: Path) -> None:
    hub.broken.add("test.jsonl")
    _, missing = fetch(hub, tmp_path, "mot_math500", code=1, HF_HUB_DOWNLOAD_TIMEOUT="2")
    assert "mot_math500: HuggingFaceH4/MATH-500 (revision newest) is not to be had: " in missing
    assert not (tmp_path / "copies" / "math500").exists()
    hub.broken.clear()
    said, _ = fetch(hub, tmp_path, "mot_math500")
    assert "  mot_math500 reads 500 problems\n" in said
    assert not (tmp_path / "copies" / "math500.part").exists()


def test_without_a_network(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path, "mot_math500")
    _, missing = fetch(hub, tmp_path, "mot_math500", "mot_aime24", code=1, HF_HUB_OFFLINE="1")
    assert f"\n  the copy in {Path('copies') / 'math500'} is as it was" in missing
    assert (
        "mot_aime24: math-ai/aime24 (revision 83a7f387baaa524a8bda0022eac0541582297103) is not to be had: " in missing
    )


def test_what_a_recipe_reads(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(RECIPE.replace("@v1", ""), encoding="utf-8")
    said, _ = fetch(hub, tmp_path, "--recipe", "far.yaml")
    assert "  mot_aime25 reads 30 problems\n" in said
    file = tmp_path / "copies" / "sources" / "questions" / "all" / "rows.jsonl"
    assert f"  7 rows; in far.yaml, instead of `hub`: `source: {{file: {file}}}`\n" in said
    assert "org/questions all/other.jsonl" not in hub.downloads()

    (tmp_path / "far.yaml").write_text(RECIPE, encoding="utf-8")
    _, missing = fetch(hub, tmp_path, "--recipe", "far.yaml", code=1)
    assert "the source: org/questions (revision v1) is not to be had: " in missing


def test_nothing_to_fetch(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path, code=2)[1].startswith("nothing to fetch: name tasks or groups of eval/")
    assert fetch(hub, tmp_path, "mot_aimee", code=2)[1].startswith(
        "no task or group 'mot_aimee', did you mean 'mot_aime'?"
    )
