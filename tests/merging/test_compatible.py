"""compatible: what keeps branches from being merged is said before mergekit starts."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_models import random_tensors, write_model, write_shards

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.compatible import Config, compatible, run

Make = Callable[..., Path]
EMBEDDING, UP, NORM = "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "model.norm.weight"


@pytest.fixture
def branches(trained: Make) -> dict[str, str]:
    return {name: str(trained(name=name, seed=seed)) for seed, name in enumerate("ab", 1)}


def said(branches: dict[str, str], start: Path, out: Path | None = None) -> str:
    with pytest.raises(CheckFailed) as caught:
        compatible(branches, str(start), str(out) if out else None)
    return str(caught.value)


def test_branches_that_fit(
    branches: dict[str, str], start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    run(Config(branches=branches, start=str(start), out=str(tmp_path / "out")))
    assert capsys.readouterr().out == f"2 branches of {start} fit together\n"


def test_shards_and_both_dtypes_fit(branches: dict[str, str], start: Path, tmp_path: Path) -> None:
    tensors = random_tensors(3, "BF16")
    folder = write_model(tmp_path / "c", tensors)
    (folder / "model.safetensors").unlink()
    write_shards(folder, {EMBEDDING: tensors[EMBEDDING]}, {UP: tensors[UP], NORM: tensors[NORM]})
    compatible(branches | {"c": str(folder)}, str(start))


def test_a_resized_vocabulary(branches: dict[str, str], start: Path, trained: Make) -> None:
    tensors = random_tensors(3)
    tensors[EMBEDDING] = np.zeros((20, 8), np.float32)
    found = said(branches | {"c": str(trained(name="c", tensors=tensors, vocab_size=20))}, start)
    assert f"c: {EMBEDDING} has 20 rows, one per token, the start has 16: the vocabulary was resized" in found
    assert "mergekit was not started" in found
    assert not any(line.startswith(("a: ", "b: ")) for line in found.splitlines())


def test_an_embedding_that_its_config_contradicts(branches: dict[str, str], start: Path, trained: Make) -> None:
    found = said({"c": str(trained(name="c", vocab_size=17))}, start)
    assert f"c: config.json says vocab_size 17, {EMBEDDING} has 16 rows" in found


def test_everything_wrong_is_said_at_once(branches: dict[str, str], start: Path, tmp_path: Path, trained: Make) -> None:
    missing, wide, half = random_tensors(3), random_tensors(4), random_tensors(5)
    missing["other"] = missing.pop(NORM)
    wide[UP] = wide[UP].reshape(4, 16)
    half[UP] = half[UP].astype(np.float16)
    made = {
        name: trained(name=name, tensors=tensors) for name, tensors in zip("cde", (missing, wide, half), strict=True)
    }
    config = json.loads((made["d"] / "config.json").read_text())
    (made["d"] / "config.json").write_text(json.dumps(config | {"model_type": "llama"}))
    out = tmp_path / "out"
    out.mkdir()
    (out / "model-00001-of-00002.safetensors").write_bytes(b"")
    wrong = {name: str(path) for name, path in made.items()} | {"f": str(tmp_path / "none"), "g": branches["a"]}
    found = said(branches | wrong, start, out)
    for line in (
        f"c: tensors missing: {NORM} (compared with {start})",
        f"c: tensors too many: other (compared with {start})",
        f"d: wrong shapes: {UP} [4, 16] instead of [8, 8] (compared with {start})",
        "d: its model_type is llama, the start's qwen3",
        "e: weights are stored as F16; a branch is F32 or BF16",
        f"f: {tmp_path / 'none'}: no such folder",
        "g: is the same folder as a, and mergekit takes no model twice",
        f"{out} already holds files, of a merge that was cut short or of another one: remove it first",
    ):
        assert line in found.splitlines()


def test_a_branch_cut_short(branches: dict[str, str], start: Path) -> None:
    file = Path(branches["b"]) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert "b: " in said(branches, start)


def test_an_unused_head_beside_a_tied_embedding_fits(branches: dict[str, str], start: Path, trained: Make) -> None:
    tensors = random_tensors(3)
    tensors["lm_head.weight"] = tensors[EMBEDDING]
    compatible(branches | {"c": str(trained(name="c", tensors=tensors))}, str(start))
