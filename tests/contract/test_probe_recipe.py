"""A recipe with `probe_loss`, by the real tools: what measures a merged model and what trains from it agree to the last bit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

TOOLS = ("llamafactory-cli", "mergekit-yaml", "lm_eval")
ABSENT = [tool for tool in TOOLS if not (Path(sys.executable).parent / tool).exists()]
RECIPES = Path(__file__).parents[2] / "recipes"
TEACHERS = ("columns", "shifted")

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed in this environment: {', '.join(ABSENT)}"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart, smaller: two teachers, two rounds of two steps, and MTD."""
    place = tmp_path_factory.mktemp("probed")
    recipe = yaml.safe_load((RECIPES / "quickstart.yaml").read_text(encoding="utf-8"))
    traces = {name: str(RECIPES / "quickstart" / "traces" / f"{name}.jsonl") for name in TEACHERS}
    recipe = {key: recipe[key] for key in ("sft", "corpus", "eval")} | {
        "name": "probed",
        "source": {"name": "STORIES"},
        "student": str(RECIPES / "quickstart" / "student"),
        "teachers": {name: {"traces": file} for name, file in traces.items()},
        "methods": {"mot": {"rounds": 2, "steps": 2}, "mtd": {"steps": 4, "save_steps": 4}},
        "global_batch_size": 8,
        "probe_loss": {"teacher": "columns", "every": 1, "rows": 6},
    }
    (place / "probed.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "mot_plugin", "run", "probed.yaml", "--plain"]
    command += ["--machine", str(RECIPES / "machines" / "processor.yaml")]
    ended = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=1500, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place / "runs" / "probed"


def probes(run: Path, step: str) -> dict[int, float]:
    lines = (run / "artifacts" / step / "probe_loss.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["corpus"] for row in rows} == {"columns"}
    return {row["step"]: row["loss"] for row in rows}


def test_a_merged_models_loss_is_the_next_rounds_start(run: Path) -> None:
    merged = probes(run, "mot/round-1/probe-loss")
    assert list(merged) == [0]
    for teacher in TEACHERS:
        branch = probes(run, f"mot/round-2/branches/{teacher}/model")
        assert list(branch) == [0, 1, 2]
        assert branch[0] == merged[0]
    assert probes(run, "mot/round-2/probe-loss")[0] != merged[0]


def test_every_method_starts_at_the_same_loss_on_the_same_rows(run: Path) -> None:
    starts = {probes(run, f"mot/round-1/branches/{teacher}/model")[0] for teacher in TEACHERS}
    starts.add(probes(run, "mtd/train/model")[0])
    assert len(starts) == 1
    assert list(probes(run, "mtd/train/model")) == [0, 1, 2, 3, 4]
    rows = (run / "artifacts" / "probe-loss" / "rows" / "probe.jsonl").read_bytes().splitlines()
    corpus = (run / "artifacts" / "corpus" / "columns" / "corpus.jsonl").read_bytes().splitlines()
    assert len(rows) == 6 and set(rows) < set(corpus)


def test_the_command_of_a_training_can_be_pasted(run: Path) -> None:
    log = (run / "logs" / "mtd" / "train.log").read_text(encoding="utf-8")
    assert "mot-plugin train configs/mtd/train.yaml --probe artifacts/probe-loss/rows --every 1\n" in log
