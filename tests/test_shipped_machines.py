"""The machine files that come with us: each loads, and a recipe of the paper can be planned on each."""

from pathlib import Path

import pytest
import yaml

from mot_plugin import machine as machines
from mot_plugin import run as runs

ROOT = Path(__file__).parents[1] / "recipes"
FILES = sorted((ROOT / "machines").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_recipe_of_the_paper_can_be_planned_on_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = machines.load(file)
    ready = runs.prepare(ROOT / "boba200.yaml", place)
    assert ready.todo
    assert {step.kind: step.gpus for step in ready.plan.steps}["merge"] == 0
    for step in ready.plan.steps:
        assert step.gpus <= place.gpu_count


def test_there_is_one_for_each_executor() -> None:
    assert {machines.load(file).executor for file in FILES} == {"serial", "ray", "slurm"}


def test_a_training_over_two_nodes_has_the_same_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a comment in the file says of it."""
    text = (ROOT / "machines" / "slurm.yaml").read_text(encoding="utf-8")
    comment = next(line for line in text.splitlines() if line.startswith("  # One training over two nodes: "))
    data = yaml.safe_load(text)
    data["steps"]["train"] = yaml.safe_load(comment.partition(": ")[2])
    monkeypatch.chdir(tmp_path)
    Path("two.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    prints = []
    for file in (ROOT / "machines" / "slurm.yaml", Path("two.yaml")):
        plan = runs.prepare(ROOT / "boba200.yaml", machines.load(file)).plan
        training = plan["mot/round-1/branches/qwq"]
        config = yaml.safe_load(next(one for one in training.call.files if one.path.endswith("branches/qwq.yaml")).text)
        prints.append(plan.prints)
        per_step = config["per_device_train_batch_size"] * config["gradient_accumulation_steps"]
        assert per_step * training.gpus * training.nodes == 64
    assert prints[0] == prints[1]
