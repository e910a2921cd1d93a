"""LoRA branches with the real tools: what is merged is W + (alpha / r) B A of each branch, never the mean of the factors."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mot_plugin.doctor import adapter
from mot_plugin.merging.weights import open_checkpoint

TOOLS = ("llamafactory-cli", "mergekit-yaml", "lm_eval")
ABSENT = [tool for tool in TOOLS if not (Path(sys.executable).parent / tool).exists()]
RECIPES = Path(__file__).parents[2] / "recipes"
TEACHERS = ("columns", "chunks")

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed in this environment: {', '.join(ABSENT)}"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart with adapters: one round of three steps, two teachers, every weight kept."""
    place = tmp_path_factory.mktemp("lora")
    recipe = yaml.safe_load((RECIPES / "quickstart.yaml").read_text(encoding="utf-8"))
    recipe["teachers"] = {
        name: {"traces": str(RECIPES / "quickstart" / "traces" / f"{name}.jsonl")} for name in TEACHERS
    }
    recipe |= {"student": str(RECIPES / "quickstart" / "student"), "global_batch_size": 8}
    recipe["sft"] |= {"finetuning_type": "lora", "lora_rank": 4, "lora_alpha": 16, "lora_target": "all"}
    recipe["sft"]["learning_rate"] = 0.01
    recipe["methods"] = {"mot": {"rounds": 1, "steps": 3}}
    machine = yaml.safe_load((RECIPES / "machines" / "processor.yaml").read_text(encoding="utf-8"))
    (place / "lora.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    (place / "machine.yaml").write_text(yaml.safe_dump(machine | {"storage": {"keep": "all"}}), encoding="utf-8")
    command = [sys.executable, "-m", "mot_plugin", "run", "lora.yaml", "--machine", "machine.yaml", "--plain"]
    ended = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place / "runs" / recipe["name"] / "artifacts"


def factors(branch: Path) -> tuple[dict[str, np.ndarray], float]:
    """Adapter tensors in float32 by name, and the scale alpha / r."""
    adapter = branch / "adapter"
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    raw = (adapter / "adapter_model.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    found = {}
    for name, info in header.items():
        if name != "__metadata__":
            assert info["dtype"] == "F32"
            first, last = info["data_offsets"]
            found[name] = np.frombuffer(raw[8 + size + first : 8 + size + last], "<f4").reshape(info["shape"])
    return found, settings["lora_alpha"] / settings["r"]


def updates(branch: Path) -> dict[str, np.ndarray]:
    """(alpha / r) B A in float64, by the name of the weight that it belongs to."""
    found, scale = factors(branch)
    names = {name.removesuffix(".lora_A.weight") for name in found if name.endswith(".lora_A.weight")}
    assert names
    return {
        name.removeprefix("base_model.model.") + ".weight": scale
        * found[f"{name}.lora_B.weight"].astype(np.float64)
        @ found[f"{name}.lora_A.weight"].astype(np.float64)
        for name in names
    }


@pytest.mark.parametrize("teacher", TEACHERS)
def test_a_branch_is_its_start_plus_the_adapters_update(finished: Path, teacher: str) -> None:
    branch = finished / "mot" / "round-1" / "branches" / teacher
    start, trained = open_checkpoint(str(finished / "base/student/model")), open_checkpoint(str(branch / "model"))
    wanted = updates(branch)
    assert all(np.abs(update).max() > 1e-4 for update in wanted.values())
    for name in start.tensors:
        expected = start.float32(name).astype(np.float64)
        if name in wanted:
            expected = expected + wanted[name].reshape(-1)
        assert np.abs(trained.float32(name) - expected).max() < 2e-6, name


def test_the_doctor_knows_how_much_is_trained(finished: Path) -> None:
    """As many weights as the adapter's file holds."""
    config = json.loads((finished / "base/student/model/config.json").read_text(encoding="utf-8"))
    known = adapter.of_config(config, 4, ["all"])
    found, _ = factors(finished / "mot/round-1/branches" / TEACHERS[0])
    assert known is not None
    assert known.trained == sum(array.size for array in found.values())


def test_the_merge_is_the_mean_of_the_updates_not_of_the_factors(finished: Path) -> None:
    branches = [finished / "mot" / "round-1" / "branches" / teacher for teacher in TEACHERS]
    start = open_checkpoint(str(finished / "base/student/model"))
    merged = open_checkpoint(str(finished / "mot/round-1/merge/model"))
    own = [updates(branch) for branch in branches]
    name = sorted(own[0])[0]
    mean = sum(update[name] for update in own) / len(own)
    found = merged.float32(name) - start.float32(name)
    half_a_step = 2.0**-8 * np.abs(start.float32(name) + mean.reshape(-1)) + 1e-6  # it is stored in bfloat16
    assert (np.abs(found - mean.reshape(-1)) <= half_a_step).all()
    stem = "base_model.model." + name.removesuffix(".weight")
    each = [factors(branch) for branch in branches]
    a, b = (sum(found[f"{stem}.lora_{which}.weight"] for found, _ in each) / len(each) for which in "AB")
    of_factors = each[0][1] * b.astype(np.float64) @ a.astype(np.float64)
    assert np.linalg.norm(of_factors - mean) > 0.1 * np.linalg.norm(mean)
